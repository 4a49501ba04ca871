"""Fixtures: frames, mattes and background files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from streamseg.frame import Colour, Frame, Matte, PixelFormat
from streamseg.media.images import encode_image
from streamseg.media.pixels.conform import Shape
from streamseg.media.pixels.native import native_of, plane_views
from streamseg.media.pixels.scale import to_rgb

BT709 = Colour(1, 1, 1, 1)


@pytest.fixture
def shape_of() -> Callable[..., Shape]:
    def make(name: str = "yuv420p", width: int = 64, height: int = 48, aspect: Fraction = Fraction(1)) -> Shape:
        return Shape(width, height, PixelFormat.parse(name), BT709, aspect)

    return make


@pytest.fixture
def frame_at() -> Callable[..., Frame]:
    """Makes a flat frame of a shape at a time."""

    def make(shape: Shape, time: Fraction = Fraction(0), codes: Sequence[int] = (128, 128, 128)) -> Frame:
        form = shape.format
        scale = 1 << (form.depth - 8)
        sizes = form.opaque().shapes(shape.width, shape.height)
        planes = tuple(np.full(s, c * scale, form.dtype) for s, c in zip(sizes, codes, strict=True))
        if form.alpha:
            planes += (np.full((shape.height, shape.width), form.maximum, form.dtype),)
        return Frame(planes, form, time.numerator, Fraction(1, time.denominator), shape.colour)

    return make


@pytest.fixture
def empty_matte() -> Callable[[Shape], Matte]:
    def make(shape: Shape) -> Matte:
        return Matte(np.zeros((shape.height, shape.width), np.uint8 if shape.format.depth == 8 else np.uint16))

    return make


@pytest.fixture
def as_rgb() -> Callable[..., np.ndarray]:
    """Converts background planes for frames of a shape to RGB [rows, columns, 3]."""

    def convert(planes: Sequence[np.ndarray], shape: Shape) -> np.ndarray:
        frame = Frame(tuple(planes), shape.format.opaque(), 0, Fraction(1), shape.colour)
        return to_rgb(native_of(frame), shape.colour, "rgb24").to_ndarray().astype(int)

    return convert


@pytest.fixture
def save_image(tmp_path: Path) -> Callable[..., Path]:
    """Saves an array [rows, columns, 3 or 4] as PNG or JPEG, the latter with an EXIF orientation if one is given."""

    def save(name: str, rgb: np.ndarray, orientation: int | None = None) -> Path:
        path = tmp_path / name
        native = av.VideoFrame.from_ndarray(rgb.astype(np.uint8), "rgba" if rgb.shape[2] == 4 else "rgb24")
        if path.suffix == ".png":
            data = encode_image(native, ".png")
        else:
            native = native.reformat(format="yuvj444p", dst_colorspace=5, dst_color_range=2)
            data = encode_image(native, ".jpg", {"qmin": "1", "qmax": "1"})
        if orientation is not None:
            entry = b"\x01\x12\x00\x03\x00\x00\x00\x01" + orientation.to_bytes(2, "big") + b"\x00\x00"
            exif = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01" + entry + b"\x00\x00\x00\x00"
            data = data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:]
        path.write_bytes(data)
        return path

    return save


@pytest.fixture
def grey_video(tmp_path: Path) -> Callable[..., Path]:
    """Makes a lossless video whose frame k is flat grey of luma 20 + 10·k."""

    def make(name: str, stamps: Sequence[int], rate: int, size: tuple[int, int] = (64, 48)) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as output:
            stream = output.add_stream("libx264", rate=rate, options={"qp": "0", "preset": "ultrafast", "bf": "0"})
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            stream.time_base = stream.codec_context.time_base = Fraction(1, rate)
            for index, stamp in enumerate(stamps):
                native = av.VideoFrame(*size, "yuv420p")
                planes = plane_views(native, PixelFormat.parse("yuv420p"))
                for plane, code in zip(planes, (20 + 10 * index, 128, 128), strict=True):
                    plane[:] = code
                native.pts, native.time_base = stamp, Fraction(1, rate)
                output.mux(stream.encode(native))
            output.mux(stream.encode(None))
        return path

    return make
