"""Encoding by an NVIDIA card (NVENC): chosen where the choice is ours, and only where its encoder opens."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import av

from streamseg.media.reader import VideoInfo
from streamseg.media.target import Encoding, Target, choose_target

__all__ = ["choose_card_target"]

_ENCODER = "h264_nvenc"
_USUAL_RATE = 25


def choose_card_target(path: str, source: VideoInfo, alpha: bool, encoding: Encoding) -> Target:
    """As choose_target, but H.264 is left to the card where nobody asked for an encoder and the card's opens.

    Many cards have none (those for data centres), and no list says which has what: a trial opening with the size and
    the settings to come does. Where it fails the reason goes to the logger ``streamseg``. x264 also keeps interlaced
    video and what is not 4:2:0, which NVENC would not; and a preset is x264's.
    """
    target = choose_target(path, source.shape.format, alpha, encoding)
    ours = encoding.codec is None and encoding.preset is None and target.codec == "libx264"
    if not ours or source.top_field_first is not None:
        return target
    on_card = choose_target(path, source.shape.format, alpha, replace(encoding, codec=_ENCODER))
    if on_card.format != target.format:
        return target
    refusal = _refusal(on_card, source)
    if refusal is None:
        return on_card
    logging.getLogger("streamseg").warning("streamseg: x264 encodes on the CPU (%s: %s)", _ENCODER, refusal)
    return target


def _refusal(target: Target, source: VideoInfo) -> str | None:
    """Why the encoder does not open, or None if it does."""
    context: Any = av.CodecContext.create(target.codec, "w")
    shape = source.shape
    context.width, context.height = shape.width + shape.width % 2, shape.height + shape.height % 2
    context.pix_fmt, context.options = target.layout, dict(target.options)
    context.time_base, context.framerate = source.time_base, source.frame_rate or _USUAL_RATE
    try:
        context.open()
    except (av.error.FFmpegError, OSError, ValueError) as error:
        return str(getattr(error, "strerror", None) or error)
    return None
