"""What is known of a video before it is read."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from streamseg.media.pixels.conform import Shape
from streamseg.media.pixels.gpu_frame import is_on_gpu
from streamseg.media.pixels.hdr import HDRMetadata
from streamseg.media.reading.decoder import Decoder
from streamseg.media.reading.span import Span

__all__ = ["VideoInfo", "describe"]

_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What is known of a video before it is read.

    Attributes:
        shape: size, pixel format and colour of its upright frames.
        time_base: seconds per unit of pts.
        frame_rate: frames per second (the average of variable rates, where that is plausible); None where unknown.
        frames: expected number of frames, an estimate; None where unknown.
        top_field_first: field order of interlaced video; None for progressive.
        hdr: static HDR metadata of the first frame, if it has any.
    """

    shape: Shape
    time_base: Fraction
    frame_rate: Fraction | None
    frames: int | None
    top_field_first: bool | None
    hdr: HDRMetadata | None = None


def describe(
    container: InputContainer, video: VideoStream, decoder: Decoder, first: VideoFrame, shape: Shape, span: Span
) -> VideoInfo:
    """What is known once the first frame within ``span`` is decoded; ``shape`` is that of the upright frames."""
    rate = decoder.nominal_rate(first)
    fields = {2: True, 4: True, 3: False, 5: False}
    interlaced = first.interlaced_frame
    return VideoInfo(
        shape=shape,
        time_base=decoder.time_base,
        frame_rate=rate,
        frames=_expected_frames(container, video, rate, span),
        top_field_first=fields.get(video.codec_context.field_order, True) if interlaced else None,
        hdr=None if is_on_gpu(first) else HDRMetadata.of(first),
    )


def _expected_frames(container: InputContainer, video: VideoStream, rate: Fraction | None, span: Span) -> int | None:
    seconds = (container.duration or 0) / _MICROSECONDS
    if video.frames and seconds and span.is_all:
        return video.frames
    if not rate or not seconds:
        return None
    rest = max(0.0, seconds - span.start)
    return ceil(float(rate) * (rest if span.duration is None else min(rest, span.duration)) - 1e-6)
