"""Where an output grows and how it takes its final name: whole, or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from streamseg.errors import OutputError

__all__ = ["Place"]

# Letters of the final name that the temporary one shows: names may have 255 bytes.
_STEM = 48


class Place:
    """A hidden temporary file or folder beside the final name, or in the final folder where that exists.

    Raises:
        OutputError: the final name is taken and ``overwrite`` is not set, or its folder cannot be written.
    """

    def __init__(self, final: Path, overwrite: bool, folder: bool = False) -> None:
        self.final, self._overwrite, self._folder = final, overwrite, folder
        try:
            if self._taken():
                raise OutputError(f"{final}: exists already; --overwrite replaces it")
            self.path = self._hidden()
            self.path.mkdir() if folder else self.path.touch(exist_ok=False)
        except OutputError:
            raise
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise OutputError(f"{final}: cannot be written there ({reason})") from error

    def _taken(self) -> bool:
        if self._folder and self.final.is_dir():
            return not self._overwrite and any(self.final.iterdir())
        if self.final.is_dir() or (self._folder and self.final.exists()):
            raise OutputError(f"{self.final}: is a {'file' if self._folder else 'folder'}; name another output")
        return not self._overwrite and self.final.exists()

    def _hidden(self) -> Path:
        token = secrets.token_hex(4)
        if self._folder and self.final.is_dir():
            return self.final / f".partial-{token}"  # beside a mount point lies another file system
        stem = self.final.stem[:_STEM]
        # The suffix stays last: the container is recognised by it.
        return self.final.with_name(f".{stem}.partial-{token}{self.final.suffix}")

    def commit(self) -> None:
        """Give the output its final name. Raises OutputError if that was taken in the meantime."""
        try:
            if self._folder:
                self._commit_folder()
            elif self._overwrite:
                self.path.replace(self.final)
            else:
                self._link()
        except FileExistsError as error:
            raise OutputError(f"{self.final}: appeared meanwhile; the result is {self.path}") from error
        except OSError as error:
            raise OutputError(f"{self.final}: {error.strerror}; the result is {self.path}") from error

    def _link(self) -> None:
        try:
            os.link(self.path, self.final)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            self.path.rename(self.final)
        else:
            self.path.unlink()

    def _commit_folder(self) -> None:
        if not self.final.is_dir():
            self.path.rename(self.final)
            return
        if not self._overwrite and any(item != self.path for item in self.final.iterdir()):
            raise FileExistsError
        for item in sorted(self.path.iterdir()):
            item.replace(self.final / item.name)
        self.path.rmdir()

    def discard(self) -> None:
        """Remove what was written so far."""
        if self._folder:
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            self.path.unlink(missing_ok=True)
