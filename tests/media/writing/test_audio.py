"""The streams beside the video: audio and subtitles, copied or re-encoded."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from av.stream import Disposition


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.mov", "out.ts"])
def test_audio_is_copied_byte_for_byte(make_clip, rewrite, packets_of, audio_track, name):
    clip = make_clip("source.mkv", count=25, audio=[audio_track(), audio_track(hertz=500, language="fra")])
    out = rewrite(clip, name)
    with av.open(str(out)) as container:
        assert [stream.language for stream in container.streams.audio] == ["eng", "fra"]
        origin = Fraction(container.start_time or 0, 1_000_000)
    for index in (1, 2):
        before, after = packets_of(clip, index), packets_of(out, index)
        strip = 7 if name == "out.ts" else 0
        assert [data for _, data in before] == [data[strip:] for _, data in after]
        offset = after[0][0] - before[0][0]
        assert name == "out.ts" or abs(offset) <= Fraction(1, 900)
        assert all(abs(b - a - offset) < Fraction(1, 900) for (a, _), (b, _) in zip(before, after, strict=True))
    assert origin < 2


def test_dispositions_are_kept(make_clip, rewrite, audio_track):
    def dispositions(output, _stream):
        first, second = output.streams.audio
        first.disposition, second.disposition = Disposition.comment, Disposition.default

    clip = make_clip("source.mkv", count=25, audio=[audio_track(), audio_track()], prepare=dispositions)
    with av.open(str(rewrite(clip, "out.mkv"))) as container:
        first, second = container.streams.audio
        assert first.disposition & Disposition.comment
        assert not first.disposition & Disposition.default
        assert second.disposition & Disposition.default


def samples_of(path):
    """Mono samples at 48 kHz from time zero on, placed by their time stamps."""
    resampler = av.AudioResampler("fltp", "mono", 48_000)
    with av.open(str(path)) as container:
        parts = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
        parts += resampler.resample(None)
    first = round(parts[0].pts * parts[0].time_base * 48_000)
    samples = np.concatenate([part.to_ndarray()[0] for part in parts])
    return np.concatenate([np.zeros(max(0, first), np.float32), samples[max(0, -first) :]])


def assert_same_audio(before, after, lag=480, within=48):
    """The same length within 50 ms, and correlated at a shift of at most ``within`` samples; tries up to ``lag``."""
    assert abs(len(before) - len(after)) <= 2400
    middle = before[12_000:36_000]
    scores = [np.corrcoef(middle, after[12_000 + shift : 36_000 + shift])[0, 1] for shift in range(-lag, lag + 1, 4)]
    assert max(scores) > 0.98
    assert abs(int(np.argmax(scores)) * 4 - lag) <= within


@pytest.mark.parametrize(
    "name, source, layout, rate",
    [
        ("out.webm", "aac", "mono", 44_100),
        ("out.webm", "aac", "stereo", 48_000),
        ("out.webm", "aac", "mono", 8_000),
        ("out.webm", "ac3", "5.1(side)", 48_000),
        ("out.webm", "pcm_s16le", "stereo", 48_000),
        ("out.avi", "libopus", "stereo", 48_000),
        ("out.avi", "libopus", "5.1", 48_000),
        ("out.avi", "alac", "mono", 96_000),
        ("out.mp4", "pcm_s16le", "stereo", 48_000),
        ("out.mov", "flac", "stereo", 96_000),
        ("out.mov", "libopus", "5.1", 48_000),
    ],
)
def test_audio_that_a_container_cannot_hold_is_re_encoded(
    make_clip, rewrite, quick_encoding, audio_track, name, source, layout, rate
):
    track = audio_track(codec=source, layout=layout, rate=rate, seconds=1.5)
    clip = make_clip("source.mkv", count=40, audio=[track])
    warnings: list[str] = []
    encoding = None if name == "out.avi" else quick_encoding(name)
    out = rewrite(clip, name, encoding=encoding, warnings=warnings)
    # AVI has no field for the silence at the beginning of MP3.
    assert_same_audio(samples_of(clip), samples_of(out), within=300 if name == "out.avi" else 48)
    with av.open(str(out)) as container:
        assert container.streams.audio[0].codec_context.codec.canonical_name not in source
        assert name == "out.avi" or container.streams.audio[0].language == "eng"
    assert len(warnings) == 1
    assert "audio re-encoded as" in warnings[0]


def test_vorbis_is_not_copied_into_mp4_where_hardly_any_player_reads_it(make_clip, rewrite):
    def extras(output, _stream):
        stream = output.add_stream("vorbis", rate=48_000, layout="stereo", options={"strict": "experimental"})
        samples = np.zeros((1, 2 * 9600), np.int16)
        frame = av.AudioFrame.from_ndarray(samples, "s16", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
        return [*stream.encode(frame), *stream.encode(None)]

    clip = make_clip("source.mkv", count=5, extras=extras)
    for name, codec in (("out.mp4", "aac"), ("out.mkv", "vorbis")):
        with av.open(str(rewrite(clip, name))) as container:
            assert container.streams.audio[0].codec_context.name == codec


def test_channels_at_the_side_get_the_aac_layout_that_players_know(make_clip, rewrite, audio_track):
    clip = make_clip("source.mkv", count=5, audio=[audio_track(codec="flac", layout="5.1(side)", seconds=0.2)])
    with av.open(str(rewrite(clip, "out.mov"))) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        assert container.streams.audio[0].layout.name == "5.1"


def test_the_start_time_of_audio_is_kept(make_clip, rewrite, quick_encoding, audio_track):
    clip = make_clip("source.mkv", count=75, audio=[audio_track(seconds=2.5)], options={"g": "5"})
    trimmed = rewrite(clip, "trimmed.mkv", start=0.5)
    out = rewrite(trimmed, "out.webm", encoding=quick_encoding("out.webm"))
    assert_same_audio(samples_of(trimmed), samples_of(out))
    assert_same_audio(samples_of(clip)[24_000:], samples_of(out), lag=2000)


def test_damaged_audio_is_skipped_with_a_warning(make_clip, rewrite, quick_encoding, audio_track, frames_of):
    clip = make_clip("source.mkv", count=50, audio=[audio_track(seconds=2)])
    with av.open(str(clip)) as container:
        packets = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
    data = clip.read_bytes()
    undamaged = clip.with_name("undamaged.mkv")
    undamaged.write_bytes(data)
    for victim in packets[30:34]:
        data = data.replace(victim, b"\x5a" * len(victim))
    clip.write_bytes(data)
    warnings: list[str] = []
    out = rewrite(clip, "out.webm", encoding=quick_encoding("out.webm"), warnings=warnings)
    assert len(frames_of(out)) == 50
    assert any("damaged audio" in warning for warning in warnings)
    before, after = samples_of(undamaged), samples_of(out)
    assert abs(len(before) - len(after)) <= 2400
    late = before[72_000:84_000]
    scores = [np.corrcoef(late, after[72_000 + shift : 84_000 + shift])[0, 1] for shift in range(-480, 481, 4)]
    assert max(scores) > 0.98


def test_pcm_is_copied_into_mov(make_clip, rewrite, audio_track):
    clip = make_clip("source.mov", count=25, audio=[audio_track(codec="pcm_s16le")])
    out = rewrite(clip, "out.mov")
    with av.open(str(out)) as container:
        assert container.streams.audio[0].codec_context.name == "pcm_s16le"
    assert np.array_equal(samples_of(clip), samples_of(out))


def test_subtitles_are_copied_or_left_out_with_a_warning(shared_data, rewrite, quick_encoding, packets_of):
    clip = shared_data / "clips" / "multi-stream-2v2a2s.mp4"
    warnings: list[str] = []
    out = rewrite(clip, "out.mp4", duration=5.0, warnings=warnings)
    assert [each.partition(" left out")[0] for each in warnings] == ["video (h264, stream 3)"]
    with av.open(str(out)) as container, av.open(str(clip)) as source:
        assert [s.language for s in container.streams.subtitles] == [s.language for s in source.streams.subtitles]
        index, before = container.streams.subtitles[0].index, source.streams.subtitles[0].index
    got = [data for _, data in packets_of(out, index) if len(data) > 2]
    assert got
    assert got == [data for time, data in packets_of(clip, before) if time < 5 and len(data) > 2]
    out = rewrite(clip, "out.webm", duration=0.5, encoding=quick_encoding("out.webm"), warnings=warnings)
    assert sum("subtitle (mov_text, stream" in warning and "left out: webm" in warning for warning in warnings) == 2
    with av.open(str(out)) as container:
        assert not container.streams.subtitles
        assert len(container.streams.audio) == 2


def test_the_last_subtitle_does_not_make_the_movie_longer(make_clip, rewrite):
    def extras(output, _stream):
        stream = output.add_stream("mov_text")
        stream.codec_context.subtitle_header = b"[Script Info]\n"
        packet = av.Packet(b"\0\5hello")
        packet.stream, packet.time_base = stream, Fraction(1, 1000)
        packet.pts = packet.dts = 200
        packet.duration = 700
        return [packet]

    clip = make_clip("source.mp4", count=25, extras=extras)
    with av.open(str(rewrite(clip, "out.mp4"))) as container:
        subtitles = container.streams.subtitles[0]
        assert subtitles.duration * subtitles.time_base == pytest.approx(Fraction(9, 10), abs=1e-3)
        assert container.duration == 1_000_000
        shown = [
            (packet.pts * packet.time_base, bytes(packet)) for packet in container.demux(subtitles) if packet.size > 2
        ]
    assert shown == [(Fraction(1, 5), b"\0\5hello")]
