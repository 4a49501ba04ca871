"""Many frames, whose memory must not grow; and every kernel on small frames, for compute-sanitizer."""

from __future__ import annotations

import resource
import time
from fractions import Fraction
from itertools import cycle

import numpy as np
import torch

from first_run.report import report, seconds_left, trial
from streamseg.device.cuda import device as device_module
from streamseg.device.cuda.buffers.transfer import FrameSlot
from streamseg.device.cuda.pipeline import GPUPipeline, GPUPipelineOptions
from streamseg.device.cuda.platform import CUDAPlatform
from streamseg.device.cuda.selfie import PersonMixer
from streamseg.device.cuda.stages.finish import Output
from streamseg.errors import InputError
from streamseg.frame import Colour, Frame, PixelFormat
from streamseg.matting.compositing.blur import BlurSize
from streamseg.matting.tracking.inference import Inference
from streamseg.network.selfie import SELFIE_SIZE

BT709 = Colour(1, 1)
MOST_FRAMES, WIDTH, HEIGHT = 10_000, 1920, 1080
SIZES = {
    "yuv420p": (161, 121),
    "yuv422p10le": (96, 50),
    "gbrp": (64, 48),
    "yuv411p": (66, 34),
    "yuva420p": (80, 60),
}


def soak() -> None:
    """As tests/cuda/test_gpu.py, but figures are kept if time runs out."""
    frames = _moving_square(40)
    pipeline = GPUPipeline(device_module.CUDADevice(), frames[0].format, WIDTH, HEIGHT, GPUPipelineOptions(ahead=True))
    background = tuple(np.ascontiguousarray(plane) for plane in frames[-1].planes)
    reserved, started, count = {}, time.perf_counter(), 0
    for count, frame in enumerate(cycle(frames), 1):
        for finished in pipeline.step(pipeline.upload(frame), background):
            pipeline.download(finished)
        if count in (200, 1000, 3000, MOST_FRAMES):
            reserved[count] = torch.cuda.memory_reserved() / 1e6
            allocated = torch.cuda.memory_allocated() / 1e6
            host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
            name = f"after {count} frames: reserved | allocated {allocated:.1f} | host peak {host:.0f} MB"
            report("soak", name, reserved[count], "MB")
        if count == MOST_FRAMES or seconds_left() < 3:
            break
    report("soak", f"{count} frames, one thread", count / (time.perf_counter() - started), "fps")
    free, total = torch.cuda.mem_get_info()
    report("soak", "GPU memory in use, by the driver", (total - free) / 1e6, "MB")
    report("soak", "flat", str(len(set(reserved.values())) == 1))


def _moving_square(count: int) -> list[Frame]:
    """A bright square that crosses a soft background."""
    form = PixelFormat.parse("yuv420p")
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    soft = (90 + 40 * np.sin(x / 97) * np.cos(y / 61)).astype(np.uint8)
    chroma = [np.full(shape, 128, np.uint8) for shape in form.shapes(WIDTH, HEIGHT)[1:]]
    frames = []
    for number in range(count):
        luma = soft.copy()
        left = WIDTH // 10 + number * WIDTH // 96
        luma[HEIGHT // 4 : 3 * HEIGHT // 4, left : left + WIDTH // 5] = 220
        frames.append(Frame((luma, *chroma), form, number, Fraction(1, 30), BT709))
    return frames


class _WithoutGraphs(CUDAPlatform):
    """Work is queued kernel by kernel, so that compute-sanitizer sees each allocation separately."""

    def capture(self, work, stream):
        return work


def small(platform=None) -> None:
    """Every kernel on small frames, without graphs and with a stand-in for the network.

    Args:
        platform: to try this without a GPU; see tests/cuda/host_kernels.py.
    """
    platform = platform or _WithoutGraphs()
    device_module.FusedNetwork = lambda *_, **__: lambda x: torch.sigmoid(4 * x.mean(1))
    rng = np.random.default_rng(0)
    for name, size in SIZES.items():
        for output in Output:
            _run_pipeline(platform, PixelFormat.parse(name), size, output, rng)
        if seconds_left() < 4:
            break
    with trial("small", "unpack"):
        for name in ("yuv420p", "yuv420p10le"):
            _unpack(platform, PixelFormat.parse(name))
    with trial("small", "person maps"):
        maps = [platform.empty((side, side), torch.float32).fill_(0.4) for side in (224, SELFIE_SIZE)]
        for inference in (Inference(person_map="mix", flipped=True), Inference(person_map="presence")):
            PersonMixer(platform)(inference, *maps)
    if platform.device.type == "cuda":
        torch.cuda.synchronize()
    print("small: all of it ran")


def _run_pipeline(platform, form: PixelFormat, size: tuple[int, int], output: Output, rng) -> None:
    device = device_module.CUDADevice(platform=platform)
    blur = BlurSize.of(*size, 0.5) if output is Output.BLURRED else None
    options = GPUPipelineOptions(ahead=output is not Output.CUTOUT, matte_size=64, flow_size=64)
    try:
        pipeline = GPUPipeline(device, form, *size, options, output, blur)
        pipeline._finisher.format  # noqa: B018
    except InputError:
        return  # FFmpeg has no such format with alpha, and no job asks for it
    download = pipeline.download_cutout if output is Output.CUTOUT else pipeline.download
    background, count = None, 0
    if output is Output.COMPOSITE:
        background = tuple(np.full(shape, 40, form.dtype) for shape in form.opaque().shapes(*size))
    for number in range(6):
        frame = _random_frame(form, size, number, rng)
        for finished in pipeline.step(pipeline.upload(frame), background):
            download(finished)
            count += 1
    count += len([download(finished) for finished in pipeline.finish()])
    assert count == 6, (form.name, output, count)
    print("ran", form.name, size, output.name, flush=True)


def _random_frame(form: PixelFormat, size: tuple[int, int], number: int, rng) -> Frame:
    """Noise, and a bright square that moves."""
    planes = []
    for rows, columns in form.shapes(*size):
        plane = rng.integers(form.maximum // 4, form.maximum // 2, (rows, columns)).astype(form.dtype)
        plane[rows // 4 : rows // 2, columns // 4 + number : columns // 2 + number] = form.maximum
        planes.append(plane)
    return Frame(tuple(planes), form, number, Fraction(1, 25), BT709)


def _unpack(platform, form: PixelFormat) -> None:
    slot = FrameSlot.allocate(platform, form, 96, 50)
    dtype = torch.int16 if form.depth > 8 else torch.uint8
    luma, chroma = (platform.upload(torch.ones((rows, 128), dtype=dtype)) for rows in (50, 25))
    unused = 6 if form.depth > 8 else 0
    platform.launch("unpack", (48, 25), luma, 128, chroma, 128, unused, slot.frame.descriptor)
