"""The documentation builds, and its commands and examples are those of this version."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from streamseg.pipelines.cli import _parser

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
# Programs that a page may name besides streamseg.
KNOWN = {"curl", "docker", "apt-get", "modprobe", "pip", "python3", "xcode-select"}
_FENCE = re.compile(r"^( *)```(?:(\w+)|\{\.(\w+)((?: \.\w+)*)\})\n(.*?)^\1```$", re.M | re.S)
_ASSIGNMENT = re.compile(r"[A-Z_]+=")


class Block(NamedTuple):
    """A fenced block of a page: what language, whether a test runs it, and its text."""

    page: str
    number: int
    language: str
    run: bool
    text: str


def blocks() -> Iterator[Block]:
    for page in PAGES:
        for number, match in enumerate(_FENCE.finditer(page.read_text(encoding="utf-8")), 1):
            _, plain, classed, classes, text = match.groups()
            yield Block(page.name, number, plain or classed, ".run" in (classes or ""), textwrap.dedent(text))


def of(language: str, *, run: bool | None = None) -> list[Any]:
    found = [each for each in blocks() if each.language == language and run in (None, each.run)]
    return [pytest.param(each, id=f"{each.page}-{each.number}") for each in found]


def commands(text: str) -> Iterator[list[str]]:
    """The commands of a block, each as words; && and | separate them too, and comments are left out."""
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.wordchars += "…:%,@?=[]+"
        words: list[str] = []
        for word in [*lexer, "&&"]:
            if word in ("&&", "|", ";"):
                if words:
                    yield words
                words = []
            elif words or not _ASSIGNMENT.match(word):
                words.append(word)


@pytest.fixture(scope="module")
def reference() -> Any:
    """The module that writes the command reference."""
    path = ROOT / "scripts" / "docs" / "command_reference.py"
    spec = importlib.util.spec_from_file_location("command_reference", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled networks, so that only the first example waits for them."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where examples run: the samples, and the files that the pages speak of."""
    samples = ROOT / "samples"
    shutil.copytree(samples, tmp_path / "samples")
    shutil.copy(samples / "clip.mp4", tmp_path / "talk.mp4")
    for name in ("beach.jpg", "portrait.jpg"):
        shutil.copy(samples / "beach.jpg", tmp_path / name)
    return tmp_path


def run(arguments: list[str], folder: Path, cache: Path) -> None:
    environment = {**os.environ, "STREAMSEG_CACHE": str(cache), "PYTHONUTF8": "1"}
    command = [sys.executable, "-P", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_documentation_builds(tmp_path: Path) -> None:
    for package in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(package, reason='not installed: pip install ".[docs]"')
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    python = (tmp_path / "python" / "index.html").read_text(encoding="utf-8")
    for name in ("Segmenter", "VideoJob", "process_image", "LivePipeline", "WebcamJob", "DamagedInput"):
        assert re.search(rf'<h[34] id="[\w.]*\.{name}"', python), name


def test_the_command_reference_names_every_option(reference: Any) -> None:
    sections = dict(re.findall(r"^##+ (streamseg [^\n]+)\n(.*?)(?=^##|\Z)", reference.command_reference(), re.M | re.S))
    parsers = [_parser()]
    while parsers:
        parser = parsers.pop()
        parsers += [each for each, _ in reference.subcommands(parser)]
        names = {name for action in parser._actions for name in action.option_strings} - {"-h", "--help", "--version"}
        missing = [name for name in names if not re.search(rf"^\| `(?:.*, )?{name}[ `,]", sections[parser.prog], re.M)]
        assert not missing, parser.prog


@pytest.mark.parametrize("block", of("sh"))
def test_commands_on_the_pages_are_right(block: Block) -> None:
    for words in commands(block.text):
        words = words[1:] if words[0] == "sudo" else words
        program = words[0].removeprefix(".venv/bin/")
        if program != "streamseg":
            assert program in KNOWN, words
            continue
        error = io.StringIO()
        with contextlib.redirect_stderr(error):
            try:
                _parser().parse_args(words[1:])
            except SystemExit:
                pytest.fail(f"{shlex.join(words)}: {error.getvalue()}")


@pytest.mark.slow
@pytest.mark.parametrize("block", of("sh", run=True))
def test_commands_on_the_pages_run(block: Block, folder: Path, cache: Path) -> None:
    for words in commands(block.text):
        assert words[0] == "streamseg"
        run(["-m", "streamseg.pipelines.cli", *words[1:]], folder, cache)


@pytest.mark.slow
@pytest.mark.parametrize("block", of("python"))
def test_python_on_the_pages_is_right(block: Block, folder: Path, cache: Path) -> None:
    """Examples compile, and what they import is there; those that are marked also run."""
    compile(block.text, block.page, "exec")
    if block.run:
        run(["-c", block.text], folder, cache)
    else:
        imports = re.findall(r"^(?:from streamseg|import streamseg).*$", block.text, re.M)
        exec("\n".join(imports), {})  # noqa: S102


def test_examples_are_run() -> None:
    """The marks are understood: there are commands and Python among what runs."""
    assert {each.language for each in blocks() if each.run} == {"sh", "python"}
    assert all(each.language in ("csv", "python", "sh", "text") for each in blocks())
