"""Frames as a folder of numbered PNGs."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from av.packet import Packet

from streamseg.errors import OutputError
from streamseg.frame import Frame
from streamseg.media.images import encode_png
from streamseg.media.writing.output_file import OutputFile

__all__ = ["TIMESTAMPS", "ImageSequenceWriter", "image_name"]

#: Name of the file with the times of the images.
TIMESTAMPS = "timestamps.txt"


def image_name(number: int) -> str:
    """Name of an image, counted from 1."""
    return f"{number:06d}.png"


class ImageSequenceWriter:
    """Writes frames as 000001.png, 000002.png, …; ignores packets.

    8-bit video gives 8-bit images, deeper video 16-bit ones. ``timestamps.txt`` in the same folder has the time of each
    image in milliseconds (mkvmerge's "timestamp format v2").

    Args:
        file: the folder to write to.
        alpha: whether the images are RGBA, with straight alpha, instead of RGB.
    """

    def __init__(self, file: OutputFile, alpha: bool) -> None:
        self.warnings: list[str] = []
        self._file, self._alpha = file, alpha
        self._times: list[str] = ["# timestamp format v2"]

    def write(self, item: Frame | Packet[Any]) -> None:
        if isinstance(item, Packet):
            return
        self._save(image_name(len(self._times)), encode_png(item, self._alpha))
        self._times.append(f"{1000 * item.time:.3f}")

    def finish(self) -> None:
        self._save(TIMESTAMPS, ("\n".join(self._times) + "\n").encode())
        self._file.commit()

    def salvage(self) -> bool:
        """Keep the images that were written; False if there are none, or nothing more can be written."""
        with suppress(OutputError):
            if len(self._times) > 1:
                self.finish()
                return True
        self.discard()
        return False

    def discard(self) -> None:
        self._file.discard()

    def _save(self, name: str, data: bytes) -> None:
        path: Path = self._file.path / name
        try:
            path.write_bytes(data)
        except OSError as error:
            raise OutputError(f"{self._file.final}: cannot be written ({error.strerror})") from error
