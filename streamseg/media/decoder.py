"""Decoder: the pictures of one stream of a container and the packets of the others, in the file's order."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from streamseg.errors import DamagedInput
from streamseg.media.integrity import Integrity

__all__ = ["Decoder"]

_COPIED_KINDS = ("audio", "subtitle")
_USUAL_RATE = 25
# The native VP8 and VP9 decoders drop the alpha that WebM keeps beside each picture; libvpx does not.
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


class Decoder:
    """Decodes from wherever ``container`` stands.

    Iterating gives pictures, each with a pts, and the packets of sound and subtitles. On damage the pictures that the
    decoder still holds come first.

    Args:
        container: to read from.
        video: the stream to decode.
        tolerant: pass over damage.
        whole: whether the container will be read from its beginning to its end.
        threads: to decode with; each holds a picture or two. 0 is as many as there are cores.

    Attributes:
        integrity: what was seen of the input's health.
        time_base: seconds per unit of a picture's pts.
        guesses: whether a picture came without a time stamp.

    Raises:
        DamagedInput: (while iterating) the input decodes no further, unless ``tolerant``.
    """

    def __init__(
        self, container: InputContainer, video: VideoStream, tolerant: bool, whole: bool, threads: int = 0
    ) -> None:
        self.integrity = Integrity(container, video, whole)
        self.time_base = Fraction(video.time_base or Fraction(1, 1000))
        self._container, self._video, self._tolerant = container, video, tolerant
        if not video.codec_context.is_open:
            # A card needs no threads: they would only hold more of its pictures.
            video.thread_type = "NONE" if video.codec_context.is_hwaccel else "AUTO"
            video.codec_context.thread_count = threads
        name = _ALPHA_DECODERS.get(video.codec_context.name)
        keeps_alpha = name is not None and video.metadata.get("alpha_mode") == "1"
        self._alpha: Any = av.CodecContext.create(name, "r") if keeps_alpha and name else None
        self._next_pts = 0
        self.guesses = False

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
        """The packets that ``iter`` goes through, not decoded."""
        others = [s for s in self._container.streams if s.type in _COPIED_KINDS and s.codec_context]
        packets = iter(self._container.demux(self._video, *others))
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.error.FFmpegError as error:
                self.integrity.broken(str(error.strerror), None, self._tolerant)
                return
            self.integrity.passes(packet)
            if packet.stream.index != self._video.index or self.integrity.accepts(packet, self._tolerant):
                yield packet

    def _decode(self, packet: Packet[Any]) -> list[VideoFrame]:
        try:
            frames: list[VideoFrame]
            frames = packet.decode() if self._alpha is None else self._alpha.decode(packet if packet.size else None)
        except av.error.FFmpegError as error:
            self.integrity.broken(str(error.strerror), packet, self._tolerant)
            return []
        for native in frames:
            self.integrity.saw(native)
        return frames

    def _flush(self) -> list[VideoFrame]:
        """What the decoder still holds."""
        try:
            return list((self._alpha or self._video.codec_context).decode(None))
        except av.error.FFmpegError:
            return []

    def _stamped(self, native: VideoFrame) -> VideoFrame:
        """The picture with a time stamp: its own, or what follows from the one before it."""
        if native.pts is None:
            native.pts, self.guesses = self._next_pts, True
        rate = self._video.average_rate or _USUAL_RATE
        self._next_pts = native.pts + max(1, round(1 / (rate * self.time_base)))
        return native
