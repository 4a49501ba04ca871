"""Mends the clock of an input: packets continue where their time stamps jump or go back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from av.container import InputContainer
from av.format import Flags
from av.packet import Packet

from streamseg.errors import DamagedInput

__all__ = ["Timeline", "has_discontinuities"]

# The thresholds of ffmpeg's own program: formats that announce discontinuities jump sooner than others.
_BACK = Fraction(1, 10)
_AHEAD_ANNOUNCED, _AHEAD = Fraction(10), Fraction(30 * 3600)
# From here on a packet waits for the next one, which shows whether the clock has jumped or one stamp is wrong.
_SUSPICIOUS = Fraction(1)
# Where recordings are joined, the demuxer misses packets between them and calls one of the last ones corrupt: a joint
# so many packets later explains it.
_AFTER_CORRUPT = 3
# How far streams may overlap or be apart where several of them jump together.
_OVERLAP, _APART = Fraction(1, 2), Fraction(10)
_MEDIA = ("video", "audio")


@dataclass
class _Epoch:
    """A part of the input with one clock: ``offset`` seconds are added to its time stamps."""

    offset: Fraction


@dataclass
class _Stream:
    """What is known of a stream: its epoch, when its next packet is due and the last one was, and packets that wait."""

    epoch: _Epoch
    due: Fraction | None = None
    last: Fraction = Fraction(0)
    interval: Fraction = Fraction(0)
    waiting: list[Packet[Any]] = field(default_factory=list)


def has_discontinuities(container: InputContainer) -> bool:
    """Whether clocks may jump in this format, and start anywhere."""
    announced: int = Flags.ts_discont.value  # type: ignore[assignment]
    return bool(container.format.flags & announced)


class Timeline:
    """Changes time stamps of demuxed packets where the clock of the input is broken.

    A clock that goes back, or jumps ahead further than the format allows, continues where all streams had got to; the
    other streams follow by the same offset. A single stamp that is far off is replaced. Other packets keep theirs.

    Attributes:
        warnings: one sentence for each change.
    """

    def __init__(self, container: InputContainer) -> None:
        self.warnings: list[str] = []
        self._ahead = _AHEAD_ANNOUNCED if has_discontinuities(container) else _AHEAD
        self._epochs = [_Epoch(Fraction(0))]
        self._streams: dict[int, _Stream] = {}

    def mended(self, packets: Iterable[Packet[Any]]) -> Iterator[Packet[Any]]:
        """The same packets, in nearly the same order."""
        try:
            for packet in packets:
                yield from self._mend(packet)
        except DamagedInput:
            yield from self._rest()
            raise
        yield from self._rest()

    def _rest(self) -> Iterator[Packet[Any]]:
        for stream in self._streams.values():
            yield from self._release(stream, final=True)

    def _mend(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        stream = self._streams.setdefault(packet.stream.index, _Stream(self._epochs[-1]))
        if packet.dts is None or not packet.size or packet.stream.type not in _MEDIA:
            yield from self._release(stream, final=True)
            followed = stream if packet.stream.type in _MEDIA else _Stream(self._epochs[-1])
            yield _moved(packet, followed.epoch.offset)
        elif not stream.waiting and not self._must_wait(stream, packet):
            yield self._pass(stream, packet)
        else:
            stream.waiting.append(packet)
            if self._is_settled(stream.waiting):
                yield from self._release(stream, final=False)

    def _must_wait(self, stream: _Stream, packet: Packet[Any]) -> bool:
        return stream.due is not None and (packet.is_corrupt or self._is_suspicious(stream, _clock(packet)))

    def _is_settled(self, waiting: list[Packet[Any]]) -> bool:
        """Whether enough packets wait to tell what the first one is."""
        return len(waiting) > (_AFTER_CORRUPT if waiting[0].is_corrupt and not _joint(waiting) else 1)

    def _release(self, stream: _Stream, final: bool) -> Iterator[Packet[Any]]:
        """The packets that wait, each mended in view of the one that follows it in its stream."""
        queue, stream.waiting = stream.waiting, []
        if (joint := _joint(queue)) and queue[0].is_corrupt:
            for packet in queue[:joint]:
                packet.is_corrupt = False
        for index, packet in enumerate(queue):
            following = queue[index + 1] if index + 1 < len(queue) else None
            if following is None and not final and self._must_wait(stream, packet):
                stream.waiting = [packet]
            else:
                yield self._settled(stream, packet, following)

    def _is_suspicious(self, stream: _Stream, clock: Fraction) -> bool:
        late = self._late(stream, clock)
        return self._goes_back(stream, clock) or late > max(_SUSPICIOUS, 4 * stream.interval)

    def _goes_back(self, stream: _Stream, clock: Fraction) -> bool:
        return stream.due is not None and clock + stream.epoch.offset < stream.last - _BACK

    def _late(self, stream: _Stream, clock: Fraction) -> Fraction:
        return Fraction(0) if stream.due is None else clock + stream.epoch.offset - stream.due

    def _settled(self, stream: _Stream, packet: Packet[Any], following: Packet[Any] | None) -> Packet[Any]:
        late = self._late(stream, _clock(packet))
        if self._is_suspicious(stream, _clock(packet)):
            if following is not None and self._is_single(stream, _clock(packet), _clock(following)):
                self._warn(stream, f"a time stamp is off by {float(late):+.3f} s: replaced")
                packet = _moved(packet, -late)
            elif self._goes_back(stream, _clock(packet)) or late > self._ahead:
                self._bridge(stream, _clock(packet))
        return self._pass(stream, packet)

    def _is_single(self, stream: _Stream, clock: Fraction, following: Fraction) -> bool:
        """Whether the stream goes on after ``clock`` as if that had not been."""
        slack = max(_BACK, 2 * stream.interval)
        follows = not self._goes_back(stream, following) and self._late(stream, following) <= slack
        return follows and abs(following - clock) > slack

    def _bridge(self, stream: _Stream, clock: Fraction) -> None:
        """Choose the epoch in which ``clock`` continues the stream, a new one if there is none."""
        assert stream.due is not None
        for epoch in reversed(self._epochs):
            late = clock + epoch.offset - stream.due
            if -_OVERLAP <= late <= _APART:
                epoch.offset += max(Fraction(0), -late)
                stream.epoch = epoch
                return
        jump = float(self._late(stream, clock))
        self._warn(stream, f"the clock {'goes back' if jump < 0 else 'jumps'} by {abs(jump):.3f} s: bridged")
        due = max(each.due for each in self._streams.values() if each.due is not None)
        stream.epoch = _Epoch(due - clock)
        self._epochs.append(stream.epoch)

    def _pass(self, stream: _Stream, packet: Packet[Any]) -> Packet[Any]:
        packet = _moved(packet, stream.epoch.offset)
        time = _clock(packet)
        step = time - stream.last
        if packet.duration:
            stream.interval = min(Fraction(packet.duration * packet.time_base), _AHEAD_ANNOUNCED)
        elif stream.due is not None and step > 0:
            stream.interval = min(step, stream.interval or step, _SUSPICIOUS)
        stream.last = time
        stream.due = time + stream.interval
        return packet

    def _warn(self, stream: _Stream, what: str) -> None:
        self.warnings.append(f"at {float(stream.due or 0):.3f} s {what}")


def _clock(packet: Packet[Any]) -> Fraction:
    """Its dts in seconds, as in the input."""
    assert packet.dts is not None
    return Fraction(packet.dts * packet.time_base)


def _joint(packets: list[Packet[Any]]) -> int:
    """Index of the first packet before which the clock goes back, as where recordings are joined; 0 for none."""
    clocks = [_clock(packet) for packet in packets]
    return next((k for k in range(1, len(clocks)) if clocks[k] < clocks[k - 1] - _BACK), 0)


def _moved(packet: Packet[Any], seconds: Fraction) -> Packet[Any]:
    """``packet``, later by ``seconds``."""
    if seconds and packet.time_base:
        shift = round(seconds / Fraction(packet.time_base))
        if packet.dts is not None:
            packet.dts += shift
        if packet.pts is not None:
            packet.pts += shift
    return packet
