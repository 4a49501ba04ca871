"""Bad light and webcams: the disturbances of scripts/evaluate_lights.py, and what the mattes make of them."""

from __future__ import annotations

import importlib.util
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from streamseg.pipelines import Segmenter
from streamseg.pipelines.evaluate.methods import choose_methods

from streamseg.media.pixels.native import native_of
from streamseg.media.reading.reader import VideoReader
from streamseg.metrics import iou


@pytest.fixture(scope="module")
def lights():
    path = Path(__file__).resolve().parents[3] / "scripts" / "evaluate_lights.py"
    spec = importlib.util.spec_from_file_location("evaluate_lights", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def images(sample_clip):
    """Some frames of the sample, small, as RGB."""
    with VideoReader(str(sample_clip)) as reader:
        frames = list(islice(reader, 6))
    return [native_of(frame).reformat(320, 240, "rgb24").to_ndarray() for frame in frames]


@pytest.fixture(scope="module")
def mattes_of(lights):
    segmenter = Segmenter(subject="any", threads=1)

    def make(frames):
        method = choose_methods(["live"], segmenter)["live"]
        return [cutout.matte.as_float() for cutout in method(iter(frames))]

    return make


@pytest.fixture(scope="module")
def clean(lights, images, mattes_of):
    return mattes_of(lights.disturbed(images, *lights.LIGHTS["clean"]))


@pytest.mark.parametrize("light", ["flicker 50 Hz", "exposure steps", "noise", "MJPEG"])
def test_mattes_bear_bad_light(lights, images, mattes_of, clean, light):
    mattes = mattes_of(lights.disturbed(images, *lights.LIGHTS[light]))
    agreement = np.mean([iou(one, other) for one, other in zip(mattes, clean, strict=True)])
    assert agreement > 0.95, agreement


def test_disturbances_do_what_they_say(lights, images):
    def brightness(light):
        planes = [frame.planes[0].astype(float) for frame in lights.disturbed(images, *lights.LIGHTS[light])]
        return np.array([plane.mean() for plane in planes]), np.array([plane.mean(axis=1) for plane in planes])

    plain, plain_rows = brightness("clean")
    flicker, rows = brightness("flicker 50 Hz")
    assert np.ptp(rows[0] / plain_rows[0]) > 0.1, "bands"
    assert np.abs(flicker / plain - 1).max() < 0.1
    assert brightness("low light")[0].mean() < 0.75 * plain.mean()
    still = [images[0]] * 2
    one, other = lights.disturbed(still, *lights.LIGHTS["noise"])
    assert 1 < np.std(one.planes[0].astype(float) - other.planes[0]) / 2**0.5 < 12
