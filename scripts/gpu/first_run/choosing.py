"""Each kind of layer by torch and by Triton: the faster is kept on disk, and what is opened afterwards uses it."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import suppress

import torch

from first_run.report import report, seconds_left, trial
from streamseg.device.cuda.network import FusedNetwork
from streamseg.device.cuda.platform import CUDAPlatform
from streamseg.network.weights import load_weights

#: Sides of the network's input in pixels, and batches; the most important first.
INPUTS = ((320, 1), (224, 1), (320, 4))


class _NoTimeLeft(Exception):
    pass


def choose() -> None:
    """Measure until the time is used up; the layers that are left then are computed by torch."""
    platform = CUDAPlatform()
    network = FusedNetwork(load_weights(), platform.device, platform=platform)
    for side, batch in INPUTS:
        with trial("choose", f"layers at {side}, batch {batch}"):
            _choose(platform, network, side, batch)


def _choose(platform, network: FusedNetwork, side: int, batch: int) -> None:
    x = torch.randn((batch, side, side, 3), device=platform.device).permute(0, 3, 1, 2)
    times, started = [], time.perf_counter()

    def measure(work) -> float:
        """Of a layer by torch, and then by Triton."""
        if len(times) % 2 == 0 and seconds_left() < 10:
            raise _NoTimeLeft
        times.append(platform.seconds(work))
        return times[-1]

    stream = platform.stream()
    with platform.on(stream):
        expected = network(x)
        with suppress(_NoTimeLeft), network.layers.measuring(measure):
            network(x)
        got = network(x)
    stream.synchronize()
    pairs = list(zip(times[::2], times[1::2], strict=True))
    report("choose", f"{side} b{batch}: kinds of layers", float(len(pairs)), str(dict(_faster(pairs))))
    report("choose", f"{side} b{batch}: seconds", time.perf_counter() - started, "s")
    report("choose", f"{side} b{batch}: torch alone, each kind once", 1e3 * sum(pair[0] for pair in pairs), "ms")
    report("choose", f"{side} b{batch}: the faster of both", 1e3 * sum(map(min, pairs)), "ms")
    report("choose", f"{side} b{batch}: maps differ, largest", float((got - expected).abs().max()))


def _faster(pairs: list[tuple[float, float]]) -> Counter[str]:
    return Counter("triton" if triton < by_torch else "torch" for by_torch, triton in pairs)
