"""Writers: from frames and copied packets to a video file or a folder of images."""

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
from streamseg.media.pixels.conform import Shape
from streamseg.media.pixels.native import native_of
from streamseg.media.writing.audio import Companion, add_companion
from streamseg.media.writing.image_sequence import ImageSequenceWriter
from streamseg.media.writing.origin import Origin
from streamseg.media.writing.output_file import OutputFile
from streamseg.media.writing.target import Target

__all__ = ["VideoWriter", "Writer", "open_writer"]

_MAX_TIMESCALE = 2**31 - 1
# Their bitstreams have no sample aspect ratio, and PyAV cannot pass it to the Matroska muxer.
_NO_ASPECT_RATIO = ("libvpx-vp9", "libvpx", "libsvtav1")


class Writer(Protocol):
    """Writes frames and copied packets, in order, to an output.

    Attributes:
        warnings: what a user should know about the output, one sentence each.
    """

    warnings: list[str]

    def write(self, item: Frame | Packet[Any]) -> None:
        """Write the next frame or packet. Raises OutputError."""
        ...

    def finish(self) -> None:
        """Complete the output and give it its final name. Raises OutputError."""
        ...

    def discard(self) -> None:
        """Close and remove the incomplete output."""
        ...


def open_writer(target: Target, shape: Shape, origin: Origin, copied: Sequence[Stream], overwrite: bool) -> Writer:
    """The writer for ``target``.

    Args:
        shape: shape of the frames.
        origin: where they come from.
        copied: streams of the source whose packets will be written too; ignored for a folder of images.
        overwrite: replace an existing output.

    Raises:
        OptionError, UnsupportedDevice: see VideoWriter.
        OutputError: the output exists already or cannot be written.
    """
    file = OutputFile(target.path, overwrite, folder=target.is_folder)
    try:
        if target.is_folder:
            return ImageSequenceWriter(file, target.format.alpha)
        return VideoWriter(file, target, shape, origin, copied)
    except BaseException:
        file.discard()
        raise


class VideoWriter:
    """Encodes frames at their own time stamps, and writes packets of the source's other streams.

    Args:
        file: the output file.
        target: container, encoder and pixel format.
        shape: size and colour of the frames.
        origin: where they come from; its time base, frame rate, metadata and chapters are kept.
        copied: streams of the source whose packets will be written too.

    Raises:
        OptionError: the encoder refuses its settings.
        UnsupportedDevice: the encoder is NVENC, and there is no GPU that encodes this.
        OutputError: the file cannot be written, or the container does not support the codec.
    """

    def __init__(
        self, file: OutputFile, target: Target, shape: Shape, origin: Origin, copied: Sequence[Stream]
    ) -> None:
        self._file = file
        self.warnings: list[str] = []
        self._companions: dict[int, Companion] = {}
        options = _muxer_options(target, origin, copied)
        with self._output_errors():
            self._container = av.open(str(file.path), "w", format=target.container, options=options)
        try:
            with self._output_errors():
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
        # PyAV's default, slice threads, gives lower quality and is slower than frame threads.
        context.thread_type, context.thread_count = ThreadType.FRAME, target.threads
        if shape.sample_aspect_ratio:
            context.sample_aspect_ratio = shape.sample_aspect_ratio
            square = shape.sample_aspect_ratio == 1
            if not square and target.codec in _NO_ASPECT_RATIO and target.container in ("matroska", "webm"):
                self.warnings.append(
                    f"sample aspect ratio {shape.sample_aspect_ratio} is lost: players will show square pixels"
                )
        colour = shape.colour
        context.colorspace, context.color_range = colour.matrix, colour.range
        context.color_primaries, context.color_trc = colour.primaries, colour.transfer
        stream.metadata.update(origin.video_tags)
        self._open_encoder(options)

    def _open_encoder(self, options: dict[str, str]) -> None:
        """Before the container's header is written, so that a wrong setting is not reported as a failed write."""
        context = self._video.codec_context
        try:
            context.open(strict=False)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            if context.name.endswith("_nvenc") and not isinstance(error, ValueError):
                reason = getattr(error, "strerror", None) or error
                raise UnsupportedDevice(
                    f"{context.name}: no NVIDIA GPU that encodes this ({reason}); see nvidia-smi, or use --codec h264"
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
        with self._output_errors():
            if isinstance(item, Packet):
                self._write_packet(item)
            else:
                self._encode(item)

    def _encode(self, frame: Frame) -> None:
        native = native_of(frame)
        if self._layout is not None:
            native = native.reformat(format=self._layout, threads=1)  # several threads would mix up rows
        native.pts, native.time_base = frame.pts, frame.time_base
        self._container.mux(self._video.encode(native))

    def _write_packet(self, packet: Packet[Any]) -> None:
        companion = self._companions.get(packet.stream.index)
        if companion is None:
            return
        for out in companion.packets(packet):
            self._container.mux_one(out)

    def finish(self) -> None:
        try:
            with self._output_errors():
                for companion in self._companions.values():
                    self._container.mux(list(companion.packets(None)))
                    if companion.damage:
                        self.warnings.append(companion.damage)
                self._container.mux(self._video.encode(None))
                self._container.close()
        except BaseException:
            self.discard()
            raise
        self._file.commit()

    def discard(self) -> None:
        self._close_quietly()
        self._file.discard()

    def _close_quietly(self) -> None:
        with suppress(av.error.FFmpegError, OSError, ValueError):
            self._container.close()

    @contextmanager
    def _output_errors(self) -> Iterator[None]:
        """Raise FFmpeg's errors as OutputError, with the name of the output."""
        try:
            yield
        except StreamsegError:
            raise
        except (av.error.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise OutputError(f"{self._file.final}: cannot be written ({reason})") from error


def _x264_flags(origin: Origin, shape: Shape) -> Iterator[str]:
    if origin.top_field_first is not None:
        yield "tff=1" if origin.top_field_first else "bff=1"
    if shape.colour.range == 1:
        # x264 writes limited range into the bitstream only with another video signal property.
        yield "videoformat=component"


def _muxer_options(target: Target, origin: Origin, copied: Sequence[Stream]) -> dict[str, str]:
    """MP4 rounds the start of a track to the movie's timescale (1 ms by default); a common multiple of all is exact."""
    if target.container not in ("mp4", "mov"):
        return {}
    time_bases = [origin.time_base, *(stream.time_base for stream in copied if stream.time_base)]
    timescale = lcm(*(time_base.denominator for time_base in time_bases))
    return {"movie_timescale": str(timescale if timescale <= _MAX_TIMESCALE else origin.time_base.denominator)}
