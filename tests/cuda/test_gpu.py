"""What only a GPU can show: order between torch and kernels on one stream, graphs, memory over a long run."""

from __future__ import annotations

from fractions import Fraction
from itertools import cycle, islice

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

from streamseg.device.cuda.buffers.ring import Ring  # noqa: E402
from streamseg.device.cuda.device import CUDADevice  # noqa: E402
from streamseg.device.cuda.network import CapturedNetwork, FusedNetwork  # noqa: E402
from streamseg.device.cuda.pipeline import GPUPipeline, GPUPipelineOptions  # noqa: E402
from streamseg.frame import Colour, Frame, PixelFormat  # noqa: E402
from streamseg.network.weights import load_weights  # noqa: E402


def test_kernels_and_torch_are_in_order_on_one_stream(platform):
    """Each reads what the other has just written, many times over, without a wait in between."""
    stream = platform.stream()
    image, half = (platform.empty(shape, torch.float32) for shape in ((512, 512), (256, 256)))
    with platform.on(stream):
        image.zero_()
        for _ in range(200):
            image.add_(1)
            platform.launch("halve", (256, 256), image, 512, 256, 256, None, half)
            image[:256, :256].copy_(half)
            image[256:].copy_(image[:256])
            image[:, 256:].copy_(image[:, :256])
    stream.synchronize()
    assert torch.all(half == 200)


def test_a_graph_computes_what_was_captured(gpu):
    stream = gpu.stream()
    network = FusedNetwork(load_weights(), gpu.device)
    captured = CapturedNetwork(network, gpu, stream, 2)
    images = torch.randn((2, 320, 320, 3), device=gpu.device)
    with gpu.on(stream):
        for _ in range(3):
            captured.inputs.copy_(images)
            captured.run(2)
        expected = network(images.permute(0, 3, 1, 2))
    stream.synchronize()
    assert (captured.outputs - expected).abs().max() < 5e-3


def test_a_buffer_is_not_written_while_the_gpu_reads_it(platform):
    """One slot, and uploads much slower than the host: each must still arrive unchanged."""
    stream, size = platform.stream(), 1 << (24 if platform.device.type == "cuda" else 16)
    host, there = platform.pinned((size,), torch.uint8), platform.empty((size,), torch.uint8)
    sums = platform.empty((20,), torch.int64)
    ring = Ring([host])
    for value in range(20):
        with ring.borrowed(lambda: platform.record(stream)) as slot:
            slot.fill_(value)
            with platform.on(stream):
                for _ in range(4):
                    there.copy_(slot, non_blocking=True)
                sums[value] = there.sum(dtype=torch.int64)
    stream.synchronize()
    assert sums.tolist() == [value * size for value in range(20)]


def moving(count, width=1920, height=1080):
    """A bright square that crosses a soft background."""
    form = PixelFormat.parse("yuv420p")
    y, x = np.mgrid[0:height, 0:width]
    soft = (90 + 40 * np.sin(x / 97) * np.cos(y / 61)).astype(np.uint8)
    for number in range(count):
        luma = soft.copy()
        left = 200 + 20 * number
        luma[300:800, left : left + 400] = 220
        chroma = [np.full(shape, 128, np.uint8) for shape in form.shapes(width, height)[1:]]
        yield Frame((luma, *chroma), form, number, Fraction(1, 30), Colour(1, 1))


def test_memory_is_small_and_flat_over_ten_thousand_frames(gpu):
    frames = list(moving(40))
    pipeline = GPUPipeline(CUDADevice(platform=gpu), frames[0].format, 1920, 1080, GPUPipelineOptions(ahead=True))
    background = tuple(np.ascontiguousarray(plane) for plane in frames[-1].planes)
    used = []
    for number, frame in enumerate(islice(cycle(frames), 10_000)):
        for finished in pipeline.step(pipeline.upload(frame), background):
            pipeline.download(finished)
        if number in (200, 9_999):
            used.append(torch.cuda.memory_reserved())
    assert used[0] == used[1]
    free, total = torch.cuda.mem_get_info()
    assert used[1] < 1.5e9, f"{used[1] / 1e6:.0f} MB are reserved, {(total - free) / 1e6:.0f} MB of the GPU are in use"
