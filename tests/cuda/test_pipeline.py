"""Clips through the GPU pipeline, against the CPU's mattes."""

from __future__ import annotations

import threading
from itertools import islice

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

from reference_device import ReferenceDevice, bright  # noqa: E402
from streamseg.pipelines.stages.gpu import gpu_stages  # noqa: E402
from streamseg.pipelines.stages.matting import cut_outs  # noqa: E402
from streamseg.pipelines.stages.motion import MotionEstimator  # noqa: E402
from streamseg.pipelines.stages.options import Matting  # noqa: E402
from streamseg.pipelines.stages.smoothing import AmbiguityResolver, LookAheadSmoother, TemporalAverager  # noqa: E402
from streamseg.pipelines.stages.tracking import SubjectTracker  # noqa: E402

from streamseg.device.cuda.device import CUDADevice  # noqa: E402
from streamseg.device.cuda.network import FusedNetwork  # noqa: E402
from streamseg.errors import StageError  # noqa: E402
from streamseg.frame import Frame  # noqa: E402
from streamseg.matting.backend import NumPyBackend  # noqa: E402
from streamseg.matting.edges.cutout import EdgeRefiner  # noqa: E402
from streamseg.matting.tracking.inference import InferenceSchedule  # noqa: E402
from streamseg.matting.tracking.near import INPUT_SIZES, SubjectFigures  # noqa: E402
from streamseg.media.pixels.crop import crop  # noqa: E402
from streamseg.media.reading.reader import VideoReader  # noqa: E402
from streamseg.network.architecture import INPUT_SIZE  # noqa: E402
from streamseg.network.weights import load_weights  # noqa: E402
from streamseg.runtime import Runner, Stage  # noqa: E402

COUNT = 6
# Of the network's input, where another is not asked for: an inference takes a quarter of the time.
SIZE = INPUT_SIZE // 2


def frames_of(clip):
    with VideoReader(str(clip)) as reader:
        return list(islice((item for item in reader if isinstance(item, Frame)), COUNT))


@pytest.fixture(scope="module")
def full_size(sample_clip):
    return frames_of(sample_clip)


@pytest.fixture(scope="module")
def frames(small_clip):
    """Small ones: nothing but the mattes of a whole clip depends on their size."""
    return frames_of(small_clip)


@pytest.fixture(scope="module")
def device(platform):
    return CUDADevice(platform=platform, sizes=(SIZE,))


@pytest.fixture(scope="module")
def quick(platform):
    """For tests of timing; without a GPU the network is replaced by a quick stand-in."""
    device = CUDADevice(platform=platform, batch=4, sizes=(SIZE,))
    if platform.device.type != "cuda":
        device.captured[SIZE].network = bright
    return device


def variant_of(matting):
    """The variant that a GPU runs: the lite one only where the speed needs no other."""
    return "lite" if matting.variants == "lite" else "full"


@pytest.fixture(scope="module")
def on_cpu(platform):
    """The mattes of a clip in plain NumPy."""
    networks = {
        variant: FusedNetwork(load_weights(), torch.device("cpu"), torch.float32, variant)
        for variant in ("full", "lite")
    }
    on_gpu = platform.device.type == "cuda"

    def mattes(clip, matting, lag, quick=False, sizes=(SIZE,), subject="any"):
        network = networks[variant_of(matting)] if on_gpu or not quick else bright
        speed, look_ahead, edges = matting.settings, matting.look_ahead if matting.steady else 0, matting.edges
        backend, schedule = NumPyBackend(), InferenceSchedule(matting.every)
        motion, refine = MotionEstimator(speed.flow_size, backend), EdgeRefiner(edges)
        device = ReferenceDevice(network, sizes, subject)
        tracker = SubjectTracker(device, matting.steady, schedule, lag, speed.matte_size, backend)
        smoother, averager = LookAheadSmoother(max(0, look_ahead - 1), backend), TemporalAverager(backend)
        items = [motion(frame) for frame in clip]
        for stage in (tracker, smoother, averager)[: 3 if look_ahead else 2]:
            items = [result for item in items for result in stage(item)] + list(stage.finish())
        assert device.seen_at[-1] == sizes[-1]
        resolve = AmbiguityResolver(matting.steady, backend)
        return [refine(tracked.frame, resolve(tracked)).matte.as_float() for tracked in items]

    return mattes


def difference(got, expected):
    assert len(got) == len(expected)
    return np.mean([np.abs(mine.matte.as_float() - theirs).mean() for mine, theirs in zip(got, expected, strict=True)])


def test_a_clip_has_the_cpus_mattes(device, full_size, on_cpu):
    frames = full_size[:4]
    got = list(cut_outs(iter(frames), device, Matting(), 2))
    assert [cutout.frame.pts for cutout in got] == [frame.pts for frame in frames]
    assert difference(got, on_cpu(frames, Matting(), 2)) < 0.005


def test_batches_have_the_cpus_mattes(quick, frames, on_cpu):
    got = list(cut_outs(iter(frames), quick, Matting(), 5))
    assert [cutout.frame.pts for cutout in got] == [frame.pts for frame in frames]
    assert difference(got, on_cpu(frames, Matting(), 5, quick=True)) < 0.005


@pytest.mark.parametrize(
    "batch, subject, seen", [(1, "any", "a near subject"), (2, "person", "people near the camera")]
)
def test_near_subjects_have_the_cpus_mattes(platform, full_size, on_cpu, batch, subject, seen):
    """In the smaller input, once the first frame has been seen in both; with the person map mixed in, if it counts."""
    near = [crop(frame, 150, 0, 300, 420) for frame in full_size[:3]]
    device = CUDADevice(platform=platform, batch=batch, sizes=INPUT_SIZES, subject=subject)
    figures = SubjectFigures()
    got = list(cut_outs(iter(near), device, Matting(), 2, figures))
    assert str(figures) == f"{seen} in 100 % of the inferences"
    assert difference(got, on_cpu(near, Matting(), 2 * batch, sizes=INPUT_SIZES, subject=subject)) < 0.005


