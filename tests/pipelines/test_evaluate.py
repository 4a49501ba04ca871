"""Evaluation of images and sequences, on pictures that are their own masks, and on real ones."""

from __future__ import annotations

import json

import numpy as np
import pytest
from streamseg.pipelines import Segmenter, methods
from streamseg.pipelines.evaluate import evaluate_images, evaluate_video

from streamseg.device.cpu.open_network import open_network
from streamseg.frame import Matte
from streamseg.matting.sharpener import Cutout
from streamseg.media.pictures import encode_png, picture_of, read_picture
from streamseg.metrics import VideoScores, mae
from streamseg.metrics.sod import import_py_sod_metrics
from streamseg.network.published import published_map


def square(shift=0):
    mask = np.zeros((90, 120), np.uint8)
    mask[20:70, 30 + shift : 80 + shift] = 255
    return mask


def save(path, grey):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(picture_of(np.repeat(grey[..., None], 3, axis=2)), False))


@pytest.fixture
def folder(tmp_path):
    """Two sequences of white squares on black: one moves, one stands still."""
    for name, shifts in (("moving", (0, 4, 8)), ("still", (0, 0))):
        for number, shift in enumerate(shifts):
            save(tmp_path / "set" / name / "images" / f"{number:02d}.png", square(shift))
            save(tmp_path / "set" / name / "masks" / f"{number:02d}.png", square(shift))
    return tmp_path / "set"


def luma(segmenter):
    """Sees white: perfect on these pictures."""
    return lambda frames: (Cutout(frame, Matte((frame.planes[0] > 128).astype(np.uint8) * 255)) for frame in frames)


def late(segmenter):
    """Shows the matte of the frame before."""

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


def test_video_tells_methods_apart(folder, monkeypatch):
    monkeypatch.setattr(methods, "METHODS", {"luma": luma, "late": late})
    report = evaluate_video(folder)
    perfect = {"mae": 0, "iou": 1, "dtssd": 0, "boundary_f_1px": 1, "boundary_f_3px": 1}
    for name in ("moving", "still", "mean"):
        assert by_name(report, sequence=name, method="luma").items() >= perfect.items()
    expected = VideoScores()
    for seen, shift in ((0, 0), (0, 4), (4, 8)):
        expected.add((square(seen) / 255).astype(np.float32), square(shift) > 128)
    moving = by_name(report, sequence="moving", method="late")
    assert {key: moving[key] for key in perfect} == pytest.approx(expected.results())
    assert by_name(report, sequence="still", method="late").items() >= perfect.items()
    assert by_name(report, sequence="mean", method="late")["mae"] == pytest.approx(moving["mae"] / 2)
    assert report.about == {"sequences": 2, "frames": 5}


def test_a_matte_that_follows_the_picture_flickers_less_than_one_that_comes_and_goes(folder, monkeypatch):
    def blinking(segmenter):
        def method(frames):
            for number, frame in enumerate(frames):
                on = (frame.planes[0] > 128) & (number % 2 == 0)
                yield Cutout(frame, Matte(on.astype(np.uint8) * 255))

        return method

    monkeypatch.setattr(methods, "METHODS", {"luma": luma, "blinking": blinking})
    report = evaluate_video(folder)
    steady, blinking_too = (by_name(report, sequence="mean", method=name) for name in ("luma", "blinking"))
    assert 0 <= steady["flicker"] < 0.5 * blinking_too["flicker"]
    assert by_name(report, sequence="still", method="luma")["flicker"] == 0


def test_one_sequence_has_no_mean_and_a_single_frame_no_dtssd(folder, monkeypatch):
    monkeypatch.setattr(methods, "METHODS", {"luma": luma})
    for part in ("images", "masks"):
        (folder / "still" / part / "01.png").unlink()
    report = evaluate_video(folder / "still")
    assert [row["sequence"] for row in report.rows] == ["still"]
    assert report.rows[0]["dtssd"] is None
    heading, figures = report.table().splitlines()[-2:]
    assert heading.split() == ["sequence", "method", "MAE", "IoU", "dtSSD", "F", "1px", "F", "3px", "flicker"]
    assert figures.split() == ["still", "luma", "0.0000", "1.0000", "-", "1.0000", "1.0000", "-"]


