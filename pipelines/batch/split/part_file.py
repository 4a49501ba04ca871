"""Encoded packets of a part of a video: their bytes one after the other in one file, an index of them in another."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import av
from av.packet import Packet

from streamseg.errors import OutputError
from streamseg.frame import Frame
from streamseg.media.pixels.conform import Shape
from streamseg.media.writing.origin import Origin
from streamseg.media.writing.target import Target
from streamseg.media.writing.video_track import VideoTrack

__all__ = ["PartIndex", "PartWriter", "Record", "extradata_hash", "read_packets"]


class Record(NamedTuple):
    """A packet: time stamps in units of the track's time base, and its size in bytes."""

    pts: int
    dts: int
    duration: int
    is_key: bool
    size: int


@dataclass(slots=True)
class PartIndex:
    """What is known of a part that is complete.

    Attributes:
        frames: how many it has.
        seconds: of work.
        warnings: one sentence each.
        extradata: hash of what a container stores for the decoder.
        records: a Record for each packet, in the order of decoding; none for images.
    """

    frames: int = 0
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)
    extradata: str = ""
    records: list[Record] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def of(cls, values: dict[str, Any]) -> PartIndex:
        """The inverse of as_dict."""
        return cls(**{**values, "records": [Record(*each) for each in values["records"]]})


def extradata_hash(track: VideoTrack) -> str:
    """A hash of what the container stores for the decoder."""
    return blake2b(track.extradata, digest_size=16).hexdigest()


class PartWriter:
    """Encodes frames as VideoWriter does, but keeps the packets with their exact time stamps instead of muxing them.

    Args:
        path: of the file for the bytes.
        target, shape, origin: as for VideoWriter.
        goes_on: whether the video does after this part.

    Attributes:
        warnings: as of VideoWriter.
        index: grows while packets are written.
    """

    def __init__(self, path: Path, target: Target, shape: Shape, origin: Origin, goes_on: bool) -> None:
        self.index, self._goes_on, self._path = PartIndex(), goes_on, path
        # Some encoders write their headers in another way for some containers: it is never written to.
        self._container = av.open(io.BytesIO(), "w", format=target.container)
        self._track = VideoTrack(self._container, target, shape, origin)
        self.warnings = self._track.warnings
        self._file = path.open("wb")

    def write(self, item: Frame | Packet[Any]) -> None:
        if not isinstance(item, Packet):
            self._keep(self._track.encode(item))

    def _keep(self, packets: list[Packet[Any]]) -> None:
        try:
            for packet in packets:
                data = bytes(packet)
                self._file.write(data)
                pts = packet.pts if packet.pts is not None else packet.dts
                dts = packet.dts if packet.dts is not None else pts
                if pts is None or dts is None:
                    raise OutputError("the encoder gives packets without time stamps")
                self.index.records.append(Record(pts, dts, packet.duration or 0, packet.is_keyframe, len(data)))
        except OSError as error:
            if isinstance(error, OutputError):
                raise
            raise OutputError(f"{self._path}: cannot be written ({error.strerror})") from error

    def finish(self) -> None:
        self._keep(self._track.finish(self._goes_on))
        self._close()
        self.index.frames, self.index.extradata = len(self.index.records), extradata_hash(self._track)

    def salvage(self) -> bool:
        self.discard()
        return False

    def discard(self) -> None:
        self._close()
        self._path.unlink(missing_ok=True)

    def _close(self) -> None:
        with suppress(OSError):
            self._file.close()
        with suppress(av.error.FFmpegError, OSError, ValueError):
            self._container.close()


def read_packets(path: Path, index: PartIndex) -> Iterator[tuple[Record, Packet[Any]]]:
    """The packets of a part. Raises OutputError if its file is not what was written."""
    with path.open("rb") as file:
        for record in index.records:
            data = file.read(record.size)
            if len(data) < record.size:
                raise OutputError(f"{path}: has been changed")
            packet = Packet(data)
            packet.pts, packet.duration, packet.is_keyframe = record.pts, record.duration, record.is_key
            yield record, packet
