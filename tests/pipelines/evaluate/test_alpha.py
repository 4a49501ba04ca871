"""Evaluation of mattes against a clip's own alpha: soft white discs, whose luma over black is their alpha."""

from __future__ import annotations

import json
from fractions import Fraction

import av
import numpy as np
import pytest
from streamseg.pipelines.evaluate import methods
from streamseg.pipelines.evaluate.alpha import evaluate_alpha
from streamseg.pipelines.evaluate.backgrounds import GENERATED_BACKGROUNDS
from streamseg.pipelines.evaluate.methods import METHODS

from streamseg.errors import InputError, OptionError
from streamseg.frame import Frame, Matte, PixelFormat
from streamseg.matting.edges.cutout import Cutout
from streamseg.media.pixels.native import allocate, native_of
from streamseg.media.reading.reader import VideoReader

WHITE = 235


def alpha_of(number, rows=96, columns=128):
    row, column = np.mgrid[:rows, :columns]
    distance = np.hypot(row - 48, column - 50 - 4 * number)
    return np.rint(255 * np.clip((30 - distance) / 8 + 0.5, 0, 1)).astype(np.uint8)


def clip_of(path, planes, name):
    """A lossless clip of the planes of each frame, limited range."""
    pixel_format = PixelFormat.parse(name)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width = planes[0][0].shape
        stream.pix_fmt = name
        for number, frame in enumerate(planes):
            native = native_of(Frame(tuple(frame), pixel_format, number, Fraction(1, 25)))
            native.pts, native.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(native))
        container.mux(stream.encode(None))
    return path


def white_disc(number):
    alpha = alpha_of(number)
    grey = np.full((48, 64), 128, np.uint8)
    return np.full_like(alpha, WHITE), grey, grey, alpha


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("alpha") / "disc.mkv"
    return str(clip_of(path, [white_disc(number) for number in range(3)], "yuva420p"))


def use(monkeypatch, **made):
    table = {name: (lambda segmenter, method=method: method) for name, method in made.items()}
    monkeypatch.setattr(methods, "METHODS", table)


def matte_of(frame):
    """Alpha of white over black, from the luma."""
    assert not frame.format.alpha
    alpha = (frame.planes[0].astype(float) - 16) / (WHITE - 16)
    return Matte(np.rint(np.clip(alpha, 0, 1) * 255).astype(np.uint8))


def keyed(frames):
    for frame in frames:
        yield Cutout(frame, matte_of(frame))


def with_foreground(frames):
    """With the true foreground colour: the subject is white up to its edge."""
    for frame in frames:
        foreground = allocate(frame)
        for plane, level in zip(foreground.planes, (WHITE, 128, 128), strict=True):
            plane[:] = level
        yield Cutout(foreground, matte_of(frame))


def everything(frames):
    for frame in frames:
        yield Cutout(frame, Matte(np.full((frame.height, frame.width), 65535, np.uint16)))


def test_methods_are_measured_on_composites(clip, monkeypatch):
    use(monkeypatch, keyed=keyed, full=with_foreground, everything=everything)
    report = evaluate_alpha(clip, ["black"], "white")
    rows = {row["method"]: row for row in report.rows}
    assert list(rows) == ["keyed", "full", "everything"]  # one background: no means
    for name in ("keyed", "full"):
        # Luma has 219 steps and alpha 255: half a step of error, two thousandths, at the most.
        assert rows[name]["mad"] < 0.5 and rows[name]["mse"] < 1e-3 and rows[name]["dtssd"] < 0.2
        assert rows[name]["conn"] == 0 and rows[name]["grad"] < 1e-3
    truths = [alpha_of(number) / 255 for number in range(3)]
    assert rows["everything"]["mad"] == pytest.approx(1000 * np.mean([1 - truth for truth in truths]), rel=1e-5)
    assert rows["everything"]["mse"] == pytest.approx(1000 * np.mean([(1 - truth) ** 2 for truth in truths]), rel=1e-5)


