"""Decodes one video stream of a container, and passes on the packets of the other streams."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
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
# Frames that are decoded before the first is passed on, where there may be B frames: usually with some among them.
_JUDGED = 6
# Packets without time stamps at the beginning, at most, and how many with one come before that of the earliest frame.
_MOST_UNKNOWN, _REORDERED = 1000, 4
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
        begin: pts of the first frame as far as that has to be guessed, else 0.
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
        self._held: deque[VideoFrame | Packet[Any]] = deque()
        self._ahead: deque[Packet[Any] | DamagedInput] = deque()
        self._ordered = self._in_order()
        if first is not None:
            self._ordered = from_key_frame(self._ordered, video.index, first)
        rate = video.average_rate or _DEFAULT_FPS
        self._interval = round(1 / (rate * self.time_base))
        self._stamps = FrameStamps(self.time_base, self._interval)
        self._stamps.begin = self.begin = self._first_pts()

    @property
    def guessed_pts(self) -> bool:
        """Whether there was a frame without a pts of its own, or with one that is wrong."""
        return self._stamps.guessed

    @property
    def warnings(self) -> list[str]:
        """Damage that was skipped and time stamps that were changed, one sentence each."""
        return [*self._timeline.warnings, *self._stamps.warnings, *self.integrity.warnings]

    def __iter__(self) -> Iterator[VideoFrame | Packet[Any]]:
        items = self._unstamped()
        damage = self._hold_first(items)
        while self._held:
            yield self._stamped(self._held.popleft())
        yield from map(self._stamped, items)
        if damage is not None:
            raise damage

    def _hold_first(self, items: Iterator[VideoFrame | Packet[Any]]) -> DamagedInput | None:
        """Hold the first frames, and the packets between them, to judge their time stamps."""
        frames: list[VideoFrame] = []
        damage = None
        try:
            while len(frames) < self._judged and (item := next(items, None)) is not None:
                self._held.append(item)
                frames += [item] if isinstance(item, VideoFrame) else []
        except DamagedInput as error:
            damage = error
        self._stamps.judge(frames)
        return damage

    @property
    def _judged(self) -> int:
        """How many frames show whether their pts can be trusted; those of a GPU are too few to be held."""
        context = self._video.codec_context
        return _JUDGED if context.has_b_frames and not context.is_hwaccel else 1

    def _unstamped(self) -> Iterator[VideoFrame | Packet[Any]]:
        try:
            for packet in self.packets():
                if packet.stream.index == self._video.index:
                    yield from self._decode(packet)
                else:
                    yield packet
        except DamagedInput:
            yield from self._flush()
            raise

    def packets(self) -> Iterator[Packet[Any]]:
        """The same packets, not decoded, as far as they have not been yielded."""
        yield from (item for item in self._held if isinstance(item, Packet))
        self._held.clear()
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
        stamps = [first.pts or 0, *(packet.pts for packet in self._peek(_PEEKED) if packet.pts is not None)]
        return nominal_rate(self._video, [stamp * self.time_base for stamp in stamps])

    def _first_pts(self) -> int:
        """The pts of a first frame without stamps: in Matroska, of all frames before zero."""
        unknown, known = 0, []
        for packet in self._peek(_MOST_UNKNOWN):
            if packet.pts is not None:
                known.append(packet.pts)
            elif packet.dts is None:
                unknown += 1
            if not unknown or len(known) > _REORDERED:
                break
        return min(known) - unknown * self._interval if unknown and known else 0

    def _peek(self, count: int) -> Iterator[Packet[Any]]:
        """The next ``count`` packets of the video, which are still to be decoded."""
        for item in chain(list(self._ahead), self._fetched()):
            if isinstance(item, DamagedInput):
                return
            if item.stream.index == self._video.index and item.size:
                yield item
                count -= 1
            if not count:
                return

    def _fetched(self) -> Iterator[Packet[Any]]:
        try:
            for packet in self._mended:
                self._ahead.append(packet)
                yield packet
        except DamagedInput as damage:
            self._ahead.append(damage)

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
        if not packet.size and packet.dts is not None:
            return []  # in Ogg: the frame before is shown once more; the packet that ends a stream has no time
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

    def _stamped(self, item: VideoFrame | Packet[Any]) -> VideoFrame | Packet[Any]:
        if isinstance(item, Packet):
            return item
        self._stamps.stamp(item)
        return self._cutter(item)
