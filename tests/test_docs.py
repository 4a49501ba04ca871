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
import tomllib
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import pytest
from PIL import Image
from streamseg.pipelines.cli import _parser

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
# Programs that a page may name besides streamseg.
KNOWN = {"curl", "docker", "apt-get", "modprobe", "pip", "python", "python3", "xcode-select", "ruff", "mypy", "mkdocs"}
_FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.M | re.S)
_ASSIGNMENT = re.compile(r"[A-Z_]+=")


class Block(NamedTuple):
    """A fenced block of a page: what language, and its text."""

    page: str
    number: int
    language: str
    text: str


def blocks() -> Iterator[Block]:
    for page in PAGES:
        for number, match in enumerate(_FENCE.finditer(page.read_text(encoding="utf-8")), 1):
            yield Block(page.name, number, match[2], textwrap.dedent(match[3]))


def of(language: str) -> list[Any]:
    found = [each for each in blocks() if each.language == language]
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
def small_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The samples and the files that the pages speak of, small and short; nothing may change them."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "samples").mkdir()
    write_clip(folder / "talk.mp4", rate=2, count=3)
    write_clip(folder / "in.mkv", rate=1, count=63)  # an example starts at the 60th second
    for name in ("samples/clip.mp4", "waves.mp4"):
        shutil.copy(folder / "talk.mp4", folder / name)
    picture = Image.open(ROOT / "samples" / "beach.jpg").resize((320, 180))
    for name in ("samples/beach.jpg", "beach.jpg", "beach-wide.jpg", "portrait.jpg", "group.jpg"):
        picture.save(folder / name)
    return folder


def write_clip(path: Path, rate: int, count: int) -> None:
    with av.open(str(ROOT / "samples" / "clip.mp4")) as source, av.open(str(path), "w") as target:
        stream: Any = target.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number, frame in zip(range(count), source.decode(video=0), strict=False):
            small = frame.reformat(160, 120, "yuv420p")
            small.pts, small.time_base = number, Fraction(1, rate)
            target.mux(stream.encode(small))
        target.mux(stream.encode(None))


@pytest.fixture
def folder(small_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of an example, with those files."""
    shutil.copytree(small_files, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def runs_here(words: list[str]) -> bool:
    """Whether a command needs nothing but those files: no GPU, no camera or window, no weights, no minutes."""
    if words[0] in ("video", "image"):
        absent = {"--device", "--weights"} & set(words)
        return not absent and not any(
            re.match(r"\d\d+,|.*@", word) for word in words
        )  # points of a larger, longer clip
    return words == ["cameras"] or (words[0] == "webcam" and {"--camera", "--headless", "--duration"} <= set(words))


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
            assert extras(words) <= EXTRAS, words
        elif error := refused(words[1:]):
            pytest.fail(f"{shlex.join(words)}: {error}")


EXTRAS = set(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"])


def extras(words: list[str]) -> set[str]:
    """The extras that a command of pip installs."""
    named = re.findall(r"\[([\w,-]+)\]", " ".join(words)) if words[0].endswith("pip") else []
    return {extra for list_ in named for extra in list_.split(",")}


def refused(words: list[str]) -> str:
    """What the parser says against a command; nothing if it is right."""
    error = io.StringIO()
    with contextlib.redirect_stderr(error), contextlib.redirect_stdout(io.StringIO()):
        try:
            _parser().parse_args(words)
        except SystemExit as end:
            return error.getvalue() if end.code else ""
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_within_the_text_are_right(page: Path) -> None:
    """Of those that are cut short (`streamseg webcam --mirror …`, `streamseg video`) what is there."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    for command in re.findall(r"`(?:\.venv/bin/)?streamseg ([^`]+)`", text):
        words = shlex.split(re.sub(r"[…\[\]]", "", command))
        error = refused(words)
        cut_short = "required:" in error or ("…" in command and "expected one argument" in error)
        assert not error or cut_short or words[0] == "COMMAND", (command, error)


def examples() -> Iterator[Any]:
    """The commands of all blocks that run here, each once."""
    known = set()
    for block in blocks():
        if block.language == "sh":
            for number, words in enumerate(commands(block.text), 1):
                is_ours = words[0].removeprefix(".venv/bin/") == "streamseg" and runs_here(words[1:])
                if is_ours and tuple(words[1:]) not in known:
                    known.add(tuple(words[1:]))
                    yield pytest.param(words[1:], id=f"{block.page}-{block.number}-{number}")


@pytest.mark.parametrize("words", list(examples()))
def test_commands_on_the_pages_run(words: list[str], folder: Path, streamseg: Callable[..., Any]) -> None:
    made = folder / words[2] if words[0] in ("video", "image") else folder / "samples"
    if made.is_file():
        made.unlink()  # an example writes what others read
    done = streamseg(*words)
    assert done.returncode == 0, done.stderr
    assert made.exists()


@pytest.mark.parametrize("block", of("python"))
def test_python_on_the_pages_is_right(block: Block, folder: Path) -> None:
    """Examples run, with a camera of two frames; those of a client of a service compile."""
    code = compile(block.text, block.page, "exec")
    if "ws://" not in block.text:
        exec(code, {"camera": [np.full((90, 160, 3), 90, np.uint8)] * 2})  # noqa: S102


def test_examples_are_run() -> None:
    """Of every kind; no block is in a language without a test."""
    assert {param.values[0][0] for param in examples()} == {"video", "image", "webcam", "cameras"}
    assert all(each.language in ("csv", "python", "sh", "text") for each in blocks())
