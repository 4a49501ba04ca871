"""Is the input whole? Counts what a file promises against what it gives, and words the damage."""

from __future__ import annotations

from typing import Any

from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from streamseg.errors import DamagedInput

__all__ = ["Integrity"]

_MICROSECONDS = 1_000_000
_SLACK_S = 1.0
# More than the headers between two blocks of a Matroska file take.
_HOLE_BYTES = 4096


class Integrity:
    """Watches packets and pictures of one video stream.

    Trouble before the first picture is no damage: a stream may start between key frames.
    """

    def __init__(self, container: InputContainer, video: VideoStream, whole: bool) -> None:
        self.warnings: list[str] = []
        self.reason = "no video packets"
        self._container, self._video, self._whole = container, video, whole
        self._packets = self._pictures = self._patched = 0
        self._encrypted = False
        self._first_patched = self._last = self._last_of_all = 0.0
        self._read_to: int | None = None
        self._hole: tuple[int, float] | None = None

    def passes(self, packet: Packet[Any]) -> None:
        """Note the time and the place of a packet of any stream."""
        if packet.size and packet.pos is not None and packet.pos >= 0:
            skipped = packet.pos - (packet.pos if self._read_to is None else self._read_to)
            if self._hole is None and skipped > _HOLE_BYTES:
                self._hole = skipped, self._last_of_all
            self._read_to = max(self._read_to or 0, packet.pos + packet.size)
        if packet.pts is not None:
            self._last_of_all = max(self._last_of_all, float(packet.pts * packet.time_base))

    def accepts(self, packet: Packet[Any], tolerant: bool) -> bool:
        """Count a packet; a torn one is refused. Raises DamagedInput unless ``tolerant``."""
        if not packet.size:
            return True
        self._packets += 1
        if packet.has_sidedata("encryption_info"):
            self._encrypted = True
        if packet.pts is not None:
            self._last = max(self._last, float(packet.pts * packet.time_base))
        if packet.is_corrupt and self._pictures:
            self.broken("a packet is cut short", packet, tolerant)
            return False
        return True

    def saw(self, native: VideoFrame) -> None:
        """Count a picture, and whether the decoder had to patch it."""
        self._pictures += 1
        if native.is_corrupt:
            if not self._patched:
                self._first_patched = native.time or 0.0
            self._patched += 1

    def broken(self, reason: str, packet: Packet[Any] | None, tolerant: bool) -> None:
        """Something did not decode. Raises DamagedInput unless ``tolerant`` or before the first picture."""
        self.reason = "it is encrypted; decrypt it first" if self._encrypted else reason
        if not self._pictures:
            return
        time = self._last
        if packet is not None and packet.pts is not None:
            time = float(packet.pts * packet.time_base)
        message = f"damaged at {time:.3f} s ({reason})"
        if not tolerant:
            raise DamagedInput(f"{message}; kept what came before, --tolerant goes on behind it", time)
        self.warnings.append(f"{message}; passed over")

    def verdict(self, tolerant: bool) -> None:
        """At the end of the input. Raises DamagedInput if it is not whole, unless ``tolerant``."""
        problem, time = self._problem()
        if problem is None:
            return
        if not tolerant:
            raise DamagedInput(f"{problem}; --tolerant accepts that", time)
        if not self.warnings:
            self.warnings.append(problem)

    def _problem(self) -> tuple[str | None, float]:
        if self._patched:
            what = f"{self._patched} of {self._pictures} frames were damaged and patched by the decoder"
            return f"{what}, the first at {self._first_patched:.3f} s", self._first_patched
        if self._hole and self._is_matroska() and self._sees_every_block():
            skipped, time = self._hole
            return f"damaged at {time:.3f} s ({skipped} bytes make no sense and were skipped)", time
        promised = self._promised_packets()
        if self._whole and promised and self._packets < promised:
            what = f"ends at {self._last:.3f} s: {self._packets} of {promised} promised frames are there"
            return what, self._last
        length = (self._container.duration or 0) / _MICROSECONDS
        if self._whole and self._is_matroska() and self._last_of_all < 0.9 * length - _SLACK_S:
            return f"ends at {self._last:.3f} s of {length:.3f} promised seconds", self._last
        return None, 0.0

    def _promised_packets(self) -> int:
        return len(self._video.index_entries) if "mp4" in self._container.format.name else 0

    def _sees_every_block(self) -> bool:
        """Whether nothing but packets that pass here fills the file: one picture without alpha, sound, subtitles."""
        pictures = [stream for stream in self._container.streams if stream.type == "video"]
        others = [stream for stream in self._container.streams if stream.type not in ("video", "attachment")]
        known = all(stream.codec_context is not None for stream in others)
        return known and len(pictures) == 1 and self._video.metadata.get("alpha_mode") != "1"

    def _is_matroska(self) -> bool:
        return "matroska" in self._container.format.name
