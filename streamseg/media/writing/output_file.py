"""An output that gets its final name only when it is complete."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from pathlib import Path

from streamseg.errors import OptionError, OutputError

__all__ = ["OutputFile", "check_output"]

# Letters of the final name in the temporary one: names may have 255 bytes at most.
_STEM_LENGTH = 48


def check_output(final: Path, overwrite: bool, folder: bool = False) -> None:
    """Refuse an output that cannot be written, before any work is done for it; arguments and errors as for OutputFile.

    What only the attempt to write shows is not found here.
    """
    if str(final) == "-":
        raise OptionError("output -: standard output is not supported; name a file")
    try:
        final.absolute().parent.stat()  # OSError where there is no such folder
        if folder and final.is_dir():
            exists = any(final.iterdir())
        elif final.is_dir() or (folder and final.exists()):
            raise OutputError(f"{final}: is a {'file' if folder else 'folder'}; name another output")
        elif (exists := final.exists()) and not final.is_file():
            raise OutputError(f"{final}: is a device or a pipe; name a file")
    except OutputError:
        raise
    except (OSError, ValueError) as error:
        raise OutputError(f"{final}: cannot be written there ({getattr(error, 'strerror', None) or error})") from error
    if exists and not overwrite:
        raise OutputError(f"{final}: already exists; --overwrite replaces it")


class OutputFile:
    """A hidden temporary file or folder, beside the final name or in the final folder if that exists.

    Args:
        final: path of the complete output; of a symbolic link, the file that it leads to is written.
        overwrite: replace existing files.
        folder: whether the output is a folder of files.

    Attributes:
        path: the temporary file or folder to write to; absolute, so that FFmpeg takes no part of it for a protocol.
        final: as given.

    Raises:
        OutputError: the output exists and ``overwrite`` is False, its folder cannot be written to, or it is no file but
            a device or a pipe.
        OptionError: it is "-".
    """

    def __init__(self, final: Path, overwrite: bool, folder: bool = False) -> None:
        check_output(final, overwrite, folder)
        self.final, self._overwrite, self._folder = final, overwrite, folder
        try:
            self._target = _end_of_link(final) if final.is_symlink() else final.absolute()
            self.path = self._temporary_path()
            self.path.mkdir() if folder else self.path.touch(exist_ok=False)
        except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: links in a circle, before Python 3.13
            reason = getattr(error, "strerror", None) or error
            raise OutputError(f"{final}: cannot be written there ({reason})") from error

    def _temporary_path(self) -> Path:
        token = secrets.token_hex(4)
        if self._folder and self._target.is_dir():
            return self._target / f".partial-{token}"  # a mount point's parent is on another file system
        stem = self._target.stem[:_STEM_LENGTH]
        # With the same suffix, by which FFmpeg recognises the container.
        return self._target.with_name(f".{stem}.partial-{token}{self._target.suffix}")

    def commit(self) -> None:
        """Give the output its final name. Raises OutputError if that has been created in the meantime."""
        try:
            if self._folder:
                self._commit_folder()
            elif self._overwrite:
                self.path.replace(self._target)
            else:
                self._link()
        except FileExistsError as error:
            raise OutputError(f"{self.final}: was created in the meantime; the result is {self.path}") from error
        except OSError as error:
            raise OutputError(f"{self.final}: {error.strerror}; the result is {self.path}") from error

    def _link(self) -> None:
        try:
            os.link(self.path, self._target)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            self.path.rename(self._target)
        else:
            self.path.unlink()

    def _commit_folder(self) -> None:
        if not self._target.is_dir():
            self.path.rename(self._target)
            return
        if not self._overwrite and any(item != self.path for item in self._target.iterdir()):
            raise FileExistsError
        for item in sorted(self.path.iterdir()):
            item.replace(self._target / item.name)
        self.path.rmdir()

    def discard(self) -> None:
        """Remove what was written so far."""
        if self._folder:
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            self.path.unlink(missing_ok=True)


def _end_of_link(path: Path) -> Path:
    target = path.resolve()
    if target.is_symlink():  # links in a circle, since Python 3.13
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return target
