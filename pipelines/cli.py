"""The command ``streamseg``: its options and exit status; what it does is in streamseg.pipelines.command.

Imports little, so that --help answers at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from typing import NoReturn

from streamseg.errors import OptionError, StreamsegError

from .command.doctor import add_doctor, run_doctor
from .command.output import command_output
from .evaluate.options import add_evaluate
from .quantize.command import add_quantize, run_quantize
from .serve.command import add_serve, run_serve
from .train.command import add_train, run_train

__all__ = ["main"]

_BACKGROUND = (
    "an image, a video (looped), blur, blur:STRENGTH (0 to 1), a colour (name or #rrggbb), transparent, "
    "or matte (the matte itself, in grey)"
)
_AUTO_FRAME = "show the part of the frame around the subject, enlarged, and follow it"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0 done, 1 failed, 2 wrong options, 130 interrupted."""
    with command_output():
        return _main(argv)


def _main(argv: Sequence[str] | None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        return _run(arguments)
    except StreamsegError as error:
        print(f"streamseg: error: {error}", file=sys.stderr)
        return 2 if isinstance(error, OptionError) else 1
    except KeyboardInterrupt:
        print("streamseg: interrupted, nothing written", file=sys.stderr)
        return 130


def _run(arguments: argparse.Namespace) -> int:
    if _wants_window(arguments):
        from streamseg.media.live.opencv import import_cv2

        import_cv2()
    if getattr(arguments, "kind", None) in ("images", "dis"):
        from streamseg.metrics.sod import import_py_sod_metrics

        import_py_sod_metrics()
    own = {"doctor": run_doctor, "quantize": run_quantize, "serve": run_serve, "train": run_train}
    if arguments.command in own:
        return own[arguments.command](arguments)
    from .command.allocator import keep_memory_small

    keep_memory_small()
    from .command import subcommands

    by_name = {
        "video": subcommands.video,
        "image": subcommands.image,
        "webcam": subcommands.webcam,
        "bench": subcommands.bench,
        "evaluate": subcommands.evaluate,
        "demo": subcommands.demo,
    }
    return by_name[arguments.command](arguments)


def _wants_window(arguments: argparse.Namespace) -> bool:
    if arguments.command != "webcam":
        return getattr(arguments, "preview", False)
    if hasattr(arguments, "headless") or arguments.config is None:
        return not hasattr(arguments, "headless")
    from .webcam.toml_file import read_toml

    return read_toml(arguments.config).get("headless") is not True


class _Parser(argparse.ArgumentParser):
    """Reports errors in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


class _Version(argparse.Action):
    """Looks up the version only when asked for it."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from streamseg import __version__

        parser.exit(0, f"streamseg {__version__}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="streamseg", description="A new background behind the person in a video.")
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_video(commands.add_parser("video", help="a video file, or any input of FFmpeg, to a video file"))
    _add_image(commands.add_parser("image", help="one image"))
    _add_webcam(commands.add_parser("webcam", help="a camera, live: to a window, a virtual camera, a recording"))
    _add_bench(commands.add_parser("bench", help="how fast it is on this machine: each stage, and end to end"))
    add_evaluate(commands.add_parser("evaluate", help="how good the mattes are, against ground truth"), _add_network)
    add_train(commands.add_parser("train", help="train the network, or train it further"))
    add_quantize(commands.add_parser("quantize", help="own weights in 8-bit integers, three times as fast on a CPU"))
    _add_demo(commands.add_parser("demo", help="a web page for camera and clips, live"))
    add_doctor(commands.add_parser("doctor", help="what this installation and this machine have: for bug reports"))
    add_serve(commands.add_parser("serve", help="a service over HTTP: pictures, clips, live frames"), _add_network)
    return parser


def _add_video(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="IN", help="a video file, a URL, or - for standard input")
    parser.add_argument(
        "output", metavar="OUT", help=".mp4 .mkv .mov .webm …, or a folder for numbered PNGs (transparent)"
    )
    parser.add_argument("--bg", help=f"{_BACKGROUND}; default: transparent for .mov, .webm and folders, else blur")
    parser.add_argument("--stream", type=int, default=0, help="which video stream, counted from 0")
    parser.add_argument("--start", type=_seconds, default=0.0, help="where to start: seconds or h:m:s")
    parser.add_argument("--duration", type=_seconds, help="stop after this long: seconds or h:m:s")
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
    _add_speed(parser)
    _add_edges(parser)
    parser.add_argument("--auto-frame", action="store_true", help=_AUTO_FRAME)
    _add_common(parser)
    parser.add_argument("--preview", action="store_true", help="show the result in a window; q ends")
    parser.add_argument("--quiet", action="store_true", help="no progress, no summary")
    parser.add_argument("--json", action="store_true", help="print a summary in JSON")
    parser.add_argument("--stats", action="store_true", help="print the time that each stage took")


def _add_image(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="IN", help="an image")
    parser.add_argument("output", metavar="OUT", help=".png, .jpg or .jpeg")
    parser.add_argument("--bg", help=f"{_BACKGROUND}; default: transparent for .png, else blur")
    _add_edges(parser)
    _add_common(parser)
    parser.add_argument("--json", action="store_true", help="print names and warnings in JSON")


def _add_webcam(parser: argparse.ArgumentParser) -> None:
    """Options that are not given are absent, so that the settings file overrides the defaults."""
    add = partial(parser.add_argument, default=argparse.SUPPRESS)
    add("--camera", metavar="WHAT", help="a number, a device, a file (looped) or an address; default: 0")
    add("--width", type=int, help="requested from the camera; default: 1280")
    add("--height", type=int, help="requested from the camera; default: 720")
    add("--fps", type=float, help="requested from the camera; default: 30")
    add("--bg", action="append", help=f"{_BACKGROUND}; may be repeated, keys switch; default: blur")
    add("--steady", type=float, help="how much the past counts, 0 to 1; default: 0.5")
    add("--edges", type=_switch, metavar="on|off", help="refine edges and clean their colours; default: on")
    add(
        "--speed",
        choices=("auto", "best", "balanced", "fast"),
        help="as for video; auto: as the load permits; default: auto",
    )
    add("--delay", type=int, metavar="FRAMES", help="how many later frames a matte waits for, 0 to 8; default: 0")
    add("--auto-frame", action="store_true", help=_AUTO_FRAME)
    add("--mirror", action="store_true", help="flip the camera left to right")
    add("--virtual-camera", nargs="?", const="auto", metavar="DEVICE", help="feed a virtual camera, for calls")
    add("--record", metavar="FILE", help="record into a video file, without sound")
    add("--headless", action="store_true", help="no window")
    parser.add_argument("--config", metavar="FILE", help="settings in TOML; the command line overrides them")
    parser.add_argument("--save-config", metavar="FILE", help="at the end, write the settings in TOML")
    parser.add_argument("--duration", type=_seconds, help="stop after this long: seconds or h:m:s")
    parser.add_argument("--crf", type=float, help="of the recording: constant quality, lower is better")
    parser.add_argument("--codec", help="of the recording: see streamseg video")
    parser.add_argument("--preset", help="of the recording; default for H.264: superfast")
    parser.add_argument("--json", action="store_true", help="at the end, print figures in JSON")
    _add_common(parser)
    parser.set_defaults(subject="person")


def _add_bench(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="FILE", help="a video file")
    parser.add_argument("--bg", default="blur", help=f"{_BACKGROUND}; default: blur")
    parser.add_argument(
        "--duration", type=_seconds, default=10.0, help="how much of the file: seconds or h:m:s; default: 10"
    )
    _add_speed(parser)
    parser.add_argument("--against", metavar="PROGRAM", help="time another program on the same frames: rembg")
    parser.add_argument("--json", action="store_true", help="print the figures in JSON")
    _add_network(parser)


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; default: 127.0.0.1, this machine only"
    )
    parser.add_argument("--port", type=int, default=7860, help="default: 7860")
    parser.add_argument("--visitors", type=int, help="how many at a time, others wait; default: two for each core")
    parser.add_argument("--upload-mb", type=int, default=200, help="largest upload in megabytes; default: 200")
    parser.add_argument(
        "--clip-seconds",
        type=_seconds,
        default=60.0,
        help="longest clip, the rest is left out: seconds or h:m:s; default: 60",
    )
    _add_network(parser)
    parser.set_defaults(subject="person")


def _add_speed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--speed",
        choices=("best", "balanced", "fast"),
        default="best",
        help="the network sees: best: every frame; balanced: every 2nd; fast: every 3rd or fewer; default: best",
    )


