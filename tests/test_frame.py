"""Frames, mattes and pixel formats: what they accept, reject and print."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from streamseg.errors import InputError
from streamseg.frame import Colour, Frame, Matte, PixelFormat


def frame_of(name="yuv420p", width=6, height=4, planes=None, **options):
    form = PixelFormat.parse(name)
    planes = planes or tuple(np.zeros(shape, form.dtype) for shape in form.shapes(width, height))
    return Frame(planes, form, options.pop("pts", 0), options.pop("time_base", Fraction(1, 25)), **options)


@pytest.mark.parametrize(
    "name, depth, shifts, alpha, rgb",
    [
        ("yuv420p", 8, (1, 1), False, False),
        ("yuv422p10le", 10, (1, 0), False, False),
        ("yuv444p16le", 16, (0, 0), False, False),
        ("yuv440p12le", 12, (0, 1), False, False),
        ("yuv411p", 8, (2, 0), False, False),
        ("yuv410p", 8, (2, 2), False, False),
        ("yuva420p", 8, (1, 1), True, False),
        ("yuva444p12le", 12, (0, 0), True, False),
        ("gbrp", 8, (0, 0), False, True),
        ("gbrap16le", 16, (0, 0), True, True),
    ],
)
def test_formats_by_name_and_by_properties(name, depth, shifts, alpha, rgb):
    form = PixelFormat.parse(name)
    assert (form.depth, (form.shift_x, form.shift_y), form.alpha, form.rgb) == (depth, shifts, alpha, rgb)
    assert PixelFormat.make(depth, *shifts, alpha, rgb) == form
    assert form.maximum == 2**depth - 1
    assert form.dtype == (np.uint8 if depth == 8 else np.uint16)
    assert form.opaque().alpha is False
    assert form.opaque().depth == depth


@pytest.mark.parametrize(
    "name",
    ["nv12", "rgb24", "yuvj420p", "yuv420p10be", "yuv420p11le", "yuv420p8le", "yuv433p", "yuv420", "gray", "pal8",
     "gbr420p", "yuvp", "YUV420P", " yuv420p", "", "yuv420p10", "gbrpf32le",
     "yuva420p12le", "yuv411p10le", "yuva440p", "gbrap9le"],
)  # fmt: skip
def test_other_format_names_are_rejected(name):
    with pytest.raises(InputError, match="expected a planar one"):
        PixelFormat.parse(name)


@pytest.mark.parametrize(
    "properties", [(11, 0, 0), (8, 3, 0), (7, 1, 1), (0, 0, 0), (12, 1, 1, True), (10, 2, 0), (8, 1, 1, False, True)]
)
def test_other_format_properties_are_rejected(properties):
    with pytest.raises(InputError):
        PixelFormat.make(*properties)


@pytest.mark.parametrize(
    "name, size, chroma",
    [
        ("yuv420p", (5, 3), (2, 3)),
        ("yuv422p", (5, 3), (3, 3)),
        ("yuv440p", (5, 3), (2, 5)),
        ("yuv411p", (9, 3), (3, 3)),
        ("yuv410p", (9, 5), (2, 3)),
        ("yuv444p", (5, 3), (3, 5)),
        ("yuv420p", (1, 1), (1, 1)),
    ],
)
def test_chroma_sizes_round_up(name, size, chroma):
    width, height = size
    assert PixelFormat.parse(name).shapes(width, height) == ((height, width), chroma, chroma)


def test_alpha_is_a_fourth_plane_of_full_size():
    assert PixelFormat.parse("yuva420p").shapes(5, 3) == ((3, 5), (2, 3), (2, 3), (3, 5))


def test_a_frame_knows_its_size_and_time():
    frame = frame_of("yuv422p", 6, 4, pts=50)
    assert (frame.width, frame.height, frame.time) == (6, 4, 2.0)


def test_planes_must_match_the_format():
    luma, small = np.zeros((4, 6), np.uint8), np.zeros((2, 3), np.uint8)
    for planes in ((luma, small), (luma, luma, luma), (luma, small, small, luma), (luma, small, small.T)):
        with pytest.raises(InputError, match=r"planes of shapes .* yuv420p expects"):
            frame_of(planes=planes)
    for planes in ((np.zeros(6, np.uint8),), (np.zeros((4, 6, 3), np.uint8),)):
        with pytest.raises(InputError, match="needs planes"):
            frame_of(planes=planes)
    with pytest.raises(InputError, match="needs planes"):
        Frame((), PixelFormat.parse("yuv420p"), 0, Fraction(1))


@pytest.mark.parametrize("name, dtype", [("yuv420p", np.uint16), ("yuv420p", np.float32), ("yuv420p10le", np.uint8)])
def test_planes_must_have_the_right_dtype(name, dtype):
    shapes = PixelFormat.parse(name).shapes(6, 4)
    with pytest.raises(InputError, match=f"planes of {np.dtype(dtype)}: {name} expects"):
        frame_of(name, planes=tuple(np.zeros(shape, dtype) for shape in shapes))


def test_the_repr_of_a_frame_shows_shapes_and_time():
    assert repr(frame_of("yuv420p", 6, 4, pts=50)).startswith("Frame(yuv420p 6×4 3×2 3×2, pts=50, time=2.000 s")
    assert "6×4 3×2 3×2 6×4" in repr(frame_of("yuva420p"))


@pytest.mark.parametrize("dtype, maximum", [(np.uint8, 255), (np.uint16, 65535)])
def test_a_matte_as_floats(dtype, maximum):
    matte = Matte(np.array([[0, maximum // 5, maximum]], dtype))
    assert matte.maximum == maximum
    assert matte.as_float().dtype == np.float32
    assert matte.as_float().tolist() == [[0, pytest.approx(0.2), 1]]
    assert repr(matte).startswith(f"Matte(3×1 {np.dtype(dtype)}, mean=0.4")


@pytest.mark.parametrize(
    "alpha", [np.zeros((2, 2)), np.zeros((2, 2), bool), np.zeros((2, 2), np.int16), np.zeros(4, np.uint8)]
)
def test_other_arrays_are_rejected_as_mattes(alpha):
    with pytest.raises(InputError, match=r"expected uint8 or uint16 of shape \[rows, columns\]"):
        Matte(alpha)


@pytest.mark.parametrize(
    "matrix, size, expected",
    [(2, (1920, 1080), 1), (2, (640, 480), 6), (2, (1280, 544), 1), (2, (406, 720), 1), (9, (640, 480), 9),
     (5, (1920, 1080), 5), (0, (640, 480), 6), (3, (1920, 1080), 1)],
)  # fmt: skip
def test_an_unspecified_matrix_depends_on_the_size(matrix, size, expected):
    assert Colour(matrix=matrix).matrix_for(*size) == expected


@pytest.mark.parametrize("code, full", [(0, False), (1, False), (2, True)])
def test_an_unspecified_range_is_limited(code, full):
    assert Colour(range=code).full_range is full


def test_exactly_the_formats_of_ffmpeg_are_parsed():
    families = ("yuv420", "yuv422", "yuv444", "yuv440", "yuv411", "yuv410", "gbr")
    depths = ("", "9le", "10le", "12le", "14le", "16le")
    for name in (f"{f[:3]}{a}{f[3:]}p{d}" for f in families for a in ("", "a") for d in depths):
        try:
            known = av.VideoFormat(name).name == name
        except ValueError:
            known = False
        if known:
            assert PixelFormat.parse(name).name == name
        else:
            with pytest.raises(InputError):
                PixelFormat.parse(name)
