"""A request that is not served, and why."""

from __future__ import annotations

from pathlib import Path

from streamseg.errors import DeviceError, MissingDependency, StreamsegError

__all__ = ["Refusal", "refusal_of"]


class Refusal(Exception):
    """Answered with a status and JSON: {"error": one line}.

    Args:
        status: of HTTP.
        message: what was got, what was expected, what to do.
        retry_after: seconds after which the same request may be served.
    """

    def __init__(self, status: int, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.message = status, message
        self.headers = {} if retry_after is None else {"Retry-After": str(retry_after)}


def refusal_of(error: StreamsegError, folder: Path | None = None) -> Refusal:
    """The answer for an error of streamseg.

    Args:
        error: whose message is shown, in one line.
        folder: of the request; the names of files in it mean nothing to the client and become those of the upload.
    """
    message = " ".join(str(error).split())
    if folder is not None:
        message = message.replace(f"{folder}/", "")
    if isinstance(error, DeviceError):
        return Refusal(500, message)
    return Refusal(415 if isinstance(error, MissingDependency) else 422, message)
