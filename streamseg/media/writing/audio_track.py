"""Sound that is encoded as it comes, at its own time stamps."""

from __future__ import annotations

from errno import EAGAIN
from fractions import Fraction
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from streamseg.media.writing.companions.audio import encoder_of

__all__ = ["AudioTrack"]

_RATE, _LAYOUT, _BIT_RATE = 48_000, "stereo", 160_000
# Samples a second by which sound may be stretched: sound cards and clocks differ by some 5 at most.
_STRETCH = 200


class AudioTrack:
    """The sound of a recording, in stereo at 48 kHz; for microphones, whose clock is not that of the frames.

    Samples keep to the time stamps: where these drift from the count of samples, the sound is stretched a little; gaps
    of more than a tenth of a second are filled with silence, and what would come twice is left out (FFmpeg's filter
    aresample). It starts at 0: what is before is cut off, what is missing is silent.

    Args:
        output: the container, which gets a stream.
    """

    def __init__(self, output: OutputContainer) -> None:
        stream = output.add_stream(encoder_of(output.format.name), rate=_RATE, layout=_LAYOUT)
        assert isinstance(stream, AudioStream)
        stream.bit_rate = _BIT_RATE
        self._stream = stream
        self._graph: Any = None
        self._form: tuple[Any, ...] = ()
        self._next = 0

    def encode(self, frame: av.AudioFrame | None) -> list[Packet[Any]]:
        """The packets that the next samples complete; None for the end, after which there are no more.

        Args:
            frame: with a pts, in any format, which may change on the way.
        """
        packets: list[Packet[Any]] = []
        if frame is not None:
            form = (frame.format.name, frame.layout.name, frame.sample_rate, frame.time_base)
            if form != self._form:
                packets += self._drained()
                self._form, self._graph = form, _graph(form, self._next)
            self._graph.push(frame)
            return packets + self._pulled()
        packets += self._drained()
        return packets + list(self._stream.encode(None))

    def _drained(self) -> list[Packet[Any]]:
        if self._graph is None:
            return []
        self._graph.push(None)
        packets, self._graph = self._pulled(), None
        return packets

    def _pulled(self) -> list[Packet[Any]]:
        packets: list[Packet[Any]] = []
        while True:
            try:
                samples = self._graph.pull()
            except av.error.EOFError:
                return packets
            except av.error.FFmpegError as error:
                if error.errno != EAGAIN:
                    raise
                return packets
            samples.pts, samples.time_base = self._next, Fraction(1, _RATE)
            self._next += samples.samples
            packets += self._stream.encode(samples)


def _graph(form: tuple[Any, ...], first: int) -> Any:
    """A filter graph from sound of that form to the encoder's, from the encoder's sample ``first`` on."""
    name, layout, rate, time_base = form
    first = round(first * rate / _RATE)  # aresample counts those of its input
    graph = av.filter.Graph()
    source = graph.add_abuffer(format=name, sample_rate=rate, layout=layout, time_base=time_base)
    keep = graph.add("aresample", f"{_RATE}:async={_STRETCH}:first_pts={first}")
    stereo = graph.add("aformat", f"sample_fmts=fltp:sample_rates={_RATE}:channel_layouts={_LAYOUT}")
    sink = graph.add("abuffersink")
    for one, other in ((source, keep), (keep, stereo), (stereo, sink)):
        one.link_to(other)
    graph.configure()
    return graph
