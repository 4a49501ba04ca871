"""The methods that streamseg evaluate compares."""

from __future__ import annotations

import numpy as np
import pytest
from streamseg.pipelines import Segmenter
from streamseg.pipelines.evaluate.methods import METHODS, choose_methods, run

from streamseg.errors import OptionError
from streamseg.frame import Frame, Matte
from streamseg.matting.edges.cutout import Cutout
from streamseg.media.reading.reader import VideoReader


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter()


@pytest.fixture(scope="module")
def frames(sample_clip):
    with VideoReader(str(sample_clip), duration=0.1) as reader:
        return [item for item in reader if isinstance(item, Frame)]


def test_the_raw_map_is_the_networks_without_a_threshold(segmenter, frames):
    device = segmenter.device
    (cutout,) = METHODS["raw map"](segmenter)(iter(frames[:1]))
    saliency = device.saliency(device.network(device.prepare(frames[0])))
    alpha = cutout.matte.as_float()
    assert alpha.shape == (frames[0].height, frames[0].width)
    assert alpha.mean() == pytest.approx(saliency.mean(), abs=2e-3)
    assert ((alpha > 0) & (alpha < 0.1)).mean() > 0.1  # the lower limit of alpha would have made all of these 0


def test_plain_is_the_segmenters_matte(segmenter, frames):
    cutouts = list(METHODS["plain"](segmenter)(iter(frames)))
    assert len(cutouts) == len(frames)
    assert np.array_equal(cutouts[-1].matte.alpha, segmenter.matte(frames[-1]).alpha)


def test_live_runs_the_lite_variant_on_every_third_frame(segmenter, frames, monkeypatch):
    seen = []
    lite = segmenter.with_variants("lite")
    prepare = lite.device.prepare

    def recording(frame, inference):
        seen.append(frame.pts)
        return prepare(frame, inference)

    monkeypatch.setattr(lite.device, "prepare", recording)
    monkeypatch.setattr(segmenter, "with_variants", {"lite": lite}.__getitem__)
    assert len(list(METHODS["live"](segmenter)(iter(frames)))) == len(frames) == 3
    assert seen == [frames[0].pts] * 2  # in both sizes of the input


def test_methods_are_chosen_by_name(segmenter):
    assert list(choose_methods(None, segmenter)) == list(METHODS)
    assert list(choose_methods(["plain"], segmenter)) == ["plain"]
    with pytest.raises(OptionError, match="expected raw map, plain, live, live delayed, live every frame"):
        choose_methods(["plain", "magic"], segmenter)


def empty(frame):
    return Cutout(frame, Matte(np.zeros((frame.height, frame.width), np.uint8)))


def test_run_pairs_frames_with_their_cutouts_and_fetches_no_more_than_needed(frames):
    fetched = []

    def items():
        for number, frame in enumerate(frames):
            fetched.append(number)
            yield frame, number

    def looking_ahead(source):
        held = next(source)
        for frame in source:
            yield empty(held)
            held = frame
        yield empty(held)

    results = run(looking_ahead, items())
    assert next(results)[1] == 0
    assert fetched == [0, 1]
    assert [(frame is frames[number], number) for frame, number, _ in results] == [(True, 1), (True, 2)]


@pytest.mark.parametrize("count", [0, 2, 4])
def test_a_method_that_drops_or_adds_frames_is_reported(frames, count):
    def wrong(source):
        first = next(source)
        rest = list(source)
        assert len(rest) == 2
        yield from [empty(first)] * count

    with pytest.raises(ValueError, match=r"shorter|longer"):
        list(run(wrong, ((frame, None) for frame in frames)))
