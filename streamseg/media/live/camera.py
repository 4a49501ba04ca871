"""Live frames from a camera, an address, or a file that is played like a camera."""

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
from streamseg.media.live.clock import LIVE_TIME_BASE, LiveClock
from streamseg.media.live.devices import CameraRequest, attempts, devices_here, is_device
from streamseg.media.live.reopening import OPEN_TIMEOUT_S, READ_TIMEOUT_S, reopened
from streamseg.media.pixels.conform import Conformer
from streamseg.media.pixels.native import declared_colour
from streamseg.media.pixels.orient import mirrored
from streamseg.media.reading.source import choose_video_stream, is_address, open_input

__all__ = ["Camera"]

_FORMAT = PixelFormat.parse("yuv420p")
_REASONS = {
    errno.EBUSY: "another program uses it",
    errno.EACCES: "access is forbidden; on Linux, add yourself to the group video",
    errno.EPERM: "access is forbidden; allow it in the system's privacy settings",
    errno.ENODEV: "it is not connected",
}


class Camera:
    """Yields frames, 8-bit 4:2:0 of even size, each with the clock's time at its capture.

    Iterate once, in a thread of its own: opening and reading may block. If a camera or an address is lost after it gave
    frames, it is reopened as soon as that is possible; frames of another size are then scaled to that of the first. A
    file is played in real time, looped.

    Args:
        source: number or name of a camera, a file, or an address that FFmpeg opens.
        wanted: size and frame rate to request from a camera; if it gives others, that is reported.
        clock: gives the time stamps.
        report: called with one sentence when something happens that a user should know.

    Attributes:
        mirror: flip frames left to right.

    Raises:
        InputError: (while iterating) the source cannot be opened at first, or has no frame that decodes.
    """

    def __init__(
        self, source: str, wanted: CameraRequest, clock: LiveClock, report: Callable[[str], None] = lambda message: None
    ) -> None:
        self.source, self.mirror = source, False
        self._wanted, self._clock, self._report = wanted, clock, report
        self._closed = Event()
        self._conform: Conformer | None = None

    def close(self) -> None:
        """End the iteration, at the latest with the frame that it is waiting for."""
        self._closed.set()

    def __iter__(self) -> Iterator[Frame]:
        return reopened(f"camera {self.source}", self._open, self._play, self._closed, self._report)

    def _open(self) -> InputContainer:
        if is_device(self.source):
            return self._open_device()
        if is_address(self.source):
            return _open_address(self.source)
        return open_input(self.source)

    def _open_device(self) -> InputContainer:
        candidates = attempts(self.source, self._wanted)
        for attempt in candidates:
            try:
                return av.open(attempt.file, format=attempt.format, options=attempt.options)
            except (av.error.FFmpegError, OSError, ValueError) as error:
                number = getattr(error, "errno", None)
                if number in _REASONS or attempt is candidates[-1]:
                    reason = _REASONS.get(number or 0) or getattr(error, "strerror", None) or error
                    raise InputError(f"camera {self.source}: {reason}; {devices_here()}") from error
        raise AssertionError  # the last attempt returns or raises

    def _play(self, container: InputContainer) -> Iterator[Frame]:
        """The frames until the camera is lost or closed; of a file, looped."""
        decoded = _DecodedFrames(container, self.source)
        # An address with a duration is treated as a file.
        realtime = _is_file(self.source) or bool(container.duration)
        for native, time in self._in_real_time(container, decoded) if realtime else self._on_arrival(decoded):
            if self._closed.is_set():
                return
            yield self._frame(native, time, container)
        if not self._closed.is_set():
            self._report(f"camera {self.source}: lost ({decoded.reason}); waiting for it to come back")

    def _on_arrival(self, decoded: _DecodedFrames) -> Iterator[tuple[VideoFrame, float]]:
        for native in decoded:
            yield native, self._clock.now()

    def _in_real_time(self, container: InputContainer, decoded: _DecodedFrames) -> Iterator[tuple[VideoFrame, float]]:
        """Each frame when it is due. Where decoding is late, all later frames are delayed too."""
        due, before = self._clock.now(), None
        while True:
            for native in decoded:
                time = native.time or 0.0
                nominal = 1 / float(decoded.rate or 25)
                due += nominal if before is None or not 0 < time - before < 1 else time - before
                before = time
                self._closed.wait(max(0.0, due - self._clock.now()))
                if self._clock.now() - due > nominal:
                    due = self._clock.now()
                yield native, due
            if before is None:
                raise InputError(f"{self.source}: no frame could be decoded")
            before = None
            try:
                container.seek(0)
            except (av.error.FFmpegError, OSError):
                return  # it can only be read once: the caller tries to open it again

    def _frame(self, native: VideoFrame, time: float, container: InputContainer) -> Frame:
        if self._conform is None:
            self._conform = _conformer(native, container)
            self._report_mode(native, container)
        frame = self._conform(native, self._clock.pts(time), LIVE_TIME_BASE)
        return mirrored(frame) if self.mirror else frame

    def _report_mode(self, native: VideoFrame, container: InputContainer) -> None:
        """Report the camera's size and frame rate, if they are not as requested."""
        rate = container.streams.video[0].average_rate
        wanted = (self._wanted.width, self._wanted.height, self._wanted.fps)
        actual = (native.width, native.height, float(rate) if rate else None)
        if any(want is not None and want != got for want, got in zip(wanted, actual, strict=True)):
            fps = f" at {actual[2]:g} fps" if actual[2] else ""
            self._report(f"camera {self.source}: gives {native.width}×{native.height}{fps}, not what was requested")


class _DecodedFrames:
    """Iterates over the frames of a container from its current position; skips damage. Iterable again after a seek.

    Attributes:
        rate: frames per second; None where unknown.
        reason: why the last iteration ended.
    """

    def __init__(self, container: InputContainer, source: str) -> None:
        self._container, self._stream = container, choose_video_stream(container, source)
        # Frame threads would add latency.
        self._stream.thread_type = "FRAME" if _is_file(source) else "SLICE"
        self.rate: Fraction | None = self._stream.average_rate
        self.reason = ""

    def __iter__(self) -> Iterator[VideoFrame]:
        self.reason = "the stream has ended"
        try:
            for packet in self._container.demux(self._stream):
                yield from self._decode(packet)
        except (av.error.FFmpegError, OSError) as error:
            self.reason = str(getattr(error, "strerror", None) or error)

    def _decode(self, packet: Any) -> list[VideoFrame]:
        try:
            return list(packet.decode())
        except av.error.InvalidDataError:
            return []


def _is_file(source: str) -> bool:
    return not is_device(source) and not is_address(source)


def _open_address(address: str) -> InputContainer:
    options = {"rtsp_flags": "prefer_tcp"} if address.startswith("rtsp:") else {}
    try:
        return av.open(
            "pipe:0" if address == "-" else address, options=options, timeout=(OPEN_TIMEOUT_S, READ_TIMEOUT_S)
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"camera {address}: cannot be opened ({reason})") from error


def _conformer(native: VideoFrame, container: InputContainer) -> Conformer:
    stream = container.streams.video[0]
    conformer = Conformer(native, Fraction(stream.sample_aspect_ratio or 0), declared_colour(stream))
    conformer.deliver(_FORMAT, even=True)
    return conformer
