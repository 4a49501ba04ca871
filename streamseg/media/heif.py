"""HEIF images (HEIC, AVIF) that are stored in parts: tiles, thumbnails, alpha."""

from __future__ import annotations

from typing import Any

from av.container import InputContainer

from streamseg.errors import InputError, MissingDependency
from streamseg.media.heif_transforms import transforms_of
from streamseg.media.icc import from_pillow

__all__ = ["is_composed", "is_heif", "read_composed"]

_STILL_BRANDS = ("heic", "heix", "heim", "heis", "mif1", "avif", "MiHE", "MiHB")


def is_heif(container: InputContainer) -> bool:
    """Whether the file is a still HEIF image."""
    return container.metadata.get("major_brand", "").strip() in _STILL_BRANDS


def is_composed(container: InputContainer) -> bool:
    """Whether the file is a still HEIF image of which FFmpeg shows the parts, such as tiles, one by one."""
    return is_heif(container) and len(container.streams.video) > 1


def read_composed(path: str, container: InputContainer) -> tuple[Any, bool]:
    """The whole image, upright and cropped: uint8 [rows, columns, 3], or 4 where it has alpha.

    Returns:
        The image, and whether it had an ICC profile, by which it is in sRGB now.

    Raises:
        MissingDependency: the library that puts its parts together is not installed.
        InputError: that library cannot decode it.
    """
    is_avif = "avif" in container.metadata.get("compatible_brands", "") + container.metadata.get("major_brand", "")
    try:
        image = _open_avif(path) if is_avif else _open_heic(path)
        # Pillow gives an AVIF's turn and mirroring as an orientation, without their order, and not its clean aperture.
        transforms = transforms_of(path) if is_avif else None
        pixels = from_pillow(image, upright=transforms is None)
        for transform in transforms or []:
            pixels = transform(pixels)
        return pixels, bool(image.info.get("icc_profile"))
    except (OSError, ValueError, RuntimeError, SyntaxError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: contains no image that can be decoded ({error})") from error


def _open_heic(path: str) -> Any:
    try:
        import pillow_heif
    except ImportError as error:
        raise MissingDependency(
            f'{path}: is a HEIC image of several tiles, which pillow-heif reads; pip install "streamseg[heif]", or '
            "save it as JPEG or PNG"
        ) from error
    return pillow_heif.open_heif(path).to_pillow()


def _open_avif(path: str) -> Any:
    try:
        from PIL import Image, features
    except ImportError as error:
        raise MissingDependency(f"{path}: is an AVIF image of several tiles; pip install pillow") from error
    if not features.check("avif"):
        raise MissingDependency(f"{path}: is an AVIF image of several tiles; this Pillow reads no AVIF: update it")
    return Image.open(path)
