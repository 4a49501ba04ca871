"""Frames and mattes: the data that passes through every pipeline."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError

__all__ = ["Colour", "Frame", "Matte", "PixelFormat", "Plane"]

#: One plane of samples, [rows, columns], uint8 or uint16.
Plane = NDArray[Any]

_CHROMA_SHIFT = {"420": (1, 1), "422": (1, 0), "444": (0, 0), "440": (0, 1), "411": (2, 0), "410": (2, 2)}
_ANY_DEPTH, _ALPHA_DEPTHS = (8, 9, 10, 12, 14, 16), (8, 9, 10, 12, 16)
#: Bit depths that FFmpeg has for each layout.
_DEPTHS = {
    "yuv420": _ANY_DEPTH,
    "yuv422": _ANY_DEPTH,
    "yuv444": _ANY_DEPTH,
    "yuv440": (8, 10, 12),
    "yuv411": (8,),
    "yuv410": (8,),
    "yuva420": (8, 9, 10, 16),
    "yuva422": _ALPHA_DEPTHS,
    "yuva444": _ALPHA_DEPTHS,
    "gbr": _ANY_DEPTH,
    "gbra": (8, 10, 12, 14, 16),
}
_NAME = re.compile(r"(?P<family>yuv(?=a?4)|gbr(?=a?p))(?P<alpha>a?)(?P<chroma>4\d\d)?p(?:(?P<depth>9|10|12|14|16)le)?")


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """A planar pixel format: Y′CbCr ("yuv420p", "yuva444p10le") or, for images, G, B, R ("gbrp").

    Attributes:
        name: FFmpeg's name of the format.
        depth: bits per sample, 8 to 16.
        shift_x, shift_y: log2 of the horizontal and the vertical chroma subsampling.
        alpha: whether a fourth, full-size plane holds straight alpha.
        rgb: whether the planes are G, B and R.
    """

    name: str
    depth: int
    shift_x: int
    shift_y: int
    alpha: bool
    rgb: bool = False

    @classmethod
    def parse(cls, name: str) -> PixelFormat:
        """The format with that name of FFmpeg's. Raises InputError for other than these planar formats."""
        match = _NAME.fullmatch(name)
        layout = f"{match['family']}{match['alpha']}{match['chroma'] or ''}" if match else ""
        if match is None or int(match["depth"] or 8) not in _DEPTHS.get(layout, ()):
            raise InputError(f"pixel format {name!r}: expected a planar one, such as yuv420p or yuv422p10le")
        shift_x, shift_y = _CHROMA_SHIFT[match["chroma"] or "444"]
        depth, rgb = int(match["depth"] or 8), match["family"] == "gbr"
        return cls(name, depth, shift_x, shift_y, bool(match["alpha"]), rgb)

    @classmethod
    def make(cls, depth: int, shift_x: int, shift_y: int, alpha: bool = False, rgb: bool = False) -> PixelFormat:
        """The format with these properties. Raises InputError if FFmpeg has none."""
        family = "gbr" if rgb else "yuv"
        chroma = next((k for k, v in _CHROMA_SHIFT.items() if v == (shift_x, shift_y)), "?")
        if rgb and chroma == "444":
            chroma = ""
        return cls.parse(f"{family}{'a' if alpha else ''}{chroma}p{'' if depth == 8 else f'{depth}le'}")

    @property
    def maximum(self) -> int:
        """Largest code value."""
        return int(2**self.depth - 1)

    @property
    def dtype(self) -> np.dtype[Any]:
        """uint8 for 8 bits, uint16 for more."""
        return np.dtype(np.uint8 if self.depth == 8 else np.uint16)

    def opaque(self) -> PixelFormat:
        """The same format without its alpha plane."""
        return PixelFormat.make(self.depth, self.shift_x, self.shift_y, rgb=self.rgb)

    def shapes(self, width: int, height: int) -> tuple[tuple[int, int], ...]:
        """Shapes (rows, columns) of the planes of a frame of ``width`` × ``height``; chroma sizes are rounded up."""
        chroma = (-(-height >> self.shift_y), -(-width >> self.shift_x))
        luma = (height, width)
        return (luma, chroma, chroma, luma) if self.alpha else (luma, chroma, chroma)


