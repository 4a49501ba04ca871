"""Decoding on an NVIDIA GPU (NVDEC), through FFmpeg: when it can be used, and why not."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial

import av
from av.codec.hwaccel import HWAccel, HWDeviceType

from streamseg.errors import StreamsegError, UnsupportedDevice
from streamseg.media.pixels.captions import Captions
from streamseg.media.pixels.crop import Margins
from streamseg.media.pixels.gpu_frame import is_on_gpu, sample_format
from streamseg.media.pixels.native import planar_name
from streamseg.media.pixels.orient import UPRIGHT, Orientation
from streamseg.media.reading.reader import VideoReader
from streamseg.media.reading.source import reads_once

__all__ = ["HWACCELS", "GPUDecoding", "gpu_decoder", "open_reader"]

#: Values of ``--hwaccel``.
HWACCELS = ("auto", "none", "cuda")

# GPUs decode other formats too (new ones 4:4:4), which streamseg does not support there.
_DECODED = ("yuv420p", "yuv420p10le")
_SEMI_PLANAR = ("nv12", "p010le")


@dataclass(frozen=True, slots=True)
class GPUDecoding:
    """How to decode on a GPU.

    Attributes:
        stays: frames stay in GPU memory, for a device that works there, whose CUDA context must be current in the
            calling thread. Otherwise they are downloaded to the host.
        required: raise an error if the GPU cannot decode the video, instead of decoding on the CPU.
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
    decoding: GPUDecoding | None = None,
) -> VideoReader:
    """A reader that decodes on the GPU if ``decoding`` is given and the GPU can, with the same frames as on the CPU.

    The first frame is always decoded on the CPU too, and the GPU's must agree with it. If the GPU cannot be used, the
    reason is logged to ``streamseg``.

    Args:
        source, stream, start, duration, tolerant, threads: see VideoReader.
        decoding: None for the CPU.

    Raises:
        UnsupportedDevice: ``decoding`` requires the GPU, and it cannot decode the video.
        InputError, OptionError: as VideoReader.
    """
    open_with = partial(VideoReader, source, stream, start, duration, tolerant, threads)
    reader = open_with()
    if decoding is None:
        return reader
    try:
        gpu_reader = _gpu_reader(reader, open_with, decoding)
    except UnsupportedDevice as reason:
        if decoding.required:
            reader.close()
            raise UnsupportedDevice(f"--hwaccel cuda: {source}: {reason}; use --hwaccel none") from reason
        logging.getLogger("streamseg").warning("streamseg: hwaccel auto: the CPU decodes (%s)", reason)
        return reader
    except BaseException:
        reader.close()
        raise
    reader.close()
    return gpu_reader


def gpu_decoder(stays: bool) -> HWAccel:
    """FFmpeg's settings for decoding on the first GPU.

    If frames stay in GPU memory, the current CUDA context is used: FFmpeg cannot open the primary context once torch
    has opened it with other flags.

    Raises:
        UnsupportedDevice: there is no driver, or FFmpeg is built without NVDEC.
    """
    options: dict[str, object] = {"primary_ctx": "0", "current_ctx": "1"} if stays else {}
    decoder = HWAccel("cuda", allow_software_fallback=True, options=options, is_hw_owned=stays)
    try:
        decoder.create(av.Codec("h264", "r"))  # a test: the reader creates its own context
    except NotImplementedError:
        raise UnsupportedDevice("this FFmpeg is built without NVDEC") from None
    except (av.error.FFmpegError, OSError) as error:
        reason = error.strerror or str(error)
        raise UnsupportedDevice(f"no NVIDIA driver that decodes: {reason}; see nvidia-smi") from error
    return decoder


def _gpu_reader(reader: VideoReader, open_with: partial[VideoReader], decoding: GPUDecoding) -> VideoReader:
    """A reader like ``reader`` that decodes on the GPU. Raises UnsupportedDevice if that is not possible."""
    _check_video(reader)
    decoder = gpu_decoder(decoding.stays)
    try:
        gpu_reader = open_with(decoder)
    except StreamsegError as error:
        raise UnsupportedDevice(f"the driver cannot decode it: {error}") from error
    try:
        _check_same(reader, gpu_reader, decoding.stays)
    except BaseException:
        gpu_reader.close()
        raise
    gpu_reader.info = replace(gpu_reader.info, hdr=reader.info.hdr)
    if decoding.stays and Captions.are_in(reader.first):
        lost = "closed captions left out: frames stay on the GPU; --hwaccel none keeps them"
        gpu_reader.declared = replace(gpu_reader.declared, lost=(*gpu_reader.declared.lost, lost))
    return gpu_reader


def _check_video(reader: VideoReader) -> None:
    """Raise UnsupportedDevice for a video that is decoded on the CPU, whatever the GPU."""
    codec, shape, first = reader.video.codec_context.codec, reader.info.shape, reader.first
    if reads_once(reader.source):
        raise UnsupportedDevice("a pipe can be read only once, so decoding it on a GPU is not tried")
    if all(config.device_type != HWDeviceType.cuda for config in codec.hardware_configs or ()):
        raise UnsupportedDevice(f"no NVIDIA GPU decodes {codec.name}")
    if shape.format.alpha:
        raise UnsupportedDevice("NVDEC would drop the alpha plane")
    if planar_name(first.format.name) not in _DECODED:
        raise UnsupportedDevice(f"pixel format {first.format.name}: GPU decoding supports 4:2:0 with 8 or 10 bits")
    if reader.declared.margins != Margins():
        raise UnsupportedDevice("its container crops it, which only the CPU does")
    if Orientation.of(first) != UPRIGHT:
        raise UnsupportedDevice("its frames must be turned upright, which only the CPU does")
    if first.width % 2 or first.height % 2:
        raise UnsupportedDevice(f"{first.width}×{first.height} is an odd size, which only the CPU supports")


def _check_same(reader: VideoReader, gpu_reader: VideoReader, stays: bool) -> None:
    """Raise UnsupportedDevice unless the first frame was decoded by the GPU and agrees with the CPU's."""
    first, context = gpu_reader.first, reader.video.codec_context
    if sample_format(first).name not in _SEMI_PLANAR or is_on_gpu(first) != stays:
        profile = f" {context.profile}" if context.profile else ""
        raise UnsupportedDevice(f"the driver does not decode this kind of {context.codec.name}{profile}")
    # In hardware decoding, FFmpeg applies cropping on the right and at the bottom only.
    if (gpu_reader.info.shape, first.pts) != (reader.info.shape, reader.first.pts):
        got, expected = (f"{native.width}×{native.height} at {native.pts}" for native in (first, reader.first))
        raise UnsupportedDevice(f"the GPU's frames differ from the CPU's ({got}, expected {expected})")
