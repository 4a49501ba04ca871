"""Crops, turns and mirrorings of HEIF images, in each order, as libheif shows them."""

from __future__ import annotations

import struct
from itertools import permutations

import numpy as np
import pytest
from PIL import Image, features

from streamseg.media.heif_transforms import transforms_of
from streamseg.media.images import read_image

pillow_heif = pytest.importorskip("pillow_heif")

WIDTH, HEIGHT = 128, 96
PROPERTIES = {
    "turn": (b"irot", b"\1"),
    "mirror": (b"imir", b"\1"),
    "flip": (b"imir", b"\0"),
    "around": (b"irot", b"\2"),
}


def aperture(width, height, left, top):
    """A clean aperture (ISO/IEC 14496-12, 12.1.4)."""
    offsets = 2 * left + width - WIDTH, 2, 2 * top + height - HEIGHT, 2
    return b"clap", struct.pack(">4I", width, 1, height, 1) + struct.pack(">iIiI", *offsets)


PROPERTIES["crop"] = aperture(100, 60, 10, 20)
ORDERS = [
    order
    for count in (1, 2, 3)
    for order in permutations(PROPERTIES, count)
    if len({PROPERTIES[each][0] for each in order}) == count
]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A picture that shows how it was turned, as bytes of HEIC and AVIF."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    rgb = np.stack([2 * x, 2 * y, 0 * x + 128], -1).astype(np.uint8)
    rgb[:16, :24], rgb[-16:, -24:] = 255, 0
    image, folder = Image.fromarray(rgb), tmp_path_factory.mktemp("heif")
    pillow_heif.from_pillow(image).save(folder / "a.heic", quality=95, chroma=444)
    files = {"heic": (folder / "a.heic").read_bytes()}
    if features.check("avif"):
        image.save(folder / "a.avif", quality=95, subsampling="4:4:4")
        files["avif"] = (folder / "a.avif").read_bytes()
    return files


def rgb_of(frame):
    return np.stack([frame.planes[k] for k in (2, 0, 1)], -1).astype(int)


def libheif_shows(path):
    return np.array(pillow_heif.open_heif(path).to_pillow().convert("RGB")).astype(int)


@pytest.mark.parametrize("suffix", ["heic", "avif"])
def test_every_order_is_as_libheif_shows_it(tmp_path, saved, heif_with, suffix):
    if suffix not in saved:
        pytest.skip("this Pillow writes no AVIF")
    for order in ORDERS:
        properties = [PROPERTIES[each] for each in order]
        (tmp_path / "a.heic").write_bytes(heif_with(saved["heic"], properties))
        (path := tmp_path / f"tried.{suffix}").write_bytes(heif_with(saved[suffix], properties))
        expected, shown = libheif_shows(tmp_path / "a.heic"), rgb_of(read_image(str(path)))
        assert shown.shape == expected.shape and np.abs(shown - expected).mean() < 6, order


def test_an_aperture_beyond_the_image_is_cut_at_its_edges(tmp_path, saved, heif_with):
    path = tmp_path / "a.heic"
    path.write_bytes(heif_with(saved["heic"], [aperture(200, 60, 10, 20)]))
    assert rgb_of(read_image(str(path))).shape == (60, 118, 3)


@pytest.mark.parametrize("payload", [bytes(32), b"", struct.pack(">4I4I", 0, 1, 0, 1, 0, 1, 0, 1)])
def test_an_aperture_of_nothing_crops_nothing(tmp_path, saved, heif_with, payload):
    path = tmp_path / "a.heic"
    path.write_bytes(heif_with(saved["heic"], [(b"clap", payload)]))
    assert rgb_of(read_image(str(path))).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("data", [b"", b"\0\0\0\x08meta", b"\0\0\0\x10meta" + bytes(8), b"\xff" * 40, bytes(40)])
def test_what_is_no_heif_file_has_no_transforms(tmp_path, data):
    (tmp_path / "a.heic").write_bytes(data)
    assert transforms_of(str(tmp_path / "a.heic")) is None
