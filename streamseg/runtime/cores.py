"""How many cores this process may use, and how busy they are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from math import ceil
from pathlib import Path

__all__ = ["CORES_VARIABLE", "busy_seconds", "usable_cores"]

_CGROUPS = Path("/sys/fs/cgroup")
#: Variable of the environment: how many cores a process may take of those there are, where several share them.
CORES_VARIABLE = "STREAMSEG_CORES"


def usable_cores() -> int:
    """Cores that this process may use, 1 or more: those of its affinity mask, or fewer by the CPU quota of its control
    groups (containers, systemd), rounded up, or by STREAMSEG_CORES, a whole number in the environment."""
    allowed = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    with suppress(ValueError):
        allowed = min(allowed, int(os.environ.get(CORES_VARIABLE) or allowed))
    return max(1, min([allowed, *(ceil(quota) for quota in _quotas())]))


def busy_seconds() -> float | None:
    """CPU seconds, up to now, of the cores that this process may use, for all programs but those of low priority.

    None where that is not known: where there is a quota, which others' work does not shorten, and in containers that
    see other cores than they may use, or none.
    """
    import psutil

    try:
        cores = psutil.cpu_times(percpu=True)
        if hasattr(os, "sched_getaffinity"):
            cores = [cores[core] for core in os.sched_getaffinity(0)]
    except (OSError, IndexError):
        return None
    if len(cores) != usable_cores():
        return None
    kinds = ("user", "system", "irq", "softirq", "steal")
    return float(sum(getattr(times, kind, 0.0) for times in cores for kind in kinds))


def _quotas(mounted: Path = _CGROUPS, own: Path = Path("/proc/self/cgroup")) -> Iterator[float]:
    """Cores that each control group of this process grants, of those with a quota."""
    with suppress(OSError, ValueError):  # ValueError: lines of another form
        for line in own.read_text(encoding="utf-8").splitlines():
            _, controllers, name = line.split(":", 2)
            if not controllers:
                yield from _along(mounted, name, _quota_v2)
            elif "cpu" in controllers.split(","):
                for folder in (mounted / controllers, mounted / "cpu"):
                    yield from _along(folder, name, _quota_v1)


def _along(root: Path, name: str, quota: Callable[[Path], float]) -> Iterator[float]:
    """The quotas of a group and of those around it. In a container ``name`` may be one that is not mounted there."""
    folder = root / name.lstrip("/")
    for group in (folder, *folder.parents):
        with suppress(OSError, ValueError):
            yield quota(group)
        if group == root:
            return


def _quota_v2(group: Path) -> float:
    quota, period = (group / "cpu.max").read_text(encoding="utf-8").split()
    return int(quota) / int(period)  # ValueError for "max"


def _quota_v1(group: Path) -> float:
    quota, period = (int((group / f"cpu.cfs_{name}_us").read_text(encoding="utf-8")) for name in ("quota", "period"))
    if quota <= 0 or period <= 0:
        raise ValueError("no quota")
    return quota / period
