"""Decodes one video stream of a container, and passes on the packets of the other streams."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from streamseg.errors import DamagedInput
from streamseg.media.pixels.crop import Margins, MarginsCutter
from streamseg.media.reading.integrity import Integrity
from streamseg.media.reading.preroll import from_key_frame
from streamseg.media.reading.rate import is_plausible, nominal_rate
from streamseg.media.reading.source import is_cover
from streamseg.media.reading.stamps import FrameStamps
from streamseg.media.reading.timeline import Timeline

__all__ = ["Decoder"]

_COPIED_TYPES = ("audio", "subtitle", "data")
_DEFAULT_FPS = 25
_NO_MARGINS = Margins()
# Packets whose times tell the frame rate where the container does not.
_PEEKED = 24
# FFmpeg's own VP8 and VP9 decoders drop the alpha that WebM stores beside each frame; libvpx does not.
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


class Decoder:
    """Decodes from the current position of ``container``.

    Iterating yields decoded frames, each with a pts, and packets of audio, subtitles and data, in the file's order. If
    the input is damaged, the frames that the decoder still holds are yielded before the error is raised.

    Args:
        container: the input.
        video: the stream to decode.
        tolerant: skip damage.
        complete: whether the container will be read from its beginning to its end.
        threads: decoder threads, each of which holds one or two frames; 0 for as many as there are cores.
        margins: of every frame, which are cut off.
        first: decode only what frames from this time on, in seconds, depend on; None for everything.

    Attributes:
        integrity: damage that was found.
        time_base: seconds per unit of a frame's pts.
        covers: cover images so far, by the index of their stream.
        end: where the packets so far end, in such units; None where unknown.

    Raises:
        DamagedInput: (while iterating) the input is damaged, unless ``tolerant``.
    """

    def __init__(
        self,
        container: InputContainer,
        video: VideoStream,
        tolerant: bool,
        complete: bool,
        threads: int = 0,
        first: float | None = None,
        margins: Margins = _NO_MARGINS,
    ) -> None:
        self.integrity = Integrity(container, video, complete)
        self.time_base = Fraction(video.time_base or Fraction(1, 1000))
        self._container, self._video, self._tolerant = container, video, tolerant
        if not video.codec_context.is_open:
            # A GPU decoder needs no threads: they would only hold more of its frames.
            video.thread_type = "NONE" if video.codec_context.is_hwaccel else "AUTO"
            video.codec_context.thread_count = threads
        name = _ALPHA_DECODERS.get(video.codec_context.name)
        keeps_alpha = name is not None and video.metadata.get("alpha_mode") == "1"
        self._alpha: Any = av.CodecContext.create(name, "r") if keeps_alpha and name else None
        self._cutter = MarginsCutter(margins)
        self._timeline = Timeline(container)
        self._mended = self._timeline.mended(self._demuxed())
        self.end: int | None = None
        self.covers: dict[int, bytes] = {}
        self._ahead: deque[Packet[Any] | DamagedInput] = deque()
        self._ordered = self._in_order()
        if first is not None:
            self._ordered = from_key_frame(self._ordered, video.index, first)
        rate = video.average_rate or _DEFAULT_FPS
        self._stamps = FrameStamps(self.time_base, round(1 / (rate * self.time_base)))

    @property
    def guessed_pts(self) -> bool:
        """Whether there was a frame without a pts of its own."""
        return self._stamps.guessed

    @property
    def warnings(self) -> list[str]:
        """Damage that was skipped and time stamps that were changed, one sentence each."""
        return [*self._timeline.warnings, *self._stamps.warnings, *self.integrity.warnings]

    def __iter__(self) -> Iterator[VideoFrame | Packet[Any]]:
        try:
            for packet in self.packets():
                if packet.stream.index == self._video.index:
                    yield from map(self._stamped, self._decode(packet))
                else:
                    yield packet
        except DamagedInput:
            yield from map(self._stamped, self._flush())
            raise

    def packets(self) -> Iterator[Packet[Any]]:
        """The same packets, not decoded."""
        for packet in self._ordered:
            if packet.stream.index != self._video.index:
                yield packet
            elif self.integrity.accepts(packet, self._tolerant):
                self._count(packet)
                yield packet

    def _count(self, packet: Packet[Any]) -> None:
        if packet.pts is not None and packet.duration:
            self.end = max(self.end or 0, packet.pts + packet.duration)

    def nominal_rate(self, first: VideoFrame) -> Fraction | None:
        """Frames per second, if need be by the times of ``first`` and of the packets that come next."""
        if is_plausible(self._video.average_rate):
            return self._video.average_rate
        return nominal_rate(self._video, [(first.pts or 0) * self.time_base, *self._peek(_PEEKED)])

    def _peek(self, count: int) -> list[Fraction]:
        """Presentation times of the next ``count`` packets of the video, in seconds, which are still to be decoded."""
        times: list[Fraction] = []
        try:
            while len(times) < count and (packet := next(self._mended, None)) is not None:
                self._ahead.append(packet)
                if packet.stream.index == self._video.index and packet.pts is not None:
                    times.append(Fraction(packet.pts * packet.time_base))
        except DamagedInput as damage:
            self._ahead.append(damage)
        return times

    def _in_order(self) -> Iterator[Packet[Any]]:
        while (item := self._ahead.popleft() if self._ahead else next(self._mended, None)) is not None:
            if isinstance(item, DamagedInput):
                raise item
            yield item

    def _demuxed(self) -> Iterator[Packet[Any]]:
        others = [s for s in self._container.streams if s.type in _COPIED_TYPES or is_cover(s)]
        packets = iter(self._container.demux(self._video, *others))
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.error.FFmpegError as error:
                self.integrity.report_damage(str(error.strerror), None, self._tolerant)
                return
            if is_cover(packet.stream):
                if packet.size:
                    self.covers[packet.stream.index] = bytes(packet)
                continue
            self.integrity.track_position(packet)
            yield packet

    def _decode(self, packet: Packet[Any]) -> list[VideoFrame]:
        try:
            frames: list[VideoFrame]
            frames = packet.decode() if self._alpha is None else self._alpha.decode(packet if packet.size else None)
        except av.error.FFmpegError as error:
            self.integrity.report_damage(str(error.strerror), packet, self._tolerant)
            return []
        for native in frames:
            self.integrity.count_frame(native)
        return frames

    def _flush(self) -> list[VideoFrame]:
        """The frames that the decoder still holds."""
        try:
            return list((self._alpha or self._video.codec_context).decode(None))
        except av.error.FFmpegError:
            return []

    def _stamped(self, native: VideoFrame) -> VideoFrame:
        self._stamps.stamp(native)
        return self._cutter(native)
