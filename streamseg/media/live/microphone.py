"""Live sound from a microphone, or from a file or an address that is played like one."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event
from time import time as wall_time
from typing import Any, NamedTuple

import av
from av.container import InputContainer

from streamseg.errors import InputError
from streamseg.media.live.clock import LiveClock
from streamseg.media.live.reopening import OPEN_TIMEOUT_S, READ_TIMEOUT_S, reopened
from streamseg.media.reading.source import is_address, is_present

__all__ = ["Microphone", "Sound", "microphone_names"]

_FORMAT = {"darwin": "avfoundation", "win32": "dshow"}.get(sys.platform, "alsa")
_DEFAULT = "default"
# Of ALSA's devices those that only convert what another one gives.
_CONVERTERS = {"null", "lavrate", "samplerate", "speexrate", "oss", "speex", "upmix", "vdownmix"}
# Times of arrival, and of capture as PulseAudio tells them, are irregular: blocks are stamped by the count of samples,
# which follows these times within seconds; at once where they are farther apart.
_FOLLOW_S, _LARGEST_ERROR_S = 2.0, 0.5


class Sound(NamedTuple):
    """A block of sound.

    Attributes:
        samples: as decoded.
        time: seconds on the clock when its first sample was captured.
    """

    samples: av.AudioFrame
    time: float


class Microphone:
    """Yields sound with the clock's time at its capture.

    Iterate once, in a thread of its own: opening and reading block. A device that is lost after it gave sound is
    reopened as soon as that is possible. A file is played in real time, looped.

    Args:
        source: name of a device ("default", or one of microphone_names), a file, or an address that FFmpeg opens.
        clock: gives the time stamps.
        report: called with one sentence when something happens that a user should know.

    Raises:
        InputError: (while iterating) the source cannot be opened at first, or has no sound.
    """

    def __init__(self, source: str, clock: LiveClock, report: Callable[[str], None] = lambda message: None) -> None:
        self.source, self._clock, self._report = source, clock, report
        self._closed = Event()

    def close(self) -> None:
        """End the iteration, at the latest with the block that it is waiting for."""
        self._closed.set()

    def __iter__(self) -> Iterator[Sound]:
        return reopened(f"audio {self.source}", self._open, self._play, self._closed, self._report)

    @property
    def _is_device(self) -> bool:
        return not is_address(self.source) and not is_present(self.source)

    def _open(self) -> InputContainer:
        try:
            if self._is_device:
                container = _open_device(self.source)
            else:
                timeout = (OPEN_TIMEOUT_S, READ_TIMEOUT_S) if is_address(self.source) else None
                container = av.open("pipe:0" if self.source == "-" else self.source, timeout=timeout)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            names = f"; {_microphones_here()}" if self._is_device else ""
            raise InputError(f"audio {self.source}: cannot be opened ({reason}){names}") from error
        if not container.streams.audio:
            container.close()
            raise InputError(f"audio {self.source}: has no sound")
        return container

    def _play(self, container: InputContainer) -> Iterator[Sound]:
        """The sound until the device is lost or closed; of a file, looped."""
        realtime = not self._is_device and (bool(container.duration) or not is_address(self.source))
        decoded = _DecodedSound(container)
        for sound in self._in_real_time(container, decoded) if realtime else self._as_captured(decoded):
            if self._closed.is_set():
                return
            yield sound
        if not self._closed.is_set():
            self._report(f"audio {self.source}: lost ({decoded.reason}); waiting for it to come back")

    def _as_captured(self, decoded: _DecodedSound) -> Iterator[Sound]:
        times = _SteadyTimes()
        for samples in decoded:
            duration = samples.samples / samples.sample_rate
            start = self._clock.now() - duration
            if _FORMAT == "alsa" and self._is_device and samples.time is not None:
                # FFmpeg's device takes the wall clock, less what waits in the buffers of ALSA and PulseAudio.
                start = self._clock.now() - (wall_time() - samples.time)
            yield Sound(samples, times(start, duration))

    def _in_real_time(self, container: InputContainer, decoded: _DecodedSound) -> Iterator[Sound]:
        """Each block when its last sample is due."""
        start = self._clock.now()
        while True:
            before = start
            for samples in decoded:
                end = start + samples.samples / samples.sample_rate
                self._closed.wait(max(0.0, end - self._clock.now()))
                yield Sound(samples, start)
                start = end
            if start == before:
                raise InputError(f"audio {self.source}: no sound could be decoded")
            try:
                container.seek(0)
            except (av.error.FFmpegError, OSError):
                return  # it can only be read once


class _DecodedSound:
    """Iterates over the blocks of a container's first audio stream; iterable again after a seek.

    Attributes:
        reason: why the last iteration ended.
    """

    def __init__(self, container: InputContainer) -> None:
        self._container, self.reason = container, ""

    def __iter__(self) -> Iterator[av.AudioFrame]:
        self.reason = "the stream has ended"
        try:
            for packet in self._container.demux(self._container.streams.audio[0]):
                with suppress(av.error.InvalidDataError):
                    yield from packet.decode()
        except (av.error.FFmpegError, OSError) as error:
            self.reason = str(getattr(error, "strerror", None) or error)


class _SteadyTimes:
    """When blocks were captured, from irregular estimates of it."""

    def __init__(self) -> None:
        self._end: float | None = None

    def __call__(self, start: float, duration: float) -> float:
        """The time of the first sample of a block of ``duration`` seconds; ``start`` is an estimate."""
        if self._end is not None and abs(error := start - self._end) < _LARGEST_ERROR_S:
            start = self._end + error * min(1.0, duration / _FOLLOW_S)
        self._end = start + duration
        return start


def microphone_names() -> list[tuple[str, str]]:
    """The microphones of this machine: FFmpeg's name for each, and one for people."""
    _find_alsa()
    with suppress(ValueError, OSError, av.error.FFmpegError):
        devices = av.enumerate_input_devices(_FORMAT)
        found = [each for each in devices if _FORMAT == "alsa" or "audio" in each.media_types]
        return [(each.name, each.description) for each in found if each.name not in _CONVERTERS]
    return []


