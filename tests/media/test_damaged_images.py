"""Images that were cut off, damaged, or stored as few programs store them: shown as far as possible, with a word."""

from __future__ import annotations

import threading

import av
import numpy as np
import pytest
from PIL import Image

from streamseg.errors import InputError, StreamsegWarning
from streamseg.media.images import image_frame, read_image
from streamseg.media.reading.dump import ffmpeg_words

HEIGHT, WIDTH = 96, 130
NAMES = ["a.jpg", "progressive.jpg", "a.png", "a.webp", "lossless.webp", "a.bmp", "a.tif", "a.gif", "a.ppm"]


def picture():
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    noise = np.random.default_rng(1).integers(0, 40, (HEIGHT, WIDTH))
    return np.stack([x * 200 // WIDTH + noise, y * 200 // HEIGHT + noise, 40 + noise], -1).astype(np.uint8)


@pytest.fixture
def save(tmp_path):
    def save(name, mode="RGB", **options):
        options |= {"progressive": True} if name.startswith("progressive") else {}
        options |= {"lossless": True} if name.startswith("lossless") else {}
        Image.fromarray(picture()).convert(mode).save(tmp_path / name, **options)
        return tmp_path / name

    return save


def rgb_of(frame):
    return np.stack([frame.planes[k] for k in (2, 0, 1)], -1).astype(int)


@pytest.mark.filterwarnings("error::streamseg.errors.StreamsegWarning")
@pytest.mark.parametrize("name", NAMES)
def test_of_an_image_that_was_cut_off_the_beginning_is_shown(save, name):
    path = save(name)
    whole = rgb_of(read_image(str(path)))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 4])
    with pytest.warns(StreamsegWarning, match=rf"{name}: the image is damaged \(.+\); what could be decoded is used"):
        frame = read_image(str(path))
    assert (frame.width, frame.height) == (WIDTH, HEIGHT)
    difference = np.abs(rgb_of(frame) - whole)[:: -1 if name == "a.bmp" else 1]  # BMP begins with the last row
    assert difference[:24].mean() < (40 if "progressive" in name else 1)


@pytest.mark.parametrize(("name", "kept"), [("a.png", 60), ("a.webp", 26), ("a.tif", 100), ("a.jpg", 100)])
def test_an_image_of_which_nothing_is_left_is_an_error(save, name, kept):
    path = save(name)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=name):
        read_image(str(path))


def test_damage_within_a_png_is_a_warning(save):
    data = bytearray(save("a.png").read_bytes())
    data[len(data) // 2] ^= 8
    (path := save("a.png")).write_bytes(bytes(data))
    with pytest.warns(StreamsegWarning, match="the image is damaged"):
        assert np.ptp(rgb_of(read_image(str(path)))) > 100


@pytest.mark.filterwarnings("error::streamseg.errors.StreamsegWarning")
def test_what_follows_a_jpeg_is_no_damage(save):
    """Phones append a clip or a map of depths."""
    path = save("a.jpg")
    alone = rgb_of(read_image(str(path)))
    path.write_bytes(path.read_bytes() + b"\0\0\0\x18ftypmp42" + bytes(3000))
    assert np.array_equal(rgb_of(read_image(str(path))), alone)


@pytest.mark.parametrize(
    ("compression", "mode"),
    [
        *(("jpeg", mode) for mode in ("RGB", "L", "CMYK", "YCbCr", "RGBA")),
        *(("tiff_lzw", mode) for mode in ("RGB", "L", "CMYK", "YCbCr", "RGBA", "LA")),
        ("zstd", "RGB"),
        (None, "L"),
    ],
)
def test_a_tiff_has_the_colours_that_pillow_shows(save, compression, mode):
    path = save("a.tif", mode, compression=compression)
    with Image.open(path) as image:
        expected = np.array(image.convert("RGB")).astype(int)
    assert np.abs(rgb_of(read_image(str(path))) - expected).mean() < 1.5


def test_the_largest_image_of_an_icon_is_read(save):
    frame = read_image(str(save("a.ico", sizes=[(16, 16), (64, 47), (32, 32)])))
    assert frame.width == 64


def test_a_profile_that_does_not_fit_a_picture_is_left_out():
    image = Image.fromarray(picture()).convert("CMYK")
    image.info["icc_profile"] = b"no profile at all"
    assert image_frame(image).width == WIDTH


def test_two_threads_listen_to_ffmpeg_without_changing_its_level(capfd):
    before, inside, done = av.logging.get_level(), threading.Event(), threading.Event()

    def listen():
        with ffmpeg_words() as words:
            inside.set()
            done.wait(10)
            av.logging.log(av.logging.ERROR, "test", "heard")
        assert [each[2] for each in words] == ["heard"]

    thread = threading.Thread(target=listen)
    with ffmpeg_words(av.logging.WARNING) as words:
        thread.start()
        inside.wait(10)
    assert words == [] and av.logging.get_level() is not None
    done.set()
    thread.join()
    assert av.logging.get_level() == before and capfd.readouterr().err == ""
