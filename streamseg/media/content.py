"""Files from strangers: what they are by their first bytes, and how large their images are before they are decoded."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import BinaryIO

from streamseg.errors import InputError

__all__ = ["CLIPS", "IMAGES", "content_of", "image_size"]

#: Suffixes of images and of clips that are recognised; GIF is both.
IMAGES = (".jpg", ".png", ".webp", ".gif", ".avif", ".heic")
CLIPS = (".mp4", ".mkv", ".avi", ".ts", ".gif")
_HEADER_BYTES = 512
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"MiHE", b"MiHB")
# Compressed texts and profiles of a PNG, which FFmpeg decompresses without a limit; a profile has a few hundred kB.
_COMPRESSED_CHUNKS = (b"zTXt", b"iTXt", b"iCCP")
_MOST_CHUNK_BYTES = 8 << 20


def content_of(path: Path) -> str | None:
    """The suffix that fits a file's first bytes, one of IMAGES and CLIPS; None for anything else.

    Playlists and other text formats, with which FFmpeg would open other files, are anything else.
    """
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    if header[:3] == b"\xff\xd8\xff":
        return ".jpg"
    if header[:8] == b"\x89PNG\r\n\x1a\n":
        return ".png"
    if header[:6] in (b"GIF87a", b"GIF89a"):
        return ".gif"
    if header[:4] == b"RIFF":
        return {b"WEBP": ".webp", b"AVI ": ".avi"}.get(header[8:12])
    if header[4:12] == b"ftypavif":
        return ".avif"
    if header[4:8] == b"ftyp" and header[8:12] in _HEIC_BRANDS:
        return ".heic"
    if header[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return ".mp4"
    if header[:4] == b"\x1a\x45\xdf\xa3":
        return ".mkv"
    if header[:1] == b"\x47" and header[188:189] == b"\x47":
        return ".ts"
    return None


def image_size(path: Path) -> tuple[int, int]:
    """Width and height of an image, from its header: nothing is decoded.

    Raises:
        InputError: it is no image, or has a header that would take much memory to read.
    """
    from PIL import Image

    suffix = content_of(path)
    if suffix == ".png":
        with path.open("rb") as file:
            _check_chunks(path, file)
    try:
        if suffix == ".heic":
            return _heic_size(path)
        with Image.open(path) as header:
            width, height = header.size
            return width, height
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"{path}: has too many pixels: make it smaller") from error
    except (OSError, ValueError, SyntaxError, RuntimeError) as error:
        raise InputError(f"{path}: contains no image that can be decoded") from error


def _heic_size(path: Path) -> tuple[int, int]:
    try:
        import pillow_heif
    except ImportError:
        from streamseg.media.reading.source import open_input

        with open_input(str(path)) as container:
            return max(((video.width, video.height) for video in container.streams.video), default=(0, 0))
    width, height = pillow_heif.open_heif(path).size
    return width, height


def _check_chunks(path: Path, file: BinaryIO) -> None:
    """Walk the chunks of a PNG, as in the PNG specification, section 5.3."""
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind in _COMPRESSED_CHUNKS and length > _MOST_CHUNK_BYTES:
            raise _too_large(path)
        if kind in _COMPRESSED_CHUNKS:
            _check_compressed(path, kind, file.read(length))
            file.seek(4, 1)
        else:
            file.seek(length + 4, 1)


def _check_compressed(path: Path, kind: bytes, chunk: bytes) -> None:
    _, _, rest = chunk.partition(b"\0")
    if kind != b"iTXt":
        compressed = rest[1:]
    elif rest[:1] == b"\1":
        compressed = rest[2:].split(b"\0", 2)[-1]
    else:
        return
    decompressor = zlib.decompressobj()
    try:
        decompressor.decompress(compressed, _MOST_CHUNK_BYTES)
    except zlib.error:
        return  # FFmpeg does not read it either
    if decompressor.unconsumed_tail:
        raise _too_large(path)


def _too_large(path: Path) -> InputError:
    return InputError(f"{path}: a text or profile in this PNG is larger than {_MOST_CHUNK_BYTES >> 20} MB")