@dataclass(frozen=True, slots=True)
class Colour:
    """The colour description of code values, as code points of ITU-T H.273 (as in FFmpeg); 2 is unspecified.

    Attributes:
        matrix: matrix coefficients (1 BT.709, 5 and 6 BT.601, 9 BT.2020).
        range: 1 limited, 2 full, 0 unspecified (treated as limited).
        primaries: colour primaries.
        transfer: transfer characteristics (1 BT.709, 13 sRGB, 16 PQ, 18 HLG).
    """

    matrix: int = 2
    range: int = 0
    primaries: int = 2
    transfer: int = 2

    @classmethod
    def srgb(cls) -> Colour:
        """The colour of most images: RGB, full range, BT.709 primaries, sRGB transfer."""
        return cls(matrix=0, range=2, primaries=1, transfer=13)

    def completed(self, other: Colour) -> Colour:
        """This colour, with what it leaves unspecified taken from ``other``."""
        return Colour(
            matrix=other.matrix if self.matrix == 2 else self.matrix,
            range=self.range or other.range,
            primaries=other.primaries if self.primaries == 2 else self.primaries,
            transfer=other.transfer if self.transfer == 2 else self.transfer,
        )

    @property
    def full_range(self) -> bool:
        """Whether samples use all code values."""
        return self.range == 2

    def matrix_for(self, width: int, height: int) -> int:
        """The matrix; where unspecified, the one that players assume: BT.709 for high definition, else BT.601."""
        if self.matrix not in (0, 2, 3):
            return self.matrix
        return 1 if width >= 1280 or height >= 720 else 6


@dataclass(frozen=True, slots=True)
class Frame:
    """One upright frame, in the video's own Y′CbCr (or an image's R, G, B).

    Attributes:
        planes: Y, Cb, Cr (or G, B, R) and, where the format has it, alpha; each [rows, columns] in ``format.dtype``.
            They are views of the decoder's memory and must not be written to.
        format: pixel format of the planes.
        pts: presentation time stamp in units of ``time_base``.
        time_base: seconds per unit of ``pts``.
        colour: colour description of the code values.
        sample_aspect_ratio: width of a pixel divided by its height; 0 where unknown.
        native: PyAV's frame, if the planes are views of it.

    Raises:
        InputError: the number, shape or dtype of the planes does not match the format.
    """

    planes: tuple[Plane, ...]
    format: PixelFormat
    pts: int
    time_base: Fraction
    colour: Colour = Colour()
    sample_aspect_ratio: Fraction = Fraction(0)
    native: Any = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.planes or self.planes[0].ndim != 2:
            raise InputError("a frame needs planes of shape [rows, columns]: the first plane is missing or not 2-D")
        got = tuple(plane.shape for plane in self.planes)
        expected = self.format.shapes(self.width, self.height)
        if got != expected:
            raise InputError(f"planes of shapes {got}: {self.format.name} expects {expected}")
        if any(plane.dtype != self.format.dtype for plane in self.planes):
            dtypes = sorted({str(plane.dtype) for plane in self.planes})
            raise InputError(f"planes of {', '.join(dtypes)}: {self.format.name} expects {self.format.dtype}")

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.planes[0].shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.planes[0].shape[0])

    @property
    def time(self) -> float:
        """Presentation time in seconds."""
        return float(self.pts * self.time_base)

    def __repr__(self) -> str:
        shapes = " ".join(f"{plane.shape[1]}×{plane.shape[0]}" for plane in self.planes)
        return f"Frame({self.format.name} {shapes}, pts={self.pts}, time={self.time:.3f} s, {self.colour})"


@dataclass(frozen=True, slots=True)
class Matte:
    """Soft alpha of one frame, at the frame's size.

    Attributes:
        alpha: [rows, columns]; uint8 (0 to 255) for 8-bit video, uint16 (0 to 65535) for deeper video.
            0 is background, the largest code value is foreground (1.0).

    Raises:
        InputError: another number of dimensions or dtype.
    """

    alpha: Plane

    def __post_init__(self) -> None:
        if self.alpha.ndim != 2 or self.alpha.dtype not in (np.uint8, np.uint16):
            got = f"{self.alpha.dtype} of shape {self.alpha.shape}"
            raise InputError(f"matte is {got}: expected uint8 or uint16 of shape [rows, columns]")

    @property
    def maximum(self) -> int:
        """The code value of 1.0."""
        return int(np.iinfo(self.alpha.dtype).max)

    def as_float(self) -> NDArray[np.float32]:
        """The matte as float32 [rows, columns] in [0, 1]."""
        return self.alpha.astype(np.float32) / np.float32(self.maximum)

    def __repr__(self) -> str:
        rows, columns = self.alpha.shape
        return f"Matte({columns}×{rows} {self.alpha.dtype}, mean={float(self.alpha.mean()) / self.maximum:.3f})"
