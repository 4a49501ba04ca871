"""What containers say of a video beside its samples: margins that are not shown, projections."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from streamseg.media.reading.reader import VideoReader

EQUIRECTANGULAR = [
    (b"st3d", bytes(4) + b"\1"),
    (
        b"sv3d",
        struct.pack(">I4s4s3s", 15, b"svhd", bytes(4), b"me\0")
        + struct.pack(">I4s", 60, b"proj")
        + struct.pack(">I4s16s", 24, b"prhd", bytes(16))
        + struct.pack(">I4s20s", 28, b"equi", bytes(20)),
    ),
]


def clean_aperture(width, height, right, down):
    """The part that is shown, and how far its centre is from that of the frame."""
    fractions = (width, 1, height, 1, right % 2**32, 1, down % 2**32, 1)
    return b"clap", struct.pack(">8I", *fractions)


def add_matroska_margins(path, **edges):
    """Put PixelCrop elements in the place of the description of colour, and a void element in the rest."""
    data = path.read_bytes()
    at = data.index(b"\x55\xb0")
    length = 3 + (data[at + 2] & 0x7F)
    codes = {"bottom": b"\x54\xaa", "top": b"\x54\xbb", "left": b"\x54\xcc", "right": b"\x54\xdd"}
    elements = b"".join(codes[name] + b"\x81" + bytes([value]) for name, value in edges.items())
    rest = length - len(elements) - 2
    path.write_bytes(data[:at] + elements + b"\xec" + bytes([0x80 | rest]) + bytes(rest) + data[at + length :])


def with_colour(_output, stream):
    context = stream.codec_context
    context.colorspace, context.color_range, context.color_primaries, context.color_trc = 1, 1, 1, 1


def cropped_clip(make_clip, add_boxes, name):
    clip = make_clip(name, codec="ffv1" if name.endswith("mkv") else "libx264", count=4, prepare=with_colour)
    if name.endswith("mkv"):
        add_matroska_margins(clip, left=12, right=4, top=6, bottom=10)
    else:
        add_boxes(clip, clean_aperture(48, 32, 4, -2))
    return clip


@pytest.mark.parametrize("name", ["in.mp4", "in.mov", "in.mkv"])
def test_margins_are_not_shown(make_clip, add_boxes, pyav_frames, frames_of, times_of, name):
    clip = cropped_clip(make_clip, add_boxes, name)
    whole, shown = pyav_frames(clip), frames_of(clip)
    assert len(shown) == len(whole) == 4
    for native, frame in zip(whole, shown, strict=True):
        assert (frame.width, frame.height) == (48, 32)
        assert np.array_equal(frame.planes[0], native.to_ndarray()[6:38, 12:60])
    assert times_of(shown) == times_of(whole)


def test_margins_from_a_start_on(make_clip, add_boxes, frames_of):
    clip = cropped_clip(make_clip, add_boxes, "in.mp4")
    assert [frame.width for frame in frames_of(clip, start=0.08)] == [48, 48]


def test_an_output_has_no_margins_to_hide(make_clip, add_boxes, rewrite, frames_of):
    clip = cropped_clip(make_clip, add_boxes, "in.mp4")
    assert {(frame.width, frame.height) for frame in frames_of(rewrite(clip, "out.mov"))} == {(48, 32)}


@pytest.mark.parametrize("name", ["in.mp4", "in.mov"])
def test_a_projection_is_named(make_clip, add_boxes, rewrite, name):
    clip = make_clip(name, count=3)
    add_boxes(clip, *EQUIRECTANGULAR)
    warnings: list[str] = []
    rewrite(clip, "out.mp4", warnings=warnings)
    assert warnings == [
        "360° description (equirectangular) left out: players will show flat frames",
        "3D description (top and bottom) left out: players will show both views",
    ]


def test_a_name_that_looks_like_side_data_changes_nothing(make_clip):
    title = "x\n    Side data:\n      Frame Cropping: 8/8/8/8"
    clip = make_clip("in.mkv", count=2, prepare=lambda _, stream: stream.metadata.update(title=title))
    with VideoReader(str(clip)) as reader:
        assert (reader.info.shape.width, reader.declared.lost) == (64, ())
