"""Fixtures for all tests, and how they are shared out among processes."""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from streamseg.pipelines import cli

from streamseg.device.cpu.openvino import network, selfie
from streamseg.media.writing.scheduling import kept_scheduling
from streamseg.runtime.cores import usable_cores

# Torch's threads wait by spinning: those of one process would take the cores from the others.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Beyond this many, memory (up to 2 GB each) costs more than the time that is saved.
_MOST_WORKERS = 4
# Pages in a browser show video as it comes: two at once would be short of cores.
_IN_ONE_PROCESS = "tests/demos/"
# Whole clips, commands in processes of their own, a browser, a GPU's kernels on the host.
_SLOW = ("tests/cuda/", "tests/demos/", "tests/pipelines/")
_IMPORTS_TORCH = re.compile(r"""^(?:\w+ = )?(?:import torch|from torch|pytest\.importorskip\("torch")""", re.M)


def pytest_configure(config: pytest.Config) -> None:
    """Networks are compiled once for all processes and runs, and never in the user's cache; modules once too."""
    if not hasattr(config, "workerinput"):  # the others inherit it
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # half a second in each of the processes that tests start
        sys.dont_write_bytecode = False
        cache = getattr(config, "cache", None)  # none with -p no:cacheprovider
        os.environ["STREAMSEG_CACHE"] = "" if cache is None else str(cache.mkdir("networks"))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With -m quick, files that import torch are left out: the import alone takes seconds in each process."""
    if config.option.markexpr != "quick" or collection_path.suffix != ".py":
        return None
    return _IMPORTS_TORCH.search(collection_path.read_text(encoding="utf-8")) is not None or None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The longest file begins first: at the end the other processes would wait for it.
    items.sort(key=lambda item: not item.nodeid.startswith("tests/test_docs.py"))
    known: set[str] = set()
    for item in items:
        name = item.nodeid.partition("[")[0]
        if name not in known and not (_shares(item) or _imports_torch(item) or item.get_closest_marker("slow")):
            item.add_marker(pytest.mark.quick)
        known.add(name)
        if item.nodeid.startswith(_SLOW):
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """What is there now, modules and tests, stays to the end: it need not be searched for garbage again and again."""
    gc.collect()
    gc.freeze()


def _shares(item: pytest.Item) -> bool:
    """Whether a test uses a fixture of ours that others use too: a network, a clip, a service, a browser."""
    definitions = item._fixtureinfo.name2fixturedefs.values()  # type: ignore[attr-defined]
    used = [each for of in definitions for each in of if each.baseid.startswith("tests")]
    return any(each.scope != "function" and not each.argname.startswith("_") for each in used)


def _imports_torch(item: pytest.Item) -> bool:
    code = item.function.__code__  # type: ignore[attr-defined]
    return "torch" in code.co_names + code.co_varnames or {"importorskip", "torch"} <= {*code.co_names, *code.co_consts}


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One process for each core, and one for when the others wait, for a browser, a camera's clock or a process.

    None besides this one for a few tests, which would be done before the others start.
    """
    few = config.option.keyword or (config.args and all(".py" in argument for argument in config.args))
    return 0 if few or os.environ.get("STREAMSEG_REQUIRE_CUDA") == "1" else min(usable_cores() + 1, _MOST_WORKERS)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """File by file, those of the demo together."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _IN_ONE_PROCESS if nodeid.startswith(_IN_ONE_PROCESS) else super()._split_scope(nodeid)

    return Scheduling(config, log)


@pytest.fixture(autouse=True)
def usual_priority() -> Iterator[None]:
    """Clips in AV1 are made without the writer, and leave no process of the tests with real-time priority."""
    with kept_scheduling():
        yield


@pytest.fixture(scope="session", autouse=True)
def _networks_compiled_once() -> Iterator[None]:
    """All packaged networks that a process opens share what is compiled, save where a test has a cache of its own."""
    with pytest.MonkeyPatch.context() as patch:
        for module, names in (
            (network, ("quantised_model", "compile_cached")),
            (selfie, ("selfie_model", "compile_cached")),
        ):
            for name in names:
                patch.setattr(module, name, _once(getattr(module, name)))
        yield


def _once(function: Callable[..., Any]) -> Callable[..., Any]:
    made: dict[tuple[Any, ...], Any] = {}
    folder = os.environ["STREAMSEG_CACHE"]

    def call(*arguments: Any) -> Any:
        plain = [each if isinstance(each, int | str | None) else id(each) for each in arguments]
        key = (os.getpid(), *plain)  # a forked child cannot use what its parent made
        if os.environ["STREAMSEG_CACHE"] != folder:
            return function(*arguments)
        if key not in made:
            made[key] = function(*arguments), arguments  # kept: another object could get the same id
        return made[key][0]

    return call


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of test data beside the checkout; skips the test if it is missing."""
    folder = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}")
    return folder


@pytest.fixture
def streamseg(capfd: pytest.CaptureFixture[str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command in this process, where the networks are open; gives status, standard output and error."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        words = [str(each) for each in arguments]
        capfd.readouterr()
        try:
            status: Any = cli.main(words)
        except SystemExit as end:
            status = end.code
        return subprocess.CompletedProcess(words, status, *capfd.readouterr())

    return run
