"""The layers of the network one by one: with cuDNN's fused method, without it, and with a measured choice."""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it

from first_run.report import report, seconds_left
from streamseg.device.cuda.convolutions.cudnn import Convolutions
from streamseg.device.cuda.convolutions.pooling import MaxPooling
from streamseg.device.cuda.network import FusedNetwork
from streamseg.network.weights import load_weights

#: Of the network's input in pixels.
SIDE = 320


def graph_ms(work, repeat=20, replays=20) -> float:
    """Milliseconds of one ``work``, many of them in a graph, so that launches cost nothing."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        work()
        work()
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        for _ in range(repeat):
            work()
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    with torch.cuda.stream(stream):
        graph.replay()
        start.record(stream)
        for _ in range(replays):
            graph.replay()
        end.record(stream)
    end.synchronize()
    return start.elapsed_time(end) / repeat / replays


def network_layers(platform) -> None:
    """Time every kind of layer, those with the largest inputs first, until the time is used up."""
    torch.manual_seed(0)
    kinds = _kinds_of_layers(platform)
    rows, totals, done = [], {"fused": 0.0, "plain": 0.0, "fused, measured choice": 0.0}, 0
    for (shape, outputs, dilation, dtype), (count, *layer) in sorted(kinds.items(), key=lambda item: -item[0][0][1]):
        if seconds_left() < 12:
            break
        times = _layer_times(*layer)
        for name in totals:
            if isinstance(times[name], float):
                totals[name] += count * times[name]
        done += count
        rows.append((shape, outputs, dilation, str(dtype)[6:], count, times))
        rounded = {name: round(value, 5) if isinstance(value, float) else value for name, value in times.items()}
        print(shape, outputs, dilation, str(dtype)[6:], "×", count, rounded, flush=True)
    for name, total in totals.items():
        report("convs", f"sum over {done} of 112 layers, {name}", total, "ms")
    _report_layers(rows)


def _kinds_of_layers(platform) -> dict:
    """(input shape, output channels, dilation, dtype) → count and the arguments of the first."""
    kinds = {}

    class Recording(Convolutions):
        def relu(self, x, weight, bias, padding, dilation):
            key = tuple(x.shape[1:]), weight.shape[0], dilation, x.dtype
            kinds.setdefault(key, [0, x, weight, bias, padding, dilation])[0] += 1
            return F.relu_(F.conv2d(x, weight, bias, padding=padding, dilation=dilation))

    network = FusedNetwork(load_weights(), platform.device)
    network._convolutions = Recording()
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, benchmark=False, allow_tf32=False):
        network(torch.randn((1, SIDE, SIDE, 3), device=platform.device).permute(0, 3, 1, 2))
        torch.cuda.synchronize()
    return kinds


def _layer_times(x, weight, bias, padding, dilation) -> dict:
    """Milliseconds by method, or its error; "… s" are the seconds that measuring took."""
    layer, convolutions = (x, weight, bias, padding, dilation), Convolutions()
    methods = {
        "fused": (False, lambda: convolutions.fused(*layer)),
        "plain": (False, lambda: F.relu_(F.conv2d(x, weight, bias, padding=padding, dilation=dilation))),
        "fused, measured choice": (True, lambda: convolutions.fused(*layer)),
    }
    times = {}
    for name, (benchmark, work) in methods.items():
        started = time.perf_counter()
        # TF32 means nothing to half precision, but is part of the key of the cache of plans: the choice is made anew.
        tf32 = benchmark and x.dtype == torch.float16
        try:
            with (
                torch.inference_mode(),
                torch.backends.cudnn.flags(enabled=True, benchmark=benchmark, allow_tf32=tf32),
            ):
                times[name] = graph_ms(work)
        except Exception as error:
            times[name] = f"{type(error).__name__}: {str(error).splitlines()[0][:80]}"
        times[f"{name} s"] = time.perf_counter() - started
    return times


def _report_layers(rows) -> None:
    """Report failures, and the eight kinds of layers that take the longest."""
    for shape, outputs, dilation, dtype, _, times in rows:
        for name in ("fused", "plain"):
            if isinstance(times[name], str):
                report("convs", f"{shape}→{outputs} dilation {dilation} {dtype}: {name}", times[name])
    measured = [row for row in rows if isinstance(row[5]["fused"], float)]
    for shape, outputs, dilation, dtype, count, times in sorted(measured, key=lambda row: -row[4] * row[5]["fused"])[
        :8
    ]:
        plain = times["plain"] if isinstance(times["plain"], str) else round(1e3 * times["plain"], 2)
        name = f"{count}× {shape}→{outputs} d{dilation} {dtype} fused | plain {plain} µs"
        report("convs", name, 1e3 * times["fused"], "µs each")


def other_operations(platform) -> None:
    """Time pooling, upsampling, concatenation and addition at a large and a small size."""

    def half(*shape):
        values = torch.randn((1, *shape), device=platform.device, dtype=torch.float16)
        return values.contiguous(memory_format=torch.channels_last)

    def doubled(x, side):
        return F.interpolate(x, size=(side, side), mode="bilinear", align_corners=False)

    large, middle, small = half(64, SIDE, SIDE), half(64, SIDE // 2, SIDE // 2), half(16, 10, 10)
    pool = MaxPooling(platform.launch)
    operations = {
        "max_pool2d 64×320²": lambda: F.max_pool2d(large, 2, 2, ceil_mode=True),
        "the same without indices": lambda: pool(large),
        "upsample 64×160² → 320²": lambda: doubled(middle, SIDE),
        "cat 64+64 at 320²": lambda: torch.cat((large, large), 1),
        "add at 64×320²": lambda: large + large,
        "upsample 16×10² → 20²": lambda: doubled(small, 20),
        "cat 16+16 at 10²": lambda: torch.cat((small, small), 1),
        "max_pool2d 16×10²": lambda: F.max_pool2d(small, 2, 2, ceil_mode=True),
    }
    with torch.inference_mode():
        for name, work in operations.items():
            report("convs", name, 1e3 * graph_ms(work), "µs")
