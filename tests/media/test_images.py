"""Images as cameras and browsers write them: profiles, tiles, names, suffixes."""

from __future__ import annotations

import os
import struct
import sys
import threading
import zlib
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from streamseg.background import open_background
from streamseg.errors import InputError, MissingDependency, OptionError, StreamsegWarning
from streamseg.frame import Colour, PixelFormat
from streamseg.media.images import encode_image, image_frame, is_image, read_image
from streamseg.media.pixels.conform import Shape
from streamseg.media.reading.reader import VideoReader

# XYZ of the primaries of sRGB, adapted to D50.
RED, GREEN, BLUE = (0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7139)
SHAPE = Shape(64, 48, PixelFormat.parse("yuv444p"), Colour(1, 1, 1, 1), Fraction(0))


def profile(red, green, blue, gamma=2.2):
    """A minimal ICC profile with these primaries and that gamma."""

    def xyz(values):
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(65536 * value) for value in values))

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    text = b"text\0\0\0\0none\0\0\0\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(79)
    tags = {b"desc": description, b"cprt": text, b"wtpt": xyz((0.9642, 1, 0.8249))}
    tags |= {b"rXYZ": xyz(red), b"gXYZ": xyz(green), b"bXYZ": xyz(blue)}
    tags |= {b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    table, data, offset = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, value in tags.items():
        table += name + struct.pack(">2I", offset + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    header = struct.pack(
        ">I4sI4s4s4s", 132 + len(table) - 4 + len(data), b"none", 0x02100000, b"mntr", b"RGB ", b"XYZ "
    )
    header += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + xyz((0.9642, 1, 0.8249))[8:] + bytes(48)
    return header + table + data


SWAPPED, GAMMA_18 = profile(GREEN, RED, BLUE), profile(RED, GREEN, BLUE, 1.8)


def save(path, icc, colour=(200, 60, 30)):
    if path.suffix == ".heic":
        heif = pytest.importorskip("pillow_heif").from_pillow(Image.new("RGB", (64, 48), colour))
        heif.info["icc_profile"], heif.info["icc_profile_type"] = icc, "prof"
        heif.save(path, quality=95)
        return path
    options = {"quality": 95, "subsampling": 0} if path.suffix == ".jpg" else {}
    Image.new("RGB", (64, 48), colour).save(path, icc_profile=icc, **options)
    return path


def colour_of(frame):
    return [round(float(frame.planes[k].mean())) for k in (2, 0, 1)]


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff", "avif", "heic"])
def test_a_profile_is_converted(tmp_path, suffix):
    """A profile whose red is green: what is stored as red is shown as green."""
    frame = read_image(str(save(tmp_path / f"photo.{suffix}", SWAPPED)))
    assert np.abs(np.array(colour_of(frame)) - (60, 200, 30)).max() <= 8


def test_a_profile_of_a_background_is_converted(tmp_path):
    green = open_background(save(tmp_path / "behind.png", SWAPPED, (255, 0, 0)), SHAPE).planes(None, None)
    lime = open_background("lime", SHAPE).planes(None, None)
    assert all(np.abs(a.astype(int) - b).max() <= 6 for a, b in zip(green, lime, strict=True))


def test_an_image_in_srgb_keeps_its_samples(tmp_path):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    noise = np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "photo.png", icc_profile=srgb)
    frame = read_image(str(tmp_path / "photo.png"))
    assert np.array_equal(np.stack([frame.planes[k] for k in (2, 0, 1)], -1), noise)


def test_sixteen_bits_stay_sixteen(tmp_path, png_of_16_bits):
    frame = read_image(str(png_of_16_bits(GAMMA_18)))
    linear = np.linspace(0, 1, 5000) ** 1.8
    srgb = np.where(linear < 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert frame.format.depth == 16 and len(np.unique(frame.planes[2])) > 4000
    assert np.abs(frame.planes[2][0] / 257 - 255 * srgb).max() < 1.5


def test_a_broken_profile_is_a_warning(tmp_path):
    with pytest.warns(StreamsegWarning, match=r"photo\.jpg: its ICC profile is left out"):
        frame = read_image(str(save(tmp_path / "photo.jpg", b"no profile" * 20)))
    assert np.abs(np.array(colour_of(frame)) - (200, 60, 30)).max() <= 3


def test_a_profile_that_a_missing_library_would_read_is_a_warning(tmp_path, monkeypatch):
    path = save(tmp_path / "photo.heic", SWAPPED)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.warns(StreamsegWarning, match=r"left out of account .*streamseg\[heif\]"):
        read_image(str(path))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heif_images_are_upright(tmp_path, orientation):
    rgb = np.zeros((64, 128, 3), np.uint8)
    rgb[:32, :64], rgb[:32, 64:], rgb[32:, :64] = (220, 30, 30), (30, 200, 30), (30, 30, 220)
    exif, image, path = Image.Exif(), Image.fromarray(rgb), tmp_path / "photo.avif"
    exif[0x112] = orientation
    image.save(path, exif=exif, quality=95)
    turned = Image.fromarray(rgb)
    turned.getexif()[0x112] = orientation
    frame, expected = read_image(str(path)), np.array(ImageOps.exif_transpose(turned)).astype(int)
    got = np.stack([frame.planes[k] for k in (2, 0, 1)], -1)
    assert got.shape == expected.shape and np.abs(got - expected).mean() < 4


def test_without_pillow_a_profile_is_a_warning(tmp_path, monkeypatch):
    path = save(tmp_path / "photo.png", SWAPPED)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.warns(StreamsegWarning, match="pip install pillow"):
        frame = read_image(str(path))
    assert colour_of(frame) == [200, 60, 30]


def test_the_tiles_of_a_heic_image_are_one_image(shared_data):
    pytest.importorskip("pillow_heif")
    frame = read_image(str(shared_data / "reports" / "person.heic"))
    assert (frame.width, frame.height) == (1280, 960)
    assert is_image(str(shared_data / "reports" / "person.heic"))


def test_without_its_library_a_heic_image_is_a_clear_no(shared_data, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(MissingDependency, match=r'pip install "streamseg\[heif\]"'):
        read_image(str(shared_data / "reports" / "person.heic"))
    with pytest.raises(InputError, match="is an image of several tiles, no video"):
        VideoReader(str(shared_data / "reports" / "person.heic"))


def test_an_animated_webp_says_why(tmp_path):
    frames = [Image.new("RGB", (32, 32), (k, 0, 0)) for k in (0, 200)]
    frames[0].save(tmp_path / "moves.webp", save_all=True, append_images=frames[1:], duration=100)
    with pytest.raises(InputError, match="animated WebP"):
        read_image(str(tmp_path / "moves.webp"))


@pytest.mark.parametrize("name", ["behind", "behind.dat", "behind.mp4", "12:30.png", "http:x.png"])
def test_an_image_is_one_whatever_its_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "a.png", None).rename(tmp_path / name)
    assert is_image(name)
    planes = open_background(name, SHAPE).planes(None, None)
    assert len(planes) == 3 and all(np.ptp(plane) == 0 for plane in planes)


def test_a_background_from_a_pipe_is_read_once(tmp_path):
    data = save(tmp_path / "a.png", None).read_bytes()
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(data,))
    writer.start()
    planes = open_background(tmp_path / "pipe", SHAPE).planes(None, None)
    writer.join(10)
    assert not writer.is_alive() and all(np.ptp(plane) == 0 for plane in planes)


def through_pipe(path, data, use):
    """What ``use`` makes of a named pipe that gives ``data`` once."""
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(data,))
    writer.start()
    try:
        return use(str(path))
    finally:
        writer.join(10)
        assert not writer.is_alive()


