"""VideoReader: upright frames of one video stream, and the packets of streams that are copied."""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Self

import av
from av.codec.hwaccel import HWAccel
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame

from streamseg.errors import DamagedInput, InputError, OptionError
from streamseg.frame import Frame, PixelFormat
from streamseg.media.pixels.captions import Captions
from streamseg.media.pixels.conform import Conformer, Shape
from streamseg.media.pixels.gpu_frame import GPUFrame
from streamseg.media.pixels.native import declared_colour
from streamseg.media.reading.decoder import Decoder
from streamseg.media.reading.dump import declared_of
from streamseg.media.reading.durations import Durations
from streamseg.media.reading.info import VideoInfo, describe
from streamseg.media.reading.source import choose_video_stream, open_input, reads_once
from streamseg.media.reading.span import Span
from streamseg.media.reading.timeline import has_discontinuities
from streamseg.runtime import forget_in_children, never_destroy

__all__ = ["VideoInfo", "VideoReader"]

# How far before the start to seek, until there is a key frame from which all frames can be decoded.
_SEEK_BACK_S = (0, 2, 10, 60)


@dataclass(eq=False)
class VideoReader:
    """Reads one video stream, and the packets of other streams.

    Iterating yields Frames in presentation order and, between them, in the order of the file, the unchanged packets of
    ``copied`` streams. The first frame is decoded on construction, so that a file without a frame that decodes fails
    there.

    Args:
        source: path, "-" for standard input, or a URL that FFmpeg opens.
        stream: number of the video stream, from 0.
        start: seconds to skip; time stamps then count from there.
        duration: seconds to read; None for all.
        tolerant: skip damage instead of raising DamagedInput.
        threads: decoder threads; fewer threads hold fewer frames. 0 for as many as there are cores.
        decoder: FFmpeg's settings for decoding on a GPU, see streamseg.media.gpu.decoding.open_reader; None for the
            CPU.

    Attributes:
        container: PyAV's input container.
        video: the stream that is decoded.
        info: what is known of the video.
        declared: what the container says of it.
        copied: streams whose packets are yielded too; to be set before iterating.
        durations, captions: of the frames that were yielded.

    Raises:
        OptionError: ``start`` is negative, ``duration`` is not positive, or there is no such stream.
        InputError: the source cannot be opened, or it has no frame that decodes.
        DamagedInput: (while iterating) the input is damaged or truncated; every good frame has been yielded before.
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
        self.durations, self._forgotten = Durations(), False
        self.container = open_input(self.source, self.decoder)
        try:
            self._open()
        except BaseException:
            self.container.close()
            raise
        forget_in_children(self)

    def forget_threads(self) -> None:
        """Leave the decoder's threads, and so the reader, to the parent process."""
        never_destroy(self.container)
        # Their memory would go back to the decoder's pool, whose lock one of the threads may have held at the fork.
        for each in gc.get_objects():
            if isinstance(each, VideoFrame):
                never_destroy(each)
        self._forgotten = True

    def _open(self) -> None:
        video = choose_video_stream(self.container, self.source, self.stream)
        self.declared = declared_of(self.container, video)
        self.captions = Captions(video.codec_context.codec.canonical_name)
        self._negative = False
        self._restart()
        if self._decoder.begin < 0:
            self._negative = True
            self._span = self._chosen_span()
        first = self._seek_first_frame() or self._first_frame()
        aspect = self.video.sample_aspect_ratio or Fraction(0)
        self._conform = Conformer(first, Fraction(aspect), declared_colour(self.video))
        self.info = describe(self.container, self.video, self._decoder, first, self._conform.shape, self._span)
        self._decoded = [first]  # released when it is yielded: it is large

    def _restart(self) -> None:
        """Reset the decoder and all counters."""
        self.video = choose_video_stream(self.container, self.source, self.stream)
        self._span = self._chosen_span()
        skipped = self._span.first if self._reads_all else None
        options = self.tolerant, self._span.is_all, self.threads, skipped, self.declared.margins
        self._decoder: Decoder = Decoder(self.container, self.video, *options)
        self._gapless: bool | None = None
        # Packets of all streams before the first frame: the caller has not set ``copied`` yet.
        self._early_packets: list[Packet[Any]] = []
        self._items = self._within_limits()

    def _chosen_span(self) -> Span:
        return Span.of(self.container, self.video, self.start, self.duration, self._negative)

    @property
    def _reads_all(self) -> bool:
        """Whether what comes before the start has to be read: seeks go by the input's clock, which may go back, or not
        begin with the first frame."""
        return self._negative or reads_once(self.source) or has_discontinuities(self.container)

    def _seek_first_frame(self) -> VideoFrame | None:
        """The first frame within the limits, by seeking; None if it has to be found by decoding from the beginning.

        A seek may end after the start, in containers without an index or if frames are shown before the key frame that
        precedes them in the file. Then an earlier position is tried, and at last the first packet.
        """
        if self._span.first is None or self._reads_all:
            return None
        for back in _SEEK_BACK_S:
            try:
                seconds = Fraction(self._span.first - back)
                self.container.seek(int(seconds / self._decoder.time_base), stream=self.video)
            except av.error.FFmpegError:
                if not back:
                    return None  # an address without seeking, of which nothing has been read yet
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

    @property
    def shift(self) -> Fraction:
        """Seconds that are subtracted from all time stamps of the source."""
        return self._span.shift

    def count_from(self, shift: Fraction) -> None:
        """Subtract these seconds from all time stamps, not those before ``start``; call before iterating."""
        self._span = replace(self._span, shift=shift)

    @property
    def covers(self) -> dict[int, bytes]:
        """Cover images, as files, by the index of their stream."""
        return self._decoder.covers

    @property
    def warnings(self) -> list[str]:
        """Damage that was skipped and time stamps that were changed, one sentence each."""
        return self._decoder.warnings

    @property
    def guessed_pts(self) -> bool:
        """Whether there was a frame so far without a pts of its own, or with one that is wrong."""
        return self._decoder.guessed_pts

    @property
    def first(self) -> VideoFrame:
        """The first frame as it was decoded; not available once iterating has begun."""
        return self._decoded[0]

    def deliver(self, pixel_format: PixelFormat, even: bool = False) -> Shape:
        """Yield frames in ``pixel_format``, with ``even`` padded to even sizes; call before iterating.

        Returns:
            The new shape of the frames.
        """
        self._conform.deliver(pixel_format, even)
        return self._conform.shape

    def __iter__(self) -> Iterator[Frame | GPUFrame | Packet[Any]]:
        """Frames and copied packets, once. Frames that stay in GPU memory are GPUFrames."""
        for packet in self._early_packets:
            yield from self._shifted(packet)
        self._early_packets = []
        yield self._frame(self._decoded.pop())
        for item in self._items:
            if isinstance(item, Packet):
                yield from self._shifted(item)
            else:
                yield self._frame(item)
        if self._span.end is None and self._decoder.end is not None:
            self.durations.end = self._decoder.end - round(self.shift / self._decoder.time_base)
        self._decoder.integrity.check_complete(self.tolerant)

    def packets(self) -> Iterator[Packet[Any]]:
        """The copied packets alone, without decoding the video; instead of iterating."""
        for packet in self._early_packets:
            yield from self._shifted(packet)
        for packet in self._decoder.packets():
            if self._span.is_far_behind(packet):
                return
            yield from self._shifted(packet)

    def _first_frame(self) -> VideoFrame:
        for item in self._items:
            if not isinstance(item, Packet):
                return item
            self._early_packets.append(item)
        after = f" after {self.start:g} s" if self.start else ""
        raise InputError(f"{self.source}: no frame could be decoded{after} ({self._decoder.integrity.reason})")

    def _within_limits(self) -> Generator[VideoFrame | Packet[Any]]:
        """Decoded frames between start and end, and packets."""
        try:
            for item in self._decoder:
                if isinstance(item, Packet):
                    yield item
                elif self._is_past_end(item):
                    yield from self._late_packets()
                    return
                elif self._span.begun(self._time(item)):
                    yield item
        except DamagedInput as damage:
            ends = (each for each in (damage.time, self._span.end) if each is not None)
            self._span = replace(self._span, end=min(ends, default=None))
            yield from self._late_packets()
            raise

    def _is_past_end(self, native: VideoFrame) -> bool:
        if self._gapless is None:
            in_time = self._span.precedes(self._time(native))
            self._gapless = bool(native.key_frame) and in_time and not self._decoder.guessed_pts
        return self._span.ended(self._time(native))

    def _time(self, native: VideoFrame) -> float:
        assert native.pts is not None
        return float(native.pts * self._decoder.time_base)

    def _late_packets(self) -> Iterator[Packet[Any]]:
        """Packets of other streams that are stored after the last frame but play before the end."""
        if not self.copied:
            return
        with suppress(DamagedInput):
            for packet in self._decoder.packets():
                if self._span.is_far_behind(packet):
                    return
                if packet.stream.index != self.video.index:
                    yield packet

    def _frame(self, native: VideoFrame) -> Frame | GPUFrame:
        assert native.pts is not None
        time_base = self._decoder.time_base
        pts = native.pts - round(self.shift / time_base)
        self.durations.note(pts, native.duration)
        self.captions.note(pts, native)
        return self._conform.on_gpu(native, pts, time_base) or self._conform(native, pts, time_base)

    def _shifted(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        """The packet, counted from the start, if it belongs to a copied stream and is within the limits."""
        if any(stream.index == packet.stream.index for stream in self.copied) and self._span.shift_packet(packet):
            yield packet

    def close(self) -> None:
        """Close the input. Safe to call twice."""
        if not self._forgotten:
            self._items.close()
            self.container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
