"""Encoding on an NVIDIA GPU (NVENC): chosen if the user has not chosen an encoder, and if NVENC can be opened."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import av

from streamseg.media.reading.reader import VideoInfo
from streamseg.media.writing.target import Encoding, Target, choose_target

__all__ = ["choose_gpu_target"]

_ENCODERS = {"libx264": "h264_nvenc", "libx265": "hevc_nvenc"}
_DEFAULT_FPS = 25


def choose_gpu_target(path: str, source: VideoInfo, alpha: bool, encoding: Encoding) -> Target:
    """As choose_target, but with NVENC instead of x264 or x265 if the user has chosen neither an encoder nor a preset.

    Many GPUs have no encoder (those for data centres), which only opening it with the final size and settings shows. If
    that fails, the reason is logged to ``streamseg``. Interlaced video and video other than 4:2:0 is left to x264,
    because NVENC would not keep it; a preset is one of x264's.

    Raises:
        OptionError: as choose_target.
    """
    shape = source.shape
    target = choose_target(path, shape.format, alpha, encoding, shape.colour)
    encoder = _ENCODERS.get(target.codec)
    is_default = encoding.codec is None and encoding.preset is None
    if not is_default or encoder is None or source.top_field_first is not None:
        return target
    gpu_target = choose_target(path, shape.format, alpha, replace(encoding, codec=encoder), shape.colour)
    if gpu_target.format != target.format:
        return target
    reason = _open_error(gpu_target, source)
    if reason is None:
        return gpu_target
    logging.getLogger("streamseg").warning(
        "streamseg: %s encodes on the CPU (%s: %s)", target.codec[3:], encoder, reason
    )
    return target


def _open_error(target: Target, source: VideoInfo) -> str | None:
    """The error from opening the encoder; None if it can be opened."""
    context: Any = av.CodecContext.create(target.codec, "w")
    shape = source.shape
    context.width, context.height = shape.width + shape.width % 2, shape.height + shape.height % 2
    context.pix_fmt, context.options = target.layout, dict(target.options)
    context.time_base, context.framerate = source.time_base, source.frame_rate or _DEFAULT_FPS
    try:
        context.open()
    except (av.error.FFmpegError, OSError, ValueError) as error:
        return str(getattr(error, "strerror", None) or error)
    return None
