"""Evaluation of images with masks: of squares that are their own masks, and of real images."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from streamseg.pipelines import Segmenter
from streamseg.pipelines.evaluate import evaluate_images, methods

from streamseg.device.cpu.open_network import open_network
from streamseg.media.images import read_image
from streamseg.metrics import mae
from streamseg.metrics.sod import import_py_sod_metrics
from streamseg.network.published import published_map


def test_a_curve_is_written_and_replaced_only_with_overwrite(sequences, tmp_path, streamseg):
    curve = tmp_path / "out" / "curve.png"
    curve.parent.mkdir()
    done = streamseg("evaluate", "images", sequences / "still", "--json", "--curve", curve)
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout)
    assert (result["images"], result["scaling"], result["rows"][0]["set"]) == (2, "published", "still")
    image = read_image(str(curve))
    assert image.width > 400 and image.planes[0].min() < 128 < image.planes[0].max()
    assert [path.name for path in curve.parent.iterdir()] == ["curve.png"]
    before = curve.read_bytes()
    again = streamseg("evaluate", "images", sequences / "still", "--curve", curve)
    assert again.returncode == 1 and "--overwrite replaces it" in again.stderr
    assert curve.read_bytes() == before
    failed = streamseg("evaluate", "images", tmp_path, "--curve", curve, "--overwrite")
    assert failed.returncode == 1 and "no such folder" in failed.stderr
    assert curve.read_bytes() == before and len(list(curve.parent.iterdir())) == 1


def test_a_curve_is_a_png(sequences, tmp_path, streamseg):
    done = streamseg("evaluate", "images", sequences / "still", "--curve", tmp_path / "curve.pdf")
    assert done.returncode == 2 and "ends in .png" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("module", "arguments"), [("py_sod_metrics", []), ("matplotlib.backends.backend_agg", ["--curve", "c.png"])]
)
def test_a_missing_package_is_named_with_its_extra(sequences, tmp_path, streamseg, monkeypatch, module, arguments):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.chdir(tmp_path)
    done = streamseg("evaluate", "images", sequences / "still", *arguments)
    assert done.returncode == 1
    assert "streamseg[evaluate]" in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "c.png").exists()


def test_another_programs_maps_are_measured_likewise(sequences, square, save_grey, tmp_path, streamseg):
    for number, grey in enumerate((square(0), square(25))):
        save_grey(tmp_path / "peer" / f"{number:02d}.png", grey[::2, ::2])
    arguments = ["evaluate", "images", sequences / "still", "--against", tmp_path / "peer"]
    done = streamseg(*arguments, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    ours, theirs = json.loads(done.stdout)["rows"]
    assert (ours["set"], ours["maps"], theirs["maps"]) == ("still", "streamseg", "peer")
    assert set(ours) == set(theirs)
    overlaps = [1, 25 / 75]  # half of the second square is right
    assert theirs["iou"] == pytest.approx(np.mean(overlaps), abs=0.02)
    assert theirs["worst_tenth_iou"] == pytest.approx(overlaps[1] + 0.1 * (1 - overlaps[1]), abs=0.02)
    (tmp_path / "peer" / "01.png").unlink()
    failed = streamseg(*arguments)
    assert failed.returncode == 1 and "peer: holds no map for" in failed.stderr and failed.stderr.count("\n") == 1


@pytest.fixture(scope="module")
def some_of_sod(shared_data, tmp_path_factory):
    """Four pairs of the set SOD."""
    folder = tmp_path_factory.mktemp("some") / "sod"
    for image in sorted((shared_data / "sod" / "images").iterdir())[::16]:
        for path in (image, shared_data / "sod" / "masks" / f"{image.stem}.png"):
            link = folder / path.parent.name / path.name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)
    return folder


@pytest.fixture(scope="module")
def published(some_of_sod):
    return evaluate_images(some_of_sod)


def test_published_scaling_agrees_with_pysodmetrics_on_the_authors_maps(some_of_sod, published):
    """As with the authors' scripts: maps as 8-bit code values, measured by PySODMetrics alone."""
    sod, network = import_py_sod_metrics(), open_network().saliency
    measures = {"mae": sod.MAE(), "s_measure": sod.Smeasure(), "weighted_f": sod.WeightedFmeasure()}
    report, curve = published
    assert report.about["images"] == 4
    for image in sorted((some_of_sod / "images").iterdir()):
        green, blue, red = read_image(str(image)).planes
        codes = np.rint(published_map(np.stack((red, green, blue), -1), network) * 255).astype(np.uint8)
        mask = read_image(str(some_of_sod / "masks" / f"{image.stem}.png")).planes[0]
        for measure in measures.values():
            measure.step(codes, mask)
    for name, measure in measures.items():
        (expected,) = measure.get_results().values()
        assert report.rows[0][name] == pytest.approx(expected, abs=0.002), name
    assert 0.5 < curve.maximum_f < 1


def test_the_scaling_of_videos_gives_other_figures(some_of_sod, published):
    stream, _ = evaluate_images(some_of_sod, maps="stream")
    assert stream.about["scaling"] == "stream"
    assert stream.rows[0]["mae"] != published[0].rows[0]["mae"]
    assert stream.rows[0]["s_measure"] > 0.5


def test_the_mae_is_that_of_the_map(sequences, square):
    report, _ = evaluate_images(sequences / "still", maps="stream")
    image = read_image(str(sequences / "still" / "images" / "00.png"))
    (cutout,) = methods.METHODS["raw map"](Segmenter())(iter([image]))
    assert report.rows[0]["mae"] == pytest.approx(mae(cutout.matte.as_float(), square() > 0), abs=1e-6)


def test_mattes_are_those_of_the_segmenter(sequences, square):
    report, _ = evaluate_images(sequences / "still", maps="mattes")
    matte = Segmenter()(read_image(str(sequences / "still" / "images" / "00.png"))).as_float()
    assert report.about["scaling"] == "mattes"
    assert report.rows[0]["mae"] == pytest.approx(mae(matte, square() > 0), abs=1e-6)
