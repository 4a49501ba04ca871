"""Images whose files name their primaries by code points."""

from __future__ import annotations

import zlib

import av
import numpy as np
import pytest
from PIL import Image, features

from streamseg.errors import StreamsegWarning
from streamseg.media.images import encode_image, read_image

COLOUR = (200, 60, 30)
# Display P3's red, a little green and blue, in sRGB: by the matrices of SMPTE RP 177 and sRGB's own curve.
AS_P3 = (217, 42, 0)


def colour_of(path):
    return tuple(int(read_image(str(path)).planes[k][5, 5]) for k in (2, 0, 1))


def png_named(path, primaries, transfer, dtype=np.uint8):
    """A PNG with a cICP chunk, and no other word about colour."""
    levels = np.full((16, 24, 3), COLOUR, dtype) * dtype(257 if dtype == np.uint16 else 1)
    data = encode_image(av.VideoFrame.from_ndarray(levels, "rgb24" if dtype == np.uint8 else "rgb48be"), ".png")
    out, at = data[:8], 8
    while at < len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if kind not in (b"cICP", b"sRGB", b"gAMA", b"cHRM"):
            out += data[at : at + 12 + length]
        if kind == b"IHDR":
            body = b"cICP" + bytes([primaries, transfer, 0, 1])
            out += (4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
        at += 12 + length
    path.write_bytes(out)
    return path


@pytest.mark.parametrize(
    ("primaries", "transfer", "expected"),
    [(1, 13, COLOUR), (2, 2, COLOUR), (6, 6, COLOUR), (12, 13, AS_P3), (12, 1, AS_P3), (9, 13, (247, 0, 0))],
)
def test_png(tmp_path, primaries, transfer, expected):
    assert np.abs(np.subtract(colour_of(png_named(tmp_path / "in.png", primaries, transfer)), expected)).max() <= 1


def test_linear_light(tmp_path):
    expected = [round(255 * (1.055 * (level / 255) ** (1 / 2.4) - 0.055)) for level in COLOUR]
    assert np.abs(np.subtract(colour_of(png_named(tmp_path / "in.png", 1, 8)), expected)).max() <= 1


def test_sixteen_bits(tmp_path):
    found = np.array(colour_of(png_named(tmp_path / "in.png", 12, 13, np.uint16))) / 257
    assert np.abs(found - AS_P3).max() <= 1


@pytest.mark.parametrize(("transfer", "kind"), [(16, "PQ"), (18, "HLG")])
def test_hdr_is_left_and_said(tmp_path, transfer, kind):
    path = png_named(tmp_path / "in.png", 9, transfer)
    with pytest.warns(StreamsegWarning, match=rf"in\.png: is an HDR image \({kind}\)"):
        assert colour_of(path) == COLOUR


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow writes no AVIF")
def test_avif(tmp_path):
    path = tmp_path / "in.avif"
    Image.new("RGB", (64, 48), COLOUR).save(path, quality=100)
    assert np.abs(np.subtract(colour_of(path), COLOUR)).max() <= 3
    data = bytearray(path.read_bytes())
    at = data.index(b"colrnclx") + 8
    data[at : at + 2] = (12).to_bytes(2, "big")
    path.write_bytes(data)
    assert np.abs(np.subtract(colour_of(path), AS_P3)).max() <= 4
