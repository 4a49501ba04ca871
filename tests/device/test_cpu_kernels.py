"""The kernels in C against their twins in NumPy."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from streamseg.device.cpu.arithmetic import KernelArithmetic, best_arithmetic
from streamseg.frame import Frame, Matte, PixelFormat
from streamseg.matting.arithmetic import NumPyArithmetic
from streamseg.matting.arrays import box_mean, resize
from streamseg.matting.boxes import WHOLE, Box
from streamseg.matting.motion import Motion
from streamseg.matting.sharp import levelled
from streamseg.matting.steady import LIMITS, Memory, Observation, cells_of

PLAIN = NumPyArithmetic()
FORMATS = ["yuv420p", "yuv420p10le", "yuv422p", "yuv444p", "gbrp", "yuv410p"]


@pytest.fixture(scope="module")
def compiled() -> KernelArithmetic:
    arithmetic = best_arithmetic()
    if not isinstance(arithmetic, KernelArithmetic):
        pytest.skip("the kernels were not compiled: install a C compiler and then streamseg again")
    return arithmetic


def smooth(shape, radius, seed, low=0.0, high=1.0):
    """Random float32 of that shape without fine detail, from ``low`` to ``high``."""
    values = np.random.default_rng(seed).random(shape, np.float32)
    blurred = box_mean(box_mean(values, radius), radius)
    blurred = blurred - blurred.min()
    return (blurred * ((high - low) / max(blurred.max(), 1e-6)) + low).astype(np.float32)


def pictures(shape, seed=1):
    """Two of them, the second moved by some pixels and with noise."""
    rows, columns = shape
    scene = smooth((rows + 16, columns + 16), 2, seed, 0, 255)
    noise = np.random.default_rng(seed).normal(0, 2, shape).astype(np.float32)
    return scene[8:-8, 8:-8].copy(), scene[5 : rows + 5, 12 : columns + 12] + noise


def motion(shape, seed=1):
    """Smooth, of some pixels, also pointing outside."""
    return Motion(smooth((2, *shape), 3, seed, -9, 9), np.random.default_rng(seed).random(shape, np.float32))


@pytest.mark.parametrize("dtype, maximum", [(np.uint8, 255), (np.uint16, 1023), (np.uint16, 65535)])
@pytest.mark.parametrize("size", [(320, 180), (57, 33), (16, 90), (1000, 700)])
@pytest.mark.parametrize("padding", [0, 5])
def test_thumbnails(compiled, dtype, maximum, size, padding):
    wide = np.random.default_rng(1).integers(0, maximum + 1, (541, 961 + padding)).astype(dtype)
    given = wide[:, :961], *size, maximum
    # What lies between two codes may be rounded either way.
    assert np.abs(compiled.shrink(*given) - PLAIN.shrink(*given)).max() < 1.01 * 255 / maximum


@pytest.mark.parametrize("maximum", [255, 1023, 65535])
@pytest.mark.parametrize("size", [(1280, 720), (961, 541), (80, 45), (3, 2), (1, 300)])
def test_pictures_made_larger(compiled, size, maximum):
    image = smooth((45, 80), 3, 11, 0, 300)
    assert image.max() > 255
    ours, theirs = compiled.stretch(image, *size, maximum), PLAIN.stretch(image, *size, maximum)
    assert ours.shape == size[::-1] and ours.dtype == theirs.dtype == (np.uint8 if maximum == 255 else np.uint16)
    assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= max(1, maximum // 4096)


SHAPES = [(180, 320), (320, 180), (181, 319), (16, 16), (45, 80), (23, 90)]


@pytest.mark.parametrize("shape", SHAPES)
def test_motion(compiled, shape):
    here, there = pictures(shape)
    ours, theirs = compiled.motion_between(here, there), PLAIN.motion_between(here, there)
    assert np.abs(theirs.flow).max() > 1
    # Where two places fit a patch alike, rounding decides between them.
    assert np.quantile(np.abs(ours.flow - theirs.flow), 0.997) < 0.01
    assert np.quantile(np.abs(ours.agreement - theirs.agreement), 0.997) < 0.01
    again = Motion(theirs.flow, theirs.agreement)
    ours, theirs = compiled.reversed_motion(again, there, here), PLAIN.reversed_motion(again, there, here)
    assert np.abs(ours.flow - theirs.flow).max() < 1e-3
    assert np.abs(ours.agreement - theirs.agreement).max() < 1e-3


def test_a_cut_agrees_nowhere_and_the_same_picture_everywhere(compiled):
    here = pictures((90, 160))[0]
    assert compiled.motion_between(here, here).agreement.min() > 0.999
    assert compiled.motion_between(here, 255 - here).agreement.min() < 1e-6


SIZES = [((45, 80), (72, 128)), ((45, 80), (45, 80)), ((80, 45), (128, 72)), ((33, 57), (20, 40)), ((16, 16), (8, 9))]
SIGHTS = [
    (None, None),
    (WHOLE, None),
    (WHOLE, Box(0.2, 0.3, 0.7, 0.9)),
    (Box(0.25, 0.1, 0.8, 1.0), Box(0.2, 0.3, 0.7, 0.9)),
    (Box(0.9, 0.9, 1.0, 1.0), None),
]


@pytest.mark.parametrize("motion_shape, shape", SIZES)
@pytest.mark.parametrize("sight", SIGHTS)
def test_the_memory(compiled, motion_shape, shape, sight):
    box, tracked = sight
    state = np.stack((smooth(shape, 1, 2), smooth(shape, 1, 3, 0, 6)))
    observation = None
    if box is not None:
        observation = Observation(smooth(shape, 1, 4)[cells_of(box, shape)], box, shape)
    for strength in (0.0, 0.5, 1.0):
        given = Memory(state), motion(motion_shape), observation, strength, tracked
        ours, theirs = compiled.mix(*given), PLAIN.mix(*given)
        assert np.abs(ours.state - theirs.state).max() < 1e-3
        assert (theirs.surprise > 0) == (observation is not None)
        assert abs(ours.surprise - theirs.surprise) < 1e-3 * max(1, theirs.surprise)


@pytest.mark.parametrize("motion_shape, shape", SIZES)
def test_the_motion_at_contours(compiled, motion_shape, shape):
    given = motion(motion_shape), smooth(shape, 2, 9) ** 3
    ours, theirs = compiled.at_contours(*given), PLAIN.at_contours(*given)
    assert np.abs(theirs.flow - given[0].flow).max() > 0.5
    assert np.abs(ours.flow - theirs.flow).max() < 2e-3
    assert np.array_equal(ours.agreement, theirs.agreement)


@pytest.mark.parametrize("motion_shape, shape", SIZES)
def test_the_look_ahead(compiled, motion_shape, shape):
    given = Memory(np.stack([smooth(shape, 1, 5)] * 2)), smooth(shape, 1, 6), motion(motion_shape)
    assert np.abs(compiled.settle(*given) - PLAIN.settle(*given)).max() < 1e-3


@pytest.mark.parametrize("motion_shape, shape", SIZES)
def test_the_mean_with_the_neighbours(compiled, motion_shape, shape):
    alpha, *others = (smooth(shape, 1, seed) for seed in (5, 6, 7))
    neighbours = [(other, motion(motion_shape)) for other in others]
    for given in (neighbours, neighbours[:1], []):
        ours, theirs = compiled.even(alpha, given), PLAIN.even(alpha, given)
        assert np.abs(ours - theirs).max() < 1e-3
    assert np.array_equal(ours, np.clip(alpha, *LIMITS))


@pytest.mark.parametrize("box", [WHOLE, Box(0.25, 0.125, 0.75, 1.0), Box(0.0, 0.0, 0.1, 0.05)])
@pytest.mark.parametrize("mirrored", [False, True])
def test_observations(compiled, box, mirrored):
    saliency = smooth((320, 320), 4, 7)
    given = saliency[:, ::-1] if mirrored else saliency, box, (288, 512), 0.8
    ours, theirs = compiled.observe(*given), PLAIN.observe(*given)
    assert ours.alpha.shape == theirs.alpha.shape
    assert np.abs(ours.alpha - theirs.alpha).max() < 1e-5


def matte_of(shape, seed=8):
    """Blobs of 1 on 0 with soft edges."""
    return levelled(np.clip(smooth(shape, 6, seed, -2, 3), 0, 1).astype(np.float32))


def frame_of(width, height, name, padding=0):
    """A smooth random picture whose rows may lie apart."""
    form = PixelFormat.parse(name)
    planes = []
    for place, (rows, columns) in enumerate(form.shapes(width, height)):
        wide = np.empty((rows, columns + padding), form.dtype)
        wide[:, :columns] = np.rint(smooth((rows, columns), 2, 20 + place) * form.maximum)
        planes.append(wide[:, :columns])
    return Frame(tuple(planes), form, 7, Fraction(1, 25))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(1280, 720), (961, 541), (100, 60), (2, 2), (9, 300)])
@pytest.mark.parametrize("alpha", ["blobs", "nothing", "everything", "half"])
def test_enlarging(compiled, size, dtype, alpha):
    grid = matte_of((144, 256))
    if alpha != "blobs":
        grid[:], grid[:, 128:] = alpha == "everything", alpha != "nothing"
    ours, theirs = compiled.enlarge(grid, *size, dtype), PLAIN.enlarge(grid, *size, dtype)
    assert ours.dtype == dtype
    assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= (1 if dtype == np.uint8 else 8)


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("size", [(640, 360), (361, 641)])
def test_edges(compiled, size, name, padding):
    frame, grid = frame_of(*size, name, padding), matte_of((90, 160) if size[0] > size[1] else (160, 90))
    before = [plane.copy() for plane in frame.planes]
    codes = PLAIN.enlarge(grid, *size, np.uint8 if frame.format.depth == 8 else np.uint16)
    ours, theirs, plain = codes.copy(), codes.copy(), codes.astype(float)
    painted, expected = compiled.refine_edges(frame, grid, ours), PLAIN.refine_edges(frame, grid, theirs)
    assert np.abs(plain - theirs).max() > 0.05 * codes.max()
    # A colour between two that are nearly one has no place of its own: rounding decides there.
    assert np.mean(np.abs(ours.astype(float) - theirs) > 0.005 * codes.max()) < 1e-4
    for plane, other, own, was in zip(painted.planes, expected.planes, frame.planes, before, strict=True):
        assert np.mean(np.abs(plane.astype(int) - other.astype(int)) > 1 + 0.005 * frame.format.maximum) < 1e-3
        assert np.array_equal(own, was)


@pytest.mark.parametrize("name", ["yuv420p", "yuv420p10le"])
def test_no_edge_leaves_all_as_it_was(compiled, name):
    frame = frame_of(322, 182, name)
    codes = np.full((182, 322), 255, np.uint8 if name == "yuv420p" else np.uint16)
    for level in (0.0, 1.0):
        codes[:] = level * np.iinfo(codes.dtype).max
        kept = codes.copy()
        cut = compiled.refine_edges(frame, np.full((90, 160), level, np.float32), codes)
        assert np.array_equal(codes, kept)
        assert all(np.array_equal(plane, own) for plane, own in zip(cut.planes, frame.planes, strict=True))


@pytest.mark.parametrize("padding", [0, 7])
@pytest.mark.parametrize("size", [(64, 36), (33, 17), (1, 1), (2, 5)])
@pytest.mark.parametrize("name", FORMATS)
def test_composites_are_the_same_to_the_bit(compiled, name, size, padding):
    frame, rng = frame_of(*size, name, padding), np.random.default_rng(9)
    dtype = np.uint8 if frame.format.depth == 8 else np.uint16
    top = np.iinfo(dtype).max
    alpha = rng.integers(0, top + 1, size[::-1]).astype(dtype)
    alpha[rng.random(alpha.shape) < 0.3], alpha[rng.random(alpha.shape) < 0.3] = 0, top
    background = tuple(rng.integers(0, frame.format.maximum + 1, plane.shape, plane.dtype) for plane in frame.planes)
    wide = [np.full((plane.shape[0], plane.shape[1] + padding), 77, plane.dtype) for plane in frame.planes]
    ours = replace(frame, planes=tuple(plane[:, : plane.shape[1] - padding] for plane in wide))
    theirs = replace(frame, planes=tuple(np.empty(plane.shape, plane.dtype) for plane in frame.planes))
    compiled.composite_into(ours, frame, Matte(alpha), background)
    PLAIN.composite_into(theirs, frame, Matte(alpha), background)
    assert all(np.array_equal(plane, other) for plane, other in zip(ours.planes, theirs.planes, strict=True))
    assert not padding or all(np.all(plane[:, -padding:] == 77) for plane in wide)


def test_a_background_of_one_sample_seen_everywhere(compiled):
    frame = frame_of(64, 36, "yuv420p")
    background = tuple(np.broadcast_to(np.uint8(90), plane.shape) for plane in frame.planes)
    out = replace(frame, planes=tuple(np.empty_like(plane) for plane in frame.planes))
    compiled.composite_into(out, frame, Matte(np.zeros((36, 64), np.uint8)), background)
    assert all(np.all(plane == 90) for plane in out.planes)


def test_a_picture_whose_colours_lie_pixel_by_pixel(compiled):
    pixels = np.random.default_rng(3).integers(0, 256, (90, 160, 3)).astype(np.uint8)
    planes = tuple(pixels[..., channel] for channel in range(3))
    frame = Frame(planes, PixelFormat.parse("gbrp"), 0, Fraction(1))
    copied = replace(frame, planes=tuple(np.ascontiguousarray(plane) for plane in planes))
    assert np.array_equal(compiled.shrink(planes[0], 40, 30, 255), compiled.shrink(copied.planes[0], 40, 30, 255))
    grid = matte_of((45, 80))
    codes = [compiled.enlarge(grid, 160, 90, np.uint8) for _ in range(2)]
    cuts = [compiled.refine_edges(each, grid, code) for each, code in zip((frame, copied), codes, strict=True)]
    assert np.array_equal(*codes)
    assert all(np.array_equal(*pair) for pair in zip(*(cut.planes for cut in cuts), strict=True))
    assert np.array_equal(planes[0], copied.planes[0])


def test_every_pair_of_levels_under_every_alpha(compiled):
    levels = np.arange(256, dtype=np.uint8)
    foreground, alpha = (np.ascontiguousarray(array) for array in np.meshgrid(levels, levels))
    form = PixelFormat.parse("yuv444p")
    for level in levels:
        planes = (foreground, foreground, foreground)
        ours, theirs = (replace(Frame(planes, form, 0, Fraction(1)), planes=_empty(planes)) for _ in range(2))
        background = (np.full_like(foreground, level),) * 3
        frame = Frame(planes, form, 0, Fraction(1))
        compiled.composite_into(ours, frame, Matte(alpha), background)
        PLAIN.composite_into(theirs, frame, Matte(alpha), background)
        assert np.array_equal(ours.planes[0], theirs.planes[0]), level


def _empty(planes):
    return tuple(np.empty_like(plane) for plane in planes)


def test_threads_do_not_disturb_each_other(compiled):
    cases = [pictures((90, 160), seed) for seed in range(8)]
    alone = [compiled.motion_between(*case).flow for case in cases]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda case: compiled.motion_between(*case).flow, cases * 8))
    assert all(np.array_equal(flow, alone[place % 8]) for place, flow in enumerate(together))


def test_what_does_not_fit_is_refused_before_anything_is_read(compiled):
    here, frame = np.zeros((20, 30), np.float32), frame_of(64, 36, "yuv420p")
    with pytest.raises(Exception, match="float32"):
        compiled.motion_between(np.zeros((20, 30)), np.zeros((20, 30)))
    with pytest.raises(ValueError, match="expected one shape"):
        compiled.motion_between(here, here[:19])
    with pytest.raises(ValueError, match="expected one shape"):
        compiled.settle(Memory(np.zeros((2, 20, 30), np.float32)), here[:, :29], motion((20, 30)))
    with pytest.raises(ValueError, match="expected one shape and type"):
        compiled.refine_edges(frame, here, np.zeros((36, 63), np.uint8))
    alpha, small = Matte(np.zeros((36, 64), np.uint8)), tuple(plane[1:] for plane in frame.planes)
    with pytest.raises(ValueError, match="expected one shape and type"):
        compiled.composite_into(frame, frame, alpha, small)
    with pytest.raises(ValueError, match="expected one shape and type"):
        compiled.composite_into(frame, frame, Matte(np.zeros((36, 64), np.uint16)), frame.planes)


def test_resizing_is_the_twins(compiled):
    """A step that both makes share: a matte enlarged twice keeps its mean."""
    grid = matte_of((90, 160))
    codes = compiled.enlarge(grid, 320, 180, np.uint16)
    assert abs(codes.mean() / 65535 - resize(grid, 180, 320).mean()) < 1e-5
