"""The values that the page sends are checked."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamseg.demos.choices import Choices

from streamseg.errors import InputError, OptionError
from streamseg.matting.choosing.choice import SubjectPoint


@pytest.mark.parametrize(
    ("values", "option"),
    [
        ({}, "blur:0.5"),
        ({"background": "Blur", "blur": 1}, "blur:1"),
        ({"background": "Colour", "colour": "#12AB34"}, "#12ab34"),
        ({"background": "Colour", "colour": "rgba(255, 127.6, 0, 1)"}, "#ff8000"),
        ({"background": "Beach", "view": "Matte"}, "matte"),
    ],
)
def test_choices_give_the_option_bg(values, option):
    assert Choices.parse(values).background_option(None) == option


def test_the_gallery_is_installed_and_an_uploaded_background_is_used():
    for name in ("Beach", "Lights", "Studio"):
        assert Path(Choices.parse({"background": name}).background_option(None)).is_file()
    assert Choices.parse({"background": "Yours"}).background_option(Path("/x/y.png")) == "/x/y.png"
    with pytest.raises(InputError, match="upload an image or a video first"):
        Choices.parse({"background": "Yours"}).background_option(None)


@pytest.mark.parametrize(
    "values",
    [
        {"background": "/etc/passwd"},
        {"background": "../samples/beach.jpg"},
        {"background": {"path": "/etc/passwd"}},
        {"background": "Colour", "colour": "url(http://elsewhere)"},
        {"speed": "fastest"},
        {"steady": "0.5"},
        {"steady": float("nan")},
        {"blur": None},
        {"blur": True},
        {"subject": "everybody"},
        {"subject": [[0.5, 0.5]]},
        {"subject": [{"x": "0.5", "y": 0.5}]},
        {"subject": [{"x": 0.5, "y": float("inf")}]},
    ],
)
def test_invalid_values_are_refused(values):
    with pytest.raises(OptionError):
        Choices.parse(values)


def test_numbers_are_clipped_to_their_range():
    choices = Choices.parse({"blur": -3, "steady": 7})
    assert (choices.blur, choices.steady) == (0.01, 1.0)


def test_points_lie_on_the_picture_and_the_newest_of_many_count():
    points = [{"x": 0.5, "y": -1}, {"x": 2, "y": 0.25, "keep": False}]
    assert Choices.parse({"subject": points}).subject == (SubjectPoint(0.5, 0.0), SubjectPoint(1.0, 0.25, keep=False))
    many = Choices.parse({"subject": [{"x": 0.5, "y": number / 100} for number in range(50)]}).subject
    assert len(many) == 20 and many[-1].y == 0.49
