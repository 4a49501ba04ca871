"""Progress on standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from tqdm import tqdm

from streamseg.runtime import Statistics

from ..video import VideoJob

__all__ = ["OnTick", "show_progress"]

_LINE_INTERVAL_S = 5.0

OnTick = Callable[[Statistics], None]


@contextmanager
def show_progress(job: VideoJob, quiet: bool) -> Iterator[OnTick]:
    """A function to call with live statistics while ``job`` runs."""
    if quiet:
        yield lambda statistics: None
    elif sys.stderr.isatty():
        with tqdm(unit="frame", dynamic_ncols=True, file=sys.stderr) as bar:
            yield lambda statistics: _draw(bar, job, statistics)
            if job.summary is not None:
                _draw(bar, job, job.summary.statistics)
    else:
        yield _LogLines(job)


def _draw(bar: tqdm[NoReturn], job: VideoJob, statistics: Statistics) -> None:
    bar.total = job.expected_frames
    bar.update(statistics.items - bar.n)
    bar.refresh()


class _LogLines:
    """A line every few seconds, for logs."""

    def __init__(self, job: VideoJob) -> None:
        self._job, self._next_line = job, time.monotonic() + _LINE_INTERVAL_S

    def __call__(self, statistics: Statistics) -> None:
        if time.monotonic() < self._next_line:
            return
        self._next_line += _LINE_INTERVAL_S
        total, done, fps = self._job.expected_frames, statistics.items, statistics.items_per_second
        line = f"{done}{f' of {total}' if total else ''} frames, {fps:.1f} fps"
        if total and fps:
            line += f", {max(0, total - done) / fps:.0f} s left"
        with suppress(OSError):  # the terminal may be gone: the work goes on
            print(line, file=sys.stderr)
