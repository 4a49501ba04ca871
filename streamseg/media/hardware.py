"""Decoding by an NVIDIA card (NVDEC), through FFmpeg: what it can be used for, and why not."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial

import av
from av.codec.hwaccel import HWAccel, HWDeviceType

from streamseg.errors import StreamsegError, UnsupportedDevice
from streamseg.media.card_frame import is_on_card, sample_format
from streamseg.media.native import planar_name
from streamseg.media.orient import UPRIGHT, Orientation
from streamseg.media.reader import VideoReader
from streamseg.media.source import reads_once

__all__ = ["HWACCELS", "CardDecoding", "card_decoder", "open_reader"]

#: What ``--hwaccel`` takes.
HWACCELS = ("auto", "none", "cuda")

# A card gives other pictures too (4:4:4 on new ones), which nothing here takes from it.
_DECODED = ("yuv420p", "yuv420p10le")
_SEMI_PLANAR = ("nv12", "p010le")


@dataclass(frozen=True, slots=True)
class CardDecoding:
    """How a card is to decode.

    Attributes:
        stays: pictures stay in the card's memory, for a device that works there: its context must be the calling
            thread's. Else they come to the host.
        required: fail where the card cannot decode the video, instead of leaving it to the CPU.
    """

    stays: bool
    required: bool = False


def open_reader(
    source: str,
    stream: int = 0,
    start: float = 0.0,
    duration: float | None = None,
    tolerant: bool = False,
    threads: int = 0,
    decoding: CardDecoding | None = None,
) -> VideoReader:
    """A reader whose pictures the card decodes if it is asked to and can, with the very frames of the CPU's way.

    The CPU decodes the first picture in every case: it says what the video is, and the card must say the same. Where
    the card is of no use the reason goes to the logger ``streamseg``.

    Raises:
        UnsupportedDevice: the card cannot decode this and ``decoding`` requires it.
        Besides what VideoReader raises.
    """
    opened = partial(VideoReader, source, stream, start, duration, tolerant, threads)
    reader = opened()
    if decoding is None:
        return reader
    try:
        on_card = _moved(reader, opened, decoding)
    except UnsupportedDevice as refusal:
        if decoding.required:
            reader.close()
            raise UnsupportedDevice(f"--hwaccel cuda: {source}: {refusal}; use --hwaccel none") from refusal
        logging.getLogger("streamseg").warning("streamseg: hwaccel auto: the CPU decodes (%s)", refusal)
        return reader
    except BaseException:
        reader.close()
        raise
    reader.close()
    return on_card


def card_decoder(stays: bool) -> HWAccel:
    """FFmpeg's settings for decoding on the first card.

    Where pictures stay there the context is the one that is current: FFmpeg refuses to share one that torch has opened
    under other settings than its own.

    Raises:
        UnsupportedDevice: there is no driver, or FFmpeg is built without it.
    """
    options: dict[str, object] = {"primary_ctx": "0", "current_ctx": "1"} if stays else {}
    decoder = HWAccel("cuda", allow_software_fallback=True, options=options, is_hw_owned=stays)
    try:
        decoder.create(av.Codec("h264", "r"))  # a trial: the reader makes its own
    except NotImplementedError:
        raise UnsupportedDevice("this FFmpeg is built without NVIDIA's decoder") from None
    except (av.error.FFmpegError, OSError) as error:
        reason = error.strerror or str(error)
        raise UnsupportedDevice(f"no NVIDIA driver that decodes: {reason}; see nvidia-smi") from error
    return decoder


def _moved(reader: VideoReader, opened: partial[VideoReader], decoding: CardDecoding) -> VideoReader:
    """The same reading with the card as decoder. Raises UnsupportedDevice, with nothing read, where it is of no use."""
    _check_video(reader)
    decoder = card_decoder(decoding.stays)
    try:
        on_card = opened(decoder)
    except StreamsegError as error:
        raise UnsupportedDevice(f"the driver decodes nothing of it: {error}") from error
    try:
        _check_same(reader, on_card, decoding.stays)
    except BaseException:
        on_card.close()
        raise
    return on_card


def _check_video(reader: VideoReader) -> None:
    """Raises UnsupportedDevice for a video that is better decoded on the CPU whatever the card."""
    codec, shape, first = reader.video.codec_context.codec, reader.info.shape, reader.first
    if reads_once(reader.source):
        raise UnsupportedDevice("what comes from a pipe can be read only once, and is not tried on a card")
    if all(config.device_type != HWDeviceType.cuda for config in codec.hardware_configs or ()):
        raise UnsupportedDevice(f"no NVIDIA card decodes {codec.name}")
    if shape.format.alpha:
        raise UnsupportedDevice("a card's decoder would drop the alpha")
    if planar_name(first.format.name) not in _DECODED:
        raise UnsupportedDevice(f"pixel format {first.format.name}: cards decode 4:2:0 of 8 or 10 bits here")
    if Orientation.of(first) != UPRIGHT:
        raise UnsupportedDevice("its pictures have to be turned upright, which the CPU does")
    if first.width % 2 or first.height % 2:
        raise UnsupportedDevice(f"{first.width}×{first.height} is an odd size, which only the CPU's way has whole")


def _check_same(reader: VideoReader, on_card: VideoReader, stays: bool) -> None:
    """Raises UnsupportedDevice unless the first picture came from the card and is like the CPU's."""
    first, context = on_card.first, reader.video.codec_context
    if sample_format(first).name not in _SEMI_PLANAR or is_on_card(first) != stays:
        profile = f" {context.profile}" if context.profile else ""
        raise UnsupportedDevice(f"the driver does not decode {context.codec.name}{profile} of this kind")
    # Of a cropped picture FFmpeg has a card cut the right and the bottom only.
    if (on_card.info.shape, first.pts) != (reader.info.shape, reader.first.pts):
        got, expected = (f"{made.width}×{made.height} at {made.pts}" for made in (first, reader.first))
        raise UnsupportedDevice(f"the driver's pictures are not the CPU's ({got}, not {expected})")
