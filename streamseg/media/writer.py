"""Writers: frames and copied packets go into a video file or a folder of pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from math import lcm
from typing import Any, Protocol

import av
from av.codec.context import ThreadType
from av.packet import Packet
from av.stream import Stream

from streamseg.errors import OptionError, OutputError, StreamsegError, UnsupportedDevice
from streamseg.frame import Frame
from streamseg.media.conform import Shape
from streamseg.media.native import native_of
from streamseg.media.origin import Origin
from streamseg.media.pictures import PictureWriter
from streamseg.media.place import Place
from streamseg.media.sound import Companion, add_companion
from streamseg.media.target import Target

__all__ = ["VideoWriter", "Writer", "open_writer"]

_LARGEST_CLOCK = 2**31 - 1
# Pictures without a word about the shape of pixels; PyAV cannot tell it to the Matroska muxer.
_NO_ASPECT = ("libvpx-vp9", "libvpx", "libsvtav1")


class Writer(Protocol):
    """Something that takes frames and copied packets in order and becomes a file."""

    warnings: list[str]

    def write(self, item: Frame | Packet[Any]) -> None:
        """Take the next frame or packet. Raises OutputError."""
        ...

    def finish(self) -> None:
        """Complete the output and give it its final name. Raises OutputError."""
        ...

    def discard(self) -> None:
        """Remove what was written so far."""
        ...


def open_writer(target: Target, shape: Shape, origin: Origin, copied: Sequence[Stream], overwrite: bool) -> Writer:
    """The writer for ``target``; a folder takes pictures only. Raises OutputError."""
    place = Place(target.path, overwrite, folder=target.is_folder)
    try:
        if target.is_folder:
            return PictureWriter(place, target.format.alpha)
        return VideoWriter(place, target, shape, origin, copied)
    except BaseException:
        place.discard()
        raise


class VideoWriter:
    """Encodes frames at their own time stamps and writes the source's other packets beside them.

    Args:
        place: where to write.
        target: container, encoder and format.
        shape: size and colour of the frames to come.
        origin: where they come from; its time base, rate, metadata and chapters are kept.
        copied: streams whose packets will come too.

    Raises:
        OptionError: the encoder refuses its settings.
        UnsupportedDevice: it is a card's, and there is none that encodes this.
        OutputError: the container refuses.
    """

    def __init__(self, place: Place, target: Target, shape: Shape, origin: Origin, copied: Sequence[Stream]) -> None:
        self._place = place
        self.warnings: list[str] = []
        self._companions: dict[int, Companion] = {}
        options = _muxer_options(target, origin, copied)
        with self._refusals():
            self._container = av.open(str(place.path), "w", format=target.container, options=options)
        try:
            with self._refusals():
                self._add_video(target, shape, origin)
                self._add_companions(copied)
                self._describe(origin)
                self._container.start_encoding()
        except BaseException:
            self._close_quietly()
            raise

    def _add_video(self, target: Target, shape: Shape, origin: Origin) -> None:
        options = dict(target.options)
        if target.codec == "libx264" and (flags := list(_x264_flags(origin, shape))):
            options["x264-params"] = ":".join(flags)
        stream: Any = self._container.add_stream(target.codec, rate=origin.frame_rate or 25, options=options)
        self._video = stream
        self._layout = None if target.layout == target.format.name else target.layout
        stream.width, stream.height, stream.pix_fmt = shape.width, shape.height, target.layout
        stream.time_base = origin.time_base
        context: Any = stream.codec_context
        context.time_base = origin.time_base
        # PyAV's default, slice threads, costs quality and is slower than threads across frames.
        context.thread_type, context.thread_count = ThreadType.FRAME, target.threads
        if shape.sample_aspect_ratio:
            context.sample_aspect_ratio = shape.sample_aspect_ratio
            square = shape.sample_aspect_ratio == 1
            if not square and target.codec in _NO_ASPECT and target.container in ("matroska", "webm"):
                self.warnings.append(f"pixels of shape {shape.sample_aspect_ratio} will be shown square")
        colour = shape.colour
        context.colorspace, context.color_range = colour.matrix, colour.range
        context.color_primaries, context.color_trc = colour.primaries, colour.transfer
        stream.metadata.update(origin.video_tags)
        self._open_encoder(options)

    def _open_encoder(self, options: dict[str, str]) -> None:
        """Apart from the container's header, so that a wrong setting is not taken for a full disk."""
        context = self._video.codec_context
        try:
            context.open(strict=False)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            if context.name.endswith("_nvenc") and not isinstance(error, ValueError):
                reason = getattr(error, "strerror", None) or error
                raise UnsupportedDevice(
                    f"{context.name}: no NVIDIA card that encodes this ({reason}); see nvidia-smi, or use --codec h264"
                ) from error
            settings = " ".join(f"{name}={value}" for name, value in options.items())
            raise OptionError(f"the encoder {context.name} refuses its settings: {settings}") from error

    def _add_companions(self, copied: Sequence[Stream]) -> None:
        for stream in copied:
            companion = add_companion(self._container, stream)
            if isinstance(companion, str):
                self.warnings.append(companion)
                continue
            self._companions[stream.index] = companion
            if companion.note:
                self.warnings.append(companion.note)

    def _describe(self, origin: Origin) -> None:
        self._container.metadata.update(origin.tags)
        self._container.set_chapters(origin.chapters)

    def write(self, item: Frame | Packet[Any]) -> None:
        with self._refusals():
            if isinstance(item, Packet):
                self._pass(item)
            else:
                self._encode(item)

    def _encode(self, frame: Frame) -> None:
        native = native_of(frame)
        if self._layout is not None:
            native = native.reformat(format=self._layout, threads=1)  # PyAV's way, in threads, mixes rows up
        native.pts, native.time_base = frame.pts, frame.time_base
        self._container.mux(self._video.encode(native))

    def _pass(self, packet: Packet[Any]) -> None:
        companion = self._companions.get(packet.stream.index)
        if companion is None:
            return
        for out in companion.packets(packet):
            self._container.mux_one(out)

    def finish(self) -> None:
        try:
            with self._refusals():
                for companion in self._companions.values():
                    self._container.mux(list(companion.packets(None)))
                    if companion.complaint:
                        self.warnings.append(companion.complaint)
                self._container.mux(self._video.encode(None))
                self._container.close()
        except BaseException:
            self.discard()
            raise
        self._place.commit()

    def discard(self) -> None:
        self._close_quietly()
        self._place.discard()

    def _close_quietly(self) -> None:
        with suppress(av.error.FFmpegError, OSError, ValueError):
            self._container.close()

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Errors of FFmpeg as ours, naming the output."""
        try:
            yield
        except StreamsegError:
            raise
        except (av.error.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise OutputError(f"{self._place.final}: cannot be written ({reason})") from error


def _x264_flags(origin: Origin, shape: Shape) -> Iterator[str]:
    if origin.top_field_first is not None:
        yield "tff=1" if origin.top_field_first else "bff=1"
    if shape.colour.range == 1:
        # x264 leaves limited range unsaid unless it has to say something of the signal.
        yield "videoformat=component"


def _muxer_options(target: Target, origin: Origin, copied: Sequence[Stream]) -> dict[str, str]:
    """MP4 rounds the start of a track to the movie's own clock (1 ms): one that divides all of them is exact."""
    if target.container not in ("mp4", "mov"):
        return {}
    clocks = [origin.time_base, *(stream.time_base for stream in copied if stream.time_base)]
    clock = lcm(*(time_base.denominator for time_base in clocks))
    return {"movie_timescale": str(clock if clock <= _LARGEST_CLOCK else origin.time_base.denominator)}
