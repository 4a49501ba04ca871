"""Each step of the kernels' network against its arithmetic in NumPy, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from whole_numbers import rounded, sums_of

from streamseg.device.cpu.kernel_network import kernels_suit
from streamseg.device.cpu.packing import LANES, Packed, pack_gathered, pack_picture, pack_planes, pack_tiles
from streamseg.device.cpu.plan import (
    GATHERED,
    PICTURE,
    PLANES,
    READ,
    SUM,
    TILES,
    UPSAMPLED,
    WIDE,
    Buffer,
    Plan,
    Task,
    pixels,
)
from streamseg.matting.arrays import resize

pytestmark = pytest.mark.skipif(
    not kernels_suit(), reason="the kernels were not compiled or do not suit this processor"
)

RNG = np.random.default_rng(7)


def convolution(outputs, inputs, kernel=3):
    """Tensors of one with loud and quiet weights, which fill 8 bits at their outputs."""
    weight = np.clip(RNG.normal(0, 20, (outputs, inputs, kernel, kernel)), -127, 127).astype(np.int8)
    step = (RNG.uniform(0.5, 1, outputs) / (40 * np.sqrt(inputs * kernel**2))).astype(np.float32)
    return {"c.weight": weight, "c.step": step, "c.bias": RNG.uniform(-0.2, 0.5, outputs).astype(np.float32)}


def expected_of(image, tensors, dilation=1, unit=1.0, times=576):
    sums = sums_of(image, tensors["c.weight"], dilation)
    expected = rounded(sums, tensors["c.step"], tensors["c.bias"], unit, times)
    assert expected.std() > 20
    return expected


def put(plan, buffer, values):
    plan.memory(buffer)[1:-1, 1:-1] = values


def run(plan):
    plan.run(plan.progress())


@pytest.mark.parametrize("side", [4, 20, 36])
@pytest.mark.parametrize("inputs", [(16,), (16, 16), (64, 64), (32,)])
@pytest.mark.parametrize("outputs", [16, 64])
def test_a_convolution_in_tiles(side, inputs, outputs):
    tensors = convolution(outputs, sum(inputs))
    images = [RNG.integers(0, 256, (side, side, channels), np.uint8) for channels in inputs]
    skip = RNG.integers(0, 256, (side, side, outputs), np.uint8)
    sources, target, added = [pixels(side, c) for c in inputs], pixels(side, outputs), pixels(side, outputs)
    pooled = pixels(side // 2, outputs)
    task = Task(TILES, side, sources, target, outputs, 1, pack_tiles(tensors, "c"), added, pooled)
    plan = Plan([task], [*sources, target, added, pooled])
    for buffer, values in [*zip(sources, images, strict=True), (added, skip)]:
        put(plan, buffer, values)
    run(plan)
    convolved = expected_of(np.concatenate(images, axis=2), tensors)
    expected = np.minimum(convolved.astype(int) + skip, 255).astype(np.uint8)
    got = plan.memory(target)
    assert np.array_equal(got[1:-1, 1:-1], expected)
    assert not got[0].any() and not got[-1].any() and not got[:, 0].any() and not got[:, -1].any()
    blocks = got[1:-1, 1:-1].reshape(side // 2, 2, side // 2, 2, outputs)
    assert np.array_equal(plan.memory(pooled)[1:-1, 1:-1], blocks.max(axis=(1, 3)))


@pytest.mark.parametrize("loud", [np.s_[::2], np.s_[1::2], np.s_[:]], ids=["negative", "positive", "all"])
def test_sums_at_their_limit_do_not_overflow(loud):
    weight = np.full((16, 64, 3, 3), 50, np.int8)
    weight[:, ::2] = -50
    tensors = {"c.weight": weight, "c.step": np.full(16, 7e-5, np.float32), "c.bias": np.full(16, 0.01, np.float32)}
    source, target = pixels(8, 64), pixels(8, 16)
    plan = Plan([Task(TILES, 8, [source], target, 16, 1, pack_tiles(tensors, "c"))], [source, target])
    image = np.zeros((8, 8, 64), np.uint8)
    image[..., loud] = 255
    put(plan, source, image)
    run(plan)
    expected = rounded(sums_of(image, weight), tensors["c.step"], tensors["c.bias"], times=576)
    assert np.array_equal(plan.memory(target)[1:-1, 1:-1], expected)


def test_weights_that_could_overflow_are_refused():
    tensors = convolution(16, 64) | {"c.weight": np.full((16, 64, 3, 3), 100, np.int8)}
    with pytest.raises(ValueError, match="c: sums may reach"):
        pack_tiles(tensors, "c")


@pytest.mark.parametrize("side", [8, 32])
def test_the_convolution_of_a_picture(side):
    tensors = convolution(64, 3)
    levels = RNG.integers(-120, 136, (side, side, 3))
    source, target = pixels(side, 4, np.int16), pixels(side, 64)
    packed = pack_picture(tensors, "c", 1.2)
    plan = Plan([Task(PICTURE, side, [source], target, 64, 1, packed)], [source, target])
    plan.memory(source)[1:-1, 1:-1, :3] = levels
    run(plan)
    assert np.array_equal(plan.memory(target)[1:-1, 1:-1], expected_of(levels, tensors, unit=1.2))


@pytest.mark.parametrize("dilation", [1, 2, 4, 8])
@pytest.mark.parametrize("side", [5, 10, 20])
def test_a_dilated_convolution(side, dilation):
    tensors = convolution(32, 48)
    images = [RNG.integers(0, 256, (side, side, channels), np.uint8) for channels in (16, 32)]
    skip = RNG.integers(0, 100, (side, side, 32), np.uint8)
    sources, target, added = [pixels(side, 16), pixels(side, 32)], pixels(side, 32), pixels(side, 32)
    task = Task(GATHERED, side, sources, target, 32, dilation, pack_gathered(tensors, "c"), added)
    plan = Plan([task], [*sources, target, added])
    for buffer, values in [*zip(sources, images, strict=True), (added, skip)]:
        put(plan, buffer, values)
    run(plan)
    convolved = expected_of(np.concatenate(images, axis=2), tensors, dilation, times=1)
    assert np.array_equal(plan.memory(target)[1:-1, 1:-1], np.minimum(convolved.astype(int) + skip, 255))


@pytest.mark.parametrize("side", [2, 18, 40])
def test_upsampling_is_bilinear(side):
    image = RNG.integers(0, 256, (side // 2, side // 2, 32), np.uint8)
    source, target = pixels(side // 2, 32), pixels(side, 32)
    plan = Plan([Task(UPSAMPLED, side, [source], target, 32)], [source, target])
    put(plan, source, image)
    run(plan)
    larger = np.stack([resize(image[..., c].astype(np.float32), side, side) for c in range(32)], axis=2)
    assert np.abs(plan.memory(target)[1:-1, 1:-1] - larger).max() <= 0.5


def test_bytes_become_levels():
    table = RNG.integers(-200, 200, (3, 256)).astype(np.int16)
    image = RNG.integers(0, 256, (12, 12, 3), np.uint8)
    target = pixels(12, 4, np.int16)
    plan = Plan([Task(READ, 12, [], target, packed=Packed(table, *[np.zeros(0, np.float32)] * 2))], [target])
    plan.read_from(image)
    run(plan)
    expected = np.stack([table[c][image[..., c]] for c in range(3)], axis=2)
    assert np.array_equal(plan.memory(target)[1:-1, 1:-1, :3], expected)


def test_sides_are_summed_at_full_size():
    tensors, size, tasks, wide, maps = convolution(1, 32), 24, [], [], []
    # A plane for each tap, as the head is folded.
    planes = {
        "c.weight": tensors["c.weight"][0].transpose(1, 2, 0).reshape(9, 32, 1, 1),
        "c.step": np.full(9, tensors["c.step"][0]),
    }
    sources = [pixels(side, 32) for side in (24, 12, 3)]
    for source in sources:
        side = source.side
        shifted, row = Buffer((side, side, LANES), np.float32), Buffer((side, size), np.float32)
        tasks.append(Task(PLANES, side, [source], shifted, packed=pack_planes(planes, "c")))
        tasks.append(Task(WIDE, side, [shifted], row, size))
        wide.append(row)
    bias, target = np.array([0.7], np.float32), Buffer((size, size), np.float32)
    plan = Plan([*tasks, Task(SUM, size, wide, target, packed=Packed(bias, bias, bias))], [*sources, target])
    for source in sources:
        image = RNG.integers(0, 256, (source.side, source.side, 32), np.uint8)
        put(plan, source, image)
        maps.append(sums_of(image, tensors["c.weight"])[..., 0] * (tensors["c.step"][0] / 255))
    run(plan)
    expected = 0.7 + sum(resize(values.astype(np.float32), size, size) for values in maps)
    np.testing.assert_allclose(plan.memory(target), expected, atol=1e-4)
