"""The newest finished frame in a window while a job runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from streamseg.media.live.window import QUIT, Window
from streamseg.runtime import Statistics

from ..video import VideoJob

__all__ = ["show_preview"]


@contextmanager
def show_preview(job: VideoJob, wanted: bool) -> Iterator[Callable[[Statistics], None]]:
    """A function to call with live statistics while ``job`` runs; q in the window ends the job.

    Raises:
        MissingDependency: a window is ``wanted`` but cannot be opened.
    """
    if not wanted:
        yield lambda statistics: None
        return
    window = Window(f"streamseg: {job.output}")

    def show(_: Statistics) -> None:
        if job.newest is None:
            return
        window.show(job.newest)
        if window.key() == QUIT:
            job.stop()

    try:
        yield show
    finally:
        window.close()
