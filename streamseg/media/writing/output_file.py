"""An output that gets its final name only when it is complete."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from streamseg.errors import OutputError

__all__ = ["OutputFile"]

# Letters of the final name in the temporary one: names may have 255 bytes at most.
_STEM_LENGTH = 48


class OutputFile:
    """A hidden temporary file or folder, beside the final name or in the final folder if that exists.

    Args:
        final: path of the complete output.
        overwrite: replace existing files.
        folder: whether the output is a folder of files.

    Attributes:
        path: the temporary file or folder to write to.
        final: as given.

    Raises:
        OutputError: the output exists and ``overwrite`` is False, or its folder cannot be written to.
    """

    def __init__(self, final: Path, overwrite: bool, folder: bool = False) -> None:
        self.final, self._overwrite, self._folder = final, overwrite, folder
        try:
            if self._exists():
                raise OutputError(f"{final}: already exists; --overwrite replaces it")
            self.path = self._temporary_path()
            self.path.mkdir() if folder else self.path.touch(exist_ok=False)
        except OutputError:
            raise
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise OutputError(f"{final}: cannot be written there ({reason})") from error

    def _exists(self) -> bool:
        if self._folder and self.final.is_dir():
            return not self._overwrite and any(self.final.iterdir())
        if self.final.is_dir() or (self._folder and self.final.exists()):
            raise OutputError(f"{self.final}: is a {'file' if self._folder else 'folder'}; name another output")
        return not self._overwrite and self.final.exists()

    def _temporary_path(self) -> Path:
        token = secrets.token_hex(4)
        if self._folder and self.final.is_dir():
            return self.final / f".partial-{token}"  # a mount point's parent is on another file system
        stem = self.final.stem[:_STEM_LENGTH]
        # With the same suffix, by which FFmpeg recognises the container.
        return self.final.with_name(f".{stem}.partial-{token}{self.final.suffix}")

    def commit(self) -> None:
        """Give the output its final name. Raises OutputError if that has been created in the meantime."""
        try:
            if self._folder:
                self._commit_folder()
            elif self._overwrite:
                self.path.replace(self.final)
            else:
                self._link()
        except FileExistsError as error:
            raise OutputError(f"{self.final}: was created in the meantime; the result is {self.path}") from error
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
