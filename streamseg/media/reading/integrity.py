"""Detects damaged and truncated inputs, by comparing what a container announces with what is read and decoded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from streamseg.errors import DamagedInput
from streamseg.media.reading.announced import missing_bytes, second_start
from streamseg.media.reading.source import video_streams

__all__ = ["Integrity"]

_MICROSECONDS = 1_000_000
_SLACK_S = 1.0
# More bytes than the headers between two blocks of a Matroska file have.
_GAP_BYTES = 4096
# What stands after the last packet of a complete file, and how far behind it: Cues and Tags of Matroska, and indices.
_AFTER_PACKETS = (b"\x1c\x53\xbb\x6b", b"\x12\x54\xc3\x67", b"idx1", b"\x90\x08\x00\x33\xb1\xe5\xcf\x11", b"mfra")
_TAIL_BYTES = 256
# Codecs of which a packet is a frame that is shown, but for tiny ones that repeat the frame before. Where a quarter of
# the packets is none, the file is of another kind, with a packet for each field or layer.
_ONE_FRAME_CODECS, _LEAST_CODED, _MOST_MISSING = ("h264", "hevc", "vp9", "av1", "mpeg4"), 32, 4


class Integrity:
    """Tracks the packets and the decoded frames of one video stream.

    Errors before the first frame are not damage: a stream may start between key frames.

    Args:
        container, video: the input and the stream that is decoded.
        complete: whether it will be read from its beginning to its end.

    Attributes:
        warnings: damage that was skipped.
        reason: the last reason why something could not be decoded.
    """

    def __init__(self, container: InputContainer, video: VideoStream, complete: bool) -> None:
        self.warnings: list[str] = []
        count = len(video_streams(container))
        others = f" in this one of {count} video streams: choose another with --stream" if count > 1 else ""
        self.reason = f"no video packets{others}"
        self._container, self._video, self._complete = container, video, complete
        self._packets = self._frames = self._concealed = 0
        self._encrypted = self._skipped = False
        self._first_concealed = self._last_time = self._last_time_of_all = 0.0
        self._end_position: int | None = None
        self._awaited: set[int] = set()
        self._first_pts: int | None = None
        self._last_pts: int | None = None
        self._gap: tuple[int, float] | None = None

    def track_position(self, packet: Packet[Any]) -> None:
        """Record the time and the position in the file of a packet of any stream."""
        if packet.size and packet.pos is not None and packet.pos >= 0:
            skipped = packet.pos - (packet.pos if self._end_position is None else self._end_position)
            if self._gap is None and skipped > _GAP_BYTES:
                self._gap = skipped, self._last_time_of_all
            self._end_position = max(self._end_position or 0, packet.pos + packet.size)
        if packet.pts is not None:
            self._last_time_of_all = max(self._last_time_of_all, float(packet.pts * packet.time_base))

    def accepts(self, packet: Packet[Any], tolerant: bool) -> bool:
        """Count a packet of the video stream; False for a corrupt one. Raises DamagedInput unless ``tolerant``."""
        if not packet.size:
            return True
        self._packets += 1
        if packet.has_sidedata("encryption_info"):
            self._encrypted = True
        if packet.pts is not None:
            self._last_time = max(self._last_time, float(packet.pts * packet.time_base))
        if self._has_frame_each and packet.pts is not None and packet.size >= _LEAST_CODED and not packet.is_discard:
            self._awaited.add(packet.pts)
        if packet.is_corrupt and self._frames:
            self.report_damage("a packet is truncated", packet, tolerant)
            return False
        return True

    def count_frame(self, native: VideoFrame) -> None:
        """Count a decoded frame, and whether the decoder had to conceal errors in it."""
        self._frames += 1
        if native.pts is not None:
            self._awaited.discard(native.pts)
            self._first_pts = native.pts if self._first_pts is None else self._first_pts
            self._last_pts = max(native.pts, self._last_pts or native.pts)
        if native.is_corrupt:
            if not self._concealed:
                self._first_concealed = native.time or 0.0
            self._concealed += 1

    def report_damage(self, reason: str, packet: Packet[Any] | None, tolerant: bool) -> None:
        """Something could not be decoded. Raises DamagedInput unless ``tolerant`` or before the first frame."""
        self.reason = "it is encrypted; decrypt it first" if self._encrypted else reason
        if not self._frames:
            return
        time = self._last_time
        if packet is not None and packet.pts is not None:
            time = float(packet.pts * packet.time_base)
        message = f"damaged at {time:.3f} s ({reason})"
        if not tolerant:
            raise DamagedInput(f"{message}; everything before it is kept, --tolerant skips the damage", time)
        self._skipped = True
        self.warnings.append(f"{message}; skipped")

    def check_complete(self, tolerant: bool) -> None:
        """Call at the end of the input. Raises DamagedInput if it is damaged or truncated, unless ``tolerant``."""
        if self._complete:
            self._look_for_another()
        problem, time = self._problem()
        if problem is None:
            return
        if not tolerant:
            raise DamagedInput(f"{problem}; --tolerant accepts it", time)
        if not self._skipped:
            self.warnings.append(problem)

    def _look_for_another(self) -> None:
        end = self._end_position or 0
        if start := second_start(Path(self._file_name), end):
            fate = "it is left out" if start >= end else "parts of it may be left out"
            self.warnings.append(f"a second recording begins at byte {start} of the file: {fate}; separate them")

    def _problem(self) -> tuple[str | None, float]:
        if self._concealed:
            what = f"{self._concealed} of {self._frames} frames were damaged and repaired by the decoder"
            return f"{what}, the first at {self._first_concealed:.3f} s", self._first_concealed
        if missing := self._missing_frames():
            time = float(min(missing) * (self._video.time_base or 0))
            return f"{len(missing)} of {self._packets} frames could not be decoded, the first at {time:.3f} s", time
        if self._gap and self._is_matroska() and self._sees_every_block():
            skipped, time = self._gap
            return f"damaged at {time:.3f} s ({skipped} unreadable bytes were skipped)", time
        expected, last = self._expected_packets(), self._last_time
        if self._complete and expected and self._packets < expected:
            return f"truncated at {last:.3f} s: it has {self._packets} of {expected} frames", last
        if self._complete and (lost := missing_bytes(Path(self._file_name))) and not self._is_followed():
            return f"truncated at {last:.3f} s: {lost} bytes are missing at the end of the file", last
        duration = (self._container.duration or 0) / _MICROSECONDS
        short = self._last_time_of_all < 0.9 * duration - _SLACK_S
        announces = self._is_matroska() or self._container.format.name == "flv"
        if self._complete and announces and short and not self._is_followed():
            return f"truncated at {last:.3f} s of {duration:.3f} s", last
        return None, 0.0

    def _missing_frames(self) -> list[int]:
        """Time stamps of packets that gave no frame, between the first frame and the last that must have come."""
        if self._first_pts is None or self._last_pts is None:
            return []
        end = None if self._complete else self._last_pts
        missing = [pts for pts in self._awaited if pts > self._first_pts and (end is None or pts < end)]
        return missing if len(missing) * _MOST_MISSING < self._packets else []

    @property
    def _has_frame_each(self) -> bool:
        """Whether every packet holds one frame."""
        name = self._container.format.name
        in_order = "mp4" in name or "matroska" in name
        return in_order and self._video.codec_context.codec.canonical_name in _ONE_FRAME_CODECS

    @property
    def _file_name(self) -> str:
        return self._container.name.removeprefix("file:")

    def _is_followed(self) -> bool:
        """Whether other elements of the file follow the last packet, so that nothing is missing: it is held long."""
        try:
            with Path(self._file_name).open("rb") as file:
                file.seek(self._end_position or 0)
                rest = file.read(_TAIL_BYTES)
        except (OSError, ValueError):
            return False
        return any(element in rest for element in _AFTER_PACKETS)

    def _expected_packets(self) -> int:
        return len(self._video.index_entries) if "mp4" in self._container.format.name else 0

    def _sees_every_block(self) -> bool:
        """Whether all packets of the file are read: it has one video stream without alpha, audio and subtitles."""
        videos = [stream for stream in self._container.streams if stream.type == "video"]
        others = [stream for stream in self._container.streams if stream.type not in ("video", "attachment")]
        known = all(stream.codec_context is not None for stream in others)
        return known and len(videos) == 1 and self._video.metadata.get("alpha_mode") != "1"

    def _is_matroska(self) -> bool:
        return "matroska" in self._container.format.name
