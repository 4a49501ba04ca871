"""Live frames on a GPU: the composites of the CPU's pipeline, and each frame goes there and comes back once."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

from host_kernels import HostPlatform  # noqa: E402
from reference_device import ReferenceDevice, bright  # noqa: E402
from streamseg.pipelines.live import LivePipeline, LiveSettings  # noqa: E402
from streamseg.pipelines.stages.gpu import gpu_stages  # noqa: E402
from streamseg.pipelines.stages.live.gpu import GPUStages  # noqa: E402
from streamseg.pipelines.stages.live_background import LiveBackground  # noqa: E402
from streamseg.pipelines.stages.options import Matting  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from streamseg.device.cuda.device import CUDADevice  # noqa: E402
from streamseg.device.cuda.stages.finish import Finisher  # noqa: E402
from streamseg.errors import StageError  # noqa: E402
from streamseg.frame import Frame  # noqa: E402
from streamseg.matting.choosing.choice import SubjectPoint  # noqa: E402
from streamseg.media.pixels.crop import crop  # noqa: E402
from streamseg.media.reading.reader import VideoReader  # noqa: E402
from streamseg.network.architecture import INPUT_SIZE  # noqa: E402

TIMEOUT_S = 100
#: Mean differences of mattes in [0, 1], and of composites in code values.
MATTES, COMPOSITES = 0.005, 1.5


POINT = SubjectPoint(0.5, 0.5)


@pytest.fixture(scope="module")
def frames(small_clip):
    with VideoReader(str(small_clip)) as reader:
        return list(islice((item for item in reader if isinstance(item, Frame)), 4))


def opened(platform):
    """A device whose network is a quick stand-in, also on a GPU: the composites are compared, not the mattes."""
    device = CUDADevice(platform=platform)
    if platform.device.type != "cuda":
        device.captured[INPUT_SIZE].network = bright
    return device


@pytest.fixture(scope="module")
def device(platform):
    return opened(platform)


@pytest.fixture(scope="module")
def on_cpu(device):
    """The same network on the CPU."""
    return ReferenceDevice(device.captured[INPUT_SIZE].network, (INPUT_SIZE,))


def shown(device, frames, settings, changes=None):
    """The composite of each frame, taken before the next one is put; changes by the number of the frame."""
    composites = []
    with LivePipeline(device.another(), settings) as pipeline:
        for number, frame in enumerate(frames):
            change = (changes or {}).get(number, {})
            pipeline.change(**change) if isinstance(change, dict) else pipeline.choose(change.mark)
            pipeline.put(frame)
            composites.append(pipeline.get(TIMEOUT_S))
        assert pipeline.figures.shown == len(frames) and pipeline.figures.lost == 0
    return composites


def assert_alike(got, expected):
    for mine, theirs in zip(got, expected, strict=True):
        assert (mine.frame.pts, mine.frame.format) == (theirs.frame.pts, theirs.frame.format)
        assert np.abs(mine.matte.as_float() - theirs.matte.as_float()).mean() < MATTES
        for plane, known in zip(mine.frame.planes, theirs.frame.planes, strict=True):
            assert np.abs(plane.astype(int) - known).mean() < COMPOSITES


@pytest.mark.parametrize("background", ["image", "video", "blur", "matte"])
def test_composites_are_like_the_cpus(device, on_cpu, frames, background, beach, small_clip):
    behind = {"image": str(beach), "video": str(small_clip)}.get(background, background)
    settings = LiveSettings(behind, speed="balanced")
    assert_alike(shown(device, frames, settings), shown(on_cpu, frames, settings))


def test_settings_change_while_frames_come(device, on_cpu, frames):
    changes = {1: {"background": "#ffffff"}, 2: {"steady": 0.0, "edges": False}, 3: {"background": "blur:0.3"}}
    settings = LiveSettings("#000000", speed="balanced")
    got, expected = (shown(each, frames, settings, changes) for each in (device, on_cpu))
    assert_alike(got, expected)
    clear = [composite.matte.alpha == 0 for composite in got]
    assert [set(got[number].frame.planes[0][clear[number]]) for number in (0, 1, 2)] == [{16}, {235}, {235}]
    assert len(set(got[3].frame.planes[0][clear[3]])) > 2


def test_a_frame_of_another_size_begins_anew(device, on_cpu, frames):
    clip = [*frames[:2], *(crop(frame, 0, 0, 128, 96) for frame in frames[2:])]
    settings = LiveSettings("blur", speed="balanced")
    assert_alike(shown(device, clip, settings), shown(on_cpu, clip, settings))


class Chosen:
    """A click: a mark, or None for the end of the choice."""

    def __init__(self, mark):
        self.mark = mark


def test_automatic_framing_and_a_chosen_subject_are_done_on_the_host(device, on_cpu, frames, monkeypatch):
    """And what comes after them on the GPU again; each change begins a scene."""
    clip = [*frames, replace(frames[0], pts=frames[-1].pts + 512, native=None)]
    settings = LiveSettings("blur", speed="balanced")
    changes = {1: {"auto_frame": True}, 2: {"auto_frame": False}, 3: Chosen(POINT), 4: Chosen(None)}
    composited, finish = [], Finisher.finish

    def counted(self, frame, *arguments):
        composited.append(frame.pts)
        return finish(self, frame, *arguments)

    monkeypatch.setattr(Finisher, "finish", counted)
    expected = [shown(on_cpu, [frame], settings, {0: changes.get(n, {})})[0] for n, frame in enumerate(clip)]
    assert composited == []
    assert_alike(shown(device, clip, settings, changes), expected)
    assert composited == [clip[number].pts for number in (0, 2, 4)]


class CountingPlatform(HostPlatform):
    """Counts copies between page-locked memory and the GPU's, by their bytes."""

    def __init__(self, library):
        super().__init__(library)
        self._pinned, self.uploads, self.downloads, self._inside = [], Counter(), Counter(), threading.local()

    def pinned(self, shape, dtype):
        memory = super().pinned(shape, dtype)
        self._pinned.append(memory)  # kept, so that nothing else ever stands at its address
        return memory

    @contextmanager
    def on(self, stream):
        counted, self._inside.counted = getattr(self._inside, "counted", False), True
        try:
            with nullcontext() if counted else _Copies(self):  # only once, where one is within another
                yield
        finally:
            self._inside.counted = counted

    def count(self, target, source):
        starts = {memory.untyped_storage().data_ptr() for memory in self._pinned}
        to_host, from_host = (each.untyped_storage().data_ptr() in starts for each in (target, source))
        if to_host != from_host:
            (self.downloads if to_host else self.uploads)[target.nbytes] += 1


