"""Camera: files, addresses that come and go, and cameras that cannot be opened."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice, pairwise
from socket import create_server
from threading import Thread

import av
import numpy as np
import pytest

from streamseg.errors import InputError
from streamseg.media.live import camera as camera_module
from streamseg.media.live import devices, reopening
from streamseg.media.live.camera import Camera
from streamseg.media.live.clock import LiveClock
from streamseg.media.live.devices import CameraRequest

DEFAULT = CameraRequest()


def frames(source, count, **options):
    camera = Camera(str(source), DEFAULT, LiveClock())
    for name, value in options.items():
        setattr(camera, name, value)
    return list(islice(iter(camera), count))


def test_a_file_is_looped_in_real_time(make_clip):
    clip = make_clip("loop.mkv", count=5)  # 25 a second
    shown = frames(clip, 12)
    assert [int(frame.planes[0][0, 0]) for frame in shown] == [60 + 11 * (n % 5) % 120 for n in range(12)]
    times = [frame.time for frame in shown]
    assert all(after - before >= 0.0399 for before, after in pairwise(times))


class Jump(LiveClock):
    """A clock that can be set forward."""

    leap = 0.0

    def now(self):
        return super().now() + self.leap


def test_late_frames_get_the_time_of_their_arrival(make_clip):
    clock = Jump()
    shown = iter(Camera(str(make_clip("late.mkv")), DEFAULT, clock))
    next(shown)
    clock.leap = 100.0
    late = next(shown)
    assert clock.age(late) < 50
    assert next(shown).time - late.time >= 0.0399


def test_frames_are_converted_to_8_bit_420_of_even_size(make_clip):
    clip = make_clip("odd.mkv", codec="ffv1", pixel_format="yuv444p10le", size=(65, 49))
    (frame,) = frames(clip, 1)
    assert (frame.format.name, frame.width, frame.height) == ("yuv420p", 66, 50)


def test_mirrored_frames(make_clip):
    clip = make_clip("mirror.mkv")
    (original,), (mirrored,) = frames(clip, 1), frames(clip, 1, mirror=True)
    for plane, other in zip(original.planes, mirrored.planes, strict=True):
        assert np.array_equal(plane[:, ::-1], other)


def test_close_ends_the_iteration(make_clip):
    camera = Camera(str(make_clip("endless.mkv", count=3)), DEFAULT, LiveClock())
    shown = 0
    for _ in camera:
        shown += 1
        if shown == 7:
            camera.close()
    assert shown == 7


@pytest.mark.parametrize(("name", "text"), [("empty.mkv", ""), ("words.mp4", "nothing to see")])
def test_a_file_without_video_is_rejected(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError, match=name):
        frames(path, 1)


@contextmanager
def served(*bodies) -> Iterator[str]:
    """An address that answers each request with the next body, or with an error for b"" and after the last."""
    responses = list(bodies)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = responses.pop(0) if responses else b""
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/stream.ts"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_an_address_that_is_lost_is_reopened(make_clip, monkeypatch):
    monkeypatch.setattr(reopening, "_RETRY_S", 0.01)
    body = make_clip("stream.ts", count=10).read_bytes()
    other = make_clip("other.ts", count=10, size=(128, 96)).read_bytes()
    reports = []
    with served(body, b"", other) as address:
        camera = Camera(address, DEFAULT, LiveClock(), reports.append)
        shown = list(islice(iter(camera), 15))
    assert {(frame.width, frame.height) for frame in shown} == {(64, 48)}
    times = [frame.time for frame in shown]
    assert times == sorted(times)
    assert "lost (the stream has ended)" in reports[0] and "is back" in reports[1]
    assert len(reports) == 2


def test_an_address_that_cannot_be_opened_at_first_is_an_error():
    with served() as address, pytest.raises(InputError, match="cannot be opened"):
        frames(address, 1)


def test_an_address_that_accepts_but_does_not_answer_is_an_error(monkeypatch):
    monkeypatch.setattr(camera_module, "OPEN_TIMEOUT_S", 0.2)
    with create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(InputError, match="cannot be opened"):
            frames(f"http://127.0.0.1:{port}/silent", 1)


@pytest.fixture
def linux(monkeypatch, tmp_path):
    """A Linux system with two cameras; tests replace av.open."""
    monkeypatch.setattr(devices, "_FORMAT", "v4l2")
    monkeypatch.setattr(devices, "_LINUX_NAMES", tmp_path)
    for node, name in (("video0", "Laptop Camera\n"), ("video2", "Desk Camera\n")):
        (tmp_path / node).mkdir()
        (tmp_path / node / "name").write_text(name)
    monkeypatch.setattr(devices, "is_present", lambda path: path in ("/dev/video0", "/dev/video2"))


def failing(number):
    def fail(file, **options):
        raise OSError(number, "no", file)

    return fail


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EBUSY, "another program uses it"),
        (errno.EACCES, "access is forbidden"),
        (errno.ENODEV, "not connected"),
        (errno.EINVAL, "no"),
    ],
)
def test_the_error_for_a_camera_that_cannot_be_opened_names_the_available_ones(linux, monkeypatch, number, reason):
    monkeypatch.setattr(av, "open", failing(number))
    with pytest.raises(InputError) as caught:
        frames("0", 1)
    message = str(caught.value)
    assert reason in message
    assert "/dev/video0 (Laptop Camera), /dev/video2 (Desk Camera)" in message
    assert "\n" not in message


def test_the_error_for_a_missing_camera_names_the_available_ones(linux):
    with pytest.raises(InputError, match=r"camera 1: no such camera.*available cameras: /dev/video0 \(Laptop Camera\)"):
        frames("1", 1)


def test_a_camera_is_opened_with_jpeg_first_and_then_without(linux, monkeypatch, make_clip):
    clip, original_open, attempts = make_clip("camera.mkv"), av.open, []

    def without_jpeg(file, format, options):
        attempts.append((file, format, options))
        if "input_format" in options:
            raise OSError(errno.EINVAL, "Invalid argument", file)
        return original_open(str(clip))

    monkeypatch.setattr(av, "open", without_jpeg)
    reports = []
    camera = Camera("2", CameraRequest(width=640, height=480, fps=15), LiveClock(), reports.append)
    assert len(list(islice(iter(camera), 3))) == 3
    assert attempts == [
        ("/dev/video2", "v4l2", {"video_size": "640x480", "framerate": "15", "input_format": "mjpeg"}),
        ("/dev/video2", "v4l2", {"video_size": "640x480", "framerate": "15"}),
    ]
    assert reports == ["camera 2: gives 64×48 at 25 fps, not what was requested"]
