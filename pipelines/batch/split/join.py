"""One file of all parts: packets are muxed as they are, everything else is taken from the source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from av.packet import Packet

from streamseg.errors import OutputError
from streamseg.media.reading.reader import VideoReader
from streamseg.media.writing.image_sequence import TIMESTAMPS, image_name
from streamseg.media.writing.origin import Origin
from streamseg.media.writing.output_file import OutputFile
from streamseg.media.writing.writer import VideoWriter, open_writer

from ...stages.effect import TRANSPARENT
from ...video import VideoJob
from .part_file import PartIndex, Record, extradata_hash, read_packets
from .plan import NotSplit

__all__ = ["JoinJob", "MadePart", "decoding_times"]


@dataclass(frozen=True, slots=True)
class MadePart:
    """A part that is complete: its packets, or its folder of images."""

    path: Path
    index: PartIndex


class JoinJob(VideoJob):
    """A VideoJob whose frames have been made and encoded already.

    Args:
        whole: the job for the whole video.
        parts: in order.
    """

    def __init__(self, whole: VideoJob, parts: Sequence[MadePart]) -> None:
        super().__init__(**{each.name: getattr(whole, each.name) for each in fields(VideoJob)})
        self._parts = parts

    def join(self) -> list[str]:
        """Write the output; returns warnings, one sentence each.

        Raises:
            NotSplit: these parts do not belong together.
            OutputError: the output cannot be written.
        """
        reader = self._reader(None)
        try:
            target = self._target(reader, self._background() == TRANSPARENT, None)
            if target.is_folder:
                _join_images(OutputFile(target.path, self.overwrite, folder=True), self._parts)
                return []
            shape = reader.deliver(target.working_format(reader.info.shape.format), target.even)
            reader.copied = self._copied(reader)
            writer = open_writer(target, shape, Origin.of(reader), reader.copied, self.overwrite)
            assert isinstance(writer, VideoWriter)
            self._mux(reader, writer)
            return [*reader.warnings, *writer.warnings]
        finally:
            reader.close()

    def _mux(self, reader: VideoReader, writer: VideoWriter) -> None:
        try:
            if any(part.index.extradata != extradata_hash(writer.track) for part in self._parts):
                raise NotSplit("the encoder wrote different headers for its parts")
            others = _Others(reader.packets())
            times = iter(decoding_times([part.index.records for part in self._parts]))
            time_base = writer.track.time_base
            for part in self._parts:
                for _, packet in read_packets(part.path, part.index):
                    packet.dts = next(times)
                    for other in others.until(float(packet.dts * time_base)):
                        writer.write(other)
                    writer.write_encoded(packet)
            for other in others.until(None):
                writer.write(other)
        except BaseException:
            writer.discard()
            raise
        writer.finish()


class _Others:
    """Packets of other streams, in the order of their file, by time."""

    def __init__(self, packets: Iterator[Packet[Any]]) -> None:
        self._packets = packets
        self._next = next(packets, None)

    def until(self, seconds: float | None) -> Iterator[Packet[Any]]:
        """Those up to a time; None for all that are left."""
        while (packet := self._next) is not None:
            stamp = packet.dts if packet.dts is not None else packet.pts
            if seconds is not None and stamp is not None and float(stamp * packet.time_base) > seconds:
                return
            self._next = next(self._packets, None)
            yield packet


def decoding_times(parts: Sequence[Sequence[Record]]) -> list[int]:
    """The dts of all packets of all parts, as one encoder would have given them.

    The n-th frame is decoded when the frame that is shown as the n-th but ``delay`` is shown; the first ones so much
    earlier. Each part begins again with the delay, so that its own times may go back behind those of the part before.

    Raises:
        NotSplit: the parts overlap.
    """
    shown: list[int] = []
    for records in parts:
        stamps = sorted(record.pts for record in records)
        if shown and stamps and stamps[0] <= shown[-1]:
            raise NotSplit("two of its frames have the same time in the output")
        shown += stamps
    delay = max((_delay(records) for records in parts if records), default=0)
    if delay >= len(shown):
        return [record.dts for records in parts for record in records]
    early = shown[delay] - shown[0]
    return [stamp - early for stamp in shown[:delay]] + shown[: len(shown) - delay]


def _delay(records: Sequence[Record]) -> int:
    """Frames between the decoding and the showing of one."""
    first = min(record.pts for record in records)
    own = sum(record.dts < first for record in records)
    place = {pts: index for index, pts in enumerate(sorted(record.pts for record in records))}
    # Decoded later than its place would have it.
    return max(own, max(index - place[record.pts] for index, record in enumerate(records)))


def _join_images(file: OutputFile, parts: Iterable[MadePart]) -> None:
    """Number the images through."""
    lines: list[str] = []
    try:
        for part in parts:
            head, *times = (part.path / TIMESTAMPS).read_text(encoding="utf-8").splitlines()
            lines = lines or [head]
            for number in range(1, len(times) + 1):
                (part.path / image_name(number)).replace(file.path / image_name(len(lines) - 1 + number))
            lines += times
        (file.path / TIMESTAMPS).write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        file.discard()
        raise OutputError(f"{file.final}: cannot be written ({error.strerror})") from error
    file.commit()