def _add_edges(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--edges", choices=("on", "off"), default="on", help="refine edges and clean their colours; default: on"
    )


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output")
    _add_network(parser)


def _add_network(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="u2netp", choices=("u2netp", "u2net"), help="default: u2netp (packaged)")
    parser.add_argument("--weights", metavar="FILE", help="other weights: .safetensors, .onnx or .pth")
    parser.add_argument(
        "--precision",
        choices=("int8", "float32"),
        help="of the network; default: that of the weights, int8 for the packaged ones",
    )
    parser.add_argument("--threads", type=int, help="CPU threads of the network")
    parser.add_argument(
        "--subject",
        choices=("auto", "person", "any"),
        default="auto",
        help="any: what stands out; person: people; auto: what stands out, and near people; default: %(default)s",
    )
    parser.add_argument(
        "--device",
        choices=("cpu", "cuda", "auto"),
        default="cpu",
        help="cuda is an NVIDIA GPU, auto a GPU if there is one, else the CPU; default: cpu",
    )


def _switch(text: str) -> bool:
    if text not in ("on", "off"):
        raise argparse.ArgumentTypeError(f"{text!r}: expected on or off")
    return text == "on"


def _seconds(text: str) -> float:
    """Seconds of "90", "1:30" or "0:01:30.5"."""
    parts = text.split(":")
    if len(parts) > 3 or not all(part.replace(".", "", 1).isdigit() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r}: expected seconds or h:m:s")
    total = 0.0
    for part in parts:
        total = 60 * total + float(part)
    return total


if __name__ == "__main__":
    sys.exit(main())
