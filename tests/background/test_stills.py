"""Colours and images as the background."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from streamseg.background import open_background
from streamseg.background.fit import cover
from streamseg.errors import InputError, OptionError
from streamseg.media.images import encode_image

RED, GREEN, BLUE, YELLOW = (220, 30, 30), (30, 200, 30), (30, 30, 220), (220, 220, 30)


def four_quarters(width, height):
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[: height // 2, : width // 2], rgb[: height // 2, width // 2 :] = RED, GREEN
    rgb[height // 2 :, : width // 2], rgb[height // 2 :, width // 2 :] = BLUE, YELLOW
    return rgb


def background_rgb(spec, shape, frame_at, empty_matte, as_rgb):
    background = open_background(str(spec), shape)
    try:
        planes = background.planes(frame_at(shape), empty_matte(shape))
        assert [plane.shape for plane in planes] == list(shape.format.opaque().shapes(shape.width, shape.height))
        assert {plane.dtype for plane in planes} == {shape.format.dtype}
        return as_rgb(planes, shape)
    finally:
        background.close()


def corners(rgb):
    rows, columns = rgb.shape[0] // 4, rgb.shape[1] // 4
    return [tuple(rgb[y, x]) for y in (rows, 3 * rows) for x in (columns, 3 * columns)]


@pytest.mark.parametrize("size", [(64, 48), (63, 47), (640, 360)])
@pytest.mark.parametrize("name", ["yuv420p", "yuv444p10le", "yuva420p", "yuv422p", "yuv411p"])
@pytest.mark.parametrize(
    "spec, rgb",
    [("tomato", (255, 99, 71)), ("#20b060", (32, 176, 96)), ("White", (255, 255, 255)), ("#fff", (255, 255, 255))],
)
def test_colours(shape_of, frame_at, empty_matte, as_rgb, spec, rgb, name, size):
    got = background_rgb(spec, shape_of(name, *size), frame_at, empty_matte, as_rgb)
    assert np.abs(got - rgb).max() <= 3


@pytest.mark.parametrize("spec", ["#12345", "#gggggg", "#"])
def test_malformed_colours(shape_of, spec):
    with pytest.raises(OptionError, match="expected #rrggbb"):
        open_background(spec, shape_of())


@pytest.mark.parametrize("spec", ["reddish", "missing.png", "missing.mp4", "x" * 300, "x" * 5000])
def test_neither_a_colour_nor_a_file(shape_of, spec):
    with pytest.raises(InputError, match="no such file or colour; expected an image, a video") as caught:
        open_background(spec, shape_of())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("spec", ["blur:0", "blur:-1", "blur:1.01", "blur:much", "blur:nan", "blur:inf"])
def test_blur_strengths_out_of_range(shape_of, spec):
    with pytest.raises(OptionError, match="above 0 and up to 1"):
        open_background(spec, shape_of())


@pytest.mark.parametrize("suffix, within", [("png", 4), ("jpg", 8), ("jpeg", 8)])
@pytest.mark.parametrize("name", ["yuv420p", "yuv444p10le"])
def test_images_keep_their_colours(save_image, shape_of, frame_at, empty_matte, as_rgb, suffix, within, name):
    image = save_image(f"behind.{suffix}", four_quarters(128, 96))
    got = corners(background_rgb(image, shape_of(name), frame_at, empty_matte, as_rgb))
    assert np.abs(np.array(got) - (RED, GREEN, BLUE, YELLOW)).max() <= within


@pytest.mark.parametrize("name", ["upper.PNG", "upper.JPG"])
def test_upper_case_suffixes(save_image, shape_of, frame_at, empty_matte, as_rgb, name):
    image = save_image(name.lower(), four_quarters(64, 48))
    image = image.rename(image.with_name(name))
    got = corners(background_rgb(image, shape_of(), frame_at, empty_matte, as_rgb))
    assert np.abs(np.array(got) - (RED, GREEN, BLUE, YELLOW)).max() <= 8


def test_grey_images_keep_their_levels(tmp_path, shape_of, frame_at, empty_matte, as_rgb):
    levels = np.rint(np.linspace(0, 255, 64))[None].repeat(48, 0).astype(np.uint8)
    path = tmp_path / "grey.png"
    path.write_bytes(encode_image(av.VideoFrame.from_ndarray(levels, "gray"), ".png"))
    got = background_rgb(path, shape_of("yuv444p"), frame_at, empty_matte, as_rgb)
    assert np.abs(got - levels[..., None]).max() <= 3


@pytest.mark.parametrize(
    "orientation, expected",
    [
        (1, (RED, GREEN, BLUE, YELLOW)),
        (2, (GREEN, RED, YELLOW, BLUE)),
        (3, (YELLOW, BLUE, GREEN, RED)),
        (4, (BLUE, YELLOW, RED, GREEN)),
        (5, (RED, BLUE, GREEN, YELLOW)),
        (6, (BLUE, RED, YELLOW, GREEN)),
        (7, (YELLOW, GREEN, BLUE, RED)),
        (8, (GREEN, YELLOW, RED, BLUE)),
    ],
)
def test_exif_orientations_are_applied(save_image, shape_of, frame_at, empty_matte, as_rgb, orientation, expected):
    image = save_image("photo.jpg", four_quarters(64, 64), orientation)
    got = corners(background_rgb(image, shape_of(width=64, height=64), frame_at, empty_matte, as_rgb))
    assert np.abs(np.array(got) - expected).max() <= 8


def test_alpha_of_an_image_is_ignored(save_image, shape_of, frame_at, empty_matte, as_rgb):
    rgba = np.dstack([four_quarters(64, 48), np.full((48, 64), 90, np.uint8)])
    got = corners(background_rgb(save_image("behind.png", rgba), shape_of(), frame_at, empty_matte, as_rgb))
    assert np.abs(np.array(got) - (RED, GREEN, BLUE, YELLOW)).max() <= 4


@pytest.mark.parametrize(
    "content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n" + bytes(40), b"\xff\xd8\xff\xe0" + bytes(90)]
)
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_files_that_are_not_images(tmp_path, shape_of, content, suffix):
    path = tmp_path / f"behind.{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        open_background(str(path), shape_of())
    assert f"behind.{suffix}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_rejected(tmp_path, shape_of):
    with pytest.raises(InputError):
        open_background(str(tmp_path), shape_of())


@pytest.mark.parametrize(
    "image, frame, aspects, part",
    [
        ((200, 100), (100, 100), (1, 1), (50, 0, 100, 100)),
        ((100, 200), (100, 100), (1, 1), (0, 50, 100, 100)),
        ((160, 90), (1920, 1080), (1, 1), (0, 0, 160, 90)),
        ((200, 100), (100, 100), (1, 2), (0, 0, 200, 100)),
        ((200, 100), (100, 100), (2, 1), (75, 0, 50, 100)),
        ((400, 100), (100, 50), (1, 2), (0, 0, 400, 100)),
        ((1, 1000), (1000, 1), (1, 1), (0, 499, 1, 1)),
    ],
)
def test_cover_selects_the_largest_centred_part(shape_of, image, frame, aspects, part):
    own, theirs = aspects
    shape = shape_of(width=frame[0], height=frame[1], aspect=Fraction(theirs))
    assert cover(*image, shape, own) == part


@pytest.mark.parametrize("size", [(300, 100), (100, 300), (101, 77), (33, 20)])
def test_the_centre_of_the_image_stays_in_the_centre(save_image, shape_of, frame_at, empty_matte, as_rgb, size):
    """A dark square in the centre is still in the centre, and square, after cover fit."""
    width, height = size
    rgb = np.full((height, width, 3), 200, np.uint8)
    side = min(width, height) // 4
    top, left = (height - side) // 2, (width - side) // 2
    rgb[top : top + side, left : left + side] = 30
    got = background_rgb(save_image("behind.png", rgb), shape_of("yuv444p", 80, 60), frame_at, empty_matte, as_rgb)
    dark = np.argwhere(got[..., 1] < 110)
    (first_row, first_column), (last_row, last_column) = dark.min(0), dark.max(0)
    assert abs((first_row + last_row) / 2 - 29.5) <= 2
    assert abs((first_column + last_column) / 2 - 39.5) <= 2
    assert abs((last_row - first_row) - (last_column - first_column)) <= 3


def test_non_square_pixels_of_the_frame(save_image, shape_of, frame_at, empty_matte, as_rgb):
    """On pixels that are twice as wide as high, a square has half as many columns as rows."""
    rgb = np.full((90, 160, 3), 200, np.uint8)
    rgb[30:60, 65:95] = 30
    shape = shape_of("yuv444p", 80, 90, aspect=Fraction(2))
    got = background_rgb(save_image("behind.png", rgb), shape, frame_at, empty_matte, as_rgb)
    dark = np.argwhere(got[..., 1] < 110)
    rows, columns = dark.max(0) - dark.min(0) + 1
    assert abs(rows - 30) <= 1
    assert abs(columns - 15) <= 1
