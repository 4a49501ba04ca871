"""Colours of images with an ICC profile, converted to sRGB by Pillow (LittleCMS)."""

from __future__ import annotations

import warnings
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import StreamsegWarning
from streamseg.frame import Frame, Plane
from streamseg.media.silence import without_warnings

__all__ = ["from_pillow", "to_srgb"]

# How a file says that it has a profile: JPEG, PNG, WebP, HEIC and AVIF.
_MARKS = (b"ICC_PROFILE\0", b"iCCP", b"ICCP", b"colrprof")
_HEADER_BYTES = 1 << 16
# A profile that moves no colour by more is sRGB under another name: then samples stay as they are.
_SAME = 2


def to_srgb(frame: Frame, path: str) -> Frame | None:
    """A decoded image in sRGB, by the ICC profile in its file; unchanged where that is sRGB itself, None without one.

    16-bit images are converted with the precision of 8 bits, and keep their finer steps. If the profile cannot be
    used, a StreamsegWarning says so and the samples stay as they are.

    Args:
        frame: gbrp or gbrap, 8 or 16 bits, as FFmpeg decoded it.
        path: the file.
    """
    try:
        import PIL  # noqa: F401
    except ImportError:
        return _unused(frame, path, "Pillow is not installed; pip install pillow")
    try:
        with without_warnings(), _opened(path) as image:
            profile, mode = image.info.get("icc_profile"), image.mode
            return _converted(frame, image, profile, mode) if profile else None
    except Exception as error:  # Pillow does not know the format, or LittleCMS refuses the profile
        return _unused(frame, path, str(error) or type(error).__name__)


def _unused(frame: Frame, path: str, reason: str) -> Frame | None:
    """``frame``, with a warning, if its file has a profile; else None."""
    if not _is_marked(path):
        return None
    warnings.warn(f"{path}: its ICC profile is left out of account ({reason})", StreamsegWarning, stacklevel=4)
    return frame


def _opened(path: str) -> Any:
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(path)
    except UnidentifiedImageError:
        try:
            import pillow_heif
        except ImportError:
            raise UnidentifiedImageError('the extra heif may read it: pip install "streamseg[heif]"') from None
        return pillow_heif.open_heif(path).to_pillow()


def from_pillow(image: Any, upright: bool = True) -> NDArray[np.uint8]:
    """Pillow's image in sRGB: uint8 [rows, columns, 3], or 4 where it has alpha; turned upright unless told otherwise.

    A profile that does not fit is left out of account.
    """
    from PIL import ImageCms, ImageOps

    profile = image.info.get("icc_profile")
    image = ImageOps.exif_transpose(image) if upright else image
    has_alpha = "A" in image.getbands() or "transparency" in image.info
    pixels = np.array(image.convert("RGBA" if has_alpha else "RGB"))
    with suppress(ImageCms.PyCMSError, OSError, ValueError):
        space = _space(profile) if profile else ""
        if space == image.mode == "CMYK":
            pixels = _transformed(np.array(image), profile, space)
        elif space in ("RGB", "GRAY"):
            pixels[..., :3] = _transformed(pixels[..., :3], profile, space)
    return pixels


def _converted(frame: Frame, image: Any, profile: bytes, mode: str) -> Frame:
    from PIL import ImageOps

    space = _space(profile)
    if space == "CMYK" and mode == "CMYK":
        rgb = _transformed(np.array(ImageOps.exif_transpose(image)), profile, "CMYK")
        return _with_rgb(frame, rgb) if frame.format.depth == 8 else frame
    if space not in ("RGB", "GRAY"):
        return frame
    deep = np.stack([frame.planes[k] for k in (2, 0, 1)], axis=-1)
    codes = deep if frame.format.depth == 8 else np.rint(deep / 257).astype(np.uint8)
    rgb = _transformed(codes, profile, space)
    if rgb is codes:
        return frame
    if frame.format.depth == 8:
        return _with_rgb(frame, rgb)
    rest = deep.astype(np.int32) - 257 * codes.astype(np.int32)
    return _with_rgb(frame, np.clip(257 * rgb.astype(np.int32) + rest, 0, 65535).astype(np.uint16))


def _space(profile: bytes) -> str:
    from PIL import ImageCms

    return str(ImageCms.ImageCmsProfile(BytesIO(profile)).profile.xcolor_space).strip()


def _transformed(pixels: NDArray[np.uint8], profile: bytes, space: str) -> NDArray[np.uint8]:
    """``pixels``, [rows, columns, channels] (grey in all three), as sRGB; themselves if the profile is sRGB."""
    from PIL import Image, ImageCms

    mode = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}[space]
    source, target = ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    transform: Any = ImageCms.buildTransform(source, target, mode, "RGB", intent)

    def apply(samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
        image = Image.fromarray(np.ascontiguousarray(samples[..., 0] if mode == "L" else samples), mode)
        return np.array(ImageCms.applyTransform(image, transform))

    if mode != "CMYK":
        steps = np.arange(0, 256, 51, dtype=np.uint8)
        cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
        cube = cube if mode == "RGB" else np.repeat(steps[None, :, None], 3, axis=-1)
        if np.abs(apply(cube).astype(int) - cube).max() <= _SAME:
            return pixels
    return apply(pixels)


def _with_rgb(frame: Frame, rgb: NDArray[Any]) -> Frame:
    planes: tuple[Plane, ...] = tuple(np.ascontiguousarray(rgb[..., k]) for k in (1, 2, 0))
    return replace(frame, planes=(*planes, *frame.planes[3:]), native=None)


def _is_marked(path: str) -> bool:
    try:
        with Path(path).open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except OSError:  # an address
        return False
    return any(mark in header for mark in _MARKS)
