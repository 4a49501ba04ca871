"""The options of ``streamseg train``, and what it does with them."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from streamseg.errors import DeviceOutOfMemory, MissingDependency, OptionError
from streamseg.network.packaged import PUBLISHED

from .settings import FROM_SCRATCH, FROM_WEIGHTS, Folder, Settings, field_names

__all__ = ["add_train", "run_train"]

_HELP = """\
A first run takes the published weights further, on images of people with masks:

    streamseg train runs/first --init published --people DATA --validate MORE --steps 2000

DATA and MORE each hold images/ and masks/: a mask is grey, as large as its image and of the same name but for the
suffix, white where the person is; grey values in between count. 1,000 images teach something. MORE has other
images, 100 or so, which are only measured on. On two cores a step of 8 images takes 2 to 8 seconds. The folder
runs/first then holds

    best.safetensors, last.safetensors    weights for --weights
    MODEL_CARD.md                         what they are, learnt from and good for
    log.csv, validation.csv, samples/     how it went
    checkpoint.pt                         for --resume, also after a crash: the same command, and --resume

Without --init the network is trained from scratch as in section 4.2 of the paper (Qin et al. 2020):

    streamseg train runs/paper --pairs DUTS-TR

Several GPUs: torchrun --no-python --nproc-per-node 4 streamseg train …; --batch is that of each.
"""

_LINE_EVERY = 20


def add_train(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``streamseg train``."""
    parser.formatter_class, parser.epilog = argparse.RawDescriptionHelpFormatter, _HELP
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder of the run")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in OUT")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier run in OUT")
    parser.add_argument("--quiet", action="store_true", help="no progress on standard error")
    data = "drawn at random, again and again; DIR=2 is drawn from twice as often as the others, whatever their sizes"
    _add_data(parser.add_argument_group("data", data))
    _add_schedule(
        parser.add_argument_group("schedule", "defaults: of a run from weights (--init), or of one from scratch")
    )
    _add_measures(parser.add_argument_group("validation and checkpoints"))
    _add_machine(parser.add_argument_group("machine"))


def _add_data(group: Any) -> None:
    def add(name: str, **options: Any) -> None:
        group.add_argument(name, action="append", default=[], type=_folder, metavar="DIR[=WEIGHT]", **options)

    add("--pairs", help="images/ and masks/, learnt as they are framed; may be repeated, as all of these")
    add("--people", help="images/ and masks/ of people: close-ups of them")
    add("--cutouts", help="images with alpha, over --backgrounds; of a clip with alpha: ffmpeg -i CLIP DIR/%%06d.png")
    add("--empty", help="images without a subject: their mask is empty")
    add("--unlabelled", help="images without masks: --teacher draws them")
    group.add_argument(
        "--backgrounds", action="append", default=[], type=Path, metavar="DIR", help="images to lay people over"
    )
    group.add_argument(
        "--composite", type=float, default=0.0, metavar="SHARE", help="of --people, over --backgrounds; default: 0"
    )
    group.add_argument(
        "--teacher", metavar="WEIGHTS|DIR", help=f"draws maps for --unlabelled: weights, {PUBLISHED}, or maps in files"
    )


def _add_schedule(group: Any) -> None:
    def add(name: str, key: str, **options: Any) -> None:
        text = options.pop("help")
        both = (_shown(FROM_WEIGHTS[key]), _shown(FROM_SCRATCH[key]))
        group.add_argument(name, dest=key, help=f"{text}; default: {both[0]}, or {both[1]}", **options)

    group.add_argument("--init", metavar="WEIGHTS", help=f"weights to begin with: {PUBLISHED}, or a file")
    group.add_argument("--model", choices=("u2netp", "u2net"), default="u2netp", help="default: u2netp")
    add("--sizes", "sizes", type=int, nargs="+", metavar="PIXELS", help="sides of the input; each step draws one")
    add("--steps", "steps", type=int, help="in all")
    add("--batch", "batch", type=int, help="images a step")
    group.add_argument("--micro-batch", type=int, default=0, help="images at once: fewer need less memory")
    add("--rate", "rate", type=float, help="learning rate of Adam")
    add("--warmup", "warmup", type=int, metavar="STEPS", help="steps over which the rate rises")
    group.add_argument("--cosine", action="store_true", help="the rate falls to 0 along half a cosine")
    add("--average", "average", type=float, metavar="DECAY", help="decay of the running average of the weights")
    augment = argparse.BooleanOptionalAction
    add("--augment", "augment", action=augment, help="vary light, colour, blur, noise and compression")
    add("--flip", "flip", choices=("horizontal", "vertical", "none"), help="half of the images")
    group.add_argument("--seed", type=int, default=0, help="of everything that is drawn; default: 0")


