"""Where a video is cut into parts, and what each part needs of the frames before and after it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from av.container import InputContainer
from av.video.stream import VideoStream

from streamseg.media.reading.info import VideoInfo
from streamseg.media.reading.rate import is_plausible
from streamseg.media.reading.reader import VideoReader
from streamseg.media.reading.source import choose_video_stream, is_address, open_input, reads_once
from streamseg.media.reading.span import Span
from streamseg.media.reading.timeline import Timeline, has_discontinuities
from streamseg.media.writing.target import choose_target

from ...stages.effect import TRANSPARENT
from ...video import VideoJob

__all__ = ["NotSplit", "Part", "Plan", "choose_cuts", "facts_of", "part_length", "plan_parts"]

_SHORTEST_S, _LONGEST_S = 20.0, 60.0
# Parts for each worker, so that none waits long for the last one.
_PARTS_EACH = 3
# Frames before a part after which its mattes are those of a run over the whole file, where both see frames in the same
# way: measured, see docs/batch.md.
_WARM_UP = 30
_MICROSECONDS = 1_000_000


class NotSplit(Exception):
    """Why a file is left to one worker; one line."""


@dataclass(frozen=True, slots=True)
class Part:
    """Frames that one worker makes; all times are pts of the source.

    Attributes:
        number: from 0.
        warm_up: of the first frame that is decoded and matted; None for the first one that there is.
        first: of the first frame that is written; None for the first one that there is.
        end: of the first frame that belongs to the next part; None where it ends with the video.
        until: of the first frame that is not even needed for the look-ahead; None for none.
        frames: how many are written, an estimate.
        extra: how many others are decoded, an estimate.
    """

    number: int
    warm_up: int | None
    first: int | None
    end: int | None
    until: int | None
    frames: int
    extra: int


@dataclass(frozen=True, slots=True)
class Plan:
    """How a video is cut.

    Attributes:
        parts: in order.
        time_base: seconds per unit of pts.
        origin: seconds of the source's clock from which ``start`` counts.
        shift: seconds to be subtracted from all time stamps, see VideoReader.shift.
        begins: time of the first frame in the output, in seconds.
        facts: what all parts must have in common, see facts_of.
    """

    parts: tuple[Part, ...]
    time_base: Fraction
    origin: float
    shift: Fraction
    begins: float
    facts: str

    @property
    def cuts(self) -> list[int | None]:
        """Where the parts begin."""
        return [part.first for part in self.parts]


class _Packet(NamedTuple):
    pts: int
    is_key: bool


def part_length(seconds: float, workers: int) -> float:
    """Seconds of a part for a video of ``seconds``."""
    return min(_LONGEST_S, max(_SHORTEST_S, seconds / (_PARTS_EACH * workers)))


def facts_of(info: VideoInfo) -> str:
    """What is settled by the first frame, and must be the same where another frame is the first one."""
    return repr((info.shape, info.time_base, info.frame_rate, info.top_field_first, info.hdr))


def plan_parts(job: VideoJob, workers: int, length: float | None) -> Plan:
    """Cut a job into parts at key frames of its source.

    Args:
        length: seconds of a part; None for 20 to 60, depending on the video and the workers.

    Raises:
        NotSplit: this has to be done by one worker, or is as quick by one.
        InputError, OptionError: see VideoReader.
    """
    source = str(job.source)
    _check_source(job, source)
    with VideoReader(source, job.stream, job.start, job.duration, job.tolerant, threads=1) as reader:
        _check_reader(job, reader)
        info, shift, first = reader.info, reader.shift, reader.first
        begins = float(first.pts * info.time_base - shift) if first.pts is not None else 0.0
    packets, origin = _packets(job, source)
    cuts = choose_cuts(
        [float(packet.pts * info.time_base) for packet in packets if packet.is_key],
        float(packets[0].pts * info.time_base),
        float(packets[-1].pts * info.time_base),
        length or part_length(float((packets[-1].pts - packets[0].pts) * info.time_base), workers),
    )
    if not cuts:
        raise NotSplit("it is too short to be cut, or has no key frame in the middle")
    stamps = [packet.pts for packet in packets]
    period = job.matting.settings.schedule().period
    indices = [0, *(bisect_left(stamps, round(cut / info.time_base)) for cut in cuts), len(stamps)]
    parts = _parts(stamps, indices, period, job.matting.look_ahead)
    return Plan(parts, info.time_base, origin, shift, begins, facts_of(info))


def _check_source(job: VideoJob, source: str) -> None:
    if is_address(source) or reads_once(source):
        raise NotSplit("parts need a file that every worker can seek in")
    if job.device != "cpu":
        raise NotSplit("a GPU is one worker")
    if job.matting.auto_frame:
        raise NotSplit("--auto-frame follows the subject from the first frame to the last")


def _check_reader(job: VideoJob, reader: VideoReader) -> None:
    if has_discontinuities(reader.container):
        raise NotSplit(f"clocks may jump in {reader.container.format.name}, which shows only from its beginning")
    if not is_plausible(reader.video.average_rate):
        raise NotSplit("its frame rate is irregular")
    if reader.guessed_pts:
        raise NotSplit("its frames have no time stamps")
    if reader.warnings:
        raise NotSplit(f"its input has faults ({reader.warnings[0]})")
    alpha = job._background() == TRANSPARENT
    target = choose_target(str(job.output), reader.info.shape.format, alpha, job.encoding, reader.info.shape.colour)
    if target.codec == "libvpx-vp9" and alpha:
        raise NotSplit("the alpha of VP9 cannot be joined")


def _packets(job: VideoJob, source: str) -> tuple[list[_Packet], float]:
    """The packets of the video that the job reads, in the order in which they are shown, and the clock's origin."""
    container = open_input(source)
    try:
        video = choose_video_stream(container, source, job.stream)
        span = Span.of(container, video, job.start, job.duration, negative=False)
        timeline, found, count = Timeline(container), [], 0
        time_base = video.time_base or Fraction(1, 1000)
        for packet in timeline.mended(container.demux(video)):
            if not packet.size:
                continue
            count += 1
            if packet.pts is None:
                raise NotSplit("its frames have no time stamps")
            time = float(packet.pts * time_base)
            if not packet.is_discard and span.begun(time) and not span.ended(time):
                found.append(_Packet(packet.pts, packet.is_keyframe))
        _check_packets(container, video, span, timeline, found, count)
        return sorted(found), (container.start_time or 0) / _MICROSECONDS
    finally:
        container.close()