def _microphones_here() -> str:
    found = [f"{name} ({description})" for name, description in microphone_names()]
    return f"available: {', '.join(found)}" if found else "this machine has no microphone"


def _open_device(name: str) -> InputContainer:
    _find_alsa()
    if _FORMAT == "dshow":
        names = microphone_names()
        name = names[0][0] if name == _DEFAULT and names else name
        return av.open(f"audio={name}", format=_FORMAT, options={"audio_buffer_size": "20"})
    if _FORMAT == "avfoundation":
        return av.open(f":{name}", format=_FORMAT)
    # Many microphones have one channel only; a number of channels is not negotiated with "hw:".
    attempts: list[dict[str, str]] = [{}, {"channels": "1"}]
    for options in attempts[:-1]:
        with suppress(av.error.FFmpegError, OSError):
            return av.open(name, format=_FORMAT, options=options)
    return av.open(name, format=_FORMAT, options=attempts[-1])


def _find_alsa() -> None:
    """Tell the ALSA library that the wheels of PyAV bring where the system's settings and plug-ins are."""
    found: dict[str, list[Any]] = {
        "ALSA_CONFIG_DIR": ["/usr/share/alsa"],
        "ALSA_PLUGIN_DIR": [
            f"/usr/lib/{sysconfig.get_config_var('MULTIARCH')}/alsa-lib",
            "/usr/lib64/alsa-lib",
            "/usr/lib/alsa-lib",
        ],
    }
    for name, folders in found.items():
        there = next((folder for folder in folders if _FORMAT == "alsa" and Path(folder).is_dir()), None)
        if there is not None:
            os.environ.setdefault(name, there)