class _Copies(TorchDispatchMode):
    def __init__(self, platform):
        super().__init__()
        self._platform = platform

    @classmethod
    def _should_skip_dynamo(cls):
        return False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if str(func) == "aten.copy_.default":
            self._platform.count(args[0], args[1])
        return func(*args, **(kwargs or {}))


def test_each_frame_is_uploaded_once_and_its_composite_downloaded_once(host, frames, beach):
    """Besides the background, once, and what the host has to know: where the flow fails, its sums, and the ROI."""
    platform = CountingPlatform(host.library)
    device = opened(platform)
    platform.uploads.clear(), platform.downloads.clear()
    shown(device, frames, LiveSettings(str(beach), speed="balanced"))
    assert platform.launched["prepare"] == -(-len(frames) // 2)  # every second frame is seen
    luma, count = 160 * 120, len(frames)
    assert platform.uploads == {luma * 3 // 2: count + 1}
    assert platform.downloads == {luma * 5 // 2: count, 320 * 240: count, 5 * 8: 2 * count}


@pytest.mark.parametrize("delay", [1, 2])
def test_with_a_delay_frames_get_the_mattes_of_a_file(device, frames, delay):
    """The first comes out when ``delay`` more have come, and those that are held at the end."""
    settings = LiveSettings("#00ff00", speed="balanced", delay=delay)
    background = LiveBackground(device, settings.background)
    live = GPUStages(device.another(), lambda: settings, settings.matting.schedule(), background, lambda seen: None)
    got, counts = passed(live.stages(), frames)
    assert counts == [0] * delay + [1] * (len(frames) - delay)
    known, _ = passed(gpu_stages(device.another(), Matting(look_ahead=delay, speed="balanced"), ahead=False), frames)
    assert [each.frame.pts for each in got] == [frame.pts for frame in frames]
    assert all(np.array_equal(mine.matte.alpha, other.matte.alpha) for mine, other in zip(got, known, strict=True))


def passed(stages, frames):
    """What comes out of stages without threads, and how much of it with each frame."""
    *before, gpu, download = stages
    results, counts = [], []
    for frame in frames:
        item = frame
        for stage in before:
            item = stage.call(item)
        finished = gpu.call(item)
        counts.append(len(finished))
        results += map(download.call, finished)
    return results + list(map(download.call, gpu.finish())), counts


def test_a_failure_of_the_gpu_is_raised_by_get(device, frames, monkeypatch):
    def failing(self, *_):
        raise RuntimeError("CUDA error: unspecified launch failure")

    monkeypatch.setattr("streamseg.device.cuda.pipeline.GPUPipeline._step", failing)
    with LivePipeline(device.another(), LiveSettings("blur", speed="balanced")) as pipeline:
        pipeline.put(frames[0])
        with pytest.raises(StageError, match="gpu: working on a frame: the GPU or its driver failed"):
            pipeline.get(TIMEOUT_S)
