"""The GPU pipeline on streams that are as late as possible: no buffer is touched before its event fires."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

from delayed_platform import DelayedPlatform  # noqa: E402
from stand_in_decoder import semi_planar  # noqa: E402

from streamseg.device.cuda import device as gpu_module  # noqa: E402
from streamseg.device.cuda import pipeline as pipeline_module  # noqa: E402
from streamseg.device.cuda.device import CUDADevice  # noqa: E402
from streamseg.device.cuda.pipeline import GPUPipeline, GPUPipelineOptions  # noqa: E402
from streamseg.device.cuda.stages.finish import Finish, Output  # noqa: E402
from streamseg.frame import Frame  # noqa: E402
from streamseg.matting.compositing.blur import BlurSize  # noqa: E402
from streamseg.media.pixels.gpu_frame import GPUFrame  # noqa: E402
from streamseg.media.pixels.native import plane_views  # noqa: E402
from streamseg.media.pixels.scale import to_format  # noqa: E402
from streamseg.media.reading.reader import VideoReader  # noqa: E402

# More than there are buffers, by batch.
COUNTS = {1: 13, 4: 18}
SIZE = (160, 120)
# The streams that are not delayed, of upload, compute and download, in the order in which the device creates them.
SCHEDULES = {
    "all are delayed": (),
    "only uploads are eager": (0,),
    "only downloads are delayed": (0, 1),
    "only downloads are eager": (2,),
    "only compute is delayed": (0, 2),
}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Bright areas instead of the network."""
    monkeypatch.setattr(gpu_module, "FusedNetwork", lambda *_, **__: lambda x: torch.sigmoid(4 * x.mean(1)))


@pytest.fixture(scope="module")
def natives(sample_clip):
    """Small frames, all of them different."""
    with VideoReader(str(sample_clip)) as reader:
        frames = islice((item for item in reader if isinstance(item, Frame)), max(COUNTS.values()))
        return [(frame, to_format(frame.native, frame.format, *SIZE, frame.colour, frame.colour)) for frame in frames]


@pytest.fixture(scope="module")
def frames(natives):
    frames = []
    for frame, native in natives:
        planes = tuple(plane.copy() for plane in plane_views(native, frame.format))
        frames.append(Frame(planes, frame.format, frame.pts, frame.time_base, frame.colour))
    return frames


