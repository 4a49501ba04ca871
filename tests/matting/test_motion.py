"""Motion between two frames, its confidence, and the content of a frame."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from streamseg.frame import Frame, PixelFormat
from streamseg.matting.motion.estimate import content, estimate_motion, flow_confidence, luma_base, reverse_motion


def texture(rows, columns, across=0.0, down=0.0, seed=1):
    """A smooth random image, shifted right and down, also by fractions of a pixel."""
    rng = np.random.default_rng(seed)
    x, y = np.arange(columns) - across, np.arange(rows)[:, None] - down
    total = np.zeros((rows, columns))
    for length, angle, phase in zip(np.geomspace(10, 150, 40), *rng.uniform(0, 2 * np.pi, (2, 40)), strict=True):
        total += length**0.5 * np.cos((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / length + phase)
    return (128 + 35 * total / total.std()).astype(np.float32)


MIDDLE = np.s_[..., 16:-16, 16:-16]


def test_a_pan_is_explained_and_its_flow_points_to_the_frame_before():
    motion = estimate_motion(texture(180, 320, 4, -3), texture(180, 320))
    assert np.abs(motion.flow[MIDDLE] - np.array([-4, 3])[:, None, None]).mean() < 0.1
    assert motion.confidence[MIDDLE].min() > 0.9
    assert not motion.cut


def test_another_scene_is_a_cut_with_low_confidence():
    motion = estimate_motion(texture(180, 320), texture(180, 320, seed=2))
    assert motion.confidence.mean() < 0.2
    assert motion.cut


@pytest.mark.parametrize("across, down, brighter", [(10, 0, 0), (0, -10, 0), (0, 0, 4), (0, 0, -4), (3, 1, 3)])
def test_a_pan_or_a_change_of_brightness_is_no_cut(across, down, brighter):
    assert not estimate_motion(texture(180, 320, across, down) + brighter, texture(180, 320)).cut


def test_confidence_is_low_only_where_something_new_appears():
    here, there = texture(180, 320), texture(180, 320)
    here[60:120, 100:180] = texture(60, 80, seed=5)
    confidence = flow_confidence(here, there, np.zeros((2, 180, 320), np.float32))
    assert confidence[63:117, 103:177].mean() < 0.2
    confidence[50:130, 90:190] = 1
    assert confidence.min() > 0.99


@pytest.mark.parametrize("across, down", [(5, 0), (-2.5, 4)])
def test_reversed_motion_of_a_pan(across, down):
    here, there = texture(180, 320), texture(180, 320, across, down)
    motion = reverse_motion(estimate_motion(there, here), here, there)
    assert np.abs(motion.flow[MIDDLE] - np.array([across, down])[:, None, None]).mean() < 0.1
    assert motion.confidence[MIDDLE].mean() > 0.95


def block_noise(size):
    noise = np.random.default_rng(4).uniform(0, 255, (180 // size, 320 // size))
    return np.kron(noise, np.ones((size, size))).astype(np.float32)


WITHOUT_CONTENT = {
    "black": np.zeros((180, 320), np.float32),
    "white": np.full((180, 320), 255, np.float32),
    "noise": block_noise(1),
    "coarse noise": block_noise(2),
    "sensor noise": np.random.default_rng(5).normal(100, 4, (180, 320)).astype(np.float32),
}


@pytest.mark.parametrize("name", WITHOUT_CONTENT)
def test_flat_images_and_noise_have_no_content(name):
    assert content(WITHOUT_CONTENT[name]) == 0


def with_object():
    image = np.full((180, 320), 60, np.float32)
    image[70:110, 140:180] = 160
    return image + np.random.default_rng(6).normal(0, 3, image.shape).astype(np.float32)


WITH_CONTENT = {
    "gradient": np.broadcast_to(np.linspace(0, 255, 320, dtype=np.float32), (180, 320)),
    "object": with_object(),
    "texture": texture(180, 320),
    "faint texture": 100 + 0.1 * texture(180, 320),
}


@pytest.mark.parametrize("name", WITH_CONTENT)
def test_images_of_something_have_content(name):
    assert content(WITH_CONTENT[name]) == 1


@pytest.mark.parametrize(
    "name, size, base_size",
    [
        ("yuv420p", (1280, 720), (320, 180)),
        ("yuv420p10le", (1280, 720), (320, 180)),
        ("yuv444p16le", (720, 1280), (180, 320)),
        ("yuv422p", (1079, 1921), (180, 320)),
        ("gbrp", (160, 90), (320, 180)),
        ("yuv420p", (1920, 40), (320, 16)),
    ],
)
def test_the_luma_base_has_the_frames_luma_in_8_bit_codes(name, size, base_size):
    form = PixelFormat.parse(name)
    planes = [np.full(shape, form.maximum // 2, form.dtype) for shape in form.shapes(*size)]
    ramp = np.linspace(0, form.maximum, size[0])
    planes[0] = np.ascontiguousarray(np.broadcast_to(np.rint(ramp), size[::-1])).astype(form.dtype)
    base = luma_base(Frame(tuple(planes), form, 0, Fraction(1, 25)))
    assert base.dtype == np.float32
    assert base.shape == base_size[::-1]
    expected = (np.arange(base_size[0]) + 0.5) / base_size[0] * 255
    assert np.abs(base - expected).max() < 2
    assert base.max() <= 255
