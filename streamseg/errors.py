"""Every error that streamseg raises on purpose.

    StreamsegError
    ├── InputError              a file, stream or array that cannot be used  (ValueError)
    │   ├── DamagedInput        the input broke off or decodes no further
    │   └── WeightsError        a weights file that is wrong, cut short or not ours
    ├── OutputError             the result cannot be written                 (OSError)
    ├── OptionError             options that contradict each other or the output  (ValueError)
    ├── MissingDependency       an optional package or system library is absent   (ImportError)
    └── StageError              a stage of the runner failed; names the stage

Each message is one line: what was got, what was expected, what to do.
"""

from __future__ import annotations

__all__ = [
    "DamagedInput",
    "InputError",
    "MissingDependency",
    "OptionError",
    "OutputError",
    "StageError",
    "StreamsegError",
    "WeightsError",
]


class StreamsegError(Exception):
    """Base of every error raised on purpose."""


class InputError(StreamsegError, ValueError):
    """An input (file, stream, array) that cannot be used."""


class DamagedInput(InputError):
    """The input decodes no further; what came before it was good.

    Attributes:
        time: seconds in the input's own time at which the damage was met, or None if unknown.
    """

    def __init__(self, message: str, time: float | None = None) -> None:
        super().__init__(message)
        self.time = time


class WeightsError(InputError):
    """A weights file that is wrong, truncated, altered or made for another network."""


class OutputError(StreamsegError, OSError):
    """The result cannot be written where or how it was asked for."""


class OptionError(StreamsegError, ValueError):
    """Options that contradict each other, or that the chosen output cannot honour."""


class MissingDependency(StreamsegError, ImportError):
    """An optional package or a system library is absent; the message names what to install."""


class StageError(StreamsegError):
    """A stage of the runner failed; the cause is chained as ``__cause__``.

    Attributes:
        stage: name of the stage that failed.
    """

    def __init__(self, stage: str, cause: BaseException) -> None:
        super().__init__(f"{stage}: {cause}")
        self.stage = stage

    @property
    def plain(self) -> StreamsegError:
        """The cause where that was raised on purpose, for it needs no stage in front of it; a surprise does."""
        return self.__cause__ if isinstance(self.__cause__, StreamsegError) else self
