"""Live pictures: of a camera, of an address, or of a file that plays as a camera would."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from fractions import Fraction
from threading import Event
from typing import Any

import av
from av.container import InputContainer
from av.video.frame import VideoFrame

from streamseg.errors import InputError
from streamseg.frame import Frame, PixelFormat
from streamseg.media.clock import LIVE_TIME_BASE, LiveClock
from streamseg.media.conform import Conformer
from streamseg.media.devices import CameraRequest, attempts, devices_here, is_device
from streamseg.media.native import declared_colour
from streamseg.media.orient import mirrored
from streamseg.media.source import choose_video_stream, is_address, open_input

__all__ = ["Camera"]

_FORMAT = PixelFormat.parse("yuv420p")
_RETRY_S = 1.0
_OPEN_TIMEOUT_S, _READ_TIMEOUT_S = 10.0, 5.0
_REASONS = {
    errno.EBUSY: "another program uses it",
    errno.EACCES: "access is forbidden; on Linux, be in the group video",
    errno.EPERM: "access is forbidden; allow it in the system's privacy settings",
    errno.ENODEV: "it is not connected",
}


class Camera:
    """Gives frames, 8-bit 4:2:0 of even size, each stamped with the clock's time when it was taken.

    Iterate once, in a thread of its own: opening or reading may block for as long as the system does. A camera or
    address that is lost after it gave pictures is waited for; pictures of another size are brought to the first's. A
    file plays at its own pace, over and over.

    Args:
        source: number or name of a camera, a file, or an address that FFmpeg opens.
        wanted: asked of a camera; what it gives instead is said.
        clock: stamps the frames.
        say: called with one sentence for what a user should know.

    Attributes:
        mirror: turn left and right about.

    Raises:
        InputError: (while iterating) it cannot be opened, or holds no picture.
    """

    def __init__(
        self, source: str, wanted: CameraRequest, clock: LiveClock, say: Callable[[str], None] = lambda sentence: None
    ) -> None:
        self.source, self.mirror = source, False
        self._wanted, self._clock, self._say = wanted, clock, say
        self._closed = Event()
        self._conform: Conformer | None = None

    def close(self) -> None:
        """End the iteration; one that waits for a picture ends with it."""
        self._closed.set()

    def __iter__(self) -> Iterator[Frame]:
        with self._opened() as container:
            yield from self._played(container)
        while not self._closed.wait(_RETRY_S):
            try:
                container = self._opened()
            except InputError:
                continue
            self._say(f"camera {self.source}: is back")
            with container:
                yield from self._played(container)

    def _opened(self) -> InputContainer:
        if is_device(self.source):
            return self._opened_device()
        if is_address(self.source):
            return _opened_address(self.source)
        return open_input(self.source)

    def _opened_device(self) -> InputContainer:
        ways = attempts(self.source, self._wanted)
        for way in ways:
            try:
                return av.open(way.file, format=way.format, options=way.options)
            except (av.error.FFmpegError, OSError, ValueError) as error:
                number = getattr(error, "errno", None)
                if number in _REASONS or way is ways[-1]:
                    reason = _REASONS.get(number or 0) or getattr(error, "strerror", None) or error
                    raise InputError(f"camera {self.source}: {reason}; {devices_here()}") from error
        raise AssertionError  # there is a last way

    def _played(self, container: InputContainer) -> Iterator[Frame]:
        """The frames until the camera is lost or closed; those of a file again and again."""
        pictures = _Pictures(container, self.source)
        # An address of something that has an end is a file too.
        paced = _is_file(self.source) or bool(container.duration)
        times = self._paced(container, pictures) if paced else self._arriving(pictures)
        for native, time in times:
            if self._closed.is_set():
                return
            yield self._frame(native, time, container)
        if not self._closed.is_set():
            self._say(f"camera {self.source}: lost ({pictures.reason}); waiting for it to come back")

    def _arriving(self, pictures: _Pictures) -> Iterator[tuple[VideoFrame, float]]:
        for native in pictures:
            yield native, self._clock.now()

    def _paced(self, container: InputContainer, pictures: _Pictures) -> Iterator[tuple[VideoFrame, float]]:
        """Each picture when it is due; where decoding is late, as many seconds later from then on."""
        due, before = self._clock.now(), None
        while True:
            for native in pictures:
                time = native.time or 0.0
                usual = 1 / float(pictures.rate or 25)
                due += usual if before is None or not 0 < time - before < 1 else time - before
                before = time
                self._closed.wait(max(0.0, due - self._clock.now()))
                if self._clock.now() - due > usual:
                    due = self._clock.now()
                yield native, due
            if before is None:
                raise InputError(f"{self.source}: no picture could be decoded")
            before = None
            try:
                container.seek(0)
            except (av.error.FFmpegError, OSError):
                return  # it can be read once only: opened again, if that is possible

    def _frame(self, native: VideoFrame, time: float, container: InputContainer) -> Frame:
        if self._conform is None:
            self._conform = _conformer(native, container)
            self._compare(native, container)
        frame = self._conform(native, self._clock.pts(time), LIVE_TIME_BASE)
        return mirrored(frame) if self.mirror else frame

    def _compare(self, native: VideoFrame, container: InputContainer) -> None:
        """Say what the camera gives, if that is not what was asked for."""
        rate = container.streams.video[0].average_rate
        wanted, given = self._wanted, (native.width, native.height, float(rate) if rate else None)
        asked = (wanted.width, wanted.height, wanted.fps)
        if any(want is not None and want != got for want, got in zip(asked, given, strict=True)):
            fps = f" at {given[2]:g} fps" if given[2] else ""
            self._say(f"camera {self.source}: gives {native.width}×{native.height}{fps}, not what was asked for")


class _Pictures:
    """What decodes of a container, from where it stands; damage is passed over. Can be iterated again after a seek.

    Attributes:
        rate: frames per second where known.
        reason: why the last iteration ended.
    """

    def __init__(self, container: InputContainer, source: str) -> None:
        self._container, self._stream = container, choose_video_stream(container, source)
        # Threads across frames would hold pictures back.
        self._stream.thread_type = "FRAME" if _is_file(source) else "SLICE"
        self.rate: Fraction | None = self._stream.average_rate
        self.reason = ""

    def __iter__(self) -> Iterator[VideoFrame]:
        self.reason = "the stream has ended"
        try:
            for packet in self._container.demux(self._stream):
                yield from self._decoded(packet)
        except (av.error.FFmpegError, OSError) as error:
            self.reason = str(getattr(error, "strerror", None) or error)

    def _decoded(self, packet: Any) -> list[VideoFrame]:
        try:
            return list(packet.decode())
        except av.error.InvalidDataError:
            return []


def _is_file(source: str) -> bool:
    return not is_device(source) and not is_address(source)


def _opened_address(address: str) -> InputContainer:
    options = {"rtsp_flags": "prefer_tcp"} if address.startswith("rtsp:") else {}
    try:
        return av.open(
            "pipe:0" if address == "-" else address, options=options, timeout=(_OPEN_TIMEOUT_S, _READ_TIMEOUT_S)
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"camera {address}: cannot be opened ({reason})") from error


def _conformer(native: VideoFrame, container: InputContainer) -> Conformer:
    stream = container.streams.video[0]
    conformer = Conformer(native, Fraction(stream.sample_aspect_ratio or 0), declared_colour(stream))
    conformer.deliver(_FORMAT, even=True)
    return conformer
