"""Groups of options that several subcommands share.

Imports little, so that --help answers at once.
"""

from __future__ import annotations

import argparse

from .subject import KINDS, add_choice

__all__ = [
    "AUTO_FRAME",
    "BACKGROUND",
    "add_common",
    "add_edges",
    "add_network",
    "add_speed",
    "add_video_options",
    "seconds",
    "switch",
]

BACKGROUND = (
    "an image, a video (looped), blur, blur:STRENGTH (0 to 1), a colour (name or #rrggbb), transparent, "
    "or matte (the matte itself, in grey)"
)
AUTO_FRAME = "show the part of the frame around the subject, enlarged, and follow it"


def add_video_options(parser: argparse.ArgumentParser, choosing: bool = False) -> None:
    """The options of ``streamseg video`` that say what its output is like; ``batch`` has them too.

    Args:
        choosing: with those that choose the subject, which belong to one file.
    """
    parser.add_argument("--bg", help=f"{BACKGROUND}; default: transparent for .mov, .webm and folders, else blur")
    parser.add_argument("--stream", type=int, default=0, help="which video stream, counted from 0")
    parser.add_argument("--start", type=seconds, default=0.0, help="where to start: seconds or h:m:s")
    parser.add_argument("--duration", type=seconds, help="stop after this long: seconds or h:m:s")
    parser.add_argument("--no-audio", action="store_true", help="leave out the audio")
    parser.add_argument("--codec", help="h264, h265, vp9, av1, prores, ffv1, or any encoder of FFmpeg")
    parser.add_argument("--crf", type=float, help="constant quality in the encoder's own scale, lower is better")
    parser.add_argument("--preset", help="the encoder's own preset, such as veryfast or slow")
    parser.add_argument(
        "--pixel-format",
        choices=("auto", "source"),
        default="auto",
        help="source: keep 4:2:2, 4:4:4 and all bits, which few players decode; auto: what plays everywhere",
    )
    parser.add_argument(
        "--hwaccel",
        choices=("auto", "none", "cuda"),
        default="auto",
        help="what decodes: none: the CPU; cuda: an NVIDIA GPU; auto: the GPU of --device, else the CPU; default: auto",
    )
    parser.add_argument("--tolerant", action="store_true", help="skip damage in the input")
    parser.add_argument("--steady", type=float, default=0.5, help="how much the past counts, 0 to 1; default: 0.5")
    add_speed(parser)
    add_edges(parser)
    parser.add_argument("--auto-frame", action="store_true", help=AUTO_FRAME)
    add_common(parser, choosing)


def add_speed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--speed",
        choices=("best", "balanced", "fast"),
        default="best",
        help="the network sees: best: every frame; balanced: every 2nd; fast: every 3rd or fewer; default: best",
    )


def add_edges(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--edges", choices=("on", "off"), default="on", help="refine edges and clean their colours; default: on"
    )


def add_common(parser: argparse.ArgumentParser, choosing: bool = False) -> None:
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output")
    add_network(parser, choosing)


def add_network(parser: argparse.ArgumentParser, choosing: bool = False) -> None:
    parser.add_argument("--model", default="u2netp", choices=("u2netp", "u2net"), help="default: u2netp (packaged)")
    parser.add_argument(
        "--weights", metavar="FILE", help="other weights: .safetensors, .onnx or .pth; published: the authors' own"
    )
    parser.add_argument(
        "--precision",
        choices=("int8", "float32"),
        help="of the network; default: that of the weights, int8 for the packaged ones",
    )
    parser.add_argument("--threads", type=int, help="CPU threads of the network; default: all cores, live all but one")
    if choosing:
        add_choice(parser, seconds)
    else:
        what = "any: what stands out; person: people; auto: what stands out, and near people; default: %(default)s"
        parser.add_argument("--subject", choices=KINDS, default="auto", help=what)
    parser.add_argument(
        "--device",
        choices=("cpu", "cuda", "auto"),
        default="cpu",
        help="cuda is an NVIDIA GPU, auto a GPU if there is one, else the CPU; default: cpu",
    )


def switch(text: str) -> bool:
    if text not in ("on", "off"):
        raise argparse.ArgumentTypeError(f"{text!r}: expected on or off")
    return text == "on"


def seconds(text: str) -> float:
    """Seconds of "90", "1:30" or "0:01:30.5"."""
    parts = text.split(":")
    if len(parts) > 3 or not all(part.replace(".", "", 1).isdigit() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r}: expected seconds or h:m:s")
    total = 0.0
    for part in parts:
        total = 60 * total + float(part)
    return total
