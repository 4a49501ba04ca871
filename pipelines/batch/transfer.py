"""Files where they are: local paths and, by fsspec, URLs."""

from __future__ import annotations

import errno
import secrets
import shutil
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from streamseg.errors import InputError, MissingDependency, OptionError, OutputError

__all__ = ["deliver", "exists", "fetch", "find_urls", "fingerprint", "is_url", "joined", "read_text", "write_text"]

# Of a local file these many bytes at its beginning, middle and end are hashed.
_SAMPLE = 1 << 16


def is_url(name: str) -> bool:
    """Whether ``name`` is a URL instead of a path."""
    return "://" in name


def joined(folder: str, name: str) -> str:
    """``name`` in ``folder``."""
    return f"{folder.rstrip('/')}/{name}" if is_url(folder) else str(Path(folder, name)) + "/" * name.endswith("/")


def _opened(url: str) -> tuple[Any, str]:
    """fsspec's file system of a URL, and the path in it."""
    try:
        import fsspec
    except ImportError as error:
        raise MissingDependency(f'{url}: URLs need fsspec: pip install "streamseg[batch]"') from error
    try:
        file_system, path = fsspec.core.url_to_fs(url)
    except ImportError as error:  # the package of this protocol
        raise MissingDependency(f"{url}: {error}") from error
    except ValueError as error:
        raise OptionError(f"{url}: {error}") from error
    return file_system, path


def find_urls(url: str) -> Iterator[tuple[str, str]]:
    """The URLs that one with wildcards stands for, or itself; each with its folder below the fixed part."""
    if "*" not in url:
        yield url, ""
        return
    file_system, path = _opened(url)
    base = path[: path.index("*")].rpartition("/")[0]
    try:
        found = file_system.glob(path, detail=True)
    except ValueError as error:  # as for "**.mp4"
        raise OptionError(f"{url}: {error}") from error
    names = [name for name, info in sorted(found.items()) if info["type"] == "file"]
    if not names:
        raise OptionError(f"{url}: matches no file")
    for name in names:
        below = name.rpartition("/")[0].removeprefix(base).strip("/")
        yield file_system.unstrip_protocol(name), below


def exists(name: str) -> bool:
    """Whether there is a file, or a folder that is not empty."""
    if is_url(name):
        file_system, path = _opened(name)
        return bool(file_system.exists(path))
    local = Path(name)
    return any(local.iterdir()) if local.is_dir() else local.exists()


def fingerprint(name: str) -> dict[str, Any]:
    """What changes when a file's content does: size, time of the last change, and a hash of 64 KiB at its beginning,
    middle and end; of a URL what its file system says instead. Raises InputError if there is no such file.

    The time is there because an edit may change neither size nor samples; the samples are there because copies and
    archives may keep size and time.
    """
    try:
        if is_url(name):
            file_system, path = _opened(name)
            return {"size": file_system.size(path), "key": str(file_system.ukey(path))}
        status = Path(name).stat()
        digest = blake2b(digest_size=16)
        with Path(name).open("rb") as file:
            for position in sorted({0, max(0, status.st_size // 2), max(0, status.st_size - _SAMPLE)}):
                file.seek(position)
                digest.update(file.read(_SAMPLE))
        return {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "sample": digest.hexdigest()}
    except FileNotFoundError as error:
        raise InputError(f"{name}: no such file") from error
    except (OSError, NotImplementedError) as error:
        raise InputError(f"{name}: cannot be read ({getattr(error, 'strerror', None) or error})") from error


def read_text(name: str) -> str | None:
    """The text of a small file; None if there is none."""
    try:
        if is_url(name):
            file_system, path = _opened(name)
            return str(file_system.cat_file(path).decode())
        return Path(name).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None


def write_text(name: str, text: str) -> None:
    """Write a small file, whole or not at all. Raises OutputError."""
    try:
        if is_url(name):
            file_system, path = _opened(name)
            file_system.makedirs(path.rpartition("/")[0], exist_ok=True)
            file_system.pipe_file(path, text.encode())
            return
        local = Path(name)
        local.parent.mkdir(parents=True, exist_ok=True)
        partial = local.with_name(f".{secrets.token_hex(8)}.partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(local)
    except OSError as error:
        raise OutputError(f"{name}: cannot be written ({error.strerror or error})") from error


def fetch(name: str, folder: Path) -> str:
    """A local path of a file: a copy in ``folder`` of what has a URL, else itself. Raises InputError."""
    if not is_url(name):
        return name
    file_system, path = _opened(name)
    copy = folder / f"source{Path(path).suffix}"
    try:
        file_system.get_file(path, str(copy))
    except FileNotFoundError as error:
        raise InputError(f"{name}: no such file") from error
    except OSError as error:
        raise InputError(f"{name}: cannot be copied from there ({error.strerror or error})") from error
    return str(copy)


def deliver(made: Path, name: str) -> None:
    """Give a complete file or folder its final name, in place of what has that name. Raises OutputError."""
    try:
        if is_url(name):
            _upload(made, name)
        else:
            _move(made, Path(name))
    except OSError as error:
        raise OutputError(f"{name}: cannot be written ({error.strerror or error})") from error


def _upload(made: Path, url: str) -> None:
    file_system, path = _opened(url)
    file_system.makedirs(path.rstrip("/").rpartition("/")[0], exist_ok=True)
    if not made.is_dir():
        file_system.put_file(str(made), path)
        return
    if file_system.exists(path):
        file_system.rm(path, recursive=True)
    file_system.put(f"{made}/", f"{path.rstrip('/')}/", recursive=True)


def _move(made: Path, final: Path) -> None:
    final.parent.mkdir(parents=True, exist_ok=True)
    if final.is_dir() and not final.is_symlink():
        final.replace(made.with_name(f"{made.name}.before"))
    try:
        made.replace(final)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy = final.with_name(f".{final.name[:48]}.partial-{secrets.token_hex(4)}")
        if made.is_dir():
            shutil.copytree(made, copy)
        else:
            shutil.copyfile(made, copy)
        copy.replace(final)
