"""What comes from the page is checked before anything is done with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamseg.demos.choices import Choices

from streamseg.errors import InputError, OptionError


@pytest.mark.parametrize(
    ("values", "backdrop"),
    [
        ({}, "blur:0.5"),
        ({"background": "Blur", "blur": 1}, "blur:1"),
        ({"background": "Colour", "colour": "#12AB34"}, "#12ab34"),
        ({"background": "Colour", "colour": "rgba(255, 127.6, 0, 1)"}, "#ff8000"),
        ({"background": "Beach", "view": "Matte"}, "matte"),
    ],
)
def test_choices_become_the_words_of_bg(values, backdrop):
    assert Choices.read(values).backdrop(None) == backdrop


def test_the_gallery_is_installed_and_an_own_background_is_used():
    for name in ("Beach", "Lights", "Studio"):
        assert Path(Choices.read({"background": name}).backdrop(None)).is_file()
    assert Choices.read({"background": "Yours"}).backdrop(Path("/x/y.png")) == "/x/y.png"
    with pytest.raises(InputError, match="upload a picture or a video first"):
        Choices.read({"background": "Yours"}).backdrop(None)


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
    ],
)
def test_what_the_page_cannot_say_is_refused(values):
    with pytest.raises(OptionError):
        Choices.read(values)


def test_numbers_are_kept_in_range():
    choices = Choices.read({"blur": -3, "steady": 7})
    assert (choices.blur, choices.steady) == (0.01, 1.0)
