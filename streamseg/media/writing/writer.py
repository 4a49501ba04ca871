"""Writers: from frames, copied packets and live sound to a video file or a folder of images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import av
from av.format import Flags
from av.packet import Packet
from av.stream import Stream

from streamseg.errors import OutputError, StreamsegError
from streamseg.frame import Frame
from streamseg.media.pixels.conform import Shape
from streamseg.media.writing.audio_track import AudioTrack
from streamseg.media.writing.companions.add import Companion, add_companion
from streamseg.media.writing.companions.covers import Cover, add_cover
from streamseg.media.writing.display_size import set_display_size
from streamseg.media.writing.fragments import cut_off_incomplete, end_subtitles, extend_edits, hide_empty_tracks
from streamseg.media.writing.image_sequence import ImageSequenceWriter
from streamseg.media.writing.origin import Origin
from streamseg.media.writing.output_file import OutputFile
from streamseg.media.writing.rising import Rising
from streamseg.media.writing.target import Target
from streamseg.media.writing.video_track import VideoTrack, muxer_options

__all__ = ["VideoWriter", "Writer", "open_writer"]

# What FFmpeg says of a packet that it does not take; everything else is said of the file.
_REFUSED = (av.error.ArgumentError, av.error.InvalidDataError, av.error.PatchWelcomeError, av.error.ExperimentalError)
_MOST_REFUSED = 10
_MP4, _MATROSKA = ("mp4", "mov"), ("matroska", "webm")
# Their bitstreams have no sample aspect ratio, or not any.
_NO_ASPECT_RATIO = ("libvpx-vp9", "libvpx", "libsvtav1", "ffv1", "prores_ks")


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
        """Complete the output and give it its final name. Raises OutputError; then salvage or discard it."""
        ...

    def salvage(self) -> bool:
        """After an OutputError: give what was written its final name, if it can be played; else remove it."""
        ...

    def discard(self) -> None:
        """Close and remove the incomplete output."""
        ...


def open_writer(
    target: Target, shape: Shape, origin: Origin, copied: Sequence[Stream], overwrite: bool, sound: bool = False
) -> Writer:
    """The writer for ``target``.

    Args:
        shape: shape of the frames.
        origin: where they come from.
        copied: streams of the source whose packets will be written too; ignored for a folder of images.
        overwrite: replace an existing output.
        sound: live sound will be written too, by VideoWriter.write_sound; ignored for a folder of images.

    Raises:
        OptionError, UnsupportedDevice: see VideoWriter.
        OutputError: the output exists already or cannot be written.
    """
    file = OutputFile(target.path, overwrite, folder=target.is_folder)
    try:
        if target.is_folder:
            return ImageSequenceWriter(file, target.format.alpha)
        return VideoWriter(file, target, shape, origin, copied, sound)
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
        sound: live sound will be written too, by write_sound.

    Raises:
        OptionError: the encoder refuses its settings.
        UnsupportedDevice: the encoder is NVENC, and there is no GPU that encodes this.
        OutputError: the file cannot be written, or the container does not support the codec.
    """

    def __init__(
        self,
        file: OutputFile,
        target: Target,
        shape: Shape,
        origin: Origin,
        copied: Sequence[Stream],
        sound: bool = False,
    ) -> None:
        self._file, self._shape, self._codec = file, shape, target.codec
        self.warnings: list[str] = []
        self._companions: dict[int, Companion] = {}
        self._rising: dict[int, Rising] = {}
        self._refused: dict[int, int] = {}
        self._has_video = False
        options = muxer_options(target, origin, copied)
        with self._output_errors():
            self._container = av.open(str(file.path), "w", format=target.container, options=options)
        may_repeat: int = Flags.ts_nonstrict.value  # type: ignore[assignment]
        self._step = 0 if self._container.format.flags & may_repeat else 1
        try:
            with self._output_errors():
                self._track = VideoTrack(self._container, target, shape, origin)
                self.warnings = self._track.warnings  # more of them may come with the frames
                self._sound = AudioTrack(self._container) if sound else None
                self._add_companions(copied)
                self.warnings += origin.describe(self._container)
                self._write_covers(origin.covers)
        except BaseException:
            self._close_quietly()
            raise

    def _write_covers(self, covers: Sequence[Cover]) -> None:
        """Write the header, and the cover images first."""
        added = [add_cover(self._container, cover) for cover in covers]
        self._container.start_encoding()
        for each in added:
            if isinstance(each, str):
                self.warnings.append(each)
            elif each is not None:
                self._container.mux_one(each)

    def _add_companions(self, copied: Sequence[Stream]) -> None:
        for stream in copied:
            companion = add_companion(self._container, stream)
            if isinstance(companion, str):
                self.warnings.append(companion)
                continue
            self._companions[stream.index] = companion
            if companion.note:
                self.warnings.append(companion.note)

    def write(self, item: Frame | Packet[Any]) -> None:
        with self._output_errors():
            if not isinstance(item, Packet):
                self._mux(self._track.encode(item), "video")
            elif (companion := self._companions.get(item.stream.index)) is not None:
                self._write_companion(item.stream.index, companion, item)

    def write_sound(self, samples: av.AudioFrame) -> None:
        """Write the next block of live sound, with a pts, of a writer that was opened for it. Raises OutputError."""
        assert self._sound is not None
        with self._output_errors():
            self._mux(self._sound.encode(samples), "sound")

    @property
    def track(self) -> VideoTrack:
        """The video, for packets that are encoded already."""
        return self._track

    def write_encoded(self, packet: Packet[Any]) -> None:
        """Write the next packet of the video instead of a frame. Raises OutputError."""
        with self._output_errors():
            self._mux([self._track.adopt(packet)], "video")

    def _write_companion(self, index: int, companion: Companion, packet: Packet[Any] | None) -> None:
        """Write what ``companion`` makes of a packet; an encoder that fails ends it, but not the job."""
        try:
            self._mux(companion.packets(packet), companion.name)
        except _REFUSED as error:
            del self._companions[index]
            time = "" if packet is None or packet.dts is None else f" from {packet.dts * packet.time_base:.3f} s on"
            self.warnings.append(f"{companion.name} left out{time}: {error.strerror}")

    def _mux(self, packets: Iterator[Packet[Any]] | list[Packet[Any]], name: str) -> None:
        for packet in packets:
            target = self._container.streams[packet.stream_index]
            rising = self._rising.setdefault(target.index, Rising(name, self._step))
            rising(packet, target)
            try:
                self._container.mux_one(packet)
            except _REFUSED as error:
                self._count_refusal(target.index, name, packet, error)
            else:
                self._has_video |= target.type == "video"

    def _count_refusal(self, index: int, name: str, packet: Packet[Any], error: av.error.FFmpegError) -> None:
        """Go on without a packet; if there are more, raise the error."""
        count = self._refused[index] = self._refused.get(index, 0) + 1
        if count >= _MOST_REFUSED:
            raise error
        if count == 1:
            time = 0.0 if packet.dts is None else float(packet.dts * packet.time_base)
            self.warnings.append(f"{name}: a packet at {time:.3f} s was left out: {error.strerror}")

    def finish(self) -> None:
        try:
            with self._output_errors():
                for index, companion in list(self._companions.items()):
                    self._write_companion(index, companion, None)
                    if companion.damage:
                        self.warnings.append(companion.damage)
                self._mux_ends()
                if not self._has_video:
                    refused = [each for each in self.warnings if each.startswith("video: ")]
                    raise OutputError(f"{self._file.final}: cannot be written ({'; '.join(refused)})")
                self._container.close()
                self._mend()
        except OutputError:
            raise
        except BaseException:
            self.discard()
            raise
        self.warnings += [each.warning for each in self._rising.values() if each.warning]
        self._file.commit()

    def _mux_ends(self) -> None:
        """What the encoders still hold."""
        self._mux(self._track.encode(None), "video")
        if self._sound is not None:
            self._mux(self._sound.encode(None), "sound")

    def _mend(self) -> None:
        """Do in the closed file what its muxer has left undone."""
        container, aspect = self._container.format.name, self._shape.sample_aspect_ratio
        if container in _MP4:
            hide_empty_tracks(self._file.path)
            extend_edits(self._file.path)
            end_subtitles(self._file.path)
        elif container in _MATROSKA and self._codec in _NO_ASPECT_RATIO and aspect not in (0, 1):
            size = self._shape.width, self._shape.height
            kept = set_display_size(self._file.path, *size, aspect)
            self.warnings += [] if kept else [f"sample aspect ratio {aspect} is lost: players will show square pixels"]

    def salvage(self) -> bool:
        with suppress(StreamsegError), self._output_errors():
            self._mux_ends()
        self._close_quietly()
        with suppress(OSError, ValueError):
            if self._container.format.name in _MP4:
                cut_off_incomplete(self._file.path)
            else:
                self._mend()
        if not _is_playable(str(self._file.path)):
            self._file.discard()
            return False
        self._file.commit()
        return True

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


def _is_playable(path: str) -> bool:
    try:
        with av.open(path) as container:
            return next(container.decode(video=0), None) is not None
    except (av.error.FFmpegError, OSError, ValueError, IndexError):
        return False
