"""Makes a part of a video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from av.packet import Packet

from streamseg.device import Device
from streamseg.frame import Frame
from streamseg.media.pixels.conform import Shape
from streamseg.media.reading.reader import VideoReader
from streamseg.media.writing.image_sequence import ImageSequenceWriter
from streamseg.media.writing.origin import Origin
from streamseg.media.writing.output_file import OutputFile
from streamseg.media.writing.target import Target
from streamseg.media.writing.writer import Writer

from ...video import VideoJob
from .part_file import PartIndex, PartWriter
from .plan import NotSplit, Part, Plan, facts_of

__all__ = ["PartJob"]


class PartJob(VideoJob):
    """A VideoJob of which one part is made: frames before it bring mattes to the state that they have in a run over the
    whole video, frames after it are for the look-ahead.

    Args:
        whole: the job for the whole video; its output is not written.
        plan, part: what is to be made.
        path: of the part: a file, or a folder of images.
    """

    def __init__(self, whole: VideoJob, plan: Plan, part: Part, path: Path) -> None:
        super().__init__(**{each.name: getattr(whole, each.name) for each in fields(VideoJob)})
        self._plan, self._part, self._path = plan, part, path
        self._begins = plan.begins
        self.start, self.duration = self._span(whole)
        self._within: _Within | None = None

    def _span(self, whole: VideoJob) -> tuple[float, float | None]:
        """``start`` and ``duration`` of what has to be read."""
        start = whole.start if self._part.warm_up is None else self._time(self._part.warm_up)
        if self._part.until is not None:
            return start, self._time(self._part.until) - start
        return start, None if whole.duration is None else whole.start + whole.duration - start

    def _time(self, pts: int) -> float:
        """As ``start`` counts."""
        return float(pts * self._plan.time_base) - self._plan.origin

    @property
    def index(self) -> PartIndex:
        """What was made, once the job has run."""
        assert self._within is not None and self.summary is not None
        inner = self._within.inner
        index = inner.index if isinstance(inner, PartWriter) else PartIndex(self._within.frames)
        index.seconds, index.warnings = self.summary.seconds, self.summary.warnings
        return index

    @property
    def frames(self) -> int:
        """Frames of the part that are made."""
        return 0 if self._within is None else self._within.frames

    def _reader(self, device: Device | None) -> VideoReader:
        reader = super()._reader(device)
        if facts_of(reader.info) != self._plan.facts:
            reader.close()
            raise NotSplit("its frames change their form on the way")
        reader.count_from(self._plan.shift)
        return reader

    def _copied(self, reader: VideoReader) -> Sequence[Any]:
        return []

    def _writer(self, target: Target, shape: Shape, reader: VideoReader) -> Writer:
        writer: Writer
        if target.is_folder:
            writer = ImageSequenceWriter(OutputFile(self._path, False, folder=True), target.format.alpha)
        else:
            writer = PartWriter(self._path, target, shape, Origin.of(reader), self._part.end is not None)
        shift = round(self._plan.shift / self._plan.time_base)
        first, end = self._part.first, self._part.end
        limits = (None if pts is None else pts - shift for pts in (first, end))
        self._within = _Within(writer, *limits)
        return self._within


class _Within:
    """A Writer that gets those frames only that are within limits.

    Args:
        inner: gets them.
        first, end: pts of the first frame, and of the first one after them; None for no limit.
    """

    def __init__(self, inner: Writer, first: int | None, end: int | None) -> None:
        self.inner, self.warnings, self.frames = inner, inner.warnings, 0
        self._first, self._end = first, end

    def write(self, item: Frame | Packet[Any]) -> None:
        if isinstance(item, Packet):
            return
        if (self._first is None or item.pts >= self._first) and (self._end is None or item.pts < self._end):
            self.inner.write(item)
            self.frames += 1

    def finish(self) -> None:
        self.inner.finish()

    def salvage(self) -> bool:
        self.inner.discard()
        return False

    def discard(self) -> None:
        self.inner.discard()
