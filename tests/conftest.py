"""Fixtures for all tests, and how they are shared out among processes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from streamseg.runtime.cores import usable_cores

os.environ["STREAMSEG_CACHE"] = ""  # tests and their subprocesses do not use the user's cache
# Torch's threads wait by spinning: those of one process would take the cores from the others.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Beyond this many, memory (up to 2 GB each) costs more than the time that is saved.
_MOST_WORKERS = 4
# Pages in a browser show video as it comes: two at once would be short of cores.
_IN_ONE_PROCESS = "tests/demos/"
# Whole clips, commands in processes of their own, a browser, a GPU's kernels on the host.
_SLOW = ("tests/cuda/", "tests/demos/", "tests/pipelines/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(_SLOW):
            item.add_marker(pytest.mark.slow)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One process for each core; none besides this one for a few tests, which would be done before the others start."""
    few = config.option.keyword or (config.args and all(".py" in argument for argument in config.args))
    return 0 if few or os.environ.get("STREAMSEG_REQUIRE_CUDA") == "1" else min(usable_cores(), _MOST_WORKERS)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """File by file, those of the demo together."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _IN_ONE_PROCESS if nodeid.startswith(_IN_ONE_PROCESS) else super()._split_scope(nodeid)

    return Scheduling(config, log)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of test data beside the checkout; skips the test if it is missing."""
    folder = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}")
    return folder
