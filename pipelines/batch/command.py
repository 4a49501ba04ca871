"""``streamseg batch``: its options, and what it does with them."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from streamseg.errors import OptionError

from ..command.options import add_video_options, seconds

if TYPE_CHECKING:
    from .executor import Executor
    from .jobs import FileJob
    from .probe import Size

__all__ = ["add_batch", "run_batch"]


def add_batch(parser: argparse.ArgumentParser) -> None:
    """The options of ``streamseg batch``."""
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="IN… OUT_DIR",
        help="files, folders, patterns, URLs; last the folder for the outputs",
    )
    parser.add_argument(
        "--list", metavar="FILE", action="append", default=[], help="more inputs, one a line; - for a pipe"
    )
    parser.add_argument("--jobs", metavar="FILE", help="options for single files: CSV or JSON Lines, see docs/batch.md")
    parser.add_argument(
        "--name", default="{stem}.mp4", help="of the outputs, with {stem} {name} {suffix} {folder}; default: {stem}.mp4"
    )
    parser.add_argument("--workers", type=_workers, default="auto", help="how many; auto: by cores and memory")
    parser.add_argument(
        "--ray", nargs="?", const="", metavar="ADDRESS", help="let Ray do it: start it here, or a cluster"
    )
    parser.add_argument(
        "--retries", type=int, default=1, help="how often work is begun again whose worker died; default: 1"
    )
    parser.add_argument(
        "--split",
        choices=("auto", "on", "off"),
        default="auto",
        help="cut long files into parts; auto: if workers would wait",
    )
    parser.add_argument("--part-seconds", type=seconds, metavar="T", help="of a part; default: 20 to 60")
    parser.add_argument("--no-resume", action="store_true", help="do again what is done; needs --overwrite")
    add_video_options(parser)
    parser.add_argument("--quiet", action="store_true", help="nothing but errors")
    parser.add_argument("--json", action="store_true", help="print what happens as JSON lines")


def _workers(text: str) -> int | str:
    if text == "auto":
        return text
    with suppress(ValueError):
        if int(text) > 0:
            return int(text)
    raise argparse.ArgumentTypeError(f"{text!r}: expected a number above 0, or auto")


def run_batch(arguments: argparse.Namespace) -> int:
    """``streamseg batch``: gives the exit status."""
    from .probe import probe
    from .report import Report
    from .scheduler import Scheduler, Settings

    _check(arguments)
    jobs = [(job, probe(job)) for job in _jobs(arguments)]
    settings = Settings(not arguments.no_resume, arguments.retries, arguments.split, arguments.part_seconds)
    frames = sum(size.frames for _, size in jobs) if all(size.frames for _, size in jobs) else None
    mode = "json" if arguments.json else "quiet" if arguments.quiet else "lines"
    with _interrupts() as received:
        executor = _executor(arguments, jobs)
        report = Report(mode, len(jobs), frames)
        scheduler = Scheduler(jobs, executor, settings, report)
        try:
            scheduler.run()
        except KeyboardInterrupt:
            report.summary(scheduler.outcomes)
            return 128 + (received() or signal.SIGINT)
    report.summary(scheduler.outcomes)
    return int(any(outcome.status == "failed" for outcome in scheduler.outcomes))


def _check(arguments: argparse.Namespace) -> None:
    from ..command.video_job import video_options

    video_options(arguments)  # raises for values out of range
    if arguments.retries < 0:
        raise OptionError(f"--retries {arguments.retries}: expected 0 or more")
    if arguments.part_seconds is not None and arguments.part_seconds <= 0:
        raise OptionError("--part-seconds 0: expected more than 0")
    if len(arguments.paths) == 1 and not arguments.list and not arguments.jobs:
        raise OptionError(f"{arguments.paths[0]}: expected inputs, and last the folder for the outputs")


def _executor(arguments: argparse.Namespace, jobs: list[tuple[FileJob, Size]]) -> Executor:
    if arguments.ray is not None:
        from .cluster import RayCluster

        return RayCluster(arguments.ray, None if arguments.workers == "auto" else arguments.workers, arguments.retries)
    from .pool import ProcessPool, suitable_workers

    if arguments.workers != "auto":
        return ProcessPool(arguments.workers)
    if arguments.device != "cpu":
        return ProcessPool(1)  # a GPU is one worker, and "auto" may be one
    return ProcessPool(suitable_workers(max((size.megapixels for _, size in jobs), default=0.0)))


def _jobs(arguments: argparse.Namespace) -> list[FileJob]:
    """What is to be done. Raises OptionError if two files would have the same output, or one overwrite another."""
    from .inputs import Source, find_sources, output_name, read_list
    from .jobs import FileJob, JobRow, read_jobs, video_defaults

    *inputs, folder = arguments.paths
    for name in arguments.list:
        inputs += read_list(name)
    options = {name: getattr(arguments, name) for name in video_defaults()}
    rows: dict[str, list[JobRow]] = {}
    for row in read_jobs(arguments.jobs) if arguments.jobs else []:
        rows.setdefault(row.source, []).append(row)
    sources = find_sources(inputs, folder)
    known = {source.name for source in sources}
    jobs = []
    for source in [*sources, *(Source(name) for name in rows if name not in known)]:
        for own in rows.get(source.name, [JobRow(source.name, None, {})]):
            pattern = arguments.name if own.output is None else _literal(own.output)
            jobs.append(FileJob(source.name, folder, output_name(source, pattern), {**options, **own.options}))
    _check_outputs(jobs)
    if not jobs:
        raise OptionError("there is nothing to do: the list of inputs is empty")
    return jobs if arguments.ray is None else [_everywhere(job) for job in jobs]


def _everywhere(job: FileJob) -> FileJob:
    """The same with paths that name the same files for programs that run in other folders."""
    from .transfer import is_url

    def absolute(name: str) -> str:
        return name if is_url(name) else _absolute(name)

    options = dict(job.options)
    for name in ("bg", "weights"):
        if options[name] is not None and Path(options[name]).is_file():
            options[name] = absolute(options[name])
    return replace(job, source=absolute(job.source), folder=absolute(job.folder), options=options)


def _literal(name: str) -> str:
    return name.replace("{", "{{").replace("}", "}}")


def _check_outputs(jobs: list[FileJob]) -> None:
    from .transfer import is_url, joined

    source_of: dict[str, str] = {}
    for job in jobs:
        name = job.name.rstrip("/")
        if name in source_of:
            raise OptionError(
                f"{source_of[name]} and {job.source} would both become {joined(job.folder, job.name)}: see --name"
            )
        source_of[name] = job.source
    outputs = {_absolute(joined(job.folder, job.name)): job for job in jobs if not is_url(job.folder)}
    for job in jobs:
        if not is_url(job.source) and (other := outputs.get(_absolute(job.source))) is not None:
            raise OptionError(f"{job.source}: is also the output of {other.source}: see --name")


def _absolute(name: str) -> str:
    return str(Path(name).absolute())


@contextmanager
def _interrupts() -> Iterator[Callable[[], int]]:
    """Ctrl-C, SIGTERM and a closed terminal raise KeyboardInterrupt, once; gives the signal's number, 0 before."""
    received = 0

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal received
        if not received:
            received = number
            raise KeyboardInterrupt

    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    wanted = [each for name in names if signal.getsignal(each := signal.Signals[name]) != signal.SIG_IGN]
    before = {each: signal.signal(each, handle) for each in wanted}
    try:
        yield lambda: received
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
