"""The names of the release before still work, and say what to write instead."""

from __future__ import annotations

import json

import pytest
import streamseg.pipelines.live as live
from streamseg.pipelines import Segmenter

from streamseg.deprecation import with_old_keys
from streamseg.device import open_device
from streamseg.device.cpu.open_network import open_network
from streamseg.errors import OptionError
from streamseg.network.architecture import INPUT_SIZE


def test_old_names_of_classes_lead_to_the_new_ones():
    with pytest.warns(DeprecationWarning, match="LiveLine is now .*LivePipeline"):
        assert live.LiveLine is live.LivePipeline
    with pytest.warns(DeprecationWarning, match="Composite"):
        assert live.Shown is live.Composite
    with pytest.raises(AttributeError, match="has no attribute 'Line'"):
        _ = live.Line


def usual_variants(device):
    """Those that it has ready at the usual size of the input."""
    return sorted(variant for variant, size in device._networks if size == INPUT_SIZE)


def test_forms_are_variants():
    with pytest.warns(DeprecationWarning, match='forms="coarse" is now variants="lite"'):
        device = open_device("cpu", threads=1, forms="coarse")
    assert usual_variants(device) == ["lite"]
    with pytest.warns(DeprecationWarning, match='variants="both"'):
        segmenter = Segmenter(forms="both")
    assert usual_variants(segmenter.device) == ["full", "lite"]
    with pytest.warns(DeprecationWarning), pytest.raises(OptionError, match="expected full, lite, both"):
        open_device("cpu", forms="loose")


def test_detail_is_the_variant():
    with pytest.warns(DeprecationWarning, match='detail=False is now variant="lite"') as caught:
        network = open_network(size=64, threads=1, detail=False)
    assert caught[0].filename == __file__
    assert network.size == 64


def test_old_json_keys_have_the_values_of_the_new_ones():
    figures = with_old_keys({"end_to_end_fps": 18.0, "frames": 3}, {"whole_fps": "end_to_end_fps", "gone": "missing"})
    assert json.loads(json.dumps(figures)) == {"end_to_end_fps": 18.0, "frames": 3, "whole_fps": 18.0}
