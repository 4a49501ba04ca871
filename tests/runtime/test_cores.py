"""Cores by affinity and by the quotas of control groups, and how busy they are."""

from __future__ import annotations

import os
import subprocess
import sys
from time import monotonic

import pytest

from streamseg.runtime import cores
from streamseg.runtime.cores import busy_seconds, usable_cores


@pytest.fixture
def quotas(tmp_path):
    """What the quotas are, given the files of control groups and /proc/self/cgroup."""

    def read(own, files):
        for name, text in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (tmp_path / "own").write_text(own)
        return sorted(cores._quotas(tmp_path / "cgroup", tmp_path / "own"))

    return read


def test_a_container_with_a_quota(quotas):
    assert quotas("0::/\n", {"cpu.max": "150000 100000\n"}) == [1.5]


def test_the_quota_of_a_group_around_it_counts_too(quotas):
    files = {"a.slice/b/cpu.max": "max 100000\n", "a.slice/cpu.max": "200000 100000\n"}
    assert quotas("0::/a.slice/b\n", files) == [2]


def test_the_older_control_groups(quotas):
    files = {"cpu,cpuacct/x/cpu.cfs_quota_us": "300000\n", "cpu,cpuacct/x/cpu.cfs_period_us": "100000\n"}
    files |= {"cpu,cpuacct/cpu.cfs_quota_us": "-1\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"}
    assert quotas("4:cpu,cpuacct:/x\n1:name=systemd:/\n", files) == [3]


@pytest.mark.parametrize("own", ["", "nonsense", "0::/gone\n"])
def test_no_quota(quotas, own):
    assert quotas(own, {}) == []


def test_the_affinity_and_the_quota_limit_the_number(monkeypatch):
    monkeypatch.setattr(cores, "_quotas", lambda: iter([]))
    assert cores.usable_cores() == len(os.sched_getaffinity(0))
    monkeypatch.setattr(cores, "_quotas", lambda: iter([0.5, 64]))
    assert cores.usable_cores() == 1


def test_the_environment_limits_the_number(monkeypatch):
    monkeypatch.setattr(cores, "_quotas", lambda: iter([]))
    monkeypatch.setenv("STREAMSEG_CORES", "1")
    assert cores.usable_cores() == 1
    for nothing in ("", "many", "64"):
        monkeypatch.setenv("STREAMSEG_CORES", nothing)
        assert cores.usable_cores() == len(os.sched_getaffinity(0))


def test_the_time_that_all_programs_take():
    before, started = busy_seconds(), monotonic()
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        while monotonic() - started < 1:
            pass
    finally:
        other.kill()
        other.wait()
    after = busy_seconds()
    if before is None or after is None:
        pytest.skip("the cores have a quota here")
    seconds = monotonic() - started
    assert min(2, usable_cores()) * 0.6 * seconds < after - before < usable_cores() * seconds + 0.2


@pytest.mark.parametrize("change", [("usable_cores", lambda: 0.5), ("os.sched_getaffinity", lambda pid: {4000})])
def test_with_a_quota_or_other_cores_than_are_seen_it_is_not_known(monkeypatch, change):
    monkeypatch.setattr(f"streamseg.runtime.cores.{change[0]}", change[1], raising=False)
    assert busy_seconds() is None
