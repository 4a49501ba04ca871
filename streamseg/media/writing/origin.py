"""What an output takes over from its source besides frames: time base, tags, chapters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from streamseg.media.reading.reader import VideoReader

__all__ = ["Origin"]

# Tags that describe the source's container, not its content; the muxer writes its own.
_CONTAINER_TAGS = ("major_brand", "minor_version", "compatible_brands", "encoder", "duration")
_STREAM_TAGS = ("language", "title")


@dataclass(frozen=True, slots=True)
class Origin:
    """Properties of the source of an output.

    Attributes:
        time_base: seconds per unit of the frames' pts.
        frame_rate: frames per second (the average of variable rates); None where unknown.
        top_field_first: field order of interlaced video; None for progressive.
        tags, video_tags: metadata of the file and of its video stream.
        chapters: as PyAV's dictionaries, in the time of the frames.
    """

    time_base: Fraction
    frame_rate: Fraction | None = None
    top_field_first: bool | None = None
    tags: dict[str, str] = field(default_factory=dict)
    video_tags: dict[str, str] = field(default_factory=dict)
    chapters: list[Any] = field(default_factory=list)

    @classmethod
    def of(cls, source: VideoReader) -> Origin:
        """The origin of an output whose frames come from a reader."""
        info, container = source.info, source.container
        return cls(
            info.time_base,
            info.frame_rate,
            info.top_field_first,
            {name: value for name, value in container.metadata.items() if name.lower() not in _CONTAINER_TAGS},
            {name: value for name, value in source.video.metadata.items() if name in _STREAM_TAGS},
            list(_chapters(source)),
        )


def _chapters(source: VideoReader) -> Iterator[Any]:
    """The source's chapters, shifted and trimmed to the part that is read."""
    for chapter in source.container.chapters():
        time_base = chapter["time_base"] or Fraction(1, 1000)
        shift = round(source.shift / time_base)
        end = chapter["end"] - shift
        start = max(0, chapter["start"] - shift)
        if source.duration is not None:
            end = min(end, round(source.duration / time_base))
        if start < end:
            yield {**chapter, "start": start, "end": end}
