"""Costs on the host, copies between host and GPU, and NaNs that others have left in memory."""

from __future__ import annotations

import time

import numpy as np
import torch

from first_run.convolutions import network_layers, other_operations
from first_run.report import report, trial
from streamseg.device.cuda.network import FusedNetwork
from streamseg.device.cuda.platform import CUDAPlatform
from streamseg.network.weights import load_weights

FRAME_BYTES = 1920 * 1080 * 3 // 2
#: Of the network's input in pixels, and of the sizes of the memory that is poisoned, in bits.
SIDE, BITS = 320, (24, 23, 22, 21, 20, 19, 18, 16)


def probe() -> None:
    """All of it, and the layers of the network."""
    platform = CUDAPlatform()
    stream = platform.stream()
    with trial("host", "costs"):
        _launches_and_copies(platform, stream)
        _waits(platform, stream)
    with trial("host", "copies"):
        _frame_copies(platform, stream)
    with trial("poison", "NaN left in memory"):
        _poisoned_memory(platform)
    with trial("convs", "layers"):
        network_layers(platform)
    with trial("convs", "the rest of the network"):
        other_operations(platform)


def host_us(work, count=300) -> float:
    """Microseconds that the host needs to queue ``work``."""
    for _ in range(30):
        work()
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(count):
        work()
    spent = time.perf_counter() - started
    torch.cuda.synchronize()
    return 1e6 * spent / count


def _launches_and_copies(platform, stream) -> None:
    small, image = (platform.empty((64, 64), torch.float32) for _ in range(2))
    host = platform.pinned((64, 64), torch.float32)
    bounds = platform.upload(torch.tensor([1 << 30, -1, 1 << 30, -1], dtype=torch.int32))
    roi = platform.upload(torch.zeros(5, dtype=torch.float64))
    flow, predicted = (platform.empty((count, 64, 64), torch.float32) for count in (2, 4))
    state = (image, image, flow, image, 64, 64)
    observation = (None, 320, 0, 0, 64, 64, 0.0, 0.0, 1.0, 1.0, 1.0)
    many = (*state, *observation, 2.0, 1, 64, 64, predicted)
    with platform.on(stream):
        few_us = host_us(lambda: platform.launch("track", (1, 1), bounds, 0, 64, 64, roi))
        report("host", "a launch with 5 arguments", few_us, "µs")
        many_us = host_us(lambda: platform.launch("predict", (64, 64), *many))
        report("host", f"a launch with {len(many)} arguments", many_us, "µs")
        report("host", "a copy within the GPU", host_us(lambda: small.copy_(image)), "µs")
        report("host", "a copy to page-locked memory", host_us(lambda: host.copy_(image, non_blocking=True)), "µs")
        report("host", "an event created and recorded", host_us(lambda: platform.record(stream)), "µs")
        report("host", "current_stream", host_us(lambda: torch.cuda.current_stream(platform.device)), "µs")

    def enter_and_leave() -> None:
        with platform.on(stream):
            pass

    report("host", "entering and leaving a stream", host_us(enter_and_leave), "µs")


def _waits(platform, stream) -> None:
    """Events whose waiter sleeps (blocking) against events whose waiter spins."""
    spinning, blocking = [], []
    with platform.on(stream):
        for is_blocking, times in ((False, spinning), (True, blocking)):
            for _ in range(40):
                started = time.perf_counter()
                torch.cuda._sleep(400_000)
                event = torch.cuda.Event(blocking=is_blocking)
                event.record(stream)
                event.synchronize()
                times.append(time.perf_counter() - started)
    difference = 1e6 * (np.median(blocking) - np.median(spinning))
    report("host", "blocking wait longer than a spinning one", difference, "µs")


def _frame_copies(platform, stream) -> None:
    there, host = platform.empty((FRAME_BYTES,), torch.uint8), platform.pinned((FRAME_BYTES,), torch.uint8)
    pageable = np.random.default_rng(0).integers(0, 255, FRAME_BYTES, np.uint8)
    view = host.numpy()
    started = time.perf_counter()
    for _ in range(50):
        np.copyto(view, pageable)
    report("host", "a 1080p frame into page-locked memory", 1e3 * (time.perf_counter() - started) / 50, "ms")
    copies = {
        "uploaded": lambda: there.copy_(host, non_blocking=True),
        "downloaded": lambda: host.copy_(there, non_blocking=True),
    }
    with platform.on(stream):
        for name, copy in copies.items():
            copy()
            stream.synchronize()
            started = time.perf_counter()
            for _ in range(50):
                copy()
            stream.synchronize()
            report("host", f"a 1080p frame {name}", 1e3 * (time.perf_counter() - started) / 50, "ms")


def _poisoned_memory(platform) -> None:
    """Memory that others have freed full of NaN must not change the map."""
    network = FusedNetwork(load_weights(), platform.device)
    image = torch.randn((1, SIDE, SIDE, 3), device=platform.device).permute(0, 3, 1, 2)
    sizes = [1 << bits for bits in BITS for _ in range(4)]
    clean = network(image)
    torch.cuda.synchronize()
    for dtype in (torch.float16, torch.float32):
        blocks = [torch.full((size,), float("nan"), dtype=dtype, device=platform.device) for size in sizes]
        del blocks
        dirty = network(image)
        torch.cuda.synchronize()
        finite, change = bool(torch.isfinite(dirty).all()), float((dirty - clean).abs().nan_to_num(9).max())
        report("poison", f"finite after {str(dtype)[6:]} NaNs in freed memory", str(finite))
        report("poison", f"largest change after {str(dtype)[6:]} NaNs", change)
