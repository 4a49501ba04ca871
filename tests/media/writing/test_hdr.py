"""Static HDR metadata: from the bitstream or the container of the source into the output's bitstream."""

from __future__ import annotations

import struct

import av
import pytest

from streamseg.media.pixels.hdr import HDRMetadata
from streamseg.media.writing.target import Encoding

METADATA = HDRMetadata(
    chromaticities=((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), (0.3127, 0.329)),
    luminance=(0.005, 1000.0),
    light_levels=(1000, 400),
)
X265 = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400"


def pq(_output, stream):
    context = stream.codec_context
    context.colorspace, context.color_range, context.color_primaries, context.color_trc = 9, 1, 9, 16


def metadata_of(path):
    with av.open(str(path)) as container:
        return HDRMetadata.of(next(container.decode(video=0)))


def assert_same(found, expected):
    assert found is not None
    for mine, other in zip(found.chromaticities, expected.chromaticities, strict=True):
        assert mine == pytest.approx(other, abs=2e-5)
    assert found.luminance == pytest.approx(expected.luminance, rel=2e-3)
    assert found.light_levels == expected.light_levels


@pytest.fixture
def hdr10(make_clip):
    """A clip with metadata in its bitstream."""
    options = {"preset": "ultrafast", "x265-params": f"log-level=error:{X265}"}
    return make_clip(
        "hdr10.mkv", codec="libx265", pixel_format="yuv420p10le", count=4, options=options, prepare=pq, size=(96, 64)
    )


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("out.mp4", Encoding(preset="ultrafast")),
        ("out.mkv", Encoding(preset="ultrafast")),
        ("out.webm", Encoding(preset="10")),
        ("out.mkv", Encoding(codec="h264", preset="ultrafast")),
    ],
)
def test_metadata_of_the_bitstream_is_kept(hdr10, rewrite, name, encoding):
    warnings: list[str] = []
    assert_same(metadata_of(rewrite(hdr10, name, encoding=encoding, warnings=warnings)), METADATA)
    assert not warnings


@pytest.mark.parametrize("levels", [True, False])
def test_metadata_of_the_container_is_kept(make_clip, rewrite, add_boxes, levels):
    clip = make_clip("in.mp4", codec="libx265", pixel_format="yuv420p10le", count=3, options={}, prepare=pq)
    numbers = struct.pack(">8H2I", 13250, 34500, 7500, 3000, 34000, 16000, 15635, 16450, 10_000_000, 50)
    add_boxes(clip, (b"mdcv", numbers), *([(b"clli", struct.pack(">2H", 1000, 400))] if levels else []))
    found = metadata_of(rewrite(clip, "out.mp4", encoding=Encoding(preset="ultrafast")))
    assert_same(found, METADATA if levels else HDRMetadata(METADATA.chromaticities, METADATA.luminance))


def test_an_encoder_that_cannot_write_it_is_named(hdr10, rewrite):
    warnings: list[str] = []
    rewrite(hdr10, "out.mkv", encoding=Encoding(codec="ffv1"), warnings=warnings)
    assert warnings == ["mastering display and light levels left out: ffv1 cannot write them"]


def test_a_source_without_metadata_gets_none(make_clip, rewrite):
    clip = make_clip("in.mkv", pixel_format="yuv420p10le", count=2, prepare=pq)
    warnings: list[str] = []
    out = rewrite(clip, "out.mp4", encoding=Encoding(preset="ultrafast"), warnings=warnings)
    assert metadata_of(out) is None
    assert not warnings
