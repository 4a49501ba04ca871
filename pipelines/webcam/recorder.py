"""The recording of the webcam: frames and sound with the times of their capture."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from threading import Lock

from streamseg.errors import OptionError, OutputError
from streamseg.frame import Frame, PixelFormat
from streamseg.media.live.clock import LIVE_TIME_BASE, LiveClock
from streamseg.media.live.microphone import Sound
from streamseg.media.pixels.conform import Shape
from streamseg.media.writing.origin import Origin
from streamseg.media.writing.target import Encoding, Target, choose_target
from streamseg.media.writing.writer import VideoWriter, Writer, open_writer

from .outputs import DEFAULT_FPS, LiveOutput

__all__ = ["Recorder", "recording", "recording_target"]

# x264's own default leaves no core for the network, nor does what makes up for the small look-ahead of files.
_LIVE_X264 = {"preset": "superfast", "rc-lookahead": "0", "trellis": "0"}
# Frames that waited for an inference come in quick succession; a recording need not drop them.
_SLOTS = 6
# Sound waits for the frames of its time, which come later by what their mattes take; but not for a camera that is lost.
_LONGEST_WAIT_S = 5.0


def recording_target(path: str, source: PixelFormat, encoding: Encoding, sound: bool = False) -> Target:
    """The target of a recording. Raises OptionError for a file name or an encoding that cannot be used."""
    target = choose_target(path, source, False, encoding)
    if sound and target.is_folder:
        raise OptionError(f"record {path}: a folder of PNGs has no sound; name a video file, or leave out the audio")
    if target.codec == "libx264" and encoding.preset is None:
        return replace(target, options={**target.options, **_LIVE_X264})
    return target


class Recorder:
    """Writes frames from one thread and sound from another; time 0 is the capture of the first frame.

    Args:
        writer: a VideoWriter that was opened for sound, if any is put.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer, self._lock = writer, Lock()
        self._first: int | None = None
        self._newest = 0.0
        self._waiting: deque[Sound] = deque()
        self._closed = False

    def write(self, frame: Frame) -> None:
        """Write a frame, and the sound up to it. Raises OutputError."""
        with self._lock:
            self._first = frame.pts if self._first is None else self._first
            self._newest = frame.time
            self._writer.write(replace(frame, pts=frame.pts - self._first))
            self._write_sound(frame.time)

    def hear(self, sound: Sound) -> None:
        """Take a block of sound, which is written when the frame of its time is there. Raises OutputError."""
        with self._lock:
            if self._closed:
                return
            self._waiting.append(sound)
            if self._first is None:
                while self._waiting[0].time < sound.time - _LONGEST_WAIT_S:
                    self._waiting.popleft()
                return
            self._write_sound(max(self._newest, sound.time - _LONGEST_WAIT_S))

    def _write_sound(self, until: float) -> None:
        """The blocks that begin up to that time on the clock."""
        assert self._first is not None
        while isinstance(self._writer, VideoWriter) and self._waiting and self._waiting[0].time <= until:
            samples, time = self._waiting.popleft()
            samples.pts, samples.time_base = round(time / LIVE_TIME_BASE) - self._first, LIVE_TIME_BASE
            self._writer.write_sound(samples)

    def close(self) -> None:
        """Complete the file; without any frame there is none. Raises OutputError."""
        with self._lock:
            self._closed = True
            if self._first is None:
                self._writer.discard()
                return
            try:
                self._writer.finish()
            except OutputError:
                self._writer.salvage()
                raise


def recording(
    target: Target,
    shape: Shape,
    fps: float | None,
    overwrite: bool,
    clock: LiveClock,
    report: Callable[[str], None],
    sound: bool = False,
) -> tuple[LiveOutput, Recorder]:
    """Records into a file, with sound if Recorder.hear gets any. Raises OutputError, OptionError."""
    rate = Fraction(fps or DEFAULT_FPS).limit_denominator(1001)
    recorder = Recorder(open_writer(target, shape, Origin(LIVE_TIME_BASE, rate), (), overwrite, sound))
    return LiveOutput("recording", recorder.write, recorder.close, clock, report, _SLOTS), recorder
