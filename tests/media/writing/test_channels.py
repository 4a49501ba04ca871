"""Channels of sound that is encoded anew: every one is heard, in a layout that players know, and changes are named."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

RATE = 48_000


def packed(samples, layout, pts):
    """A frame of int16 [channels, samples]: of planes, PyAV finds more than eight channels have."""
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T).reshape(1, -1), "s16", layout)
    frame.sample_rate, frame.pts, frame.time_base = RATE, pts, Fraction(1, RATE)
    return frame


def tones(layout, seconds):
    """Another tone in each channel, int16 [channels, samples]; low ones for the subwoofer."""
    time = np.arange(int(seconds * RATE)) / RATE
    names = [channel.name for channel in av.AudioLayout(layout).channels]
    pitches = {name: 60 if name == "LFE" else 300 * (k + 1) for k, name in enumerate(names)}
    return pitches, np.stack([6000 * np.sin(2 * np.pi * each * time) for each in pitches.values()]).astype(np.int16)


@pytest.fixture
def clip_with(make_clip):
    """A clip with sound in a layout, and the pitch of each channel; ``gap`` seconds of nothing in its middle."""

    def make(name, codec, layout, gap=0.0):
        pitches, samples = tones(layout, 0.4)

        def extras(output, _stream):
            stream = output.add_stream(codec, rate=RATE, layout=layout)
            packets = [*stream.encode(packed(samples, layout, 0)), *stream.encode(None)]
            for packet in packets[len(packets) // 2 :]:
                packet.pts = packet.dts = packet.pts + round(gap / packet.time_base)
            return packets

        return make_clip(name, count=25, extras=extras), pitches

    return make


def heard(path):
    """Names and samples of the channels, [channels, samples]."""
    resampler = av.AudioResampler("s16")
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        names = [channel.name for channel in stream.layout.channels]
        parts = [part.to_ndarray() for frame in container.decode(stream) for part in resampler.resample(frame)]
    return names, np.concatenate(parts, axis=1).reshape(-1, len(names)).T


def loudest(names, samples, pitch):
    """The channels in which a tone is at least half as loud as in the one where it is loudest."""
    middle = samples[:, 6000:14000] * np.hanning(8000)
    loudness = np.abs(np.fft.rfft(middle, axis=1))[:, round(pitch * 8000 / RATE)]
    assert loudness.max() > 1e6
    return {name for name, each in zip(names, loudness, strict=True) if each > loudness.max() / 2}


@pytest.mark.parametrize(
    ("layout", "expected", "moved"),
    [
        ("6.1", "7.1", {"BC": {"BL", "BR"}}),
        ("2.1", "5.1", {}),
        ("3.0(back)", "4.0", {}),
        ("quad(side)", "5.0", {"SL": {"BL"}, "SR": {"BR"}}),
        ("4.1", "5.1", {"BC": {"BL", "BR"}}),
        ("7.0", "7.1", {}),
        ("7.1(wide)", "7.1", {"FLC": {"FL"}, "FRC": {"FR"}}),
    ],
)
def test_every_channel_is_heard_where_players_expect_it(clip_with, rewrite, layout, expected, moved):
    clip, pitches = clip_with("source.mov", "pcm_s16le", layout)
    warnings: list[str] = []
    names, samples = heard(rewrite(clip, "out.mp4", warnings=warnings))
    assert names == [channel.name for channel in av.AudioLayout(expected).channels]
    for name, pitch in pitches.items():
        assert loudest(names, samples, pitch) == moved.get(name, {name})
    assert len(warnings) == 1 and f"as aac in {expected} instead of {layout}" in warnings[0]


def test_a_layout_that_is_kept_is_not_mentioned(clip_with, rewrite):
    warnings: list[str] = []
    rewrite(clip_with("source.mov", "pcm_s16le", "5.1")[0], "out.mp4", warnings=warnings)
    assert "as aac: mp4 cannot hold pcm_s16le" in warnings[0]


@pytest.mark.parametrize("layout", ["7.1", "5.1"])
def test_a_gap_in_sound_of_many_channels_is_silent(clip_with, rewrite, quick_encoding, layout):
    clip, _ = clip_with("source.mkv", "aac", layout, gap=0.5)
    _, samples = heard(rewrite(clip, "out.webm", encoding=quick_encoding("out.webm")))
    assert len(samples) == (8 if layout == "7.1" else 6)
    assert 0.85 * RATE < samples.shape[1] < RATE
    assert np.abs(samples[:, RATE // 3 : RATE * 3 // 5]).max() < 100 < np.abs(samples[:, : RATE // 5]).max()
