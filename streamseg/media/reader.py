"""VideoReader: upright frames of one video stream, and the packets of the streams to be copied."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from types import TracebackType
from typing import Any, Self

import av
from av.codec.hwaccel import HWAccel
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame

from streamseg.errors import DamagedInput, InputError, OptionError
from streamseg.frame import Frame, PixelFormat
from streamseg.media.card_frame import CardFrame
from streamseg.media.conform import Conformer, Shape
from streamseg.media.decoder import Decoder
from streamseg.media.native import declared_colour
from streamseg.media.source import choose_video_stream, open_input, reads_once

__all__ = ["VideoInfo", "VideoReader"]

_MICROSECONDS = 1_000_000
# How far before the beginning to look for a key frame from which every frame can be decoded.
_SEEK_BACK_S = (0, 2, 10, 60)
# Files store the packets of their streams in turns of up to about this many seconds.
_INTERLEAVING_S = 2
_EPSILON_S = 1e-6


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What is known of a video before it is read.

    Attributes:
        shape: size, format and colour of its (upright) frames.
        time_base: seconds per unit of pts.
        frame_rate: frames per second where known (an average for variable rates).
        frames: number of frames to expect, an estimate; None where unknown.
        top_field_first: field order of interlaced video, None for progressive.
    """

    shape: Shape
    time_base: Fraction
    frame_rate: Fraction | None
    frames: int | None
    top_field_first: bool | None