def test_the_edge_error_is_that_of_the_composites_colours(clip, monkeypatch):
    """Over white, the true composite of a white disc is white; a matte of 1 shows the disc over black instead."""
    use(monkeypatch, keyed=keyed, full=with_foreground, everything=everything)
    rows = {row["method"]: row for row in evaluate_alpha(clip, ["black"], "white").rows}
    assert rows["full"]["edge_mse"] < 2  # the true foreground colour and almost the true alpha
    expected = []
    for number in range(3):
        alpha = alpha_of(number) / 255
        soft = np.argwhere((alpha > 0) & (alpha < 1))
        everywhere = np.argwhere(np.ones_like(alpha))
        near = np.array([((soft - pixel) ** 2).sum(1).min() <= 4 for pixel in everywhere]).reshape(alpha.shape)
        expected.append(np.mean((255 * (1 - alpha[near])) ** 2))
    assert rows["everything"]["edge_mse"] == pytest.approx(np.mean(expected), rel=0.02)
    # The old black is still in the foreground: α·(α·white) + (1 − α)·white is too dark by α(1 − α).
    assert 2 < rows["keyed"]["edge_mse"] < rows["everything"]["edge_mse"] / 4


def test_several_backgrounds_have_a_mean(clip, monkeypatch):
    use(monkeypatch, everything=everything, keyed=keyed)
    report = evaluate_alpha(clip, names=["keyed"])
    assert [row["background"] for row in report.rows] == [*GENERATED_BACKGROUNDS, "mean"]
    mads = [row["mad"] for row in report.rows]
    assert mads[3] == pytest.approx(np.mean(mads[:3])) and len(set(mads[:3])) == 3


def test_generated_backgrounds_differ_and_are_the_same_every_time():
    for make in GENERATED_BACKGROUNDS.values():
        rgb = make(64, 48)
        assert rgb.shape == (48, 64, 3) and 0 <= rgb.min() <= rgb.max() <= 1
        assert np.array_equal(rgb, make(64, 48))
    deviations = [make(64, 48).std(axis=(0, 1)).mean() for make in GENERATED_BACKGROUNDS.values()]
    assert deviations[0] < 1e-4 and min(deviations[1:]) > 0.05


def test_clips_of_ten_bits(tmp_path, monkeypatch):
    def deep(number):
        return [np.uint16(4) * plane for plane in white_disc(number)[:3]] + [np.uint16(1023) * (alpha_of(number) > 127)]

    clip = clip_of(tmp_path / "deep.mkv", [deep(number) for number in range(2)], "yuva420p10le")
    use(monkeypatch, everything=everything)
    (row,) = evaluate_alpha(str(clip), ["black"]).rows
    assert row["mad"] == pytest.approx(1000 * np.mean([alpha_of(number) <= 127 for number in range(2)]), rel=1e-5)
    assert row["edge_mse"] is None  # no soft edge anywhere


def test_clips_without_alpha_and_wrong_backgrounds_are_refused(clip, sample_clip):
    with pytest.raises(InputError, match="has no alpha channel"):
        evaluate_alpha(str(sample_clip))
    with pytest.raises(OptionError, match="none to blur"):
        evaluate_alpha(clip, ["flat", "blur:0.2"])
    with pytest.raises(InputError, match="no such file or colour"):
        evaluate_alpha(clip, ["flat"], over="nowhere.png")


def test_the_command(clip, streamseg):
    done = streamseg("evaluate", "alpha", clip, "--bg", "black", "--method", "plain", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout)
    assert (result["new background"], len(result["rows"])) == ("#00b140", 1)
    row = result["rows"][0]
    assert (row["background"], row["method"]) == ("black", "plain")
    assert all(row[key] >= 0 for key in ("mad", "mse", "grad", "conn", "dtssd", "edge_mse", "ghost"))


def test_a_real_person(shared_data, tmp_path):
    """Two frames of a real clip, at half its size: its alpha is read, and the network finds the person."""
    with VideoReader(str(shared_data / "clips" / "vp8-alpha-person.webm"), start=1.5, duration=0.1) as reader:
        frames = [item for item in reader if isinstance(item, Frame)][:2]
    planes = [[np.ascontiguousarray(plane[::2, ::2]) for plane in frame.planes] for frame in frames]
    clip = clip_of(tmp_path / "person.mkv", planes, "yuva420p")
    rows = evaluate_alpha(str(clip), ["flat"]).rows
    assert [row["method"] for row in rows] == list(METHODS)
    blank = 1000 * np.mean([frame[3] for frame in planes]) / 255
    assert all(row["mad"] < blank / 3 for row in rows)
    assert all(row["edge_mse"] > 1 for row in rows)