def test_live_frames_have_the_cpus_mattes(device, frames, on_cpu):
    matting, frames = Matting(look_ahead=0), frames[:3]
    upload, gpu, download = gpu_stages(device, matting, ahead=False)
    cutouts = []
    for frame in frames:
        finished = gpu.call(upload.call(frame))
        assert len(finished) == 1, "a live frame was held back"
        cutouts += map(download.call, finished)
    assert difference(cutouts, on_cpu(frames, matting, 0)) < 0.005


@pytest.mark.parametrize(
    "matting, count", [(Matting(speed="fast"), 4), (Matting(steady=0, edges=False), 2)], ids=["fast", "plain"]
)
def test_other_options_have_the_cpus_mattes(platform, frames, on_cpu, matting, count):
    """Also with the real network in batches of two."""
    device = CUDADevice(platform=platform, batch=2, variant=variant_of(matting), sizes=(SIZE,))
    frames = frames[:count]
    got = list(cut_outs(iter(frames), device, matting, 3))
    assert difference(got, on_cpu(frames, matting, 3)) < 0.008


def test_a_scene_cut_starts_anew(quick, frames, on_cpu):
    """After it nothing of the scene before is visible, though the look-ahead reaches across it."""
    other_scene = [upside_down(frame, 1000 + frame.pts) for frame in frames[:3]]
    clip = [*frames[:3], *other_scene]
    got = list(cut_outs(iter(clip), quick.with_batch(1), Matting(), 2))
    assert difference(got, on_cpu(clip, Matting(), 2, quick=True)) < 0.01


def upside_down(frame, pts):
    """Upside down and inverted in brightness: another scene."""
    luma = 235 - frame.planes[0][::-1]
    others = [np.ascontiguousarray(plane[::-1]) for plane in frame.planes[1:]]
    return Frame((luma, *others), frame.format, pts, frame.time_base, frame.colour)


@pytest.mark.parametrize("count", [0, 1, 2, 4, 5])
def test_a_clip_of_any_length_is_complete(quick, frames, count):
    got = [cutout.frame.pts for cutout in cut_outs(iter(frames[:count]), quick, Matting(), 2)]
    assert got == [frame.pts for frame in frames[:count]]


def test_nothing_is_allocated_once_the_pipeline_runs(quick, platform, frames):
    upload, gpu, download = gpu_stages(quick, Matting(), ahead=True)

    def run(part):
        for frame in part:
            for finished in gpu.call(upload.call(frame)):
                download.call(finished)

    run(frames * 2)
    before = allocated(platform)
    run(frames * 2)
    assert allocated(platform) == before
    assert len(list(map(download.call, gpu.finish()))) > 0


def allocated(platform):
    return torch.cuda.memory_allocated() if platform.device.type == "cuda" else platform.allocated


def test_a_slow_sink_holds_the_gpu_back_and_loses_nothing(quick, frames):
    """The sink takes nothing until the source is blocked, or has no more frames."""
    blocked, got = threading.Event(), []

    def source():
        for number in range(5 * COUNT):
            timer = threading.Timer(1.0, blocked.set)
            timer.start()
            yield frames[number % COUNT]
            timer.cancel()
        blocked.set()

    def sink(cutout):
        assert blocked.wait(100)
        got.append(cutout.frame.pts)

    Runner(source(), [*gpu_stages(quick, Matting(), ahead=True), Stage("sink", sink)]).run()
    assert got == [frames[number % COUNT].pts for number in range(5 * COUNT)]


@pytest.mark.parametrize("where", ["sink", "gpu"])
def test_a_failure_ends_the_run(quick, frames, where):
    """Of the sink (a full disk) or of the GPU: the run ends with it, and the frames before it are output."""
    got = []

    def sink(cutout):
        if where == "sink" and len(got) == 2:
            raise OSError("the disk is full")
        got.append(cutout.frame.pts)

    stages = gpu_stages(quick, Matting(), ahead=True)
    if where == "gpu":
        calls = iter(range(1000))
        step = stages[1].call

        def failing(item):
            if next(calls) == 9:
                raise RuntimeError("CUDA error: unspecified launch failure")
            return step(item)

        stages[1] = Stage("gpu", failing, stages[1].finish)
    with pytest.raises(StageError, match=where):
        Runner(iter(frames * 4), [*stages, Stage("sink", sink)]).run()
    assert got == [frame.pts for frame in (frames * 2)[: 2 if where == "sink" else 9]]


def test_two_streams_share_a_network(quick, frames):
    """Frames alternate between two pipelines: neither sees anything of the other."""
    clips = [frames, [upside_down(frame, frame.pts) for frame in frames]]
    alone = [list(cut_outs(iter(clip), quick, Matting(), 2)) for clip in clips]
    pipelines = [gpu_stages(each, Matting(), ahead=True) for each in (quick, quick.another())]
    got = [[], []]
    for pair in zip(*clips, strict=True):
        for which, frame in enumerate(pair):
            upload, gpu, download = pipelines[which]
            got[which] += map(download.call, gpu.call(upload.call(frame)))
    for which, (_, gpu, download) in enumerate(pipelines):
        got[which] += map(download.call, gpu.finish())
        for mine, theirs in zip(got[which], alone[which], strict=True):
            assert np.array_equal(mine.matte.alpha, theirs.matte.alpha)
