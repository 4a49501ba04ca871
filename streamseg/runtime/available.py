"""How much memory this process may still take."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

__all__ = ["available_memory"]

_MEMINFO, _CGROUPS, _OWN = Path("/proc/meminfo"), Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def available_memory(meminfo: Path = _MEMINFO, mounted: Path = _CGROUPS, own: Path = _OWN) -> int | None:
    """Bytes that can be taken without swapping: what the system calls available, or less by the limits of this
    process's control groups (containers, systemd); None where the system does not say."""
    known = [*_of_system(meminfo), *_of_groups(mounted, own)]
    return max(0, min(known)) if known else None


def _of_system(meminfo: Path) -> Iterator[int]:
    with suppress(OSError, ValueError, IndexError):
        for line in meminfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                yield int(line.split()[1]) << 10
                return
    with suppress(OSError, ValueError, AttributeError):  # no Linux: half of all there is
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def _of_groups(mounted: Path, own: Path) -> Iterator[int]:
    with suppress(OSError, ValueError):
        for line in own.read_text(encoding="utf-8").splitlines():
            _, controllers, name = line.split(":", 2)
            if controllers:
                continue
            folder = mounted / name.lstrip("/")
            for group in (folder, *folder.parents):
                with suppress(OSError, ValueError):  # ValueError: "max"
                    limit = int((group / "memory.max").read_text(encoding="utf-8"))
                    yield limit - int((group / "memory.current").read_text(encoding="utf-8"))
                if group == mounted:
                    break
