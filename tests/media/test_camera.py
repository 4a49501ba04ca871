"""Files as cameras, addresses that come and go, and cameras that cannot be had."""

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
from streamseg.media import camera as camera_module
from streamseg.media import devices
from streamseg.media.camera import Camera
from streamseg.media.clock import LiveClock
from streamseg.media.devices import CameraRequest

NOTHING = CameraRequest()


def frames(source, count, **options):
    camera = Camera(str(source), NOTHING, LiveClock())
    for name, value in options.items():
        setattr(camera, name, value)
    return list(islice(iter(camera), count))


def test_a_file_plays_over_and_over_and_never_faster_than_it_should(make_clip):
    clip = make_clip("loop.mkv", count=5)  # 25 a second
    shown = frames(clip, 12)
    assert [int(frame.planes[0][0, 0]) for frame in shown] == [60 + 11 * (n % 5) % 120 for n in range(12)]
    times = [frame.time for frame in shown]
    assert all(after - before >= 0.0399 for before, after in pairwise(times))


class Jump(LiveClock):
    """A clock that leaps while nobody looks."""

    leap = 0.0

    def now(self):
        return super().now() + self.leap


def test_where_decoding_was_late_frames_are_stamped_when_they_come(make_clip):
    clock = Jump()
    pictures = iter(Camera(str(make_clip("late.mkv")), NOTHING, clock))
    next(pictures)
    clock.leap = 100.0
    late = next(pictures)
    assert clock.age(late) < 50
    assert next(pictures).time - late.time >= 0.0399


def test_pictures_become_8_bit_420_of_even_size(make_clip):
    clip = make_clip("odd.mkv", codec="ffv1", pixel_format="yuv444p10le", size=(65, 49))
    (frame,) = frames(clip, 1)
    assert (frame.format.name, frame.width, frame.height) == ("yuv420p", 66, 50)


def test_mirrored_pictures_are_turned_about(make_clip):
    clip = make_clip("turn.mkv")
    (plain,), (turned,) = frames(clip, 1), frames(clip, 1, mirror=True)
    for plane, other in zip(plain.planes, turned.planes, strict=True):
        assert np.array_equal(plane[:, ::-1], other)


def test_closing_ends_the_pictures(make_clip):
    camera = Camera(str(make_clip("endless.mkv", count=3)), NOTHING, LiveClock())
    shown = 0
    for _ in camera:
        shown += 1
        if shown == 7:
            camera.close()
    assert shown == 7


@pytest.mark.parametrize(("name", "text"), [("empty.mkv", ""), ("words.mp4", "nothing to see")])
def test_a_file_without_pictures_is_refused(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError, match=name):
        frames(path, 1)


@contextmanager
def served(*bodies) -> Iterator[str]:
    """An address that gives one of the bodies for each request, then only errors; b"" is an error too."""
    waiting = list(bodies)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = waiting.pop(0) if waiting else b""
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


def test_an_address_that_breaks_off_is_waited_for_and_comes_back(make_clip, monkeypatch):
    monkeypatch.setattr(camera_module, "_RETRY_S", 0.01)
    body = make_clip("stream.ts", count=10).read_bytes()
    other = make_clip("other.ts", count=10, size=(128, 96)).read_bytes()
    said = []
    with served(body, b"", other) as address:
        camera = Camera(address, NOTHING, LiveClock(), said.append)
        shown = list(islice(iter(camera), 15))
    assert {(frame.width, frame.height) for frame in shown} == {(64, 48)}
    times = [frame.time for frame in shown]
    assert times == sorted(times)
    assert "lost (the stream has ended)" in said[0] and "is back" in said[1]
    assert len(said) == 2


def test_an_address_that_cannot_be_opened_at_first_is_an_error():
    with served() as address, pytest.raises(InputError, match="cannot be opened"):
        frames(address, 1)


def test_an_address_that_accepts_and_says_nothing_does_not_hang(monkeypatch):
    monkeypatch.setattr(camera_module, "_OPEN_TIMEOUT_S", 0.2)
    with create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(InputError, match="cannot be opened"):
            frames(f"http://127.0.0.1:{port}/silent", 1)


@pytest.fixture
def linux(monkeypatch, tmp_path):
    """A Linux with two cameras; av.open is what a test makes of it."""
    monkeypatch.setattr(devices, "_FORMAT", "v4l2")
    monkeypatch.setattr(devices, "_LINUX_NAMES", tmp_path)
    for node, name in (("video0", "Laptop Camera\n"), ("video2", "Desk Camera\n")):
        (tmp_path / node).mkdir()
        (tmp_path / node / "name").write_text(name)
    monkeypatch.setattr(devices, "is_present", lambda path: path in ("/dev/video0", "/dev/video2"))


def refusing(number):
    def refuse(file, **options):
        raise OSError(number, "no", file)

    return refuse


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EBUSY, "another program uses it"),
        (errno.EACCES, "access is forbidden"),
        (errno.ENODEV, "not connected"),
        (errno.EINVAL, "no"),
    ],
)
def test_a_camera_that_cannot_be_had_names_those_that_there_are(linux, monkeypatch, number, reason):
    monkeypatch.setattr(av, "open", refusing(number))
    with pytest.raises(InputError) as caught:
        frames("0", 1)
    message = str(caught.value)
    assert reason in message
    assert "/dev/video0 (Laptop Camera), /dev/video2 (Desk Camera)" in message
    assert "\n" not in message


def test_an_absent_camera_names_those_that_there_are(linux):
    with pytest.raises(InputError, match=r"camera 1: no such camera.*there are /dev/video0 \(Laptop Camera\)"):
        frames("1", 1)


def test_a_camera_is_asked_for_jpeg_and_then_for_less(linux, monkeypatch, make_clip):
    clip, really_open, asked = make_clip("camera.mkv"), av.open, []

    def only_plain(file, format, options):
        asked.append((file, format, options))
        if "input_format" in options:
            raise OSError(errno.EINVAL, "Invalid argument", file)
        return really_open(str(clip))

    monkeypatch.setattr(av, "open", only_plain)
    said = []
    camera = Camera("2", CameraRequest(width=640, height=480, fps=15), LiveClock(), said.append)
    assert len(list(islice(iter(camera), 3))) == 3
    assert asked == [
        ("/dev/video2", "v4l2", {"video_size": "640x480", "framerate": "15", "input_format": "mjpeg"}),
        ("/dev/video2", "v4l2", {"video_size": "640x480", "framerate": "15"}),
    ]
    assert said == ["camera 2: gives 64×48 at 25 fps, not what was asked for"]
