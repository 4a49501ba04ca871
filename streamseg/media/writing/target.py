"""Container, encoder and pixel format of an output, chosen by its name."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import av

from streamseg.errors import InputError, OptionError
from streamseg.frame import Colour, PixelFormat
from streamseg.media.reading.source import is_present
from streamseg.media.writing.formats import NVENC, NVENC_LAYOUTS, closest_format, explain, is_hdr, playable_format

__all__ = ["Encoding", "Target", "asks_for_alpha", "choose_target"]

_CONTAINERS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".avi": "avi",
    ".ts": "mpegts",
}
_FOLDER = "folder"
_OPAQUE_CODECS = {"webm": "libvpx-vp9", "avi": "libx264", _FOLDER: "png"}
_ALPHA_CODECS = {"mov": "prores_ks", "matroska": "prores_ks", "webm": "libvpx-vp9", _FOLDER: "png"}
_CODEC_NAMES = {
    "h264": "libx264",
    "h265": "libx265",
    "hevc": "libx265",
    "vp9": "libvpx-vp9",
    "av1": "libsvtav1",
    "prores": "prores_ks",
}
_DEFAULTS = {
    "libx264": {"crf": "18"},
    "libx265": {"crf": "20", "preset": "fast", "x265-params": "log-level=error"},
    "libvpx-vp9": {"crf": "24", "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"},
    "libsvtav1": {"crf": "28", "preset": "8"},
    "h264_nvenc": {"rc": "vbr", "cq": "19", "b": "0", "preset": "p4"},
    "hevc_nvenc": {"rc": "vbr", "cq": "21", "b": "0", "preset": "p4"},
}
# For x264 unless the user chooses a preset. It keeps the frames of its look-ahead, 6 MB each at 1080p: 5 instead of 10
# cost .25 to .4 dB at the same bit rate, which trellis quantisation regains for 8 % of the encoder's time. With these,
# CRF 17 has the size and the quality of CRF 18 without them.
_LOW_MEMORY_X264 = {"crf": "17", "preset": "veryfast", "rc-lookahead": "5", "trellis": "1"}
# The muxer writes others as private data, which no player supports.
_MPEGTS_VIDEO = ("h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4")
# H.264 and H.265 crop by whole chroma samples, so subsampled video cannot have an odd size.
_EVEN_SIZES_ONLY = ("libx264", "libx265", "libsvtav1", *NVENC)
_HEVC = ("libx265", "hevc_nvenc")


@dataclass(frozen=True, slots=True)
class Encoding:
    """How to encode the video; None for the default of the output's container.

    Attributes:
        codec: an encoder of FFmpeg, or one of h264, h265, vp9, av1, prores, ffv1.
        pixel_format: "source" keeps the source's chroma subsampling and depth where the encoder can; None chooses what
            phones and browsers play, except in .mkv and for ProRes, FFV1 and other encoders of editors.
        crf: constant quality, on the encoder's own scale (lower is better).
        preset: the encoder's own preset.
        threads: threads of x264 with the default preset, each of which holds frames; 0 for the encoder's choice. Other
            encoders and presets, which may be the slowest stage, always choose themselves.
    """

    codec: str | None = None
    crf: float | None = None
    preset: str | None = None
    threads: int = 0
    pixel_format: str | None = None

    def __post_init__(self) -> None:
        if self.pixel_format not in (None, "source"):
            raise OptionError(f"pixel format {self.pixel_format!r}: expected source")


@dataclass(frozen=True, slots=True)
class Target:
    """Container, encoder and pixel format of an output.

    Attributes:
        path: the final name.
        container: FFmpeg's name of the container, or "folder" for numbered images.
        codec: FFmpeg's name of the encoder.
        format: planar format of the frames to be written.
        layout: FFmpeg's name of the encoder's pixel format: that of ``format``, or another one with the same samples.
        options: options of the encoder.
        even: whether width and height must be even.
        threads: encoder threads; 0 for the encoder's choice.
        tag: four letters by which the container names the codec; "" for FFmpeg's choice.
        reason: what was chosen and why, in one line.
    """

    path: Path
    container: str
    codec: str
    format: PixelFormat
    layout: str
    options: dict[str, str]
    even: bool
    threads: int = 0
    tag: str = ""
    reason: str = ""

    @property
    def is_folder(self) -> bool:
        """Whether the output is a folder of numbered images."""
        return self.container == _FOLDER

    def working_format(self, source: PixelFormat) -> PixelFormat:
        """The format that frames are composited in: the encoder's, or the source's own where alpha is added later."""
        if self.format.alpha or self.is_folder:
            return source
        with suppress(InputError):  # FFmpeg has not every format with alpha too
            return PixelFormat.make(self.format.depth, self.format.shift_x, self.format.shift_y, source.alpha)
        return self.format


def asks_for_alpha(path: str) -> bool:
    """Whether transparency is the default for this name: .mov, .webm or a folder."""
    return _container(path) in ("mov", "webm", _FOLDER)


def choose_target(
    path: str, source: PixelFormat, alpha: bool, encoding: Encoding, colour: Colour | None = None
) -> Target:
    """Container, encoder and pixel format for ``path``.

    Args:
        path: the name of the output.
        source: pixel format of the source.
        alpha: whether the output has transparency.
        encoding: the user's choices.
        colour: of the source; PQ and HLG get 10 bits.

    Raises:
        OptionError: an unknown kind of output, or one that does not support these choices.
    """
    container = _container(path)
    deep = source.depth > 8 or is_hdr(colour)
    codec = _codec(container, alpha, encoding.codec, path, deep)
    keep = encoding.pixel_format == "source" or container == "matroska"
    if container == _FOLDER:
        pixel_format = _image_format(source, alpha)
    else:
        pixel_format = closest_format(codec, source if keep else playable_format(codec, source, deep, alpha), alpha)
    if container == "mpegts" and av.Codec(codec, "w").canonical_name not in _MPEGTS_VIDEO:
        raise OptionError(f"{path}: MPEG-TS cannot hold the output of {codec}; use h264, h265 or .mkv")
    return Target(
        path=Path(path),
        container=container,
        codec=codec,
        format=pixel_format,
        layout=NVENC_LAYOUTS[pixel_format.name] if codec in NVENC else pixel_format.name,
        options=_options(codec, pixel_format, encoding),
        even=codec in _EVEN_SIZES_ONLY and pixel_format.shift_x + pixel_format.shift_y > 0,
        threads=encoding.threads if codec == "libx264" and encoding.preset is None else 0,
        # Apple plays no other tag than this.
        tag="hvc1" if codec in _HEVC and container in ("mp4", "mov") else "",
        reason=explain(codec, pixel_format, source, colour, encoding.codec is not None),
    )


def _container(path: str) -> str:
    suffix = Path(path).suffix.lower()
    if path.endswith(("/", os.sep)) or not suffix or (is_present(path) and Path(path).is_dir()):
        return _FOLDER
    if suffix not in _CONTAINERS:
        known = " ".join(_CONTAINERS)
        raise OptionError(f"{path}: unknown kind of output; expected one of {known}, or a folder for PNGs")
    return _CONTAINERS[suffix]


def _codec(container: str, alpha: bool, wanted: str | None, path: str, deep: bool) -> str:
    if container == _FOLDER and wanted not in (None, "png"):
        raise OptionError(f"--codec {wanted}: a folder holds PNGs; name a video file for another codec")
    codec = _CODEC_NAMES.get(wanted, wanted) if wanted else None
    if alpha and not _keeps_alpha(container, codec):
        raise OptionError(
            f"{path}: {container} cannot hold transparency; use .mov (ProRes 4444), .webm (VP9) or a folder (PNGs)"
        )
    if codec is not None:
        return codec
    if alpha:
        return _ALPHA_CODECS[container]
    if deep and container == "webm":
        return "libsvtav1"  # libvpx, as PyAV has it, knows 8 bits only
    return _OPAQUE_CODECS.get(container, "libx265" if deep else "libx264")


def _keeps_alpha(container: str, codec: str | None) -> bool:
    """Whether alpha is supported; VP9 stores it beside each frame, which only WebM and MKV can hold."""
    if container in ("mp4", "mpegts"):
        return False
    if codec == "libvpx-vp9":
        return container in ("webm", "matroska")
    return codec is not None or container in _ALPHA_CODECS


def _image_format(source: PixelFormat, alpha: bool) -> PixelFormat:
    """Images are converted from the source's format; with alpha, from 4:4:4 of 8 or 16 bits."""
    return PixelFormat.make(8 if source.depth == 8 else 16, 0, 0, alpha=True) if alpha else source.opaque()


