"""Streams beside the video that outputs refuse: encoded anew, left out by name; nothing ends the job."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest

from streamseg.media.reading.reader import VideoReader
from streamseg.media.writing.target import Encoding

CORE_AUDIO_ORDER = "FL+FR+FC+LFE+SL+SR+BL+BR"
RUN = """
import sys
from streamseg.media.reading.reader import VideoReader
from streamseg.media.writing.origin import Origin
from streamseg.media.writing.target import Encoding, choose_target
from streamseg.media.writing.writer import open_writer

for output in sys.argv[2:]:
    with VideoReader(sys.argv[1]) as reader:
        target = choose_target(output, reader.info.shape.format, False, Encoding(crf=30))
        shape = reader.deliver(target.format, target.even)
        reader.copied = reader.container.streams.audio
        writer = open_writer(target, shape, Origin.of(reader), reader.copied, False)
        for item in reader:
            writer.write(item)
        writer.finish()
"""


def run(source, *outputs):
    """In a process of its own: a wrong free ends the process."""
    command = [sys.executable, "-c", RUN, str(source), *map(str, outputs)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def write_pcm(path, layout, channels):
    """A MOV of 10 frames with PCM in which channel k has the constant level 1000 (k + 1)."""
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        video.width, video.height = 64, 48
        audio = output.add_stream("pcm_s16le", rate=48_000, layout=f"{channels}c" if channels != 12 else "7.1.4")
        # The muxer writes another order only where the stream has one; here the label is put in afterwards.
        for index in range(10):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            output.mux(video.encode(frame))
        samples = np.tile(1000 * np.arange(1, channels + 1, dtype=np.int16), 19_200)[None]
        sound = av.AudioFrame.from_ndarray(samples, "s16", audio.codec_context.layout.name)
        sound.sample_rate, sound.pts, sound.time_base = 48_000, 0, Fraction(1, 48_000)
        output.mux(audio.encode(sound))
        output.mux([*video.encode(None), *audio.encode(None)])
    if layout is not None:
        relabel(path, layout)


def relabel(path, tag):
    """Write another layout tag into the ``chan`` box of a MOV."""
    data = bytearray(path.read_bytes())
    at = data.index(b"chan") + 8
    data[at : at + 4] = tag.to_bytes(4, "big")
    path.write_bytes(data)


# Core Audio's layout tags: number of the layout in the upper half, channels in the lower one.
MPEG_5_1_D, MPEG_7_1_C, DISCRETE = (124 << 16) | 6, (128 << 16) | 8, 147 << 16


@pytest.mark.parametrize(
    "tag, channels, layout, in_aac, in_opus",
    [
        (MPEG_5_1_D, 6, "5.1", 6, 6),
        (MPEG_7_1_C, 8, "7.1", 8, 8),
        (None, 7, "6.1", 8, 7),
        (DISCRETE | 4, 4, "4.0", 4, 5),
        (None, 12, "7.1", 8, 8),
    ],
)
def test_any_layout_of_pcm_is_written(tmp_path, tag, channels, layout, in_aac, in_opus):
    write_pcm(tmp_path / "in.mov", tag, channels)
    done = run(tmp_path / "in.mov", *(tmp_path / name for name in ("out.mp4", "out.mov", "out.webm", "out.mkv")))
    assert done.returncode == 0, done.stderr
    for name, written in (("out.mp4", in_aac), ("out.mov", None), ("out.webm", in_opus), ("out.mkv", None)):
        with av.open(str(tmp_path / name)) as container:
            audio = container.streams.audio[0]
            assert written is None or len(audio.codec_context.layout.channels) == written, name


def test_channels_keep_their_meaning(tmp_path):
    """MPEG 5.1 D is C, L, R, Ls, Rs, LFE; the loudest channel there is the last one, LFE."""
    write_pcm(tmp_path / "in.mov", MPEG_5_1_D, 6)
    assert run(tmp_path / "in.mov", tmp_path / "out.mkv").returncode == 0
    with av.open(str(tmp_path / "in.mov")) as source:
        from streamseg.media.writing.companions.layouts import take_layout

        layout = take_layout(source.streams.audio[0].codec_context)
    assert layout.channels == 6 and layout.order is not None
    native = [channel.name for channel in av.AudioLayout(layout.name).channels]
    assert dict(zip(native, layout.order, strict=True))["LFE"] == 5
    assert dict(zip(native, layout.order, strict=True))["FC"] == 0


def test_audio_without_a_packet_is_left_out_by_name(shared_data, rewrite):
    warnings: list[str] = []
    out = rewrite(shared_data / "reports" / "deadaudio.ts", "out.mp4", warnings=warnings)
    with av.open(str(out)) as container:
        assert len(container.streams.audio) == 1
    assert warnings == ["audio (aac, stream 2) left out: it has no sound"]


def test_audio_that_no_decoder_knows_is_named(shared_data, rewrite):
    warnings: list[str] = []
    rewrite(shared_data / "reports" / "apac.mp4", "out.mp4", warnings=warnings)
    assert warnings == ["audio (apac, stream 1) left out: no decoder knows it"]


def test_true_hd_is_encoded_anew_in_mp4_and_copied_in_mkv(shared_data, rewrite):
    clip = shared_data / "reports" / "truehd.mkv"
    warnings: list[str] = []
    for name, codec in (("out.mp4", "aac"), ("out.mkv", "truehd")):
        with av.open(str(rewrite(clip, name, warnings=warnings))) as container:
            assert container.streams.audio[0].codec_context.name == codec
    assert warnings == ["audio (truehd, stream 1): audio re-encoded as aac: mp4 cannot hold truehd"]


def test_aac_of_a_transport_stream_into_avi(make_clip, audio_track, rewrite):
    clip = make_clip("in.ts", count=25, audio=[audio_track()])
    with av.open(str(rewrite(clip, "out.avi"))) as container:
        assert container.streams.audio[0].codec_context.name in ("mp3", "mp3float")
        assert sum(frame.samples for frame in container.decode(audio=0)) > 40_000


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv"])
def test_aac_of_a_transport_stream_is_copied(make_clip, audio_track, rewrite, packets_of, name):
    clip = make_clip("in.ts", count=25, audio=[audio_track()])
    before, after = packets_of(clip, 1), packets_of(rewrite(clip, name), 1)
    assert [data[7:] for _, data in before] == [data for _, data in after]  # without the header of every packet


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv", "out.webm", "out.ts"])
def test_two_audio_packets_with_one_time_stamp(shared_data, rewrite, quick_encoding, name):
    warnings: list[str] = []
    out = rewrite(shared_data / "reports" / "dupaudio.mkv", name, encoding=quick_encoding(name), warnings=warnings)
    with av.open(str(out)) as container:
        stamps = [packet.dts for packet in container.demux(audio=0) if packet.dts is not None]
    assert len(stamps) >= 25
    assert all(before <= after for before, after in pairwise(stamps))
    assert name not in ("out.mp4", "out.mov") or any("did not rise: moved" in warning for warning in warnings)


@pytest.mark.parametrize("name, kept", [("out.mkv", True), ("out.mp4", False), ("out.webm", False)])
def test_attached_fonts_are_kept_or_named(make_clip, rewrite, quick_encoding, name, kept):
    def attach(output, _stream):
        output.add_attachment("Font.ttf", "application/x-truetype-font", b"not really a font")

    clip = make_clip("in.mkv", prepare=attach)
    warnings: list[str] = []
    out = rewrite(clip, name, encoding=quick_encoding(name), warnings=warnings)
    with av.open(str(out)) as container:
        assert [each.data for each in container.streams.attachments] == ([b"not really a font"] if kept else [])
    container_name = name.removeprefix("out.")
    left_out = f"attachment (Font.ttf, stream 1) left out: {container_name} cannot hold it"
    assert warnings == ([] if kept else [left_out])


@pytest.mark.parametrize("start, expected", [(0.0, "01:02:03:04"), (0.2, "01:02:03:09")])
@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv", "out.avi"])
def test_the_timecode_is_kept_at_the_first_frame(make_clip, rewrite, name, start, expected):
    def set_timecode(_output, stream):
        stream.metadata["timecode"] = "01:02:03:04"

    clip = make_clip("in.mov", count=20, prepare=set_timecode)
    warnings: list[str] = []
    with av.open(str(rewrite(clip, name, start=start, warnings=warnings))) as container:
        tags = {key.lower(): value for key, value in container.streams.video[0].metadata.items()}
    assert name == "out.avi" or tags["timecode"] == expected
    assert warnings == ([f"timecode {expected} left out: avi cannot hold it"] if name == "out.avi" else [])


@pytest.mark.parametrize("name", ["out.mp4", "out.mov"])
def test_what_a_phone_says_of_place_and_camera_is_kept(make_clip, rewrite, name):
    tags = {"com.apple.quicktime.make": "Apple", "com.apple.quicktime.location.ISO6709": "+48.1-011.5+500/"}
    clip = make_clip("in.mov", muxing={"movflags": "use_metadata_tags"}, prepare=lambda o, _: o.metadata.update(tags))
    with av.open(str(rewrite(clip, name))) as container:
        assert tags.items() <= container.metadata.items()


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv", "out.webm"])
@pytest.mark.parametrize("b_frames", ["0", "3"])
def test_the_last_frame_is_held_as_long_as_in_the_source(make_clip, rewrite, quick_encoding, name, b_frames):
    source = make_clip("source.mp4", count=6, options={"bf": b_frames})
    held = source.with_name("held.mp4")
    with av.open(str(source)) as before, av.open(str(held), "w") as after:
        target = after.add_stream_from_template(before.streams.video[0], opaque=True)
        packets = [packet for packet in before.demux(video=0) if packet.dts is not None]
        last = max(packets, key=lambda packet: packet.pts)
        packets[-1].duration = round(3 / last.time_base) + last.pts - packets[-1].pts
        for packet in packets:
            packet.stream = target
            after.mux_one(packet)
    with av.open(str(held)) as before, av.open(str(rewrite(held, name, encoding=quick_encoding(name)))) as container:
        assert abs(container.duration - before.duration) < (90_000 if b_frames != "0" else 20_000)
        assert container.duration > 3_000_000


def test_a_nanosecond_time_base_and_a_gap(make_clip, rewrite, times_of, frames_of):
    stamps = [0, 40, 80, 5000, 5040]
    clip = make_clip(
        "in.nut", codec="ffv1", pts=[10**6 * each for each in stamps], time_base=Fraction(1, 10**9), options={}
    )
    result = times_of(frames_of(rewrite(clip, "out.mp4")))
    assert [round(1000 * time) for time in result] == stamps


def test_an_avi_gets_the_rate_of_its_frames(make_clip, rewrite):
    clip = make_clip("in.mp4", count=25, muxing={"video_track_timescale": "600"})
    with av.open(str(rewrite(clip, "out.avi"))) as container:
        assert container.streams.video[0].average_rate == 25


def test_phone_hdr_stays_hdr_on_phones(make_clip, rewrite):
    def hlg(_output, stream):
        context = stream.codec_context
        context.colorspace, context.color_range, context.color_primaries, context.color_trc = 9, 1, 9, 18

    clip = make_clip("in.mkv", pixel_format="yuv420p10le", prepare=hlg)
    with VideoReader(str(rewrite(clip, "out.mp4"))) as reader:
        context, colour = reader.video.codec_context, reader.info.shape.colour
        assert (context.name, context.profile, context.codec_tag) == ("hevc", "Main 10", "hvc1")
        assert (colour.matrix, colour.primaries, colour.transfer) == (9, 9, 18)


def test_audio_that_changes_its_channels_on_the_way(make_clip, audio_track, rewrite, tmp_path):
    """As at the beginning of a film in a broadcast."""
    parts = [
        make_clip(f"{k}.ts", count=25, audio=[audio_track("ac3", layout=layout)])
        for k, layout in enumerate(["stereo", "5.1(side)", "stereo"])
    ]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    warnings: list[str] = []
    out = rewrite(joined, "out.webm", encoding=Encoding(preset="8"), warnings=warnings)
    with av.open(str(out)) as container:
        samples = sum(frame.samples for frame in container.decode(audio=0))
    assert samples > 2.5 * 48_000
    assert not any("left out" in warning for warning in warnings)


@pytest.mark.parametrize("name", ["out.avi", "out.ts"])
def test_tags_of_a_phone_that_are_lost_are_named(make_clip, rewrite, name):
    tags = {"com.apple.quicktime.make": "Apple", "com.apple.quicktime.model": "iPhone 15"}
    clip = make_clip("in.mov", muxing={"movflags": "use_metadata_tags"}, prepare=lambda o, _: o.metadata.update(tags))
    warnings: list[str] = []
    rewrite(clip, name, warnings=warnings)
    assert len(warnings) == 1
    assert warnings[0].startswith("tags of the camera (make, model) left out: ")


@pytest.mark.parametrize("name, kept", [("out.ts", True), ("out.mp4", False), ("out.mkv", False), ("out.avi", False)])
def test_data_tracks_are_kept_or_named(make_clip, rewrite, name, kept):
    def data(output, _stream):
        stream = output.add_data_stream("klv")
        stream.time_base = Fraction(1, 90_000)
        packets = []
        for index in range(12):
            packet = av.Packet(b"\x06\x0e+4" + bytes(12) + b"\x01a")
            packet.stream, packet.time_base = stream, stream.time_base
            packet.pts = packet.dts = 3600 * index
            packets.append(packet)
        return packets

    clip = make_clip("in.ts", extras=data)
    warnings: list[str] = []
    with av.open(str(rewrite(clip, name, warnings=warnings))) as container:
        assert len(container.streams.data) == kept
        assert not kept or sum(packet.size > 0 for packet in container.demux(container.streams.data[0])) == 12
    assert len(warnings) == (not kept)
    assert kept or warnings[0].startswith("data (klv, stream 1) left out: ")


@pytest.mark.parametrize(
    ("name", "codec", "kept"),
    [
        ("out.mov", "ac4", True),
        ("out.mp4", "ac4", False),
        ("out.mp4", "mpegh_3d_audio", True),
        ("out.mkv", "ac4", False),
    ],
)
def test_packets_of_audio_that_cannot_be_decoded(make_clip, rewrite, packets_of, name, codec, kept):
    def undecodable(output, _stream):
        stream = output.add_mux_stream(codec, rate=48_000, time_base=Fraction(1, 48_000))
        packets = []
        for index in range(20):
            packet = av.Packet(bytes([index]) * (30 + index))
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 48_000), True
            packet.pts = packet.dts = 1024 * index
            packet.duration = 1024
            packets.append(packet)
        return packets

    clip = make_clip("in.mov", extras=undecodable)
    warnings: list[str] = []
    out = rewrite(clip, name, warnings=warnings)
    assert warnings == ([] if kept else [f"audio ({codec}, stream 1) left out: no decoder knows it"])
    if kept:
        assert packets_of(out, 1) == packets_of(clip, 1)


@pytest.mark.parametrize(
    ("name", "kept"), [("out.mp4", True), ("out.mov", True), ("out.ts", False), ("out.mkv", False)]
)
def test_the_data_of_action_cameras(make_clip, rewrite, packets_of, name, kept):
    """Position and motion, as GoPro's gpmd tracks have them."""

    def telemetry(output, _stream):
        stream = output.add_data_stream("bin_data")
        stream.time_base = Fraction(1, 1000)
        packets = []
        for index in range(20):
            packet = av.Packet(b"DEVC" + bytes([index]) * 20)
            packet.stream, packet.time_base, packet.duration = stream, stream.time_base, 40
            packet.pts = packet.dts = 40 * index
            packets.append(packet)
        return packets

    clip = make_clip("in.mp4", count=20, extras=telemetry)
    warnings: list[str] = []
    out = rewrite(clip, name, start=0.4, warnings=warnings)
    container = {"out.ts": "mpegts", "out.mkv": "matroska"}.get(name)
    assert warnings == ([] if kept else [f"data (bin_data, stream 1) left out: {container} cannot hold it"])
    if kept:
        assert packets_of(out, 1) == [(time - Fraction(2, 5), data) for time, data in packets_of(clip, 1)[10:]]
        with av.open(str(out)) as written:
            assert written.streams[1].metadata["handler_name"] == "GoPro MET"
