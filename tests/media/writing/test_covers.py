"""Cover images are neither taken for the video nor lost without a word."""

from __future__ import annotations

from fractions import Fraction

import av
import pytest
from av.stream import Disposition

from streamseg.media.images import encode_image
from streamseg.media.reading.reader import VideoReader


@pytest.fixture
def cover():
    return encode_image(av.VideoFrame(32, 24, "yuvj420p"), ".jpg")


@pytest.fixture
def with_cover(make_clip, cover, tmp_path):
    """Makes a clip with a cover image, in the way of its container."""

    def attach(output, _stream):
        output.add_attachment("cover.jpg", "image/jpeg", cover)

    def add_stream(output, _stream):
        (tmp_path / "cover.jpg").write_bytes(cover)
        with av.open(str(tmp_path / "cover.jpg")) as source:
            stream = output.add_stream_from_template(source.streams.video[0], opaque=True)
        stream.disposition = Disposition.attached_pic
        packet = av.Packet(cover)
        packet.stream, packet.pts, packet.dts, packet.time_base = stream, 0, 0, Fraction(1, 25)
        return [packet]

    return lambda name: make_clip(name, count=20, **({"prepare": attach} if "mkv" in name else {"extras": add_stream}))


def covers_of(path):
    with av.open(str(path)) as container:
        covers = [stream for stream in container.streams.video if stream.disposition & Disposition.attached_pic]
        return [bytes(packet) for packet in container.demux(*covers) if packet.size] if covers else []


@pytest.mark.parametrize("start", [0, 0.4])
@pytest.mark.parametrize("source", ["in.mp4", "in.mkv"])
@pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
def test_covers_are_kept(with_cover, rewrite, frames_of, cover, source, name, start):
    warnings: list[str] = []
    out = rewrite(with_cover(source), name, start=start, warnings=warnings)
    assert covers_of(out) == [cover]
    assert len(frames_of(out)) == 20 - 25 * start
    with av.open(str(out)) as container:
        assert len(container.streams) == 2
    assert not warnings


@pytest.mark.parametrize("name", ["out.mov", "out.avi", "out.ts"])
def test_covers_that_are_lost_are_named(with_cover, rewrite, name):
    warnings: list[str] = []
    rewrite(with_cover("in.mp4"), name, warnings=warnings)
    container = {"out.ts": "mpegts"}.get(name, name.removeprefix("out."))
    assert warnings == [f"cover image (mjpeg, stream 1) left out: {container} cannot hold it"]


def test_the_only_video_may_be_a_cover(tmp_path, cover, make_clip):
    """As in a file of music."""
    path = tmp_path / "music.mkv"
    with av.open(str(path), "w") as output:
        output.add_attachment("cover.jpg", "image/jpeg", cover)
        stream = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame("s16", "mono", 800)
        frame.sample_rate, frame.pts = 8000, 0
        output.mux([*stream.encode(frame), *stream.encode(None)])
    with pytest.raises(ValueError, match="has no video stream"):
        VideoReader(str(path))


def test_a_track_without_a_packet_is_not_in_the_output(make_clip, audio_track, rewrite):
    """The audio ends before the part that is read."""
    clip = make_clip("in.mkv", count=50, audio=[audio_track(seconds=0.5)])
    for name in ("out.mp4", "out.mov"):
        with av.open(str(rewrite(clip, name, start=1))) as container:
            assert [stream.type for stream in container.streams] == ["video"]
