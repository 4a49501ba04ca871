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

from .batch.command import add_batch, run_batch
from .command.cameras import add_cameras, run_cameras
from .command.doctor import add_doctor, run_doctor
from .command.options import (
    AUTO_FRAME,
    BACKGROUND,
    add_common,
    add_edges,
    add_network,
    add_speed,
    add_video_options,
    seconds,
    switch,
)
from .command.output import command_output
from .evaluate.options import add_evaluate
from .quantize.command import add_quantize, run_quantize
from .serve.command import add_serve, run_serve
from .train.command import add_train, run_train

__all__ = ["main"]


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
    own = {
        "batch": run_batch,
        "cameras": run_cameras,
        "doctor": run_doctor,
        "quantize": run_quantize,
        "serve": run_serve,
        "train": run_train,
    }
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
    add_cameras(commands.add_parser("cameras", help="cameras: sizes, formats, frame rates; microphones"))
    _add_bench(commands.add_parser("bench", help="how fast it is on this machine: each stage, and end to end"))
    add_evaluate(commands.add_parser("evaluate", help="how good the mattes are, against ground truth"), add_network)
    add_batch(commands.add_parser("batch", help="many files, or one long one, by several processes or machines"))
    add_train(commands.add_parser("train", help="train the network, or train it further"))
    add_quantize(commands.add_parser("quantize", help="own weights in 8-bit integers, three times as fast on a CPU"))
    _add_demo(commands.add_parser("demo", help="a web page for camera and clips, live"))
    add_doctor(commands.add_parser("doctor", help="what this installation and this machine have: for bug reports"))
    add_serve(commands.add_parser("serve", help="a service over HTTP: pictures, clips, live frames"), add_network)
    return parser


def _add_video(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="IN", help="a video file, a URL, or - for standard input")
    parser.add_argument(
        "output", metavar="OUT", help=".mp4 .mkv .mov .webm …, or a folder for numbered PNGs (transparent)"
    )
    add_video_options(parser, choosing=True)
    parser.add_argument("--preview", action="store_true", help="show the result in a window; q ends")
    parser.add_argument("--quiet", action="store_true", help="no progress, no summary")
    parser.add_argument("--json", action="store_true", help="print a summary in JSON")
    parser.add_argument("--stats", action="store_true", help="print the time that each stage took")


def _add_image(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="IN", help="an image")
    parser.add_argument("output", metavar="OUT", help=".png, .jpg or .jpeg")
    parser.add_argument("--bg", help=f"{BACKGROUND}; default: transparent for .png, else blur")
    add_edges(parser)
    add_common(parser, choosing=True)
    parser.add_argument("--json", action="store_true", help="print names and warnings in JSON")


def _add_webcam(parser: argparse.ArgumentParser) -> None:
    """Options that are not given are absent, so that the settings file overrides the defaults."""
    add = partial(parser.add_argument, default=argparse.SUPPRESS)
    add("--camera", metavar="WHAT", help="a number, a device, a file (looped) or an address; default: 0")
    add("--width", type=int, help="requested from the camera; default: 1280")
    add("--height", type=int, help="requested from the camera; default: 720")
    add("--fps", type=float, help="requested from the camera; default: 30")
    add("--bg", action="append", help=f"{BACKGROUND}; may be repeated, keys switch; default: blur")
    add("--steady", type=float, help="how much the past counts, 0 to 1; default: 0.5")
    add("--edges", type=switch, metavar="on|off", help="refine edges and clean their colours; default: on")
    add(
        "--speed",
        choices=("auto", "best", "balanced", "fast"),
        help="as for video; auto: as the load permits; default: auto",
    )
    add("--delay", type=int, metavar="FRAMES", help="how many later frames a matte waits for, 0 to 8; default: 0")
    add("--auto-frame", action="store_true", help=AUTO_FRAME)
    add("--mirror", action="store_true", help="flip the camera left to right")
    add("--virtual-camera", nargs="?", const="auto", metavar="DEVICE", help="feed a virtual camera, for calls")
    add("--record", metavar="FILE", help="record into a video file; without sound, but for --audio")
    add("--audio", metavar="DEVICE", help="of the recording: default, a microphone, a file (looped) or an address")
    add("--headless", action="store_true", help="no window")
    parser.add_argument("--config", metavar="FILE", help="settings in TOML; the command line overrides them")
    parser.add_argument("--save-config", metavar="FILE", help="at the end, write the settings in TOML")
    parser.add_argument("--duration", type=seconds, help="stop after this long: seconds or h:m:s")
    parser.add_argument("--crf", type=float, help="of the recording: constant quality, lower is better")
    parser.add_argument("--codec", help="of the recording: see streamseg video")
    parser.add_argument("--preset", help="of the recording; default for H.264: superfast")
    parser.add_argument("--json", action="store_true", help="at the end, print figures in JSON")
    add_common(parser)
    parser.set_defaults(subject="person")


def _add_bench(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="FILE", help="a video file")
    parser.add_argument("--bg", default="blur", help=f"{BACKGROUND}; default: blur")
    parser.add_argument(
        "--duration", type=seconds, default=10.0, help="how much of the file: seconds or h:m:s; default: 10"
    )
    add_speed(parser)
    parser.add_argument("--against", metavar="PROGRAM", help="time another program on the same frames: rembg")
    parser.add_argument("--json", action="store_true", help="print the figures in JSON")
    add_network(parser)


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; default: 127.0.0.1, this machine only"
    )
    parser.add_argument("--port", type=int, default=7860, help="default: 7860")
    parser.add_argument("--visitors", type=int, help="how many at a time, others wait; default: two for each core")
    parser.add_argument("--upload-mb", type=int, default=200, help="largest upload in megabytes; default: 200")
    parser.add_argument(
        "--clip-seconds",
        type=seconds,
        default=60.0,
        help="longest clip, the rest is left out: seconds or h:m:s; default: 60",
    )
    add_network(parser)
    parser.set_defaults(subject="person")


if __name__ == "__main__":
    sys.exit(main())
