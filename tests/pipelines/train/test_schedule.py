"""Runs in this process: what is learnt, in pieces, in 16 bits and from a teacher."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from streamseg.network.weights import load_weights, read_weights  # noqa: E402

SMALL = ("--sizes", "32", "--threads", "1", "--device", "cpu", "--no-augment", "--quiet")
GIVEN = ("--init", "published", *SMALL)


def losses(folder: Path) -> list[float]:
    return [
        float(row["fused_loss"])
        for row in csv.DictReader((folder / "log.csv").read_text(encoding="utf-8").splitlines())
    ]


def test_a_network_learns_from_scratch(tmp_path: Path, discs: Path, main) -> None:  # type: ignore[no-untyped-def]
    assert main(tmp_path / "run", "--pairs", discs, *SMALL, "--batch", 2, "--steps", 8) == (0, "")
    fused = losses(tmp_path / "run")
    assert np.mean(fused[-3:]) < 0.8 * np.mean(fused[:3])


def test_given_weights_are_where_a_run_begins(tmp_path: Path, discs: Path, main) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "run"
    assert main(out, *GIVEN, "--people", discs, "--batch", 2, "--steps", 1, "--rate", "1e-9", "--average", 0) == (0, "")
    trained, published = read_weights(out / "last.safetensors").tensors, load_weights("published").tensors
    for name, values in published.items():
        np.testing.assert_allclose(trained[name], values, rtol=1e-4, atol=1e-4)


def test_a_batch_in_pieces_teaches_the_same(tmp_path: Path, discs: Path, main) -> None:  # type: ignore[no-untyped-def]
    words = (*GIVEN, "--people", discs, "--batch", 4, "--steps", 2, "--average", 0)
    assert main(tmp_path / "whole", *words) == (0, "")
    assert main(tmp_path / "pieces", *words, "--micro-batch", 1) == (0, "")
    a, b = (read_weights(tmp_path / name / "last.safetensors").tensors for name in ("whole", "pieces"))
    assert max(np.abs(a[name] - b[name]).max() / max(np.abs(a[name]).max(), 1) for name in a) < 1e-4


def test_sixteen_bits_give_nearly_the_same_loss(tmp_path: Path, discs: Path, main) -> None:  # type: ignore[no-untyped-def]
    words = ("--pairs", discs, *SMALL, "--batch", 2, "--steps", 1)
    for precision in ("float32", "bfloat16"):
        assert main(tmp_path / precision, *words, "--precision", precision) == (0, "")
    exact, rounded = (losses(tmp_path / precision)[0] for precision in ("float32", "bfloat16"))
    assert rounded == pytest.approx(exact, rel=0.05)


def test_a_teacher_draws_what_has_no_masks(tmp_path: Path, discs: Path, main) -> None:  # type: ignore[no-untyped-def]
    words = (*GIVEN, "--unlabelled", discs / "images", "--teacher", "published", "--batch", 2, "--steps", 1)
    assert main(tmp_path / "run", *words) == (0, "")
    from streamseg.pipelines.train.images import list_images

    assert len(list_images(tmp_path / "run" / "samples")) == 1
    assert "maps of a teacher (published)" in (tmp_path / "run" / "MODEL_CARD.md").read_text(encoding="utf-8")
