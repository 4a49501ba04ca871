"""Ghosts in clips without ground truth."""

from __future__ import annotations

import json

import av
import numpy as np
import pytest
from streamseg.pipelines.evaluate import evaluate_ghosts, methods

from streamseg.errors import InputError
from streamseg.frame import Matte
from streamseg.matting.edges.cutout import Cutout


@pytest.fixture
def clip(tmp_path):
    """Two frames, lossless: a square of 160, then one of 255, on black, 40×40 of 80×120 pixels."""
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 120, 80, "gray"
        for value in (160, 255):
            grey = np.zeros((80, 120), np.uint8)
            grey[20:60, 30:70] = value
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, "gray")))
        container.mux(stream.encode())
    return path


def brightness(segmenter):
    return lambda frames: (Cutout(frame, Matte(frame.planes[0])) for frame in frames)


def test_the_mean_over_frames_and_clips(clip, monkeypatch):
    monkeypatch.setattr(methods, "METHODS", {"brightness": brightness})
    report = evaluate_ghosts([str(clip), str(clip)])
    assert [row["clip"] for row in report.rows] == ["clip.mkv", "clip.mkv", "mean"]
    for row in report.rows:
        assert row["ghost"] == pytest.approx(30 * 30 / 9600 / 2)
        assert row["half"] == pytest.approx(40 * 40 / 9600 / 2)


def test_a_clip_that_cannot_be_read_is_named_before_the_work(clip, tmp_path):
    with pytest.raises(InputError, match=r"nothing\.mp4"):
        evaluate_ghosts([str(clip), str(tmp_path / "nothing.mp4")])


def test_the_command(clip, streamseg):
    done = streamseg("evaluate", "ghosts", clip, "--method", "raw map", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    (row,) = json.loads(done.stdout)["rows"]
    assert row["method"] == "raw map" and 0 <= row["ghost"] <= row["half"] < 1
