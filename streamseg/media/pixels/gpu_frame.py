"""Frames in GPU memory, where the GPU's decoder has put them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av

from streamseg.frame import Colour, Frame, PixelFormat, Plane

__all__ = ["GPUFrame", "downloaded", "is_on_gpu", "sample_format"]

# FFmpeg's pixel format of frames in the memory of an NVIDIA GPU.
_ON_GPU = ("cuda",)


@dataclass(frozen=True, slots=True)
class GPUFrame:
    """One upright frame in GPU memory; the counterpart of Frame on the host.

    Attributes:
        native: PyAV's frame, which belongs to the decoder: luma, and interleaved Cb and Cr (NV12 or P010). None once
            the samples have been copied, because the decoder has only a few of them.
        format: the planar format of the same samples.
        width, height: size in pixels, both even.
        pts, time_base, colour, sample_aspect_ratio: as in Frame.
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
        """A Frame with these planes, downloaded from the GPU, and this frame's time and colour."""
        return Frame(planes, self.format, self.pts, self.time_base, self.colour, self.sample_aspect_ratio)


def is_on_gpu(native: av.VideoFrame) -> bool:
    """Whether the samples are in GPU memory."""
    return native.format.name in _ON_GPU


def sample_format(native: av.VideoFrame) -> av.VideoFormat:
    """The pixel format of the samples, in GPU memory too."""
    return native.sw_format or native.format


def downloaded(native: av.VideoFrame) -> av.VideoFrame:
    """A copy of the frame in host memory, semi-planar as in GPU memory."""
    return native.reformat(format=sample_format(native).name)