def test_an_image_from_a_pipe_keeps_its_profile(tmp_path):
    data = save(tmp_path / "a.png", SWAPPED).read_bytes()
    frame = through_pipe(tmp_path / "pipe", data, read_image)
    assert np.abs(np.array(colour_of(frame)) - (60, 200, 30)).max() <= 8


def test_messages_about_an_image_from_a_pipe_name_the_pipe(tmp_path):
    noise = np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    with pytest.warns(StreamsegWarning, match=rf"^{tmp_path}/pipe: the image is damaged"):
        through_pipe(tmp_path / "pipe", data[:-2000], read_image)
    with pytest.raises(InputError, match=rf"^{tmp_path}/other: "):
        through_pipe(tmp_path / "other", data[:20], read_image)


def test_images_of_pillow_are_frames():
    image = Image.new("RGBA", (20, 10), (200, 60, 30, 100))
    assert colour_of(image_frame(image)) == [200, 60, 30]


@pytest.mark.parametrize("wrong", [[[1, 2], [3]], [1, 2, 3], None, "text", 5, np.zeros((0, 4, 3), np.uint8)])
def test_what_is_no_image_is_our_own_error(wrong):
    with pytest.raises(InputError, match=r"expected uint8 of shape \[rows, columns, 3\]"):
        image_frame(wrong)


@pytest.mark.parametrize("wrong", [5, ["red"], np.zeros((4, 4, 3), np.uint8), Image.new("RGB", (4, 4))])
def test_what_is_no_background_is_our_own_error(wrong):
    with pytest.raises(OptionError, match="as text or as a path"):
        open_background(wrong, SHAPE)


@pytest.fixture
def png_of_16_bits(tmp_path):
    """Makes a PNG of 16 bits, grey rising from left to right, with a profile."""

    def make(icc):
        rgb = np.zeros((2, 5000, 3), np.uint16)
        rgb[:] = np.linspace(0, 65535, 5000)[:, None]
        data = encode_image(av.VideoFrame.from_ndarray(rgb, "rgb48le").reformat(format="rgb48be"), ".png")
        body = b"iCCP" + b"icc\0\0" + zlib.compress(icc)
        chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
        (tmp_path / "deep.png").write_bytes(data[:33] + chunk + data[33:])
        return tmp_path / "deep.png"

    return make
