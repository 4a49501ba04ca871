"""Every error that streamseg raises on purpose.

    StreamsegError
    ├── InputError              a file, stream or array that cannot be used            (ValueError)
    │   ├── DamagedInput        the input is damaged, truncated or does not decode to its end
    │   └── WeightsError        a weights file that is damaged or belongs to another network
    ├── OutputError             the output cannot be written                           (OSError)
    ├── OptionError             options that contradict each other or the output       (ValueError)
    ├── MissingDependency       an optional package or a system library is missing     (ImportError)
    ├── DeviceError             an accelerator failed                                  (RuntimeError)
    │   ├── UnsupportedDevice   there is none, or it is not supported
    │   ├── DeviceOutOfMemory   its memory is full
    │   └── DeviceLost          it or its driver failed for good
    └── StageError              a stage of a runner failed; names the stage

StreamsegWarning is the category of warnings (UserWarning): the work is done, but not quite as a user may expect.

Each message is one line: what was got, what was expected, what to do.
"""

from __future__ import annotations

__all__ = [
    "DamagedInput",
    "DeviceError",
    "DeviceLost",
    "DeviceOutOfMemory",
    "InputError",
    "MissingDependency",
    "OptionError",
    "OutputError",
    "StageError",
    "StreamsegError",
    "StreamsegWarning",
    "UnsupportedDevice",
    "WeightsError",
]


class StreamsegError(Exception):
    """Base class of every error raised on purpose."""


class StreamsegWarning(UserWarning):
    """The work is done, but not quite as a user may expect; one sentence. The command prints it in one line."""


class InputError(StreamsegError, ValueError):
    """An input (file, stream, array) that cannot be used."""


class DamagedInput(InputError):
    """The input is damaged or truncated; every frame before the damage was decoded.

    Attributes:
        time: position of the damage in the input's own time, in seconds; None if unknown.
    """

    def __init__(self, message: str, time: float | None = None) -> None:
        super().__init__(message)
        self.time = time


class WeightsError(InputError):
    """A weights file that is truncated, altered, of another format or for another network."""


class OutputError(StreamsegError, OSError):
    """The output cannot be written to that path or in that format."""


class OptionError(StreamsegError, ValueError):
    """Options that contradict each other, or that the chosen output does not support."""


class MissingDependency(StreamsegError, ImportError):
    """An optional package or a system library is missing; the message says what to install."""


class DeviceError(StreamsegError, RuntimeError):
    """An accelerator, its driver or its libraries failed."""


class UnsupportedDevice(DeviceError):
    """There is no accelerator of this kind, or it is too old or lacks a feature."""


class DeviceOutOfMemory(DeviceError):
    """The accelerator's memory, or the host's pinned memory, is full."""


class DeviceLost(DeviceError):
    """The accelerator or its driver failed; this process cannot use it any more."""


class StageError(StreamsegError):
    """A stage of a runner failed; the exception that it raised is ``__cause__``.

    Attributes:
        stage: name of the stage that failed.
    """

    def __init__(self, stage: str, cause: BaseException) -> None:
        super().__init__(f"{stage}: {cause}")
        self.stage = stage

    @property
    def plain(self) -> StreamsegError:
        """The cause if it is a StreamsegError, whose message is clear without the stage; else this error."""
        return self.__cause__ if isinstance(self.__cause__, StreamsegError) else self
