"""Audio that is encoded anew where the container does not take the source's codec."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from streamseg.media.writing.companions.describe import damaged_packets, describe
from streamseg.media.writing.companions.layouts import ChannelOrder, SourceLayout

__all__ = ["Reencoded", "encoder_layouts", "encoder_of"]

_AUDIO_ENCODERS = {"webm": "libopus", "avi": "libmp3lame"}
_OPUS_RATE = 48_000
# Layouts that have a number in the bitstream; the channels of others are listed in ways that players do not know.
_NUMBERED = {
    "aac": ("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "7.1"),
    "libopus": ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1"),
    "libmp3lame": ("mono", "stereo"),
}
_FALLBACKS = ("7.1", "5.1", "stereo", "mono")
_MIN_GAP_S = Fraction(1, 50)
_BIT_RATE_PER_CHANNEL = 96_000


def encoder_of(container: str) -> str:
    """FFmpeg's name of the audio encoder for a container."""
    return _AUDIO_ENCODERS.get(container, "aac")


def encoder_layouts(encoder: str, source: SourceLayout) -> list[str]:
    """Layouts to try for the encoder, the best first: the smallest with all directions of the source."""
    numbered = _NUMBERED[encoder]
    wanted = [_directions(source.name)]
    if "BC" in wanted[0] and wanted[0].isdisjoint(("BL", "BR")):
        wanted.append(wanted[0] - {"BC"} | {"BL", "BR"})
    complete = [each for each in numbered if any(some and some <= _directions(each) for some in wanted)]
    usual = numbered[min(source.channels, 2) - 1 : source.channels if source.channels < 3 else None]
    return list(dict.fromkeys([*complete[:1], *(each for each in _FALLBACKS if each in usual), *usual]))


def _directions(layout: str) -> set[str]:
    """The channels of a layout; a pair at the side counts as one at the back where there is none."""
    try:
        names = {channel.name for channel in av.AudioLayout(layout).channels}
    except ValueError:  # channels without a direction
        return set()
    behind = names.isdisjoint(("BL", "BR"))
    return {{"SL": "BL", "SR": "BR"}.get(name, name) if behind else name for name in names}


class Reencoded:
    """Decodes audio and encodes it anew.

    Args:
        output: the container, which gets a stream.
        source: the stream whose packets will come.
        layout: its channels.
        target_layout: FFmpeg's name of the layout to encode in.
        name: of the source, for messages.
        why: the reason.
    """

    def __init__(
        self,
        output: OutputContainer,
        source: AudioStream,
        layout: SourceLayout,
        target_layout: str,
        name: str,
        why: str,
    ) -> None:
        self.name, encoder = name, encoder_of(output.format.name)
        rate = _OPUS_RATE if encoder == "libopus" else _rate(encoder, source.codec_context.sample_rate)
        stream = output.add_stream(encoder, rate=rate, layout=target_layout)
        assert isinstance(stream, AudioStream)
        self._source, self._target, self._layout = source, stream, layout
        channels = len(av.AudioLayout(target_layout).channels)
        self._target.bit_rate = _BIT_RATE_PER_CHANNEL * channels
        describe(self._target, source)
        self._order = ChannelOrder(layout)
        self._form = stream.codec_context.format or "fltp", target_layout, rate
        self._resampler = av.AudioResampler(*self._form)
        self._source_form: tuple[str, str, int] | None = None
        self._damaged = 0
        self._end: Fraction | None = None
        mixed = "" if target_layout == layout.name else f" in {target_layout} instead of {layout.name}"
        self.note = f"{name}: audio re-encoded as {encoder.removeprefix('lib')}{mixed}: {why}"

    def rehearse(self) -> None:
        """Raise what the encoder and the resampler have against these layouts."""
        rate = self._source.codec_context.sample_rate
        silence = av.AudioFrame("fltp", self._layout.name, 64)
        silence.sample_rate, silence.pts, silence.time_base = rate, 0, Fraction(1, rate)
        av.AudioResampler(*self._form).resample(silence)
        self._target.codec_context.open(strict=False)

    @property
    def damage(self) -> str | None:
        return damaged_packets(self.name, self._damaged)

    def packets(self, packet: Packet[Any] | None) -> Iterator[Packet[Any]]:
        frames: list[Any] = self._decode(packet) if packet is not None else [None]
        for frame in frames:
            for gapless in self._fill_gap(self._order(frame)):
                for resampled in self._resampled(gapless):
                    yield from self._target.encode(resampled)
        if packet is None:
            yield from self._target.encode(None)

    def _resampled(self, frame: Any) -> Iterator[Any]:
        """``frame`` in the encoder's form; the source's own may change on the way, as in broadcasts."""
        form = None if frame is None else (frame.format.name, frame.layout.name, frame.sample_rate)
        if form and self._source_form not in (None, form):
            yield from filter(None, self._resampler.resample(None))
            self._resampler = av.AudioResampler(*self._form)
        self._source_form = form
        yield from self._resampler.resample(frame)

    def _fill_gap(self, frame: Any) -> Iterator[Any]:
        """Silence for the time since the frame before, and the frame: encoders ignore gaps between time stamps."""
        if frame is not None and frame.pts is not None:
            start, rate = frame.pts * frame.time_base, frame.sample_rate
            while self._end is not None and start - self._end > _MIN_GAP_S:
                samples = min(rate, round((start - self._end) * rate))
                yield _silence(frame, samples, round(self._end / frame.time_base))
                self._end += Fraction(samples, rate)
            self._end = start + Fraction(frame.samples, rate)
        yield frame

    def _decode(self, packet: Packet[Any]) -> list[Any]:
        try:
            return packet.decode()
        except av.error.FFmpegError:
            self._damaged += 1
            return []


def _silence(like: Any, samples: int, pts: int) -> av.AudioFrame:
    # Packed first: of a frame with eight planes, PyAV finds more than there are.
    form, layout = like.format, like.layout.name
    silence = av.AudioFrame(form.packed.name, layout, samples)
    zero = b"\x80" if form.name.startswith("u8") else b"\0"
    silence.planes[0].update(zero * silence.planes[0].buffer_size)
    silence.sample_rate, silence.pts, silence.time_base = like.sample_rate, pts, like.time_base
    if form.is_packed:
        return silence
    (planar,) = av.AudioResampler(form.name, layout, like.sample_rate).resample(silence)
    planar.pts, planar.time_base = pts, like.time_base
    return planar


def _rate(encoder: str, rate: int) -> int:
    """The sample rate closest to ``rate`` that the encoder supports."""
    return min(av.Codec(encoder, "w").audio_rates or [rate], key=lambda known: abs(known - rate))
