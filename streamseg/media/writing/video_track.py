"""The video of an output: its encoder, in the shape and the time of its source."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import lcm
from typing import Any

import av
from av.codec.context import ThreadType
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from streamseg.errors import OptionError, UnsupportedDevice
from streamseg.frame import Frame
from streamseg.media.pixels.captions import CaptionWriter
from streamseg.media.pixels.conform import Shape
from streamseg.media.pixels.hdr import HDRMetadata
from streamseg.media.pixels.native import native_of
from streamseg.media.writing.formats import is_hdr
from streamseg.media.writing.hdr import hdr_settings
from streamseg.media.writing.origin import Origin
from streamseg.media.writing.rising import rescaled
from streamseg.media.writing.scheduling import kept_scheduling
from streamseg.media.writing.target import Target

__all__ = ["VideoTrack", "muxer_options"]

_MAX_TIMESCALE = 2**31 - 1
# MP4 has 31 bits for the time between two frames: with a finer unit, minutes would not fit.
_FINEST_MP4, _FINE_MP4 = 250_000, Fraction(1, 90_000)
# Until it is complete, the file consists of fragments of at most a second and 4 MB, which can be played when nothing
# more can be written. At the end one index takes their place; its edit list depends on the first packets: the delay.
_FRAGMENTS = {"movflags": "hybrid_fragmented+delay_moov", "frag_duration": "1000000", "frag_size": "4000000"}
_DEFAULT_FPS = 25
# So few frames are stored in the order in which they are shown; x265 gives their dts from memory that it has not set.
_NEVER_REORDERED = 2


class VideoTrack:
    """Adds a video stream to a container and encodes frames for it.

    Args:
        output: the container.
        target, shape, origin: as for VideoWriter.

    Attributes:
        warnings: what of the source is lost, one sentence each.

    Raises:
        OptionError: the encoder refuses its settings.
        UnsupportedDevice: the encoder is NVENC, and there is no GPU that encodes this.
    """

    def __init__(self, output: OutputContainer, target: Target, shape: Shape, origin: Origin) -> None:
        self.warnings: list[str] = []
        options = dict(target.options)
        if target.codec == "libx264" and (flags := list(_x264_flags(origin, shape))):
            options["x264-params"] = ":".join(flags)
        if origin.hdr is not None and is_hdr(shape.colour):
            self._join_hdr(options, target.codec, origin.hdr)
        stream: Any = output.add_stream(target.codec, rate=origin.frame_rate or _DEFAULT_FPS, options=options)
        self._stream, self._origin = stream, origin
        self._layout = None if target.layout == target.format.name else target.layout
        self._time_base = _time_base(target, origin)
        self._is_mp4 = target.container in ("mp4", "mov")
        self._last: int | None = None
        self._last_duration = self._count = 0
        self._durations: dict[int, int] = {}
        stream.width, stream.height, stream.pix_fmt = shape.width, shape.height, target.layout
        stream.time_base = stream.codec_context.time_base = self._time_base
        if target.tag:
            stream.codec_context.codec_tag = target.tag
        # PyAV's default, slice threads, gives lower quality and is slower than frame threads.
        stream.codec_context.thread_type, stream.codec_context.thread_count = ThreadType.FRAME, target.threads
        self._describe(target, shape)
        private = stream.codec_context.supported_options.private
        self._takes_captions = any(option.name == "a53cc" for option in private)
        self._caption_writer, self._lost_captions = CaptionWriter(), False
        if self._takes_captions:
            options["a53cc"] = stream.options["a53cc"] = "1"
        self._open_encoder(options)

    def _join_hdr(self, options: dict[str, str], codec: str, metadata: HDRMetadata) -> None:
        settings = hdr_settings(codec, metadata)
        if not settings:
            self.warnings.append(f"mastering display and light levels left out: {codec} cannot write them")
        for name, value in settings.items():
            options[name] = ":".join(filter(None, [options.get(name), value]))

    def _describe(self, target: Target, shape: Shape) -> None:
        context = self._stream.codec_context
        if shape.sample_aspect_ratio:
            context.sample_aspect_ratio = shape.sample_aspect_ratio
        colour = shape.colour
        context.colorspace, context.color_range = colour.matrix, colour.range
        context.color_primaries, context.color_trc = colour.primaries, colour.transfer
        self._stream.metadata.update(self._origin.video_tags)

    def _open_encoder(self, options: dict[str, str]) -> None:
        """Before the container's header is written, so that a wrong setting is not reported as a failed write."""
        context = self._stream.codec_context
        os.environ.setdefault("SVT_LOG", "1")  # else SVT-AV1 prints its settings
        try:
            with kept_scheduling():
                context.open(strict=False)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            if context.name.endswith("_nvenc") and not isinstance(error, ValueError):
                reason = getattr(error, "strerror", None) or error
                raise UnsupportedDevice(
                    f"{context.name}: no NVIDIA GPU that encodes this ({reason}); see nvidia-smi, or use --codec h264"
                ) from error
            settings = " ".join(f"{name}={value}" for name, value in options.items())
            raise OptionError(f"the encoder {context.name} refuses its settings: {settings}") from error

    def encode(self, frame: Frame | None) -> list[Packet[Any]]:
        """The packets that are ready after ``frame``; None for the rest."""
        if frame is None:
            return self.finish()
        native = self._captioned(native_of(frame), frame.pts)
        if self._layout is not None:
            native = native.reformat(format=self._layout, threads=1)  # several threads would mix up rows
        duration = self._origin.durations.take(frame.pts) if self._origin.durations else 0
        pts = rescaled(frame.pts, frame.time_base, self._time_base)
        # Two frames may have the same time in coarser units.
        self._last = pts if self._last is None else max(pts, self._last + 1)
        native.pts, native.time_base = self._last, self._time_base
        self._count += 1
        self._durations[self._last] = self._last_duration = rescaled(duration, frame.time_base, self._time_base)
        return [self._timed(packet) for packet in self._stream.encode(native)]

    def finish(self, goes_on: bool = False) -> list[Packet[Any]]:
        """The packets that the encoder still holds; none if it was not used.

        Args:
            goes_on: whether the video does, with frames that another encoder gets.
        """
        if self._last is None:
            return []
        if not goes_on:
            self._end_last()
        packets = [self._timed(packet) for packet in self._stream.encode(None)]
        if self._count <= _NEVER_REORDERED:
            for packet in packets:
                packet.dts = packet.pts
        if packets and not goes_on:
            self._hold_last(packets[-1])
        return packets

    @property
    def time_base(self) -> Fraction:
        """Seconds per unit of the packets' time stamps."""
        return self._time_base

    @property
    def extradata(self) -> bytes:
        """What the container stores for the decoder, besides the packets."""
        return bytes(self._stream.codec_context.extradata or b"")

    def adopt(self, packet: Packet[Any]) -> Packet[Any]:
        """A packet of another encoder with the same settings, as one of this track."""
        packet.stream, packet.time_base = self._stream, self._time_base
        return packet

    def _captioned(self, native: av.VideoFrame, pts: int) -> av.VideoFrame:
        """``native`` with its closed captions, which encoders of broadcast video write beside the samples."""
        carrier = self._origin.captions.take(pts) if self._origin.captions else None
        if carrier is None:
            return native
        if self._takes_captions:
            return self._caption_writer(native, carrier)
        if not self._lost_captions:
            self._lost_captions = True
            self.warnings.append(f"closed captions left out: {self._stream.codec_context.name} cannot hold them")
        return native

    def _timed(self, packet: Packet[Any]) -> Packet[Any]:
        """``packet`` with the duration of its frame, which most encoders forget."""
        if packet.pts is not None and (duration := self._durations.pop(packet.pts, 0)):
            packet.duration = duration
        return packet

    @property
    def _interval(self) -> Fraction:
        return 1 / (self._time_base * (self._origin.frame_rate or _DEFAULT_FPS))

    def _end_last(self) -> None:
        """Let the last frame last as long as the source says it does, or else one interval."""
        end = self._origin.durations.end if self._origin.durations else None
        if end is not None and self._last in self._durations:
            rest = rescaled(end, self._origin.time_base, self._time_base) - self._last
            self._last_duration = self._durations[self._last] = max(self._last_duration, rest)
        if self._last in self._durations and not self._last_duration:
            self._last_duration = self._durations[self._last] = round(self._interval)

    def _hold_last(self, packet: Packet[Any]) -> None:
        """In MP4 the last packet to be decoded ends the track; the last frame may be another, and held longer."""
        held = self._last_duration > 2 * self._interval or not packet.duration
        if self._is_mp4 and self._last is not None and packet.pts is not None and held:
            packet.duration = self._last + self._last_duration - packet.pts


