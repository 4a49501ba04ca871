"""Pixel formats of encoders, and which of them phones and browsers play."""

from __future__ import annotations

from collections.abc import Iterable

import av

from streamseg.errors import InputError, OptionError
from streamseg.frame import Colour, PixelFormat

__all__ = ["NVENC", "NVENC_LAYOUTS", "closest_format", "explain", "is_hdr", "playable_format"]

# NVENC supports 10 bits only with interleaved Cb and Cr, and 4:4:4 not on all GPUs.
NVENC_LAYOUTS = {"yuv420p": "yuv420p", "yuv420p10le": "p010le"}
NVENC = ("h264_nvenc", "hevc_nvenc")
# Most bits that phones and browsers decode, with 4:2:0 only; other encoders are those of editors and archives.
_PLAYED_BITS = {"libx264": 8, "h264_nvenc": 8, "libx265": 10, "hevc_nvenc": 10, "libvpx-vp9": 10, "libsvtav1": 10}
_HDR = {16: "PQ", 18: "HLG"}
_CHROMA = {(1, 1): "4:2:0", (1, 0): "4:2:2", (0, 0): "4:4:4"}
_CODECS = {"libx264": "H.264", "libx265": "HEVC", "libvpx-vp9": "VP9", "libsvtav1": "AV1", "prores_ks": "ProRes"}
_CODECS |= {"h264_nvenc": "H.264 (NVENC)", "hevc_nvenc": "HEVC (NVENC)", "ffv1": "FFV1", "png": "PNG"}


def is_hdr(colour: Colour | None) -> bool:
    """Whether the transfer characteristics are PQ or HLG."""
    return colour is not None and colour.transfer in _HDR


def playable_format(codec: str, source: PixelFormat, deep: bool, alpha: bool) -> PixelFormat:
    """The format closest to ``source`` that players of ``codec`` decode; ``source`` for the codecs of editors.

    Args:
        deep: whether the source has more than 8 bits, or is HDR.
        alpha: whether the output has transparency.
    """
    bits = _PLAYED_BITS.get(codec)
    if bits is None:
        return source
    depth = min(bits, max(10, source.depth)) if deep else 8
    return PixelFormat.make(8 if alpha else depth, 1, 1, alpha)


def explain(codec: str, chosen: PixelFormat, source: PixelFormat, colour: Colour | None, asked: bool) -> str:
    """One line: what was chosen and why.

    Args:
        asked: whether the user has named the codec.
    """
    chroma = _chroma(chosen)
    what = f"{_CODECS.get(codec, codec)}, {chosen.depth}-bit {chroma}{' with alpha' if chosen.alpha else ''}"
    if is_hdr(colour) and colour is not None:
        why = f"the source is HDR ({_HDR[colour.transfer]})"
    elif source.depth > 8:
        why = f"the source has {source.depth} bits"
    else:
        why = "the source has 8 bits"
    why = f"the codec was asked for, {why}" if asked else why
    if (chosen.depth, chroma) == (source.depth, _chroma(source)) or chosen.alpha or codec not in _PLAYED_BITS:
        return f"{what}: {why}"
    if chosen.depth < source.depth or chroma != _chroma(source):
        lost = f"{source.depth}-bit {_chroma(source)}"
        return f"{what}: {why}, and players want this; --pixel-format source keeps {lost}"
    return f"{what}: {why}"


def _chroma(pixel_format: PixelFormat) -> str:
    return _CHROMA.get((pixel_format.shift_x, pixel_format.shift_y), "other chroma")


def closest_format(codec: str, source: PixelFormat, alpha: bool) -> PixelFormat:
    """The format of the encoder that loses least of ``source``. Raises OptionError if it has none with ``alpha``."""
    candidates = [f for f in _encoder_formats(codec) if f.alpha == alpha and f.rgb == source.rgb]
    if not candidates:
        what = "transparency" if alpha else "planar video"
        raise OptionError(f"--codec {codec}: this encoder does not support {what}")

    def distance(candidate: PixelFormat) -> tuple[int, int, int]:
        depth = candidate.depth - source.depth
        chroma = (source.shift_x - candidate.shift_x) + (source.shift_y - candidate.shift_y)
        coarser = max(0, candidate.shift_x - source.shift_x) + max(0, candidate.shift_y - source.shift_y)
        return max(0, -depth), coarser, abs(depth) + abs(chroma)

    return min(candidates, key=distance)


def _encoder_formats(codec: str) -> Iterable[PixelFormat]:
    try:
        encoder = av.Codec(codec, "w")
    except ValueError as error:
        raise OptionError(f"--codec {codec}: no such encoder; try h264, h265, vp9, av1, prores") from error
    if encoder.type != "video":
        raise OptionError(f"--codec {codec}: is not a video encoder")
    names = NVENC_LAYOUTS if codec in NVENC else [each.name for each in encoder.video_formats or ()]
    for name in names:
        try:
            yield PixelFormat.parse(name)
        except InputError:
            continue