def _options(codec: str, pixel_format: PixelFormat, encoding: Encoding) -> dict[str, str]:
    low_memory = codec == "libx264" and encoding.preset is None
    options = dict(_LOW_MEMORY_X264 if low_memory else _DEFAULTS.get(codec, {}))
    if codec == "prores_ks":
        chroma = "4444" if pixel_format.shift_x == 0 else "hq"
        options = {"profile": chroma, "alpha_bits": "16" if pixel_format.alpha else "0", "vendor": "apl0"}
    if codec == "libvpx-vp9" and pixel_format.alpha:
        options["auto-alt-ref"] = "0"
    for name, value in (("crf", encoding.crf), ("preset", encoding.preset)):
        if value is not None:
            options[_option_name(codec, name)] = f"{value:g}" if isinstance(value, float) else str(value)
    if codec in NVENC and float(options["cq"]) == 0:  # for NVENC, 0 is automatic
        return {"rc": "constqp", "qp": options.pop("cq"), "preset": options["preset"]}
    return options


def _option_name(codec: str, name: str) -> str:
    private = {o.name for o in av.CodecContext.create(codec, "w").supported_options.private}
    for candidate in {"crf": ("crf", "cq"), "preset": ("preset", "cpu-used")}[name]:
        if candidate in private:
            return candidate
    raise OptionError(f"--{name}: the encoder {codec} has no such setting")
