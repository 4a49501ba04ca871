"""The layout of the code: imports lead downwards, no cycles, files and folders of a size that can be read."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Rooms from the bottom up: a module imports from its own room and from those in lines above it.
LEVELS = [
    ["streamseg.errors"],
    ["streamseg.frame"],
    ["streamseg.runtime", "streamseg.network"],
    ["streamseg.deprecation"],
    ["streamseg.media"],
    ["streamseg.matting"],
    ["streamseg.device", "streamseg.metrics"],
    ["streamseg.background"],
    ["streamseg.pipelines"],
    ["streamseg.demos"],
]
MOST_LINES, MOST_FILES = 300, 15


def sources() -> Iterator[tuple[str, Path]]:
    """Every module by its installed name."""
    for folder, prefix in (("streamseg", ""), ("pipelines", "streamseg."), ("demos", "streamseg.")):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = prefix + ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield name.removesuffix(".__init__"), path


MODULES = dict(sources())


@cache
def imported_by(name: str, at_import: bool = False) -> set[str]:
    """The modules of streamseg that a module imports; ``at_import``: only when it is itself imported."""
    path = MODULES[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: set[str] = set()
    for node in statements(ast.parse(path.read_text(encoding="utf-8")), at_import):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            home = package.rsplit(".", node.level - 1)[0] if node.level else ""
            base = ".".join(filter(None, [home, node.module]))
            found |= {f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base for alias in node.names}
    return {each for each in found if each.startswith("streamseg")} - {name}


def statements(tree: ast.AST, at_import: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        deferred = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or (
            isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        )
        if at_import and deferred:
            continue
        yield node
        yield from statements(node, at_import)


def room(name: str) -> tuple[int, str]:
    """Level and room of a module; packages above all rooms have none."""
    for level, rooms in enumerate(LEVELS):
        for each in rooms:
            if name == each or name.startswith(f"{each}."):
                return level, each
    return -1, name


def leads_down(name: str, other: str) -> bool:
    (level, own), (other_level, other_room) = room(name), room(other)
    return other_room == own or other_level < level


def test_imports_lead_downwards():
    upwards = [(name, other) for name in MODULES for other in imported_by(name) if not leads_down(name, other)]
    assert upwards == []


def test_the_two_devices_do_not_know_each_other():
    for name in MODULES:
        for one, other in (("cpu", "cuda"), ("cuda", "cpu")):
            if name.startswith(f"streamseg.device.{one}"):
                assert not [each for each in imported_by(name) if each.startswith(f"streamseg.device.{other}")], name


def test_there_are_no_import_cycles():
    try:
        TopologicalSorter({name: imported_by(name, at_import=True) for name in MODULES}).prepare()
    except CycleError as cycle:
        pytest.fail(" → ".join(cycle.args[1]))


def test_no_module_is_longer_than_can_be_read_at_once():
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}


def test_no_folder_has_more_modules_than_a_page_lists():
    folders = [path.parent for path in MODULES.values()]
    assert {str(each) for each in folders if folders.count(each) > MOST_FILES} == set()
