"""Available memory, by the system and by control groups."""

from __future__ import annotations

import pytest

from streamseg.runtime.available import available_memory


@pytest.fixture
def memory(tmp_path):
    """What is available, given the files of control groups."""

    def read(groups, own="0::/a/b\n", meminfo="MemTotal: 9 kB\nMemAvailable:    2048 kB\n"):
        for name, text in groups.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (tmp_path / "meminfo").write_text(meminfo)
        (tmp_path / "own").write_text(own)
        return available_memory(tmp_path / "meminfo", tmp_path / "cgroup", tmp_path / "own")

    return read


def test_what_the_system_calls_available(memory):
    assert memory({}) == 2 << 20


def test_the_limit_of_a_group_less_what_it_has_taken(memory):
    assert memory({"a/memory.max": "1000000\n", "a/memory.current": "400000\n", "a/b/memory.max": "max\n"}) == 600_000


def test_a_group_that_is_full(memory):
    assert memory({"a/b/memory.max": "1000\n", "a/b/memory.current": "4000\n"}) == 0


def test_this_machine():
    assert (available_memory() or 1) > 0