def _time_base(target: Target, origin: Origin) -> Fraction:
    """Seconds per unit of pts: the source's, where the container can hold it."""
    if target.container == "avi":  # has no times, only one interval for all frames
        return 1 / Fraction(origin.constant_rate or origin.frame_rate or _DEFAULT_FPS)
    if target.container in ("mp4", "mov") and 1 / origin.time_base > _FINEST_MP4:
        return _FINE_MP4
    return origin.time_base


def _x264_flags(origin: Origin, shape: Shape) -> Iterator[str]:
    if origin.top_field_first is not None:
        yield "tff=1" if origin.top_field_first else "bff=1"
    if origin.irregular:
        yield "force-cfr=1"  # else x264 writes the clock's rate, often 1000, as that of the frames; times stay
    if shape.colour.range == 1:
        # x264 writes limited range into the bitstream only with another video signal property.
        yield "videoformat=component"


def muxer_options(target: Target, origin: Origin, copied: Sequence[Stream]) -> dict[str, str]:
    """MP4 rounds the start of a track to the movie's timescale (1 ms by default); a common multiple of all is exact."""
    if target.container not in ("mp4", "mov"):
        return {}
    own = _time_base(target, origin)
    time_bases = [own, *(stream.time_base for stream in copied if stream.time_base)]
    timescale = lcm(*(time_base.denominator for time_base in time_bases))
    options = {"movie_timescale": str(timescale if timescale <= _MAX_TIMESCALE else own.denominator), **_FRAGMENTS}
    if any(name.startswith(("com.apple.", "com.android.")) for name in origin.tags):
        options["movflags"] += "+use_metadata_tags"  # the muxer knows a handful of names otherwise
    return options
