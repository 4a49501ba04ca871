"""Evaluation of sequences with masks: of squares that are their own masks, and of real frames."""

from __future__ import annotations

import json

import numpy as np
import pytest
from streamseg.pipelines.evaluate import evaluate_video, methods

from streamseg.errors import InputError
from streamseg.frame import Matte
from streamseg.matting.edges.cutout import Cutout
from streamseg.metrics import VideoScores


def luma(segmenter):
    """The matte is 1 where the frame is white: perfect on these frames."""
    return lambda frames: (Cutout(frame, Matte((frame.planes[0] > 128).astype(np.uint8) * 255)) for frame in frames)


def late(segmenter):
    """Gives the matte of the frame before."""

    def method(frames):
        before = None
        for frame in frames:
            now = Matte((frame.planes[0] > 128).astype(np.uint8) * 255)
            yield Cutout(frame, before or now)
            before = now

    return method


def by_name(report, **labels):
    (row,) = [row for row in report.rows if all(row[key] == value for key, value in labels.items())]
    return row


def test_figures_of_a_perfect_method_and_of_one_that_is_a_frame_late(sequences, square, monkeypatch):
    monkeypatch.setattr(methods, "METHODS", {"luma": luma, "late": late})
    report = evaluate_video(sequences)
    perfect = {"mae": 0, "iou": 1, "dtssd": 0, "boundary_f_1px": 1, "boundary_f_3px": 1, "worst_tenth_iou": 1}
    perfect["ghost"] = 0
    for name in ("moving", "still", "mean"):
        assert by_name(report, sequence=name, method="luma").items() >= perfect.items()
    expected = VideoScores()
    for matte_shift, mask_shift in ((0, 0), (0, 4), (4, 8)):
        expected.add((square(matte_shift) / 255).astype(np.float32), square(mask_shift) > 128)
    moving = by_name(report, sequence="moving", method="late")
    assert {key: moving[key] for key in perfect} == pytest.approx(expected.results())
    assert by_name(report, sequence="still", method="late").items() >= perfect.items()
    assert by_name(report, sequence="mean", method="late")["mae"] == pytest.approx(moving["mae"] / 2)
    assert report.about == {"sequences": 2, "frames": 5}


def test_a_matte_that_follows_the_frames_flickers_less_than_one_that_comes_and_goes(sequences, monkeypatch):
    def blinking(segmenter):
        def method(frames):
            for number, frame in enumerate(frames):
                on = (frame.planes[0] > 128) & (number % 2 == 0)
                yield Cutout(frame, Matte(on.astype(np.uint8) * 255))

        return method

    monkeypatch.setattr(methods, "METHODS", {"luma": luma, "blinking": blinking})
    report = evaluate_video(sequences)
    steady, flickering = (by_name(report, sequence="mean", method=name) for name in ("luma", "blinking"))
    assert 0 <= steady["flicker"] < 0.5 * flickering["flicker"]
    assert by_name(report, sequence="still", method="luma")["flicker"] == 0


def test_another_programs_mattes_are_measured_likewise(sequences, square, save_grey, tmp_path, monkeypatch):
    monkeypatch.setattr(methods, "METHODS", {"luma": luma})
    for number, shift in enumerate((0, 4, 8)):
        save_grey(tmp_path / "peer" / "moving" / f"{number:02d}.png", square(0)[::2, ::2])
        save_grey(tmp_path / "peer" / "still" / f"{number:02d}.png", square(shift))
    report = evaluate_video(sequences, against=[tmp_path / "peer"])
    assert [row["method"] for row in report.rows] == ["luma", "peer"] * 3
    moving, still = (by_name(report, sequence=name, method="peer") for name in ("moving", "still"))
    overlaps = [1, 46 / 54, 42 / 58]  # shifted by 0, 4 and 8 of 50 columns
    assert moving["iou"] == pytest.approx(np.mean(overlaps), abs=0.01)
    assert moving["worst_tenth_iou"] == pytest.approx(overlaps[2] + 0.2 * (overlaps[1] - overlaps[2]), abs=0.01)
    assert still["iou"] == pytest.approx((1 + 46 / 54) / 2)
    mean = by_name(report, sequence="mean", method="peer")
    assert mean["iou"] == pytest.approx((moving["iou"] + still["iou"]) / 2)
    (tmp_path / "peer" / "still" / "01.png").unlink()
    with pytest.raises(InputError, match=r"peer.still: holds no map for .*01\.png"):
        evaluate_video(sequences, against=[tmp_path / "peer"])


def test_one_sequence_has_no_mean_and_a_single_frame_no_dtssd(sequences, monkeypatch):
    monkeypatch.setattr(methods, "METHODS", {"luma": luma})
    for part in ("images", "masks"):
        (sequences / "still" / part / "01.png").unlink()
    report = evaluate_video(sequences / "still")
    assert [row["sequence"] for row in report.rows] == ["still"]
    assert report.rows[0]["dtssd"] is None
    heading, figures = report.table().splitlines()[-2:]
    assert " ".join(heading.split()) == "sequence method MAE IoU worst tenth dtSSD F 1px F 3px flicker ghost"
    assert figures.split() == ["still", "luma", "0.0000", "1.0000", "1.0000", "-", "1.0000", "1.0000", "-", "0.00000"]


def test_the_command_prints_a_table_or_json(sequences, streamseg):
    done = streamseg("evaluate", "video", sequences, "--method", "raw map", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    rows = json.loads(done.stdout)["rows"]
    assert [(row["sequence"], row["method"]) for row in rows] == [(n, "raw map") for n in ("moving", "still", "mean")]
    assert rows[2]["mae"] == pytest.approx((rows[0]["mae"] + rows[1]["mae"]) / 2)
    done = streamseg("evaluate", "video", sequences / "still", "--method", "plain")
    assert done.stdout.startswith("sequences: 1\nframes: 2\n") and "still     plain" in done.stdout
    wrong = streamseg("evaluate", "video", sequences, "--method", "magic")
    assert wrong.returncode == 2 and "expected raw map, plain" in wrong.stderr and wrong.stderr.count("\n") == 1


def test_real_frames(shared_data, tmp_path):
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
        for path in sorted((shared_data / "davis" / "car-shadow" / part).iterdir())[:2]:
            (tmp_path / part / path.name).symlink_to(path)
    report = evaluate_video(tmp_path)
    assert [row["method"] for row in report.rows] == list(methods.METHODS)
    for row in report.rows:
        assert row["iou"] > 0.8 and row["mae"] < 0.03 and 0 < row["dtssd"] < 15
        assert row["boundary_f_3px"] > row["boundary_f_1px"] > 0.3
