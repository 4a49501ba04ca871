"""The modes of cameras: as drivers and FFmpeg tell them, and which one is opened."""

from __future__ import annotations

import errno
import fcntl
import json
import struct

import pytest
from streamseg.pipelines.cli import main

from streamseg.media.live import devices, microphone
from streamseg.media.live.devices import CameraDevice, CameraRequest, attempts, camera_devices, camera_modes
from streamseg.media.live.modes import CameraMode, choose_mode, parse_avfoundation, parse_dshow

RAW = CameraMode(1280, 720, "yuyv422", (10.0,))
SMALL = CameraMode(640, 480, "yuyv422", (30.0, 15.0))
JPEG = CameraMode(1280, 720, "mjpeg", (30.0, 15.0, 10.0))
DSHOW = """[in#0 @ 0] DirectShow video device options (from video devices)
  Pin "Capture" (alternative pin name "0")
  pixel_format=yuyv422  min s=640x480 fps=5 max s=640x480 fps=30
  pixel_format=yuyv422  min s=640x480 fps=5 max s=640x480 fps=30 (tv, bt470bg/bt709/unknown, topleft)
  vcodec=mjpeg  min s=1280x720 fps=30.0003 max s=1280x720 fps=30.0003
  unknown compression type 0x30323449  min s=640x480 fps=5 max s=640x480 fps=30
"""
AVFOUNDATION = """[avfoundation @ 0] Selected video size (1x1) is not supported by the device.
[avfoundation @ 0] Supported modes:
[avfoundation @ 0]   640x480@[1.000000 30.000030]fps
[avfoundation @ 0]   1280x720@[30.000030 30.000030]fps
"""


@pytest.mark.parametrize(
    ("modes", "wanted", "chosen"),
    [
        ([RAW, SMALL, JPEG], (None, None, None), JPEG),  # raw frames of this size come too slowly
        ([RAW, SMALL, JPEG], (640, 480, None), SMALL),
        ([RAW, SMALL, JPEG], (1280, 720, 10), RAW),  # both reach it
        ([RAW, SMALL], (None, None, None), SMALL),  # the rate comes before the size
        ([RAW, SMALL], (1280, 720, None), RAW),  # unless only the size was asked for
        ([SMALL, JPEG], (640, 480, 60), SMALL),  # neither reaches it
        (
            [CameraMode(1280, 720, "yuyv422", (29.97,)), JPEG],
            (None, None, 30),
            CameraMode(1280, 720, "yuyv422", (29.97,)),
        ),
        ([CameraMode(1280, 720, "h264", (30.0,)), JPEG], (None, None, None), JPEG),
        ([CameraMode(1280, 720, "MT2T", (60.0,))], (None, None, None), None),  # not known to FFmpeg
        ([], (None, None, None), None),
    ],
)
def test_the_frame_rate_comes_first(modes, wanted, chosen):
    assert choose_mode(modes, CameraRequest(*wanted)) == chosen


def test_the_rate_that_is_asked_of_a_mode():
    assert [JPEG.rate_for(rate) for rate in (60, 30, 24, 12, 1)] == [30, 30, 30, 15, 10]
    every = CameraMode(640, 480, "", (30.0, 5.0), is_range=True)
    assert [every.rate_for(rate) for rate in (60, 24, 1)] == [30, 24, 5]
    assert CameraMode(640, 480, "nv12", ()).rate_for(24) == 24


def test_the_lists_of_ffmpeg_on_windows_and_macos():
    raw, jpeg = parse_dshow(DSHOW)
    assert raw == CameraMode(640, 480, "yuyv422", (30.0, 5.0), is_range=True)
    assert jpeg == CameraMode(1280, 720, "mjpeg", (30.0003,))
    assert parse_avfoundation(AVFOUNDATION) == [
        CameraMode(640, 480, "", (30.00003, 1.0), is_range=True),
        CameraMode(1280, 720, "", (30.00003,)),
    ]
    assert parse_dshow("") == parse_avfoundation("no such device") == []


