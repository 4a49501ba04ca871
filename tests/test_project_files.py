"""Files around the code that name versions, commands and files: they must exist and agree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamseg import __version__

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def parsed(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def job() -> Any:
    return parsed(".github/workflows/ci.yml")["jobs"]["test"]


def test_every_package_is_installed() -> None:
    """A checkout has them all; only an installation would miss one."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    folders = {
        path.parent for room in ("streamseg", "pipelines", "demos") for path in (ROOT / room).rglob("__init__.py")
    }
    names = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    installed = {name if name.startswith("streamseg") else f"streamseg.{name}" for name in names}
    assert set(tool["packages"]) == installed | {"streamseg.samples"}


def test_every_supported_python_is_tested(job: Any) -> None:
    oldest = PROJECT["requires-python"].removeprefix(">=")
    versions = job["strategy"]["matrix"]["python"]
    assert versions[0] == oldest
    named = {each.rsplit(" ", 1)[-1] for each in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", each)}
    assert set(versions) == named


def test_ci_runs_what_contributors_run(job: Any) -> None:
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert (ROOT / ".ci/run").stat().st_mode & 0o111


def test_wheels_are_built_for_the_oldest_python_alone() -> None:
    job = parsed(".github/workflows/wheels.yml")["jobs"]["wheels"]
    (environment,) = (step["env"] for step in job["steps"] if "env" in step)
    tag = "cp" + PROJECT["requires-python"].removeprefix(">=").replace(".", "")
    assert environment["CIBW_BUILD"] == f"{tag}-*"
    assert tag in (ROOT / "setup.py").read_text(encoding="utf-8")


def test_the_citation_is_of_this_version() -> None:
    citation = parsed("CITATION.cff")
    assert (citation["version"], citation["license"]) == (__version__, PROJECT["license"])


def test_a_bug_report_asks_for_the_doctor() -> None:
    fields = parsed(".github/ISSUE_TEMPLATE/bug.yml")["body"]
    (doctor,) = (field for field in fields if field["id"] == "doctor")
    assert "streamseg doctor" in doctor["attributes"]["label"] and doctor["validations"]["required"]