def _add_measures(group: Any) -> None:
    group.add_argument(
        "--validate",
        action="append",
        default=[],
        type=Path,
        metavar="DIR",
        help="images/ and masks/ to measure on; may be repeated",
    )
    group.add_argument(
        "--validate-sizes",
        type=int,
        nargs="+",
        default=(),
        metavar="PIXELS",
        help="sides of the input measured at; default: the smallest and largest of --sizes",
    )
    group.add_argument("--validate-every", type=int, default=1000, metavar="STEPS", help="default: 1000")
    group.add_argument("--save-every", type=int, default=100, metavar="STEPS", help="checkpoints; default: 100")


def _add_machine(group: Any) -> None:
    group.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a GPU if there")
    group.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="auto: bfloat16 on a GPU that has it; on a CPU with AMX bfloat16 takes half of the time",
    )
    group.add_argument(
        "--workers",
        type=int,
        default=0,
        help="processes that read images; on a GPU, as many as there are cores; default: 0",
    )
    group.add_argument("--threads", type=int, default=0, help="of the CPU; default: torch's own choice")


def _folder(text: str) -> Folder:
    path, separator, weight = text.rpartition("=")
    if not separator:
        return Folder(Path(text))
    try:
        return Folder(Path(path), float(weight))
    except ValueError:  # an OptionError is one too
        raise argparse.ArgumentTypeError(f"{text!r}: expected DIR, or DIR=WEIGHT with a weight above 0") from None


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def settings_of(arguments: argparse.Namespace) -> Settings:
    """The settings of parsed options, the defaults of the schedule filled in. Raises OptionError."""
    given = {name: value for name, value in vars(arguments).items() if name in field_names() and value is not None}
    values: dict[str, Any] = {**(FROM_WEIGHTS if arguments.init else FROM_SCRATCH), **given}
    return Settings(**{name: _fixed(value) for name, value in values.items()})


def _fixed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def run_train(arguments: argparse.Namespace) -> int:
    """``streamseg train``: gives the exit status, 128 and the signal's number where one stopped it.

    Raises:
        OptionError: options that are out of range or contradict each other, or another run to be resumed.
        MissingDependency: torch, or Kornia where images are varied, is not installed.
        DeviceOutOfMemory: of the GPU.
        InputError, WeightsError, OutputError, UnsupportedDevice: as ``Run`` and ``Record`` say.
    """
    if arguments.resume and arguments.overwrite:
        raise OptionError("--resume goes on with a run and --overwrite replaces it: give one of them")
    settings = settings_of(arguments)
    try:
        import torch
    except ImportError:
        raise MissingDependency('training needs torch: pip install "streamseg[train]"') from None
    if settings.threads:
        torch.set_num_threads(settings.threads)
    from .distributed import joined

    with joined(settings.device) as processes, _stop_on_signals() as stopped:
        from .loop import Run
        from .record import Record

        record = Record(arguments.out, arguments.resume or not processes.first, arguments.overwrite)
        processes.wait()
        try:
            run = Run(settings, processes, record, arguments.resume)
            _follow(run, settings, stopped, arguments.quiet or not processes.first)
        except torch.OutOfMemoryError:
            raise DeviceOutOfMemory("the GPU's memory is used up: lower --batch, or give --micro-batch") from None
    if stopped():
        print(f"streamseg: stopped at step {run.step}; --resume goes on", file=sys.stderr)
    return 128 + stopped() if stopped() else 0


def _follow(run: Any, settings: Settings, stopped: Callable[[], int], quiet: bool) -> None:
    from tqdm import tqdm

    shown = not quiet and sys.stderr.isatty()
    with tqdm(total=settings.steps, initial=run.step, unit="step", disable=not shown, dynamic_ncols=True) as bar:
        for step, size, loss, fused, _, _ in run.steps(lambda: bool(stopped())):
            bar.update()
            bar.set_postfix_str(f"loss {loss:.3f}, fused {fused:.3f}, {size}²", refresh=False)
            if not quiet and not shown and (step % _LINE_EVERY == 0 or step == settings.steps):
                print(f"step {step} of {settings.steps}, {size}²: loss {loss:.4f}, fused {fused:.4f}", file=sys.stderr)


@contextmanager
def _stop_on_signals() -> Iterator[Callable[[], int]]:
    """Tells which of SIGINT and SIGTERM came, 0 for none; a second one ends the run at once."""
    received = 0

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal received
        if received:
            raise KeyboardInterrupt
        received = number
        print("\nstreamseg: finishing the step; interrupt again to give up", file=sys.stderr)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
