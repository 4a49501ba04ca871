"""What moved between two pictures, and what is in them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from streamseg.frame import Frame, PixelFormat
from streamseg.matting.motion import agreement, motion_between, reversed_motion, substance, thumbnail


def texture(rows, columns, across=0.0, down=0.0, seed=1):
    """A smooth random picture moved right and down, by fractions of a pixel too."""
    rng = np.random.default_rng(seed)
    x, y = np.arange(columns) - across, np.arange(rows)[:, None] - down
    total = np.zeros((rows, columns))
    for length, angle, phase in zip(np.geomspace(10, 150, 40), *rng.uniform(0, 2 * np.pi, (2, 40)), strict=True):
        total += length**0.5 * np.cos((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / length + phase)
    return (128 + 35 * total / total.std()).astype(np.float32)


MIDDLE = np.s_[..., 16:-16, 16:-16]


def test_a_pan_is_explained_and_points_to_where_things_were():
    motion = motion_between(texture(180, 320, 4, -3), texture(180, 320))
    assert np.abs(motion.flow[MIDDLE] - np.array([-4, 3])[:, None, None]).mean() < 0.1
    assert motion.agreement[MIDDLE].min() > 0.9
    assert not motion.cut


def test_another_scene_is_a_cut_and_agrees_hardly_anywhere():
    motion = motion_between(texture(180, 320), texture(180, 320, seed=2))
    assert motion.agreement.mean() < 0.2
    assert motion.cut


@pytest.mark.parametrize("across, down, brighter", [(10, 0, 0), (0, -10, 0), (0, 0, 4), (0, 0, -4), (3, 1, 3)])
def test_no_cut_at_a_pan_or_a_lamp(across, down, brighter):
    assert not motion_between(texture(180, 320, across, down) + brighter, texture(180, 320)).cut


def test_agreement_is_lost_only_where_something_new_is():
    here, there = texture(180, 320), texture(180, 320)
    here[60:120, 100:180] = texture(60, 80, seed=5)
    agreed = agreement(here, there, np.zeros((2, 180, 320), np.float32))
    assert agreed[63:117, 103:177].mean() < 0.2
    agreed[50:130, 90:190] = 1
    assert agreed.min() > 0.99


@pytest.mark.parametrize("across, down", [(5, 0), (-2.5, 4)])
def test_a_pan_reversed(across, down):
    here, there = texture(180, 320), texture(180, 320, across, down)
    motion = reversed_motion(motion_between(there, here), here, there)
    assert np.abs(motion.flow[MIDDLE] - np.array([across, down])[:, None, None]).mean() < 0.1
    assert motion.agreement[MIDDLE].mean() > 0.95


def grains(size):
    noise = np.random.default_rng(4).uniform(0, 255, (180 // size, 320 // size))
    return np.kron(noise, np.ones((size, size))).astype(np.float32)


EMPTY = {
    "black": np.zeros((180, 320), np.float32),
    "white": np.full((180, 320), 255, np.float32),
    "noise": grains(1),
    "coarse noise": grains(2),
    "a sensor's noise": np.random.default_rng(5).normal(100, 4, (180, 320)).astype(np.float32),
}


@pytest.mark.parametrize("name", EMPTY)
def test_flat_pictures_and_noise_have_no_substance(name):
    assert substance(EMPTY[name]) == 0


def with_object():
    picture = np.full((180, 320), 60, np.float32)
    picture[70:110, 140:180] = 160
    return picture + np.random.default_rng(6).normal(0, 3, picture.shape).astype(np.float32)


FULL = {
    "slope": np.broadcast_to(np.linspace(0, 255, 320, dtype=np.float32), (180, 320)),
    "object": with_object(),
    "texture": texture(180, 320),
    "faint texture": 100 + 0.1 * texture(180, 320),
}


@pytest.mark.parametrize("name", FULL)
def test_pictures_of_something_have_substance(name):
    assert substance(FULL[name]) == 1


@pytest.mark.parametrize(
    "name, size, small",
    [
        ("yuv420p", (1280, 720), (320, 180)),
        ("yuv420p10le", (1280, 720), (320, 180)),
        ("yuv444p16le", (720, 1280), (180, 320)),
        ("yuv422p", (1079, 1921), (180, 320)),
        ("gbrp", (160, 90), (320, 180)),
        ("yuv420p", (1920, 40), (320, 16)),
    ],
)
def test_a_thumbnail_has_the_frames_luma_in_8_bit_codes(name, size, small):
    form = PixelFormat.parse(name)
    planes = [np.full(shape, form.maximum // 2, form.dtype) for shape in form.shapes(*size)]
    ramp = np.linspace(0, form.maximum, size[0])
    planes[0] = np.ascontiguousarray(np.broadcast_to(np.rint(ramp), size[::-1])).astype(form.dtype)
    picture = thumbnail(Frame(tuple(planes), form, 0, Fraction(1, 25)))
    assert picture.dtype == np.float32
    assert picture.shape == small[::-1]
    expected = (np.arange(small[0]) + 0.5) / small[0] * 255
    assert np.abs(picture - expected).max() < 2
    assert picture.max() <= 255
