"""Each step of the integer network against NumPy, to the bit."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from integer_reference import convolution_sums, requantised

from streamseg.device.cpu.integer import plan as plan_module
from streamseg.device.cpu.integer.network import integer_network_supported
from streamseg.device.cpu.integer.packing import (
    LANES,
    PackedWeights,
    pack_im2col,
    pack_matrix_tiles,
    pack_matrix_tiles_image,
    pack_tap_planes,
    pack_winograd,
    pack_winograd_image,
)
from streamseg.device.cpu.integer.plan import (
    Buffer,
    Instructions,
    Plan,
    Step,
    StepKind,
    feature_map,
    supported_instructions,
)
from streamseg.matting.arrays import resize

pytestmark = pytest.mark.skipif(
    not integer_network_supported(), reason="the kernels were not compiled or do not run on this processor"
)

RNG = np.random.default_rng(7)

# AMX replaces whole steps; the products of the others are those of AVX-512.
with_each_product = pytest.mark.parametrize(
    "instructions", [each for each in supported_instructions() if each != Instructions.AMX], ids=lambda each: each.name
)
with_amx = pytest.mark.skipif(Instructions.AMX not in supported_instructions(), reason="this processor has no AMX")


def convolution(outputs, inputs, kernel=3):
    """Tensors of a convolution with small and large weights, whose outputs use the whole range of 8 bits."""
    weight = np.clip(RNG.normal(0, 20, (outputs, inputs, kernel, kernel)), -127, 127).astype(np.int8)
    step = (RNG.uniform(0.5, 1, outputs) / (40 * np.sqrt(inputs * kernel**2))).astype(np.float32)
    return {"c.weight": weight, "c.step": step, "c.bias": RNG.uniform(-0.2, 0.5, outputs).astype(np.float32)}


def expected_output(image, tensors, dilation=1, input_unit=1.0, factor=576):
    sums = convolution_sums(image, tensors["c.weight"], dilation)
    expected = requantised(sums, tensors["c.step"], tensors["c.bias"], input_unit, factor)
    assert expected.std() > 20
    return expected


def fill(plan, buffer, values):
    """Sets a feature map without its border."""
    plan.array(buffer)[1:-1, 1:-1] = values


def run(plan):
    plan.run(plan.new_progress())


@pytest.mark.parametrize("side", [4, 20, 36])
@pytest.mark.parametrize("inputs", [(16,), (16, 16), (64, 64), (32,)])
@pytest.mark.parametrize("outputs", [16, 64])
@with_each_product
def test_winograd_convolution_with_residual_and_pooling(side, inputs, outputs, instructions):
    tensors = convolution(outputs, sum(inputs))
    packed = pack_winograd(tensors, "c")
    check_convolution_with_residual_and_pooling(StepKind.WINOGRAD, side, inputs, tensors, packed, instructions)


@with_amx
@pytest.mark.parametrize("side", [4, 10, 20, 36, 66])
@pytest.mark.parametrize("inputs", [(16,), (16, 16), (64, 64), (32,), (16, 64)])
@pytest.mark.parametrize("outputs", [16, 64, 128])
def test_convolution_in_matrix_tiles_with_residual_and_pooling(side, inputs, outputs):
    tensors = convolution(outputs, sum(inputs))
    packed = pack_matrix_tiles(tensors, "c", inputs)
    check_convolution_with_residual_and_pooling(
        StepKind.MATRIX_TILES, side, inputs, tensors, packed, Instructions.AMX, factor=1
    )


def check_convolution_with_residual_and_pooling(kind, side, inputs, tensors, packed, instructions, factor=576):
    outputs = len(tensors["c.weight"])
    images = [RNG.integers(0, 256, (side, side, channels), np.uint8) for channels in inputs]
    skip = RNG.integers(0, 256, (side, side, outputs), np.uint8)
    sources = [feature_map(side, c) for c in inputs]
    output, residual, pooled = (feature_map(s, outputs) for s in (side, side, side // 2))
    step = Step(kind, side, sources, output, outputs, 1, packed, residual, pooled)
    plan = Plan([step], [*sources, output, residual, pooled], instructions)
    for buffer, values in [*zip(sources, images, strict=True), (residual, skip)]:
        fill(plan, buffer, values)
    run(plan)
    convolved = expected_output(np.concatenate(images, axis=2), tensors, factor=factor)
    expected = np.minimum(convolved.astype(int) + skip, 255).astype(np.uint8)
    got = plan.array(output)
    assert np.array_equal(got[1:-1, 1:-1], expected)
    assert not got[0].any() and not got[-1].any() and not got[:, 0].any() and not got[:, -1].any()
    blocks = got[1:-1, 1:-1].reshape(side // 2, 2, side // 2, 2, outputs)
    assert np.array_equal(plan.array(pooled)[1:-1, 1:-1], blocks.max(axis=(1, 3)))


@pytest.mark.parametrize("active", [np.s_[::2], np.s_[1::2], np.s_[:]], ids=["negative", "positive", "all"])
def test_sums_at_their_limit_do_not_overflow(active):
    weight = np.full((16, 64, 3, 3), 50, np.int8)
    weight[:, ::2] = -50
    tensors = {"c.weight": weight, "c.step": np.full(16, 7e-5, np.float32), "c.bias": np.full(16, 0.01, np.float32)}
    source, output = feature_map(8, 64), feature_map(8, 16)
    plan = Plan([Step(StepKind.WINOGRAD, 8, [source], output, 16, 1, pack_winograd(tensors, "c"))], [source, output])
    image = np.zeros((8, 8, 64), np.uint8)
    image[..., active] = 255
    fill(plan, source, image)
    run(plan)
    expected = requantised(convolution_sums(image, weight), tensors["c.step"], tensors["c.bias"], factor=576)
    assert np.array_equal(plan.array(output)[1:-1, 1:-1], expected)


def test_weights_that_could_overflow_are_refused():
    tensors = convolution(16, 64) | {"c.weight": np.full((16, 64, 3, 3), 100, np.int8)}
    with pytest.raises(ValueError, match="c: weights of one sign add up to"):
        pack_winograd(tensors, "c")


@pytest.mark.parametrize("side", [8, 32])
@with_each_product
def test_winograd_convolution_of_the_image(side, instructions):
    tensors = convolution(64, 3)
    levels = RNG.integers(-120, 136, (side, side, 3))
    source, output = feature_map(side, 4, np.int16), feature_map(side, 64)
    packed = pack_winograd_image(tensors, "c", 1.2)
    step = Step(StepKind.WINOGRAD_IMAGE, side, [source], output, 64, 1, packed)
    plan = Plan([step], [source, output], instructions)
    plan.array(source)[1:-1, 1:-1, :3] = levels
    run(plan)
    assert np.array_equal(plan.array(output)[1:-1, 1:-1], expected_output(levels, tensors, input_unit=1.2))


@with_amx
def test_a_map_that_only_its_pooled_copy_is_read_of_needs_no_memory():
    tensors = convolution(64, 16)
    source, unread, pooled = feature_map(36, 16), feature_map(36, 64), feature_map(18, 64)
    packed = pack_matrix_tiles(tensors, "c", (16,))
    plan = Plan([Step(StepKind.MATRIX_TILES, 36, [source], unread, 64, 1, packed, None, pooled)], [source, pooled])
    image = RNG.integers(0, 256, (36, 36, 16), np.uint8)
    fill(plan, source, image)
    run(plan)
    expected = expected_output(image, tensors, factor=1).reshape(18, 2, 18, 2, 64).max(axis=(1, 3))
    assert np.array_equal(plan.array(pooled)[1:-1, 1:-1], expected)


@with_amx
@pytest.mark.parametrize("side", [8, 66])
def test_convolution_of_the_image_in_matrix_tiles(side):
    tensors = convolution(64, 3)
    table = RNG.integers(-120, 136, (3, 256)).astype(np.int16)
    table[0, :2] = -255, 255
    image = RNG.integers(0, 256, (side, side, 3), np.uint8)
    source, output = feature_map(side, 8), feature_map(side, 64)
    load = Step(StepKind.LOAD_HALVES, side, [], source, packed=PackedWeights(table, *[np.zeros(0, np.float32)] * 2))
    packed = pack_matrix_tiles_image(tensors, "c", 1.2)
    plan = Plan([load, Step(StepKind.MATRIX_TILES, side, [source], output, 64, 1, packed)], [source, output])
    plan.array(source)[...] = (127, 127, 127, 128, 128, 128, 0, 0)  # a border of levels that are zero
    plan.set_image(image)
    run(plan)
    levels = np.stack([table[c][image[..., c]] for c in range(3)], axis=2)
    expected = expected_output(levels, tensors, input_unit=1.2, factor=1).astype(int)
    got = plan.array(output)[1:-1, 1:-1]
    # The bias of a level is added with the other one, so that a half may be rounded the other way.
    assert abs(got - expected).max() <= 1 and (got != expected).mean() < 1e-3


@pytest.mark.parametrize("dilation", [1, 2, 4, 8])
@pytest.mark.parametrize("side", [5, 10, 20])
@with_each_product
def test_dilated_convolution_by_im2col(side, dilation, instructions):
    tensors = convolution(32, 48)
    images = [RNG.integers(0, 256, (side, side, channels), np.uint8) for channels in (16, 32)]
    skip = RNG.integers(0, 100, (side, side, 32), np.uint8)
    sources, output, residual = [feature_map(side, 16), feature_map(side, 32)], *(feature_map(side, 32) for _ in "12")
    step = Step(StepKind.IM2COL, side, sources, output, 32, dilation, pack_im2col(tensors, "c"), residual)
    plan = Plan([step], [*sources, output, residual], instructions)
    for buffer, values in [*zip(sources, images, strict=True), (residual, skip)]:
        fill(plan, buffer, values)
    run(plan)
    convolved = expected_output(np.concatenate(images, axis=2), tensors, dilation, factor=1)
    assert np.array_equal(plan.array(output)[1:-1, 1:-1], np.minimum(convolved.astype(int) + skip, 255))


@pytest.mark.parametrize("side", [2, 18, 40])
def test_upsampling_is_bilinear(side):
    image = RNG.integers(0, 256, (side // 2, side // 2, 32), np.uint8)
    source, output = feature_map(side // 2, 32), feature_map(side, 32)
    plan = Plan([Step(StepKind.UPSAMPLE, side, [source], output, 32)], [source, output])
    fill(plan, source, image)
    run(plan)
    larger = np.stack([resize(image[..., c].astype(np.float32), side, side) for c in range(32)], axis=2)
    assert np.abs(plan.array(output)[1:-1, 1:-1] - larger).max() <= 0.5


def test_a_map_that_tiles_do_not_fill_is_pooled():
    image = RNG.integers(0, 256, (14, 14, 32), np.uint8)
    source, output = feature_map(14, 32), feature_map(7, 32)
    plan = Plan([Step(StepKind.MAX_POOL, 7, [source], output, 32)], [source, output])
    fill(plan, source, image)
    run(plan)
    assert np.array_equal(plan.array(output)[1:-1, 1:-1], image.reshape(7, 2, 7, 2, 32).max(axis=(1, 3)))


def test_rgb_bytes_become_levels():
    table = RNG.integers(-200, 200, (3, 256)).astype(np.int16)
    image = RNG.integers(0, 256, (12, 12, 3), np.uint8)
    output = feature_map(12, 4, np.int16)
    packed = PackedWeights(table, *[np.zeros(0, np.float32)] * 2)
    plan = Plan([Step(StepKind.LOAD_IMAGE, 12, [], output, packed=packed)], [output])
    plan.set_image(image)
    run(plan)
    expected = np.stack([table[c][image[..., c]] for c in range(3)], axis=2)
    assert np.array_equal(plan.array(output)[1:-1, 1:-1, :3], expected)


def test_side_outputs_are_summed_at_full_size():
    tensors, size, steps, sides, maps = convolution(1, 32), 24, [], [], []
    # A plane for each tap, as the head is folded.
    planes = {
        "c.weight": tensors["c.weight"][0].transpose(1, 2, 0).reshape(9, 32, 1, 1),
        "c.step": np.full(9, tensors["c.step"][0]),
    }
    sources = [feature_map(side, 32) for side in (24, 12, 3)]
    for source in sources:
        side = source.side
        tap_planes, rows = Buffer((side, side, LANES), np.float32), Buffer((side, size), np.float32)
        steps.append(Step(StepKind.TAP_PLANES, side, [source], tap_planes, packed=pack_tap_planes(planes, "c")))
        steps.append(Step(StepKind.SUM_TAPS, side, [tap_planes], rows, size))
        sides.append(rows)
    bias, output = np.array([0.7], np.float32), Buffer((size, size), np.float32)
    steps.append(Step(StepKind.SUM_SIDES, size, sides, output, packed=PackedWeights(bias, bias, bias)))
    plan = Plan(steps, [*sources, output])
    for source in sources:
        image = RNG.integers(0, 256, (source.side, source.side, 32), np.uint8)
        fill(plan, source, image)
        maps.append(convolution_sums(image, tensors["c.weight"])[..., 0] * (tensors["c.step"][0] / 255))
    run(plan)
    expected = 0.7 + sum(resize(values.astype(np.float32), size, size) for values in maps)
    np.testing.assert_allclose(plan.array(output), expected, atol=1e-4)


def test_kernels_of_another_version_are_refused(monkeypatch):
    class OtherStep(ctypes.Structure):
        _fields_ = (*plan_module._CStep._fields_, ("more", ctypes.c_void_p))

    monkeypatch.setattr(plan_module, "_CStep", OtherStep)
    with pytest.raises(RuntimeError, match="install streamseg again"):
        Plan([], [])
