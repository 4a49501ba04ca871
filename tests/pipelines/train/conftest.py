"""Small images of discs with masks, and the command in a process of its own."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from streamseg.pipelines.train.command import add_train, run_train
from streamseg.pipelines.train.images import encode_png

from streamseg.errors import OptionError, StreamsegError

SCRIPT = """
import sys
from streamseg.pipelines.cli import main
from streamseg.pipelines.train import loop
loop.MEASURED = 4
words = sys.argv[1:]
while "--then" in words:
    cut = words.index("--then")
    print(main(["train", *words[:cut]]), flush=True)
    words = words[cut + 1 :]
sys.exit(main(["train", *words]))
"""
# More threads than free cores make small work slow.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def disc(seed: int, rows: int = 56, columns: int = 72) -> tuple[np.ndarray, np.ndarray]:
    """A disc before noise, uint8 [rows, columns, 3], and its mask, uint8 [rows, columns]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:rows, :columns]
    inside = (x - rng.integers(24, columns - 24)) ** 2 + (y - rng.integers(20, rows - 20)) ** 2 < 15**2
    rgb = np.where(inside[..., None], rng.integers(120, 250, 3), rng.integers(0, 110, 3)) + rng.integers(
        0, 6, (rows, columns, 1)
    )
    return rgb.astype(np.uint8), np.where(inside, 255, 0).astype(np.uint8)


@pytest.fixture(scope="session")
def write_pairs() -> Callable[[Path], Path]:
    """Writes four discs to images/ and masks/ of a folder, and gives the folder."""

    def write(folder: Path) -> Path:
        for name in ("images", "masks"):
            (folder / name).mkdir(parents=True)
        for seed in range(4):
            rgb, mask = disc(seed)
            (folder / "images" / f"{seed}.png").write_bytes(encode_png(rgb))
            (folder / "masks" / f"{seed}.png").write_bytes(encode_png(np.repeat(mask[..., None], 3, 2)))
        return folder

    return write


@pytest.fixture(scope="session")
def discs(tmp_path_factory: pytest.TempPathFactory, write_pairs: Callable[[Path], Path]) -> Path:
    """A folder with images/ and masks/."""
    return write_pairs(tmp_path_factory.mktemp("train") / "discs")


@pytest.fixture(scope="session")
def command() -> Callable[..., list[str]]:
    """The words of a command line for ``streamseg train``; after --then it trains once more."""

    def words(*arguments: object) -> list[str]:
        return [sys.executable, "-c", SCRIPT, *map(str, arguments)]

    return words


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """For processes of their own."""
    return ENVIRONMENT


@pytest.fixture(scope="session")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``streamseg train`` as a file, as torchrun starts it."""
    path = tmp_path_factory.mktemp("script") / "train.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture(scope="module")
def main() -> Iterator[Callable[..., tuple[int, str]]]:
    """``streamseg train`` in this process; gives the status and what an error says."""
    from streamseg.pipelines.train import loop

    def run(*arguments: object) -> tuple[int, str]:
        parser = argparse.ArgumentParser()
        add_train(parser)
        try:
            return run_train(parser.parse_args([str(word) for word in arguments])), ""
        except StreamsegError as error:
            return (2 if isinstance(error, OptionError) else 1), str(error)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(loop, "MEASURED", 4)
        yield run
