"""What may be asked for, and what the defaults are."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest
from streamseg.pipelines.train.command import add_train, settings_of
from streamseg.pipelines.train.settings import Folder, Settings

from streamseg.errors import OptionError


def parsed(*words: str) -> Settings:
    parser = argparse.ArgumentParser()
    add_train(parser)
    return settings_of(parser.parse_args(["out", *words]))


def test_from_scratch_is_the_papers_schedule() -> None:
    settings = parsed("--pairs", "duts")
    assert (settings.sizes, settings.batch, settings.rate, settings.steps) == ((288,), 12, 1e-3, 600_000)
    assert (settings.augment, settings.average, settings.flip) == (False, 0.0, "vertical")


def test_weights_that_are_given_go_on_in_small_steps() -> None:
    settings = parsed("--init", "published", "--people", "people", "--batch", "4", "--no-augment")
    assert (settings.rate, settings.batch, settings.augment) == (3e-5, 4, False)
    assert len(settings.sizes) > 1


def test_a_folder_may_have_a_weight() -> None:
    settings = parsed("--pairs", "a", "--pairs", "b=c=.25")
    assert settings.pairs == (Folder(Path("a")), Folder(Path("b=c"), 0.25))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "nothing to learn from"),
        (("--pairs", "a", "--steps", "0"), "--steps 0"),
        (("--pairs", "a", "--sizes", "16"), "--sizes 16"),
        (("--pairs", "a", "--batch", "4", "--micro-batch", "3"), "does not divide"),
        (("--pairs", "a", "--average", "1"), "--average 1"),
        (("--pairs", "a", "--rate", "nan"), "--rate nan"),
        (("--cutouts", "a"), "--backgrounds"),
        (("--people", "a", "--composite", ".5"), "--backgrounds"),
        (("--unlabelled", "a"), "--teacher"),
        (("--pairs", "a", "--teacher", "published"), "--unlabelled"),
        (("--pairs", "a", "--validate", "b/c", "--validate", "d/c"), "two folders are called c"),
    ],
)
def test_what_cannot_be_is_refused(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        parsed(*words)


@pytest.mark.parametrize("weight", ["0", "-1", "inf", "nan", "x"])
def test_a_weight_is_a_number_above_zero(weight: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        parsed("--pairs", f"a={weight}")
    assert stopped.value.code == 2
    assert "weight above 0" in capsys.readouterr().err


def test_a_run_goes_on_with_the_same_settings_only() -> None:
    before = parsed("--pairs", "a", "--steps", "10")
    before_fixed = before.fixed()
    parsed("--pairs", "a", "--steps", "20", "--validate", "b").check_same(before_fixed, (1, 1))
    with pytest.raises(OptionError, match="--batch, --rate"):
        parsed("--pairs", "a", "--rate", ".1", "--batch", "3").check_same(before_fixed, (1, 1))
    with pytest.raises(OptionError, match="1 processes, this one has 2"):
        before.check_same(before_fixed, (1, 2))
    falling = parsed("--pairs", "a", "--cosine", "--steps", "10")
    with pytest.raises(OptionError, match="--steps"):
        parsed("--pairs", "a", "--cosine", "--steps", "20").check_same(falling.fixed(), (1, 1))


def test_help_tells_what_a_first_run_needs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed("--help")
    told = capsys.readouterr().out
    for word in ("images/", "masks/", "--init published", "--resume", "best.safetensors", "torchrun"):
        assert word in told


def test_asking_for_help_loads_no_torch() -> None:
    code = "import sys, streamseg.pipelines.train.command; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