def run_pipeline(platform, frames, output, ahead, batch=1, pending=0):
    """The outputs of the pipeline; each is downloaded when ``pending`` more are being downloaded.

    Without an output that differs from frame to frame, as for live frames.
    """
    device = CUDADevice(platform=platform, batch=batch, sizes=[80])
    blur = BlurSize.of(*SIZE, 0.5) if output is Output.BLURRED else None
    options = GPUPipelineOptions(ahead=ahead, batch=batch, matte_size=64, flow_size=64)
    pipeline = GPUPipeline(device, frames[0].format, *SIZE, options, output, blur)
    download = pipeline.download_cutout if output is Output.CUTOUT else pipeline.download
    download = download if output else pipeline.download_with_matte
    waiting, results = [], []
    for number, frame in enumerate(islice(frames, COUNTS[batch])):
        background = None
        if output is Output.COMPOSITE:  # another one for every second frame: their buffers are reused too
            background = background_of(number // 2)
        wanted = None if output else LIVE[number // 2 % len(LIVE)]
        waiting += pipeline.step(pipeline.upload(frame), background, wanted)
        while len(waiting) > pending:
            results.append(download(waiting.pop(0)))
    results += map(download, waiting)
    results += map(download, pipeline.finish())
    return [planes_of(result) for result in results]


BACKGROUNDS = {}


def background_of(number):
    """The same object for the same number, so that it is uploaded once."""
    if number not in BACKGROUNDS:
        width, height = SIZE
        shapes = (height, width), (height // 2, width // 2), (height // 2, width // 2)
        BACKGROUNDS[number] = tuple(np.full(shape, 40 + 7 * number + k, np.uint8) for k, shape in enumerate(shapes))
    return BACKGROUNDS[number]


LIVE = [
    Finish(Output.COMPOSITE, background=background_of(20)),
    Finish(Output.BLURRED, blur=BlurSize.of(*SIZE, 0.5)),
    Finish(Output.MATTE, edges=False),
    Finish(Output.COMPOSITE, background=background_of(21)),
    Finish(Output.BLURRED, blur=BlurSize.of(*SIZE, 0.2)),
]


def planes_of(result):
    frame, *matte = result if isinstance(result, tuple) else (result,)
    return frame.pts, [plane.copy() for plane in (*frame.planes, *(each.alpha for each in matte))]


def assert_same(got, expected):
    assert [pts for pts, _ in got] == [pts for pts, _ in expected]
    for number, ((_, mine), (_, theirs)) in enumerate(zip(got, expected, strict=True)):
        for one, other in zip(mine, theirs, strict=True):
            assert np.array_equal(one, other), f"frame {number}"


@pytest.fixture(scope="module")
def expected(host, frames):
    """The same on the plain host platform, once for all schedules."""
    results = {}

    def run(output, ahead, batch):
        key = output, ahead, batch
        if key not in results:
            results[key] = run_pipeline(host, frames, output, ahead, batch)
        return results[key]

    return run


# Output, ahead, batch, and how many frames wait to be downloaded.
RUNS = [
    (Output.COMPOSITE, True, 1, 0),
    (Output.COMPOSITE, False, 1, 3),
    (Output.COMPOSITE, True, 4, 3),
    (Output.CUTOUT, True, 1, 3),
    (Output.BLURRED, True, 1, 3),
    (None, False, 1, 3),
]


@pytest.mark.parametrize("output, ahead, batch, pending", RUNS, ids=lambda value: getattr(value, "name", str(value)))
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_no_buffer_is_used_too_early(host, frames, expected, schedule, output, ahead, batch, pending):
    delayed = DelayedPlatform(host.library, SCHEDULES[schedule])
    assert_same(run_pipeline(delayed, frames, output, ahead, batch, pending), expected(output, ahead, batch))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_smallest_number_of_buffers_is_enough(host, frames, expected, schedule, monkeypatch):
    """Each is then overwritten at the first moment when that is allowed."""
    monkeypatch.setattr(pipeline_module, "_BETWEEN_STAGES", 0)
    delayed = DelayedPlatform(host.library, SCHEDULES[schedule])
    assert_same(run_pipeline(delayed, frames, Output.CUTOUT, True, 1, 2), expected(Output.CUTOUT, True, 1))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_frame_is_not_copied_before_it_is_decoded(host, natives, frames, expected, schedule):
    """The decoder works on its own stream, and writes each of its frames as late as possible."""
    delayed = DelayedPlatform(host.library, SCHEDULES[schedule])
    results = run_pipeline(delayed, DecodedLate(natives, delayed), Output.COMPOSITE, True)
    assert_same(results, expected(Output.COMPOSITE, True, 1))


class DecodedLate:
    """Frames whose memory the decoder's stream writes once something waits for it."""

    def __init__(self, natives, platform):
        self._natives, self._platform = natives, platform

    def __getitem__(self, number):
        return self._natives[number][0]

    def __iter__(self):
        for frame, native in self._natives:
            decoded = semi_planar(native)
            borrowed = semi_planar(native)
            blank(borrowed)
            self._platform.decoder.queue(lambda target=borrowed, source=decoded: fill(target, source))
            rest = frame.format, *SIZE, frame.pts, frame.time_base, frame.colour, frame.sample_aspect_ratio
            yield GPUFrame(borrowed, *rest)


def blank(native):
    for plane in native.planes:
        np.frombuffer(plane, np.uint8)[:] = 0


def fill(native, other):
    for plane, source in zip(native.planes, other.planes, strict=True):
        np.frombuffer(plane, np.uint8)[:] = np.frombuffer(source, np.uint8)


@pytest.mark.parametrize("platform", ["late"], indirect=True)
def test_page_locked_memory_that_is_read_too_early_is_empty(platform):
    """Tests on the late platform notice it; a value of GPU memory is waited for, as by CUDA."""
    there, host = platform.upload(torch.ones(4)), platform.pinned((4,), torch.float32)
    host.copy_(there, non_blocking=True)
    assert host.tolist() == [0] * 4
    assert there.cpu().tolist() == [1] * 4
    assert host.tolist() == [1] * 4
