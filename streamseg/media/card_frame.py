"""Pictures that a card's decoder has left in the card's own memory."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av

from streamseg.frame import Colour, Frame, PixelFormat, Plane

__all__ = ["CardFrame", "downloaded", "is_on_card", "sample_format"]

# FFmpeg's name for pictures in the memory of an NVIDIA card.
_ON_CARD = ("cuda",)


@dataclass(frozen=True, slots=True)
class CardFrame:
    """One upright picture in the memory of a card: what Frame is on the host.

    Attributes:
        native: the media library's own frame, lent by the decoder: luma, and Cb and Cr in turns (NV12 or P010). None
            once the samples have been taken over: the decoder needs it back.
        format: the planar format of the same samples.
        width, height: in pixels, even.
        pts, time_base, colour, sample_aspect_ratio: as Frame has them.
    """

    native: av.VideoFrame | None
    format: PixelFormat
    width: int
    height: int
    pts: int
    time_base: Fraction
    colour: Colour
    sample_aspect_ratio: Fraction

    @property
    def time(self) -> float:
        """Presentation time in seconds."""
        return float(self.pts * self.time_base)

    def on_host(self, planes: tuple[Plane, ...]) -> Frame:
        """The frame of these planes, which came from the card."""
        return Frame(planes, self.format, self.pts, self.time_base, self.colour, self.sample_aspect_ratio)


def is_on_card(native: av.VideoFrame) -> bool:
    """Whether the samples lie in the memory of a card."""
    return native.format.name in _ON_CARD


def sample_format(native: av.VideoFrame) -> av.VideoFormat:
    """The format of the samples, wherever they lie."""
    return native.sw_format or native.format


def downloaded(native: av.VideoFrame) -> av.VideoFrame:
    """The picture in the host's memory, semi-planar as the decoder has it."""
    return native.reformat(format=sample_format(native).name)