def test_the_commands_print_tables_and_json(folder, streamseg):
    done = streamseg("evaluate", "video", folder, "--method", "raw map", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    rows = json.loads(done.stdout)["rows"]
    assert [(row["sequence"], row["method"]) for row in rows] == [(n, "raw map") for n in ("moving", "still", "mean")]
    assert rows[2]["mae"] == pytest.approx((rows[0]["mae"] + rows[1]["mae"]) / 2)
    done = streamseg("evaluate", "video", folder / "still", "--method", "plain")
    assert done.stdout.startswith("sequences: 1\nframes: 2\n") and "still     plain" in done.stdout
    wrong = streamseg("evaluate", "video", folder, "--method", "magic")
    assert wrong.returncode == 2 and "expected raw map, plain" in wrong.stderr and wrong.stderr.count("\n") == 1


def test_images_with_a_curve_that_is_not_overwritten_unasked(folder, tmp_path, streamseg):
    curve = tmp_path / "out" / "curve.png"
    curve.parent.mkdir()
    done = streamseg("evaluate", "images", folder / "still", "--json", "--curve", curve)
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout)
    assert (result["images"], result["scaling"], result["rows"][0]["set"]) == (2, "published", "still")
    picture = read_picture(str(curve))
    assert picture.width > 400 and picture.planes[0].min() < 128 < picture.planes[0].max()
    assert [path.name for path in curve.parent.iterdir()] == ["curve.png"]
    before = curve.read_bytes()
    again = streamseg("evaluate", "images", folder / "still", "--curve", curve)
    assert again.returncode == 1 and "--overwrite replaces it" in again.stderr
    assert curve.read_bytes() == before
    failed = streamseg("evaluate", "images", tmp_path, "--curve", curve, "--overwrite")
    assert failed.returncode == 1 and "no such folder" in failed.stderr
    assert curve.read_bytes() == before and len(list(curve.parent.iterdir())) == 1


def test_a_curve_is_a_png(folder, tmp_path, streamseg):
    done = streamseg("evaluate", "images", folder / "still", "--curve", tmp_path / "curve.pdf")
    assert done.returncode == 2 and "ends in .png" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(("module", "arguments"), [("py_sod_metrics", []), ("matplotlib", ["--curve", "c.png"])])
def test_what_is_not_installed_is_named_with_its_extra(folder, tmp_path, streamseg, monkeypatch, module, arguments):
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake" / f"{module}.py").write_text("raise ModuleNotFoundError('No module of that name')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "fake"))
    done = streamseg("evaluate", "images", folder / "still", *arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert "streamseg[evaluate]" in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "c.png").exists()


@pytest.fixture(scope="module")
def some_of_sod(shared_data, tmp_path_factory):
    """Eight pairs of the set."""
    folder = tmp_path_factory.mktemp("some") / "sod"
    for image in sorted((shared_data / "sod" / "images").iterdir())[::8]:
        for path in (image, shared_data / "sod" / "masks" / f"{image.stem}.png"):
            link = folder / path.parent.name / path.name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)
    return folder


@pytest.fixture(scope="module")
def published(some_of_sod):
    return evaluate_images(some_of_sod)


def test_the_published_way_agrees_with_pysodmetrics_on_the_authors_files(some_of_sod, published):
    """As their scripts have it: maps as 8-bit codes, measured by PySODMetrics alone."""
    sod, network = import_py_sod_metrics(), open_network().saliency
    measures = {"mae": sod.MAE(), "s_measure": sod.Smeasure(), "weighted_f": sod.WeightedFmeasure()}
    report, curve = published
    assert report.about["images"] == 8
    for image in sorted((some_of_sod / "images").iterdir()):
        green, blue, red = read_picture(str(image)).planes
        codes = np.rint(published_map(np.stack((red, green, blue), -1), network) * 255).astype(np.uint8)
        mask = read_picture(str(some_of_sod / "masks" / f"{image.stem}.png")).planes[0]
        for measure in measures.values():
            measure.step(codes, mask)
    for name, measure in measures.items():
        (expected,) = measure.get_results().values()
        assert report.rows[0][name] == pytest.approx(expected, abs=0.002), name
    assert 0.5 < curve.maximum_f < 1


def test_the_streams_scaling_is_another(some_of_sod, published):
    stream, _ = evaluate_images(some_of_sod, stream=True)
    assert stream.about["scaling"] == "stream"
    assert abs(stream.rows[0]["mae"] - published[0].rows[0]["mae"]) > 1e-4
    assert stream.rows[0]["s_measure"] > 0.5


def test_real_frames(shared_data, tmp_path):
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
        for path in sorted((shared_data / "davis" / "car-shadow" / part).iterdir())[:3]:
            (tmp_path / part / path.name).symlink_to(path)
    report = evaluate_video(tmp_path)
    assert [row["method"] for row in report.rows] == list(methods.METHODS)
    for row in report.rows:
        assert row["iou"] > 0.8 and row["mae"] < 0.03 and 0 < row["dtssd"] < 15
        assert row["boundary_f_3px"] > row["boundary_f_1px"] > 0.3


def test_mae_of_a_report_is_that_of_the_map(folder):
    report, _ = evaluate_images(folder / "still", stream=True)
    picture = read_picture(str(folder / "still" / "images" / "00.png"))
    (cutout,) = methods.METHODS["raw map"](Segmenter())(iter([picture]))
    assert report.rows[0]["mae"] == pytest.approx(mae(cutout.matte.as_float(), square() > 0), abs=1e-6)
