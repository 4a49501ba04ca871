"""AVIF images of several tiles, put together here from single ones."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image, features

from streamseg.errors import InputError
from streamseg.media.images import is_image, read_image
from streamseg.media.reading.reader import VideoReader

pytestmark = pytest.mark.skipif(not features.check("avif"), reason="this Pillow writes no AVIF")

COLOURS = ((200, 60, 30), (30, 200, 60), (60, 30, 200), (200, 200, 30))
SIDE = 64


def box(kind, payload, version=None):
    head = b"" if version is None else bytes([version, 0, 0, 0])
    return struct.pack(">I4s", 8 + len(head) + len(payload), kind) + head + payload


def inner(data, kind):
    """The first box of a kind, with its header."""
    at = data.index(kind) - 4
    return data[at : at + int.from_bytes(data[at : at + 4], "big")]


def tile(path, colour):
    """The description of the codec, and the coded image."""
    Image.new("RGB", (SIDE, SIDE), colour).save(path, quality=100)
    data = path.read_bytes()
    return inner(data, b"av1C"), inner(data, b"mdat")[8:]


def grid_of(tiles, primaries):
    """An AVIF of 2×2 tiles (ISO/IEC 23008-12): item 1 is the grid, 2 to 5 are the tiles."""
    grid = struct.pack(">4B2H", 0, 0, 1, 1, 2 * SIDE, 2 * SIDE)
    parts = [grid, *(data for _, data in tiles)]
    kinds = [b"grid", *[b"av01"] * 4]
    entries = b"".join(box(b"infe", struct.pack(">2H4sB", k, 0, kind, 0), 2) for k, kind in enumerate(kinds, 1))
    references = box(b"iref", box(b"dimg", struct.pack(">2H4H", 1, 4, 2, 3, 4, 5)), 0)
    colour = box(b"colr", b"nclx" + struct.pack(">3HB", primaries, 13, 6, 0x80))
    sizes = [box(b"ispe", struct.pack(">2I", side, side), 0) for side in (2 * SIDE, SIDE)]
    properties = box(b"ipco", b"".join([*sizes, box(b"pixi", b"\3\x08\x08\x08", 0), tiles[0][0], colour]))
    association = struct.pack(">IHB3B", 5, 1, 3, 1, 3, 5)
    association += b"".join(struct.pack(">HB4B", k, 4, 2, 3, 0x84, 5) for k in range(2, 6))
    ipma = box(b"ipma", association, 0)

    def meta(first):
        places, at = b"", first
        for k, part in enumerate(parts, 1):
            places += struct.pack(">3H2I", k, 0, 1, at, len(part))
            at += len(part)
        iloc = box(b"iloc", struct.pack(">2BH", 0x44, 0, len(parts)) + places, 0)
        handler = box(b"hdlr", bytes(4) + b"pict" + bytes(13), 0)
        first_item = box(b"pitm", struct.pack(">H", 1), 0)
        items = box(b"iinf", struct.pack(">H", len(parts)) + entries, 0)
        return box(b"meta", handler + first_item + iloc + items + references + box(b"iprp", properties + ipma), 0)

    head = box(b"ftyp", b"avif" + bytes(4) + b"avifmif1miaf")
    first = len(head) + len(meta(0)) + 8
    return head + meta(first) + box(b"mdat", b"".join(parts))


@pytest.fixture
def avif_grid(tmp_path, heif_with):
    def make(primaries=1, properties=()):
        tiles = [tile(tmp_path / "tile.avif", colour) for colour in COLOURS]
        (tmp_path / "grid.avif").write_bytes(heif_with(grid_of(tiles, primaries), properties))
        return tmp_path / "grid.avif"

    return make


def test_the_tiles_are_one_image(avif_grid):
    path = avif_grid()
    assert is_image(str(path))
    frame = read_image(str(path))
    assert (frame.width, frame.height) == (2 * SIDE, 2 * SIDE)
    rgb = np.stack([frame.planes[k] for k in (2, 0, 1)], axis=-1).astype(int)
    found = [rgb[y, x] for y, x in ((9, 9), (9, SIDE + 9), (SIDE + 9, 9), (SIDE + 9, SIDE + 9))]
    assert np.abs(np.subtract(found, COLOURS)).max() <= 4


def test_named_primaries_hold_for_all_tiles(avif_grid):
    frame = read_image(str(avif_grid(primaries=12)))
    assert np.abs(np.subtract([int(frame.planes[k][9, 9]) for k in (2, 0, 1)], (217, 42, 0))).max() <= 4


def test_it_is_no_video(avif_grid):
    with pytest.raises(InputError, match="is an image of several tiles, no video"):
        VideoReader(str(avif_grid()))


def test_it_is_turned_mirrored_and_cropped_in_order(avif_grid):
    aperture = struct.pack(">4I", SIDE, 1, 2 * SIDE, 1) + struct.pack(">iIiI", -SIDE, 2, 0, 1)  # the left half
    frame = read_image(str(avif_grid(properties=[(b"irot", b"\1"), (b"imir", b"\0"), (b"clap", aperture)])))
    assert (frame.width, frame.height) == (SIDE, 2 * SIDE)
    found = [[int(frame.planes[k][y, 9]) for k in (2, 0, 1)] for y in (9, SIDE + 9)]
    assert np.abs(np.subtract(found, [COLOURS[0], COLOURS[1]])).max() <= 4
