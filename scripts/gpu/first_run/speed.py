"""The parts of ``streamseg bench --device cuda``, the most important first, until the time is used up."""

from __future__ import annotations

import tempfile
import time
from itertools import islice
from pathlib import Path

import torch
from streamseg.pipelines.bench import gpu as gpu_bench
from streamseg.pipelines.bench.transcode import transcode
from streamseg.pipelines.stages.options import Matting

from first_run.report import BEACH, CLIP, report, seconds_left, trial
from streamseg.device.cuda.device import CUDADevice
from streamseg.device.cuda.limits import measure_limits, rated_limits
from streamseg.frame import Frame
from streamseg.media.gpu.decoding import GPUDecoding
from streamseg.media.reading.reader import VideoReader
from streamseg.media.writing.target import Encoding

SOURCE, BACKGROUND, SECONDS = str(CLIP), str(BEACH), 2.0
#: Frames that are decoded and repeated, and how they are matted.
FRAMES, SPEED = 48, "best"
#: Side of the matrices, and megabytes of the copies.
LIMITS = (8192, 256)
ON_GPU = GPUDecoding(stays=True, required=True)


class Parts:
    """Each method measures and reports one part."""

    def __init__(self) -> None:
        self.matting = Matting(speed=SPEED)
        started = time.perf_counter()
        self.device = CUDADevice()
        report("bench", "device opened, convolutions chosen before", time.perf_counter() - started, "s")
        report("bench", "of that choosing convolutions", self.device.opening.choosing, "s")
        with VideoReader(SOURCE, duration=SECONDS, tolerant=True) as reader:
            self.frames = list(islice((item for item in reader if isinstance(item, Frame)), FRAMES))

    def network(self, batch: int) -> None:
        times = gpu_bench._network_time(self.device, batch)
        report("bench", f"network b{batch}: median a frame", times.median, "ms")
        report("bench", f"network b{batch}: p99 a frame", times.p99, "ms")
        report("bench", f"network b{batch}: queued a frame", times.queued, "ms")

    def stages(self, batch: int, background: str = BACKGROUND, note: str = "") -> None:
        device = self.device.with_batch(batch)
        fps = gpu_bench._path_fps(device, self.matting, SOURCE, background, self.frames)
        report("bench", f"all stages, 1080p b{batch}{note}", fps, "fps")

    def live(self) -> None:
        median, p99 = gpu_bench._live_ms(self.device, SPEED, SOURCE, BACKGROUND, self.frames)
        report("bench", "one frame at a time, median", median, "ms")
        report("bench", "one frame at a time, p99", p99, "ms")

    def decode(self, name: str, decoding: GPUDecoding | None) -> None:
        report("bench", f"decoded by the {name}", gpu_bench._decode_fps(SOURCE, SECONDS, decoding), "fps")

    def decoded(self) -> None:
        fps = gpu_bench._decoded_fps(self.device, self.matting, SOURCE, BACKGROUND, SECONDS, ON_GPU)
        report("bench", "decoded by the GPU, through all stages", fps, "fps")

    def end_to_end(self, name: str, hwaccel: str, codec: str) -> None:
        options = {"duration": SECONDS, "matting": self.matting, "hwaccel": hwaccel, "encoding": Encoding(codec)}
        opened = {"device": "cuda", "opened": self.device}
        with tempfile.TemporaryDirectory() as folder:
            summary = gpu_bench.BenchJob(SOURCE, Path(folder) / "out.mp4", BACKGROUND, **options, **opened).run()
            report("bench", f"end to end: {name}", summary.fps, "fps")
            print(summary.statistics.table(), flush=True)

    def codecs(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            fps = transcode(SOURCE, Path(folder) / "t.mp4", SECONDS).items_per_second
            report("bench", "decode and x264 alone", fps, "fps")

    def limits(self) -> None:
        found = measure_limits(self.device.platform, *LIMITS)
        rated = rated_limits(torch.cuda.get_device_properties(0))
        report("bench", "matrix product, half precision", 2e-12 * found.multiplications, "TFLOP/s")
        report("bench", "copy within the GPU", 1e-9 * found.memory, "GB/s")
        report("bench", "upload", 1e-9 * found.upload, "GB/s")
        report("bench", "download", 1e-9 * found.download, "GB/s")
        report("bench", "rated", 2e-12 * rated.multiplications if rated else "unknown", "TFLOP/s")


def bench() -> None:
    """All parts."""
    parts = Parts()
    order = {
        "network b1": lambda: parts.network(1),
        "stages b1": lambda: parts.stages(1),
        "live": parts.live,
        "end to end CPU, x264": lambda: parts.end_to_end("CPU, x264", "none", "libx264"),
        "decode CPU": lambda: parts.decode("CPU", None),
        "decode GPU": lambda: parts.decode("GPU", ON_GPU),
        "decoded GPU": parts.decoded,
        "limits": parts.limits,
        "stages b1 blur": lambda: parts.stages(1, "blur", ", own background blurred"),
        "end to end GPU, x264": lambda: parts.end_to_end("GPU, x264", "cuda", "libx264"),
        "end to end CPU, NVENC": lambda: parts.end_to_end("CPU, NVENC", "none", "h264_nvenc"),
        "codecs": parts.codecs,
        "network b4": lambda: parts.network(4),
        "stages b4": lambda: parts.stages(4),
        "network b8": lambda: parts.network(8),
    }
    for name, part in order.items():
        if seconds_left() < 6:
            report("bench", name, "no time left")
            continue
        with trial("bench", name):
            part()
    with trial("bench", "memory"):
        report("bench", "peak GPU memory reserved (b8 and all)", torch.cuda.max_memory_reserved() / 1e6, "MB")
