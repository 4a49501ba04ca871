"""Kernels by their time on the GPU: of the network, and of the whole pipeline."""

from __future__ import annotations

import gzip
import re
import time
from collections import Counter
from itertools import cycle, islice

import numpy as np
import torch
from torch.profiler import ProfilerActivity
from torch.profiler import profile as profiler

from first_run.report import CLIP, OUT, SCRATCH, report, trial
from streamseg.device.cuda.device import CUDADevice
from streamseg.device.cuda.pipeline import GPUPipeline, GPUPipelineOptions
from streamseg.device.cuda.platform import kernel_source
from streamseg.frame import Frame
from streamseg.media.reading.reader import VideoReader

KINDS = (
    ("convolution", r"conv|xmma|cutlass|implicit|sm[789]0_|cudnn|gemm|nchwToNhwc|nhwcToNchw|fprop"),
    ("cat", r"CatArray"),
    ("upsample", r"upsample"),
    ("pool", r"pool"),
    ("elementwise", r"elementwise|vectorized|unrolled|reduce"),
    ("copy, set", r"Memcpy|Memset|memcpy|memset|copy"),
)
OWN = set(re.findall(r'extern "C" __global__ void (\w+)\(', kernel_source()))
LARGEST_TRACE = 15e6
#: Frames before anything is measured, that are timed, and that are profiled.
WARM_UP, TIMED, PROFILED = 30, 200, 40


def kind_of(name: str) -> str:
    """The kind of a kernel or copy; kernels of streamseg one by one."""
    own = name.split("(")[0].split("<")[0].strip()
    if own in OWN:
        return f"own: {own}"
    return next((kind for kind, pattern in KINDS if re.search(pattern, name)), "other")


def profile() -> None:
    """All of it; names of kernels go to profile.txt, one trace to trace.json.gz."""
    device, text = CUDADevice(), []
    with VideoReader(str(CLIP), tolerant=True) as reader:
        frames = list(islice((item for item in reader if isinstance(item, Frame)), 24))
    with trial("profile", "network"):
        _measure("network b1", lambda: _run_network(device, 20), 20, text)
    with trial("profile", "pipeline"):
        runs = _PipelineRuns(device, frames)
        runs.run(WARM_UP)
        runs.spent.clear()
        milliseconds = runs.milliseconds(TIMED)
        report("profile", "pipeline b1, all in one thread", milliseconds, "ms a frame")
        for name, total in runs.spent.items():
            report("profile", f"pipeline b1, host in {name} (waits included)", 1e3 * total / TIMED, "ms a frame")
        profiled = _measure("pipeline b1", lambda: runs.run(PROFILED), PROFILED, text)
        with trial("profile", "trace"):
            _keep_trace(profiled)
    with trial("profile", "host alone"):
        # The network's graph left out: the most that the host can do.
        device.captured[device.sizes[0]].run = lambda count: None
        runs.run(WARM_UP)
        milliseconds = runs.milliseconds(TIMED)
        report("profile", "pipeline without its network, all in one thread", milliseconds, "ms a frame")
    (OUT / "profile.txt").write_text("\n".join(text), encoding="utf-8")


def _run_network(device: CUDADevice, count: int) -> None:
    with device.platform.on(device.compute):
        for _ in range(count):
            device.captured[device.sizes[0]].run(1)
    device.compute.synchronize()


class _PipelineRuns:
    """Frames through a pipeline in one thread; ``spent``: seconds in each of its methods."""

    def __init__(self, device: CUDADevice, frames: list[Frame]) -> None:
        first, options = frames[0], GPUPipelineOptions(ahead=True, matte_size=640)
        self._pipeline = GPUPipeline(device, first.format, first.width, first.height, options)
        self._frames, self.spent = frames, Counter()
        self._background = tuple(np.ascontiguousarray(plane[::-1]) for plane in first.planes)

    def run(self, count: int) -> None:
        for frame in islice(cycle(self._frames), count):
            times = [time.perf_counter()]
            uploaded = self._pipeline.upload(frame)
            times.append(time.perf_counter())
            done = self._pipeline.step(uploaded, self._background)
            times.append(time.perf_counter())
            for finished in done:
                self._pipeline.download(finished)
            times.append(time.perf_counter())
            for name, start, end in zip(("upload", "step", "download"), times, times[1:], strict=False):
                self.spent[name] += end - start

    def milliseconds(self, count: int) -> float:
        """A frame, over so many."""
        started = time.perf_counter()
        self.run(count)
        return 1e3 * (time.perf_counter() - started) / count


def _measure(title: str, work, count: int, text: list[str]) -> profiler:
    """Profile ``work``, which handles ``count`` frames."""
    work()
    torch.cuda.synchronize()
    started = time.perf_counter()
    with profiler(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as profiled:
        work()
        torch.cuda.synchronize()
    wall = time.perf_counter() - started
    events = _gpu_events(profiled)
    times, counts, names = Counter(), Counter(), Counter()
    for event in events:
        elapsed = event.time_range.elapsed_us()
        times[kind_of(event.name)] += elapsed
        counts[kind_of(event.name)] += 1
        names[event.name] += elapsed
    busy, span = _busy_and_span(events)
    report("profile", f"{title}: kernels and copies a frame", len(events) / count)
    report("profile", f"{title}: GPU busy a frame", busy / count, "µs")
    report("profile", f"{title}: first to last a frame", span / count, "µs")
    for kind, total in times.most_common(14):
        report("profile", f"{title}: {kind} ({counts[kind] / count:.1f} of them)", total / count, "µs a frame")
    text.append(f"== {title}: wall with profiler {1e3 * wall / count:.3f} ms a frame")
    text.extend(f"{total / count:10.2f} µs a frame  {name[:170]}" for name, total in names.most_common(60))
    return profiled


def _gpu_events(profiled: profiler) -> list:
    """Kernels and copies."""
    events = profiled.events()
    return [e for e in events if "cuda" in str(e.device_type).lower() and not str(e.name).startswith("ProfilerStep")]


def _busy_and_span(events: list) -> tuple[float, float]:
    """Microseconds in which anything ran, and from the first start to the last end."""
    ranges = sorted((event.time_range.start, event.time_range.end) for event in events)
    busy, last = 0.0, -1.0
    for start, end in ranges:
        busy += max(0.0, end - max(start, last))
        last = max(last, end)
    return busy, max((end for _, end in ranges), default=0) - min((start for start, _ in ranges), default=0)


def _keep_trace(profiled: profiler) -> None:
    """Compressed, unless it is too large to be copied back."""
    profiled.export_chrome_trace(str(SCRATCH / "trace.json"))
    data = gzip.compress((SCRATCH / "trace.json").read_bytes(), 6)
    if len(data) < LARGEST_TRACE:
        (OUT / "trace.json.gz").write_bytes(data)