def _check_packets(
    container: InputContainer, video: VideoStream, span: Span, timeline: Timeline, found: list[_Packet], count: int
) -> None:
    if timeline.warnings:
        raise NotSplit(f"its input has faults ({timeline.warnings[0]})")
    if not found or len({packet.pts for packet in found}) < len(found):
        raise NotSplit("its frames have no time stamps of their own")
    last = float(max(found).pts * (video.time_base or 0)) - (container.start_time or 0) / _MICROSECONDS
    seconds = (container.duration or 0) / _MICROSECONDS
    if span.is_all and (count < video.frames or last < 0.9 * seconds - 1):
        raise NotSplit("it seems to be truncated")


def choose_cuts(keys: Sequence[float], begin: float, end: float, length: float) -> list[float]:
    """Key frames at which parts of about ``length`` seconds begin, none of less than half of that.

    Args:
        keys: times of the key frames in seconds, rising.
        begin, end: of the video.
    """
    cuts: list[float] = []
    while True:
        low = bisect_left(keys, begin + length / 2)
        high = bisect_right(keys, end - length / 2)
        if low >= high:
            return cuts
        nearest = bisect_left(keys, begin + length, low, high)
        options = [keys[index] for index in (nearest - 1, nearest) if low <= index < high]
        begin = min(options, key=lambda key: abs(key - begin - length))
        cuts.append(begin)


def _parts(stamps: list[int], indices: list[int], period: int, look_ahead: int) -> tuple[Part, ...]:
    parts = []
    for number, (first, end) in enumerate(pairwise(indices)):
        # By whole periods, so that both runs see a frame in the same way.
        warm_up = max(0, first - _WARM_UP) // period * period
        until = min(len(stamps), end + look_ahead)
        parts.append(
            Part(
                number,
                warm_up=stamps[warm_up] if warm_up else None,
                first=stamps[first] if first else None,
                end=stamps[end] if end < len(stamps) else None,
                until=stamps[until] if until < len(stamps) else None,
                frames=end - first,
                extra=first - warm_up + until - end,
            )
        )
    return tuple(parts)
