"""VirtualCamera: the frames that it sends, and its errors; with a stand-in for the device."""

from __future__ import annotations

import sys
from fractions import Fraction
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from streamseg.errors import MissingDependency, OutputError
from streamseg.frame import Colour, Frame, PixelFormat
from streamseg.media.live.virtual_camera import VirtualCamera
from streamseg.media.pixels.conform import Shape

FORMAT = PixelFormat.parse("yuv420p")
BT601, BT709_FULL = Colour(6, 1, 6, 6), Colour(1, 2, 1, 1)


@pytest.fixture
def driver(monkeypatch):
    """A stand-in for pyvirtualcam that records its calls."""
    module = ModuleType("pyvirtualcam")
    module.PixelFormat = SimpleNamespace(I420="I420")
    module.sent, module.failure, module.closed = [], None, False

    class Device:
        def __init__(self, width, height, fps, fmt, device):
            if module.failure is not None:
                raise module.failure
            module.opened = (width, height, fps, fmt, device)
            self.device = device or "/dev/video9"

        def send(self, frame):
            if module.failure is not None:
                raise module.failure
            module.sent.append(frame)

        def close(self):
            module.closed = True

    module.Camera = Device
    monkeypatch.setitem(sys.modules, "pyvirtualcam", module)
    return module


def shape(colour):
    return Shape(64, 48, FORMAT, colour, Fraction(1))


def flat(levels, colour):
    planes = tuple(np.full(size, level, np.uint8) for size, level in zip(FORMAT.shapes(64, 48), levels, strict=True))
    return Frame(planes, FORMAT, 0, Fraction(1, 1000), colour)


def test_planes_are_sent_unchanged(driver):
    camera = VirtualCamera(shape(BT601), 30, "/dev/video4")
    camera.write(flat((200, 90, 140), BT601))
    camera.close()
    assert driver.opened == (64, 48, 30, "I420", "/dev/video4")
    (sent,) = driver.sent
    assert sent.dtype == np.uint8
    assert np.array_equal(sent, np.repeat(np.uint8([200, 90, 140]), [64 * 48, 32 * 24, 32 * 24]))
    assert driver.closed


def test_full_range_is_converted_to_limited_range(driver):
    camera = VirtualCamera(shape(BT709_FULL), 30)
    camera.write(flat((255, 128, 128), BT709_FULL))
    (sent,) = driver.sent
    assert abs(int(sent[0]) - 235) <= 1
    assert np.all(np.abs(sent[64 * 48 :].astype(int) - 128) <= 1)
    assert camera.name == "/dev/video9"


def test_the_error_for_a_missing_device_says_how_to_set_one_up(driver):
    driver.failure = RuntimeError("'v4l2loopback' backend: No v4l2 loopback device found\nmore")
    with pytest.raises(OutputError) as caught:
        VirtualCamera(shape(BT601), 30)
    assert "no virtual camera" in str(caught.value)
    assert "\n" not in str(caught.value)
    if sys.platform.startswith("linux"):
        assert "modprobe v4l2loopback" in str(caught.value)


def test_a_device_that_fails_is_an_error(driver):
    camera = VirtualCamera(shape(BT601), 30)
    driver.failure = RuntimeError("gone")
    with pytest.raises(OutputError, match="accepts no more frames"):
        camera.write(flat((16, 128, 128), BT601))


def test_the_error_for_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(MissingDependency, match=r"streamseg\[virtual-camera\]"):
        VirtualCamera(shape(BT601), 30)