@dataclass
class VideoReader:
    """Reads one video stream, and alongside it the packets of other streams.

    Iterating gives Frames in presentation order, in between (in the order of the file) the untouched
    packets of ``copied`` streams. Opening decodes the first frame, so that a file without a decodable
    picture fails here.

    Args:
        source: path, "-" for standard input, or a URL that FFmpeg opens.
        stream: which video stream, counted from 0.
        start: seconds to skip; time stamps are then counted from there.
        duration: seconds to read, None for all.
        tolerant: pass over damage instead of raising DamagedInput.
        threads: to decode with; fewer hold fewer pictures. 0 is as many as there are cores.
        decoder: a card that decodes what it can; see streamseg.media.hardware.open_reader.

    Raises:
        OptionError: a negative start, a duration of nothing, or a stream that is not there.
        InputError: cannot be opened, or holds no picture that decodes.
        DamagedInput: (while iterating) the input decodes no further, or decoded with gaps; every good
            frame has been delivered before it is raised.
    """

    source: str
    stream: int = 0
    start: float = 0.0
    duration: float | None = None
    tolerant: bool = False
    threads: int = 0
    decoder: HWAccel | None = None
    copied: Sequence[Stream] = field(default=(), init=False)

    def __post_init__(self) -> None:
        if self.start < 0 or (self.duration is not None and self.duration <= 0):
            raise OptionError(f"start {self.start:g} s, duration {self.duration} s: expected 0 or more, and above 0")
        self.container = open_input(self.source, self.decoder)
        try:
            self._open()
        except BaseException:
            self.container.close()
            raise

    def _open(self) -> None:
        self._restart()
        origin = (self.container.start_time or 0) / _MICROSECONDS
        self._begin = origin + self.start if self.start else None
        self._end = None if self.duration is None else origin + self.start + self.duration
        first = self._sought_frame() or self._first_frame()
        aspect = self.video.sample_aspect_ratio or Fraction(0)
        self._conform = Conformer(first, Fraction(aspect), declared_colour(self.video))
        self.info = self._describe(first)
        self._decoded = [first]  # until it is asked for, and not longer: it is large

    def _restart(self) -> None:
        """Decoder and counters as for a container of which nothing has been read."""
        self.video = choose_video_stream(self.container, self.source, self.stream)
        whole = not self.start and self.duration is None
        self._decoder = Decoder(self.container, self.video, self.tolerant, whole, self.threads)
        self._gapless: bool | None = None
        # Other streams are met before the caller can choose among them: until the first frame keep all.
        self._early: list[Packet[Any]] = []
        self._items = self._limited()

    def _sought_frame(self) -> VideoFrame | None:
        """The first frame within the limits by seeking; None where they have to be reached by decoding.

        Containers without an index, and key frames that later frames are shown before, put a seek behind
        the beginning: then from further back, at last from the first packet.
        """
        if self._begin is None or reads_once(self.source):
            return None
        for earlier in _SEEK_BACK_S:
            try:
                seconds = Fraction(self._begin - earlier)
                self.container.seek(int(seconds / self._decoder.time_base), stream=self.video)
            except av.error.FFmpegError:
                if not earlier:
                    return None  # an address that cannot seek: nothing has been read yet
                break
            self._restart()
            with suppress(InputError):
                first = self._first_frame()
                if self._gapless:
                    return first
        self.container.close()
        self.container = open_input(self.source, self.decoder)
        self._restart()
        return None

    def _describe(self, first: VideoFrame) -> VideoInfo:
        fields = {2: True, 4: True, 3: False, 5: False}
        interlaced = first.interlaced_frame
        return VideoInfo(
            shape=self._conform.shape,
            time_base=self._decoder.time_base,
            frame_rate=self.video.average_rate or self.video.guessed_rate,
            frames=self._expected_frames(),
            top_field_first=fields.get(self.video.codec_context.field_order, True) if interlaced else None,
        )

    def _expected_frames(self) -> int | None:
        rate = self.video.average_rate
        seconds = (self.container.duration or 0) / _MICROSECONDS
        if self.video.frames and seconds and self.start == 0 and self.duration is None:
            return self.video.frames
        if not rate or not seconds:
            return None
        left = max(0.0, seconds - self.start)
        return ceil(float(rate) * (left if self.duration is None else min(left, self.duration)) - 1e-6)

    @property
    def warnings(self) -> list[str]:
        """Damage that was passed over."""
        return self._decoder.integrity.warnings

    @property
    def first(self) -> VideoFrame:
        """The first picture, as it was decoded; until iterating begins."""
        return self._decoded[0]

    def deliver(self, pixel_format: PixelFormat, even: bool = False) -> Shape:
        """Deliver frames in ``pixel_format``, of even size if asked; gives their shape. Call before iterating."""
        self._conform.deliver(pixel_format, even)
        return self._conform.shape

    def __iter__(self) -> Iterator[Frame | CardFrame | Packet[Any]]:
        """Frames and copied packets; can be iterated once. Of a card whose pictures stay there, CardFrames."""
        for packet in self._early:
            yield from self._shifted(packet)
        self._early = []
        yield self._frame(self._decoded.pop())
        for item in self._items:
            if isinstance(item, Packet):
                yield from self._shifted(item)
            else:
                yield self._frame(item)
        self._decoder.integrity.verdict(self.tolerant)

    def _first_frame(self) -> VideoFrame:
        for item in self._items:
            if not isinstance(item, Packet):
                return item
            self._early.append(item)
        beyond = f" after {self.start:g} s" if self.start else ""
        raise InputError(f"{self.source}: no picture could be decoded{beyond} ({self._decoder.integrity.reason})")

    def _limited(self) -> Generator[VideoFrame | Packet[Any]]:
        """What the decoder gives within the limits."""
        for item in self._decoder:
            if isinstance(item, Packet):
                yield item
            elif self._is_behind(item):
                yield from self._stored_behind()
                return
            elif self._begin is None or self._time(item) >= self._begin - _EPSILON_S:
                yield item

    def _is_behind(self, native: VideoFrame) -> bool:
        if self._gapless is None:
            in_time = self._time(native) <= (self._begin or 0) + _EPSILON_S
            self._gapless = bool(native.key_frame) and in_time and not self._decoder.guesses
        return self._end is not None and self._time(native) >= self._end - _EPSILON_S

    def _time(self, native: VideoFrame) -> float:
        assert native.pts is not None
        return float(native.pts * self._decoder.time_base)

    def _stored_behind(self) -> Iterator[Packet[Any]]:
        """Packets of other streams that files keep behind the end but play before it."""
        if not self.copied or self._end is None:
            return
        with suppress(DamagedInput):
            for packet in self._decoder.packets():
                if packet.dts is not None and packet.dts * packet.time_base > self._end + _INTERLEAVING_S:
                    return
                if packet.stream.index != self.video.index:
                    yield packet

    def _frame(self, native: VideoFrame) -> Frame | CardFrame:
        assert native.pts is not None
        time_base = self._decoder.time_base
        time = native.pts - round(self.start / time_base), time_base
        return self._conform.on_card(native, *time) or self._conform(native, *time)

    def _shifted(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        """The packet, if it belongs to a copied stream and lies within the limits."""
        if packet.dts is None or not packet.size or all(s.index != packet.stream.index for s in self.copied):
            return
        time_base = Fraction(packet.time_base)
        time = float((packet.dts if packet.pts is None else packet.pts) * time_base)
        if (self._begin is not None and time < self._begin) or (self._end is not None and time >= self._end):
            return
        shift = round(self.start / time_base)
        packet.dts -= shift
        if packet.pts is not None:
            packet.pts -= shift
        yield packet

    def close(self) -> None:
        """Close the input. Safe to call twice."""
        self._items.close()
        self.container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
