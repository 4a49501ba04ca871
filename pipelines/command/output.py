"""Standard output and standard error of the command: of any encoding, into pipes that close early."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from streamseg.errors import StreamsegWarning

__all__ = ["collected_warnings", "command_output"]

_SIGPIPE_STATUS = 141


@contextmanager
def command_output() -> Iterator[None]:
    """While the command runs, no text fails to be printed, and warnings are lines of their own.

    Raises:
        SystemExit: with the shell's status for SIGPIPE, if whoever reads standard output has ended (``| head``); with 1
            and a line if it cannot be written for another reason.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # Names may have what the stream's encoding has not, and bytes that are no text at all.
            stream.reconfigure(errors="backslashreplace")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", StreamsegWarning)
            shown_before = warnings.showwarning

            def show(
                message: Warning | str,
                category: type[Warning],
                filename: str,
                lineno: int,
                file: TextIO | None = None,
                line: str | None = None,
            ) -> None:
                if issubclass(category, StreamsegWarning):
                    print(f"streamseg: warning: {message}", file=sys.stderr)
                else:
                    shown_before(message, category, filename, lineno, file, line)

            warnings.showwarning = show
            try:
                yield
            finally:
                _flush()
    except BrokenPipeError:
        _close_stdout()
        raise SystemExit(_SIGPIPE_STATUS) from None


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """The StreamsegWarnings that are given meanwhile, in any thread; they are shown as they come, too."""
    messages: list[str] = []
    shown_before: Any = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any) -> None:
        if issubclass(category, StreamsegWarning):
            messages.append(str(message))
        shown_before(message, category, *where)

    replaced: Any = show
    warnings.showwarning = replaced
    try:
        yield messages
    finally:
        warnings.showwarning = shown_before


def _flush() -> None:
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _close_stdout()
        with suppress(OSError):
            print(f"streamseg: error: standard output cannot be written ({error.strerror})", file=sys.stderr)
        raise SystemExit(1) from None


def _close_stdout() -> None:
    """Let the interpreter flush at its end without another error."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
