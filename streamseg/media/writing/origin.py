"""What an output takes over from its source besides frames: time base, tags, chapters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from av.container import OutputContainer
from av.stream import Stream

from streamseg.media.pixels.captions import Captions
from streamseg.media.pixels.hdr import HDRMetadata
from streamseg.media.reading.dump import codec_of
from streamseg.media.reading.durations import Durations
from streamseg.media.reading.rate import is_plausible
from streamseg.media.reading.reader import VideoReader
from streamseg.media.reading.source import video_streams
from streamseg.media.writing.companions.covers import Cover
from streamseg.media.writing.companions.describe import name_of
from streamseg.media.writing.timecode import shifted_timecode

__all__ = ["Origin", "is_described"]

# Tags that describe the source's container, not its content; the muxer writes its own.
_CONTAINER_TAGS = ("major_brand", "minor_version", "compatible_brands", "encoder", "duration")
_OWN_TAGS = (*_CONTAINER_TAGS, "timecode")
_PHONES = ("com.apple.", "com.android.")
_TAG_CONTAINERS = ("mp4", "mov", "matroska", "webm")
_STREAM_TAGS = ("language", "title")
# What QuickTime stores titles of chapters as; FFmpeg shows such a track as data.
_CHAPTER_TRACKS = ("text", "tx3g", "sbtl")


@dataclass(frozen=True, slots=True)
class Origin:
    """Properties of the source of an output.

    Attributes:
        time_base: seconds per unit of the frames' pts.
        frame_rate: frames per second (the average of variable rates); None where unknown.
        top_field_first: field order of interlaced video; None for progressive.
        tags, video_tags: metadata of the file and of its video stream.
        chapters: as PyAV's dictionaries, in the time of the frames.
        timecode: SMPTE timecode of the first frame, if there is one.
        durations, captions: of the frames, as they come.
        hdr: static HDR metadata, if there is any.
        lost: what no output takes over: other videos, and what the container says of this one, one sentence each.
        covers: cover images.
        irregular: whether the container has no plausible rate, as in recordings of browsers.
        constant_rate: frames per second for containers with one interval for all frames: the highest that is plausible.
    """

    time_base: Fraction
    frame_rate: Fraction | None = None
    top_field_first: bool | None = None
    tags: dict[str, str] = field(default_factory=dict)
    video_tags: dict[str, str] = field(default_factory=dict)
    chapters: list[Any] = field(default_factory=list)
    timecode: str | None = None
    durations: Durations | None = None
    constant_rate: Fraction | None = None
    irregular: bool = False
    captions: Captions | None = None
    hdr: HDRMetadata | None = None
    lost: tuple[str, ...] = ()
    covers: tuple[Cover, ...] = ()

    @classmethod
    def of(cls, source: VideoReader) -> Origin:
        """The origin of an output whose frames come from a reader."""
        info, container = source.info, source.container
        return cls(
            info.time_base,
            info.frame_rate,
            info.top_field_first,
            {name: value for name, value in container.metadata.items() if name.lower() not in _OWN_TAGS},
            {name: value for name, value in source.video.metadata.items() if name in _STREAM_TAGS},
            list(_chapters(source)),
            _timecode(source),
            source.durations,
            max((rate for rate in (info.frame_rate, source.video.base_rate) if is_plausible(rate)), default=None),
            not is_plausible(source.video.average_rate),
            source.captions,
            info.hdr,
            (*source.declared.lost, *_other_videos(source)),
            tuple(Cover(source.container.streams[index], data) for index, data in source.covers.items()),
        )

    def describe(self, output: OutputContainer) -> list[str]:
        """Give ``output`` these tags and chapters. Returns what it cannot hold, one sentence each."""
        output.metadata.update(self.tags)
        output.set_chapters(self.chapters)
        container, lost = output.format.name, list(self.lost)
        if self.chapters and container not in _TAG_CONTAINERS:
            lost.append(f"{len(self.chapters)} chapter(s) left out: {container} cannot hold them")
        if container not in _TAG_CONTAINERS and (names := [each for each in self.tags if each.startswith(_PHONES)]):
            short = ", ".join(sorted(each.rpartition("quicktime.")[2] for each in names))
            lost.append(f"tags of the camera ({short}) left out: {container} cannot hold them")
        if self.timecode is not None and container in _TAG_CONTAINERS:
            output.streams.video[0].metadata["timecode"] = self.timecode
        elif self.timecode is not None:
            lost.append(f"timecode {self.timecode} left out: {container} cannot hold it")
        return lost


def is_described(stream: Stream) -> bool:
    """Whether a track holds nothing but what the origin has too: the first timecode, or titles of chapters."""
    if stream.type != "data":
        return False
    is_timecode = any(name.lower() == "timecode" for name in stream.metadata)
    return is_timecode or (bool(stream.container.chapters()) and codec_of(stream) in _CHAPTER_TRACKS)


def _other_videos(source: VideoReader) -> Iterator[str]:
    for stream in video_streams(source.container):
        if stream.index != source.video.index:
            yield f"{name_of(stream)} left out: an output has one video; --stream chooses which"


def _timecode(source: VideoReader) -> str | None:
    """The first timecode of the file, at the first frame that is read."""
    tags = [source.video.metadata, *(each.metadata for each in source.container.streams), source.container.metadata]
    found = [value for each in tags for name, value in each.items() if name.lower() == "timecode"]
    return shifted_timecode(found[0], source.start, source.info.frame_rate or Fraction(25)) if found else None


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