def v4l2_driver(request, structure):
    """A camera with YUYV at 640×480 and JPEG at 1280×720, and a format in steps."""
    (index,) = struct.unpack_from("<I", structure, 0)
    if request == 0x80685600:  # VIDIOC_QUERYCAP
        struct.pack_into("<I", structure, 88, 1)
    elif request == 0xC0405602 and index < 3:  # VIDIOC_ENUM_FMT
        structure[44:48] = (b"YUYV", b"MJPG", b"GREY")[index]
    elif request == 0xC02C564A and index == 0:  # VIDIOC_ENUM_FRAMESIZES
        kind, *numbers = {
            b"YUYV": (1, 640, 480),
            b"MJPG": (1, 1280, 720),
            b"GREY": (3, 16, 800, 8, 16, 600, 8),
        }[bytes(structure[4:8])]
        struct.pack_into(f"<I{len(numbers)}I", structure, 8, kind, *numbers)
    elif request == 0xC034564B:  # VIDIOC_ENUM_FRAMEINTERVALS
        fourcc, size = bytes(structure[4:8]), struct.unpack_from("<II", structure, 8)
        if fourcc == b"GREY" and size == (800, 600) and index == 0:
            struct.pack_into("<I6I", structure, 16, 3, 1, 60, 1, 5, 1, 1000)
        elif fourcc in (b"YUYV", b"MJPG") and index < 2:
            struct.pack_into("<III", structure, 16, 1, 1, (15, 30)[index])
        else:
            raise OSError(errno.EINVAL, "Invalid argument")
    else:
        raise OSError(errno.EINVAL, "Invalid argument")


@pytest.fixture
def linux(monkeypatch, tmp_path):
    """A Linux system with a camera and its node of metadata; gives the camera's path."""
    node = tmp_path / "video0"
    node.touch()
    names = tmp_path / "names"
    for name in ("video0", "video1"):
        (names / name).mkdir(parents=True)
        (names / name / "name").write_text("Desk Camera\n")
    monkeypatch.setattr(devices, "_FORMAT", "v4l2")
    monkeypatch.setattr(devices, "_LINUX_NAMES", names)
    monkeypatch.setattr(devices, "captures_video", lambda path: path == "/dev/video0")
    monkeypatch.setattr(devices, "v4l2_modes", lambda path, ask=devices.v4l2_modes: ask(str(node)))
    monkeypatch.setattr(devices, "is_present", lambda path: path == "/dev/video0")
    monkeypatch.setattr(fcntl, "ioctl", lambda descriptor, request, structure: v4l2_driver(request, structure))
    return str(node)


def test_a_driver_on_linux_is_asked_for_its_modes(linux):
    assert camera_devices() == [CameraDevice("/dev/video0", "Desk Camera")]
    assert camera_modes("/dev/video0") == [
        CameraMode(640, 480, "yuyv422", (30.0, 15.0)),
        CameraMode(1280, 720, "mjpeg", (30.0, 15.0)),
        CameraMode(800, 600, "gray", (60.0, 5.0), is_range=True),
    ]


def test_a_node_for_metadata_is_no_camera(linux, monkeypatch):
    from streamseg.media.live import v4l2

    assert v4l2.captures_video(linux)
    monkeypatch.setattr(fcntl, "ioctl", lambda descriptor, request, structure: None)
    assert not v4l2.captures_video(linux)
    assert v4l2.captures_video(linux + "-not-there"), "who may not ask is not told that there is no camera"


def test_the_chosen_mode_is_opened_first(linux):
    first, second, *_ = attempts("0", CameraRequest())
    assert first.options == {"video_size": "1280x720", "framerate": "30", "input_format": "mjpeg"}
    assert second.options == {"video_size": "1280x720", "framerate": "30"}
    assert attempts("0", CameraRequest(640, 480, 12))[0].options == {
        "video_size": "640x480",
        "framerate": "15",
        "input_format": "yuyv422",
    }


def test_the_command_lists_them(linux, capsys, monkeypatch):
    monkeypatch.setattr(microphone, "microphone_names", lambda: [("hw:1", "Desk Microphone")])
    assert main(["cameras", "--width", "640", "--height", "480"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "/dev/video0  Desk Camera",
        "  * yuyv422    640×480  30, 15 fps",
        "    mjpeg     1280×720  30, 15 fps",
        "    gray       800×600  5 to 60 fps",
        "    * is what webcam opens",
        "microphone hw:1  Desk Microphone",
    ]
    assert main(["cameras", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["microphones"] == [{"name": "hw:1", "description": "Desk Microphone"}]
    (camera,) = found["cameras"]
    assert (camera["name"], camera["description"]) == ("/dev/video0", "Desk Camera")
    assert [mode["pixel_format"] for mode in camera["modes"] if mode["chosen"]] == ["mjpeg"]


def test_a_machine_without_cameras(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(devices, "_FORMAT", "v4l2")
    monkeypatch.setattr(devices, "_LINUX_NAMES", tmp_path)
    assert main(["cameras"]) == 0
    assert "no camera" in capsys.readouterr().out
