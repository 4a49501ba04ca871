"""The matting backend in C against the reference in NumPy."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from streamseg.device.cpu.matting.backend import CBackend, best_backend
from streamseg.frame import Frame, Matte, PixelFormat
from streamseg.matting.arrays import box_mean, resize
from streamseg.matting.backend import NumPyBackend
from streamseg.matting.constants import ALPHA_HIGH, ALPHA_LOW
from streamseg.matting.edges.refine import apply_limits
from streamseg.matting.motion.estimate import Motion
from streamseg.matting.temporal.filter import MatteState, Observation, roi_cells
from streamseg.matting.tracking.roi import FULL_FRAME, ROI

REFERENCE = NumPyBackend()
FORMATS = ["yuv420p", "yuv420p10le", "yuv422p", "yuv444p", "gbrp", "yuv410p"]


@pytest.fixture(scope="module")
def backend() -> CBackend:
    best = best_backend()
    if not isinstance(best, CBackend):
        pytest.skip("the kernels were not compiled: install a C compiler and then streamseg again")
    return best


def smooth_noise(shape, radius, seed, low=0.0, high=1.0):
    """Random float32 of that shape without fine detail, from ``low`` to ``high``."""
    values = np.random.default_rng(seed).random(shape, np.float32)
    blurred = box_mean(box_mean(values, radius), radius)
    blurred = blurred - blurred.min()
    return (blurred * ((high - low) / max(blurred.max(), 1e-6)) + low).astype(np.float32)


def image_pair(shape, seed=1):
    """Two images, the second shifted by some pixels and with noise."""
    rows, columns = shape
    scene = smooth_noise((rows + 16, columns + 16), 2, seed, 0, 255)
    noise = np.random.default_rng(seed).normal(0, 2, shape).astype(np.float32)
    return scene[8:-8, 8:-8].copy(), scene[5 : rows + 5, 12 : columns + 12] + noise


def random_motion(shape, seed=1):
    """A smooth flow of some pixels, some of it to positions outside the image."""
    return Motion(smooth_noise((2, *shape), 3, seed, -9, 9), np.random.default_rng(seed).random(shape, np.float32))


@pytest.mark.parametrize("dtype, maximum", [(np.uint8, 255), (np.uint16, 1023), (np.uint16, 65535)])
@pytest.mark.parametrize("size", [(320, 180), (57, 33), (16, 90), (1000, 700)])
@pytest.mark.parametrize("padding", [0, 5])
def test_downscale(backend, dtype, maximum, size, padding):
    padded = np.random.default_rng(1).integers(0, maximum + 1, (541, 961 + padding)).astype(dtype)
    arguments = padded[:, :961], *size, maximum
    # A value halfway between two codes may be rounded either way.
    assert np.abs(backend.downscale(*arguments) - REFERENCE.downscale(*arguments)).max() < 1.01 * 255 / maximum


@pytest.mark.parametrize("maximum", [255, 1023, 65535])
@pytest.mark.parametrize("size", [(1280, 720), (961, 541), (80, 45), (3, 2), (1, 300)])
def test_upscale(backend, size, maximum):
    image = smooth_noise((45, 80), 3, 11, 0, 300)
    assert image.max() > 255
    result, expected = backend.upscale(image, *size, maximum), REFERENCE.upscale(image, *size, maximum)
    assert result.shape == size[::-1] and result.dtype == expected.dtype == (np.uint8 if maximum == 255 else np.uint16)
    assert np.abs(result.astype(int) - expected.astype(int)).max() <= max(1, maximum // 4096)


def test_a_plane_at_its_own_size(backend):
    plane = np.random.default_rng(1).integers(0, 256, (33, 41)).astype(np.uint8)
    assert np.array_equal(backend.downscale(plane, 41, 33, 255), plane)


@pytest.mark.parametrize("shape", [(180, 320), (181, 319), (1, 1), (2, 90), (3, 3), (23, 2)])
def test_background_weight(backend, shape):
    alpha = np.clip(smooth_noise(shape, 1, 5, -0.2, 0.4), 0, 1)
    np.testing.assert_allclose(backend.background_weight(alpha), REFERENCE.background_weight(alpha), atol=1e-6)


@pytest.mark.parametrize("shape", [(180, 320), (181, 319), (1, 1), (2, 90), (3, 3), (23, 2), (9, 300)])
@pytest.mark.parametrize("sigmas", [(2.0, 1.5), (0.3, 5.0)])
@pytest.mark.parametrize("hole", ["some", "everywhere", "nowhere"])
def test_fill_and_blur(backend, shape, sigmas, hole):
    images = smooth_noise((2, *shape), 1, 5, 0, 255)
    weight = np.clip(smooth_noise(shape, 4, 6, -1, 1.5), 0, 1)
    if hole != "some":
        weight[:] = hole == "nowhere"
    before = images.copy()
    result = backend.fill_and_blur(images, weight, *sigmas)
    np.testing.assert_allclose(result, REFERENCE.fill_and_blur(images, weight, *sigmas), atol=2e-2)
    assert np.array_equal(images, before)


SHAPES = [(180, 320), (320, 180), (181, 319), (16, 16), (45, 80), (23, 90)]


@pytest.mark.parametrize("shape", SHAPES)
def test_motion(backend, shape):
    here, there = image_pair(shape)
    result, expected = backend.estimate_motion(here, there), REFERENCE.estimate_motion(here, there)
    assert np.abs(expected.flow).max() > 1
    # Where a patch matches equally well at two positions, rounding decides between them.
    assert np.quantile(np.abs(result.flow - expected.flow), 0.997) < 0.01
    assert np.quantile(np.abs(result.confidence - expected.confidence), 0.997) < 0.01
    motion = Motion(expected.flow, expected.confidence)
    result, expected = backend.reverse_motion(motion, there, here), REFERENCE.reverse_motion(motion, there, here)
    assert np.abs(result.flow - expected.flow).max() < 1e-3
    assert np.abs(result.confidence - expected.confidence).max() < 1e-3


def test_confidence_is_1_for_the_same_image_and_drops_to_0_for_its_negative(backend):
    here = image_pair((90, 160))[0]
    assert backend.estimate_motion(here, here).confidence.min() > 0.999
    assert backend.estimate_motion(here, 255 - here).confidence.min() < 1e-6


SIZES = [((45, 80), (72, 128)), ((45, 80), (45, 80)), ((80, 45), (128, 72)), ((33, 57), (20, 40)), ((16, 16), (8, 9))]
OBSERVED_AND_TRACKED = [
    (None, None),
    (FULL_FRAME, None),
    (FULL_FRAME, ROI(0.2, 0.3, 0.7, 0.9)),
    (ROI(0.25, 0.1, 0.8, 1.0), ROI(0.2, 0.3, 0.7, 0.9)),
    (ROI(0.9, 0.9, 1.0, 1.0), None),
]


@pytest.mark.parametrize("motion_shape, shape", SIZES)
@pytest.mark.parametrize("observed, roi", OBSERVED_AND_TRACKED)
def test_update(backend, motion_shape, shape, observed, roi):
    values = np.stack((smooth_noise(shape, 1, 2), smooth_noise(shape, 1, 3, 0, 6)))
    observation = None
    if observed is not None:
        observation = Observation(smooth_noise(shape, 1, 4)[roi_cells(observed, shape)], observed, shape)
    for strength in (0.0, 0.5, 1.0):
        arguments = MatteState(values), random_motion(motion_shape), observation, strength, roi
        result, expected = backend.update(*arguments), REFERENCE.update(*arguments)
        assert np.abs(result.values - expected.values).max() < 1e-3
        assert (expected.innovation > 0) == (observation is not None)
        assert abs(result.innovation - expected.innovation) < 1e-3 * max(1, expected.innovation)


@pytest.mark.parametrize("motion_shape, shape", SIZES)
def test_layer_motion(backend, motion_shape, shape):
    arguments = random_motion(motion_shape), smooth_noise(shape, 2, 9) ** 3
    result, expected = backend.layer_motion(*arguments), REFERENCE.layer_motion(*arguments)
    assert np.abs(expected.flow - arguments[0].flow).max() > 0.5
    assert np.abs(result.flow - expected.flow).max() < 2e-3
    assert np.array_equal(result.confidence, expected.confidence)


@pytest.mark.parametrize("motion_shape, shape", SIZES)
def test_smooth(backend, motion_shape, shape):
    arguments = smooth_noise(shape, 1, 5), smooth_noise(shape, 1, 6), random_motion(motion_shape)
    assert np.abs(backend.smooth(*arguments) - REFERENCE.smooth(*arguments)).max() < 1e-3


@pytest.mark.parametrize("motion_shape, shape", SIZES)
def test_average(backend, motion_shape, shape):
    alpha, *others = (smooth_noise(shape, 1, seed) for seed in (5, 6, 7))
    neighbours = [(other, random_motion(motion_shape)) for other in others]
    for some in (neighbours, neighbours[:1], []):
        result, expected = backend.average(alpha, some), REFERENCE.average(alpha, some)
        assert np.abs(result - expected).max() < 1e-3
    assert np.array_equal(result, np.clip(alpha, ALPHA_LOW, ALPHA_HIGH))


@pytest.mark.parametrize("shape", [(90, 160), (200, 31), (40, 61)])
def test_resolve(backend, shape):
    alpha, previous = smooth_noise(shape, 9, 5), smooth_noise(shape, 9, 6)
    for before in (None, lambda: previous):
        result, expected = backend.resolve(alpha, before), REFERENCE.resolve(alpha, before)
        assert np.abs(result - alpha).max() > 0.1
        assert np.abs(result - expected).max() < 1e-3
    certain = (alpha > 0.5).astype(np.float32)
    assert backend.resolve(certain, lambda: pytest.fail("nothing is ambiguous")) is certain


@pytest.mark.parametrize("roi", [FULL_FRAME, ROI(0.25, 0.125, 0.75, 1.0), ROI(0.0, 0.0, 0.1, 0.05)])
@pytest.mark.parametrize("flipped", [False, True])
def test_observe(backend, roi, flipped):
    saliency = smooth_noise((320, 320), 4, 7)
    arguments = saliency[:, ::-1] if flipped else saliency, roi, (288, 512), 0.8
    result, expected = backend.observe(*arguments), REFERENCE.observe(*arguments)
    assert result.alpha.shape == expected.alpha.shape
    assert np.abs(result.alpha - expected.alpha).max() < 1e-5


def blobs(shape, seed=8):
    """A matte of blobs with soft edges."""
    return apply_limits(np.clip(smooth_noise(shape, 6, seed, -2, 3), 0, 1).astype(np.float32))


def random_frame(width, height, name, padding=0):
    """A smooth random frame, with ``padding`` samples after each row."""
    form = PixelFormat.parse(name)
    planes = []
    for index, (rows, columns) in enumerate(form.shapes(width, height)):
        padded = np.empty((rows, columns + padding), form.dtype)
        padded[:, :columns] = np.rint(smooth_noise((rows, columns), 2, 20 + index) * form.maximum)
        planes.append(padded[:, :columns])
    return Frame(tuple(planes), form, 7, Fraction(1, 25))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(1280, 720), (961, 541), (100, 60), (2, 2), (9, 300)])
@pytest.mark.parametrize("alpha", ["blobs", "zero", "one", "half"])
def test_upsample_alpha(backend, size, dtype, alpha):
    grid = blobs((144, 256))
    if alpha != "blobs":
        grid[:], grid[:, 128:] = alpha == "one", alpha != "zero"
    result, expected = backend.upsample_alpha(grid, *size, dtype), REFERENCE.upsample_alpha(grid, *size, dtype)
    assert result.dtype == dtype
    assert np.abs(result.astype(int) - expected.astype(int)).max() <= (1 if dtype == np.uint8 else 8)


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("size", [(640, 360), (361, 641)])
def test_refine_edges(backend, size, name, padding):
    frame, grid = random_frame(*size, name, padding), blobs((90, 160) if size[0] > size[1] else (160, 90))
    before = [plane.copy() for plane in frame.planes]
    codes = REFERENCE.upsample_alpha(grid, *size, np.uint8 if frame.format.depth == 8 else np.uint16)
    result, expected, unrefined = codes.copy(), codes.copy(), codes.astype(float)
    refined, reference = backend.refine_edges(frame, grid, result), REFERENCE.refine_edges(frame, grid, expected)
    assert np.abs(unrefined - expected).max() > 0.05 * codes.max()
    # Where foreground and background have nearly the same colour, alpha is ill-conditioned: rounding decides there.
    assert np.mean(np.abs(result.astype(float) - expected) > 0.005 * codes.max()) < 1e-4
    for plane, other, after, original in zip(refined.planes, reference.planes, frame.planes, before, strict=True):
        assert np.mean(np.abs(plane.astype(int) - other.astype(int)) > 1 + 0.005 * frame.format.maximum) < 1e-3
        assert np.array_equal(after, original)


@pytest.mark.parametrize("name", ["yuv420p", "yuv420p10le"])
def test_a_constant_matte_changes_nothing(backend, name):
    frame = random_frame(322, 182, name)
    codes = np.full((182, 322), 255, np.uint8 if name == "yuv420p" else np.uint16)
    for level in (0.0, 1.0):
        codes[:] = level * np.iinfo(codes.dtype).max
        before = codes.copy()
        refined = backend.refine_edges(frame, np.full((90, 160), level, np.float32), codes)
        assert np.array_equal(codes, before)
        assert all(
            np.array_equal(plane, original) for plane, original in zip(refined.planes, frame.planes, strict=True)
        )


@pytest.mark.parametrize("padding", [0, 7])
@pytest.mark.parametrize("size", [(64, 36), (33, 17), (1, 1), (2, 5)])
@pytest.mark.parametrize("name", FORMATS)
def test_composites_are_equal_to_the_bit(backend, name, size, padding):
    frame, rng = random_frame(*size, name, padding), np.random.default_rng(9)
    dtype = np.uint8 if frame.format.depth == 8 else np.uint16
    maximum = np.iinfo(dtype).max
    alpha = rng.integers(0, maximum + 1, size[::-1]).astype(dtype)
    alpha[rng.random(alpha.shape) < 0.3], alpha[rng.random(alpha.shape) < 0.3] = 0, maximum
    background = tuple(rng.integers(0, frame.format.maximum + 1, plane.shape, plane.dtype) for plane in frame.planes)
    padded = [np.full((plane.shape[0], plane.shape[1] + padding), 77, plane.dtype) for plane in frame.planes]
    result = replace(frame, planes=tuple(plane[:, : plane.shape[1] - padding] for plane in padded))
    expected = replace(frame, planes=tuple(np.empty(plane.shape, plane.dtype) for plane in frame.planes))
    backend.composite_into(result, frame, Matte(alpha), background)
    REFERENCE.composite_into(expected, frame, Matte(alpha), background)
    assert all(np.array_equal(plane, other) for plane, other in zip(result.planes, expected.planes, strict=True))
    assert not padding or all(np.all(plane[:, -padding:] == 77) for plane in padded)


def test_a_background_of_one_broadcast_sample(backend):
    frame = random_frame(64, 36, "yuv420p")
    background = tuple(np.broadcast_to(np.uint8(90), plane.shape) for plane in frame.planes)
    out = replace(frame, planes=tuple(np.empty_like(plane) for plane in frame.planes))
    backend.composite_into(out, frame, Matte(np.zeros((36, 64), np.uint8)), background)
    assert all(np.all(plane == 90) for plane in out.planes)


def test_a_frame_with_interleaved_samples(backend):
    pixels = np.random.default_rng(3).integers(0, 256, (90, 160, 3)).astype(np.uint8)
    planes = tuple(pixels[..., channel] for channel in range(3))
    frame = Frame(planes, PixelFormat.parse("gbrp"), 0, Fraction(1))
    copied = replace(frame, planes=tuple(np.ascontiguousarray(plane) for plane in planes))
    assert np.array_equal(backend.downscale(planes[0], 40, 30, 255), backend.downscale(copied.planes[0], 40, 30, 255))
    grid = blobs((45, 80))
    codes = [backend.upsample_alpha(grid, 160, 90, np.uint8) for _ in range(2)]
    refined = [backend.refine_edges(each, grid, code) for each, code in zip((frame, copied), codes, strict=True)]
    assert np.array_equal(*codes)
    assert all(np.array_equal(*pair) for pair in zip(*(each.planes for each in refined), strict=True))
    assert np.array_equal(planes[0], copied.planes[0])


def test_every_pair_of_levels_under_every_alpha(backend):
    levels = np.arange(256, dtype=np.uint8)
    foreground, alpha = (np.ascontiguousarray(array) for array in np.meshgrid(levels, levels))
    form = PixelFormat.parse("yuv444p")
    for level in levels:
        planes = (foreground, foreground, foreground)
        result, expected = (replace(Frame(planes, form, 0, Fraction(1)), planes=_empty(planes)) for _ in range(2))
        background = (np.full_like(foreground, level),) * 3
        frame = Frame(planes, form, 0, Fraction(1))
        backend.composite_into(result, frame, Matte(alpha), background)
        REFERENCE.composite_into(expected, frame, Matte(alpha), background)
        assert np.array_equal(result.planes[0], expected.planes[0]), level


def _empty(planes):
    return tuple(np.empty_like(plane) for plane in planes)


def test_threads_do_not_interfere(backend):
    pairs = [image_pair((90, 160), seed) for seed in range(8)]
    expected = [backend.estimate_motion(*pair).flow for pair in pairs]
    with ThreadPoolExecutor(4) as pool:
        flows = list(pool.map(lambda pair: backend.estimate_motion(*pair).flow, pairs * 8))
    assert all(np.array_equal(flow, expected[number % 8]) for number, flow in enumerate(flows))


def test_arrays_that_do_not_fit_are_refused_before_anything_is_read(backend):
    here, frame = np.zeros((20, 30), np.float32), random_frame(64, 36, "yuv420p")
    with pytest.raises(Exception, match="float32"):
        backend.estimate_motion(np.zeros((20, 30)), np.zeros((20, 30)))
    with pytest.raises(ValueError, match="expected one shape"):
        backend.estimate_motion(here, here[:19])
    with pytest.raises(ValueError, match="expected one shape"):
        backend.smooth(here, here[:, :29], random_motion((20, 30)))
    with pytest.raises(ValueError, match="expected one shape and dtype"):
        backend.refine_edges(frame, here, np.zeros((36, 63), np.uint8))
    matte, cropped = Matte(np.zeros((36, 64), np.uint8)), tuple(plane[1:] for plane in frame.planes)
    with pytest.raises(ValueError, match="expected one shape and dtype"):
        backend.composite_into(frame, frame, matte, cropped)
    with pytest.raises(ValueError, match="expected one shape and dtype"):
        backend.composite_into(frame, frame, Matte(np.zeros((36, 64), np.uint16)), frame.planes)


def test_upsampling_matches_resize(backend):
    """A matte upsampled to twice its size has the mean that resize gives it."""
    grid = blobs((90, 160))
    codes = backend.upsample_alpha(grid, 320, 180, np.uint16)
    assert abs(codes.mean() / 65535 - resize(grid, 180, 320).mean()) < 1e-5
