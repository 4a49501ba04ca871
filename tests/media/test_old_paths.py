"""Module paths of the release before, which work for one more release and warn."""

from __future__ import annotations

import importlib

import pytest

from streamseg.media.reading import reader
from streamseg.media.writing import target


def test_the_old_path_of_the_reader():
    with pytest.warns(
        DeprecationWarning, match=r"streamseg\.media\.reader\.VideoReader is now streamseg\.media\.reading"
    ):
        from streamseg.media.reader import VideoReader
    assert VideoReader is reader.VideoReader


def test_the_old_path_of_the_target():
    with pytest.warns(DeprecationWarning, match=r"streamseg\.media\.target\.Encoding is now streamseg\.media\.writing"):
        from streamseg.media.target import Encoding
    assert Encoding is target.Encoding


@pytest.mark.parametrize("new", [reader, target], ids=lambda module: module.__name__)
def test_all_public_names_are_found_under_the_old_path(new):
    old = importlib.import_module(f"streamseg.media.{new.__name__.rpartition('.')[2]}")
    for name in new.__all__:
        with pytest.warns(DeprecationWarning, match="the old name goes with the next release"):
            assert getattr(old, name) is getattr(new, name)


def test_other_names_are_missing_as_usual():
    old = importlib.import_module("streamseg.media.reader")
    with pytest.raises(AttributeError, match="has no attribute 'Decoder'"):
        old.Decoder  # noqa: B018
