"""Each key, what it changes, and what is said."""

from __future__ import annotations

from queue import Queue
from types import SimpleNamespace

import pytest
from streamseg.pipelines.live import LiveFigures, LiveSettings
from streamseg.pipelines.webcam_controls import KEYS, Controls, Notices

from streamseg.errors import InputError

PATIENCE = 30


class Line:
    """Settings that can be changed; a background called "broken" cannot be had."""

    figures = LiveFigures(300, 290, 10, 30.0, 29.0, 10.0, 3, 0.041, 0.05, 0.09)

    def __init__(self):
        self.settings = LiveSettings("first")

    def change(self, **settings):
        if settings.get("background") == "broken":
            raise InputError("background broken: no such file or colour")
        self.settings = LiveSettings(**{**{"background": self.settings.background, "steady": 0.5}, **settings})


@pytest.fixture
def desk():
    line, camera, said = Line(), SimpleNamespace(mirror=False), Queue()
    controls = Controls(line, camera, ("first", "blur:0.9", "broken"), said.put)
    yield SimpleNamespace(line=line, camera=camera, said=said, controls=controls, press=controls.press)
    controls.close()


def test_backgrounds_go_round_both_ways(desk):
    desk.press("n")
    assert desk.said.get(timeout=PATIENCE) == "background blur:0.9"
    desk.press("p")
    assert desk.said.get(timeout=PATIENCE) == "background first"
    assert desk.line.settings.background == "first"


def test_a_background_that_cannot_be_had_is_told_and_the_old_one_stays(desk):
    desk.press("p")
    assert "broken: no such file or colour; the background stays" in desk.said.get(timeout=PATIENCE)
    assert desk.line.settings.background == "first"
    assert desk.controls.settings()["bg"] == ("first", "blur:0.9", "broken")  # a saved file must work again


def test_more_and_less_blur(desk):
    desk.press("n")
    desk.said.get(timeout=PATIENCE)
    expected = ["blur:1", "blur:1", "blur:0.9", "blur:0.8"]
    for key, background in zip("++--", expected, strict=True):
        desk.press(key)
        assert desk.said.get(timeout=PATIENCE) == f"background {background}"
    assert desk.controls.backgrounds[0] == "blur:0.8"


def test_blur_beside_another_background_joins_the_row(desk):
    desk.press("+")
    assert desk.said.get(timeout=PATIENCE) == "background blur:0.5"
    assert desk.controls.backgrounds == ("blur:0.5", "blur:0.9", "broken", "first")


def test_steadiness_stays_in_its_range(desk):
    for _ in range(7):
        desk.press("]")
        desk.said.get(timeout=PATIENCE)
    assert desk.line.settings.steady == 1
    desk.press("[")
    assert desk.said.get(timeout=PATIENCE) == "steadiness 0.9"
    assert desk.controls.settings()["steady"] == 0.9


def test_mirror_freeze_help_statistics_and_quit(desk):
    for key in "mfhq":
        desk.press(key)
    assert desk.camera.mirror and desk.controls.frozen and desk.controls.help and desk.controls.quit
    lines = desk.controls.lines("")
    assert "camera 30 fps, network 10, shown 29" in lines and "age 41 ms (h: keys)" in lines
    assert "frozen" in lines
    assert all(any(line.endswith(what) for line in lines) for what in KEYS.values())
    desk.press("s")
    desk.press("f")
    desk.press("h")
    assert desk.controls.lines("hello") == ["hello"]


def test_other_keys_do_nothing(desk):
    before = desk.controls.settings()
    for key in ("", "x", "Q", "\t"):
        desk.press(key)
    assert desk.controls.settings() == before
    assert not desk.controls.quit


def test_notices_are_told_once_and_shown_for_a_while(monkeypatch):
    told, now = [], SimpleNamespace(time=100.0)
    monkeypatch.setattr("streamseg.pipelines.webcam_controls.monotonic", lambda: now.time)
    notices = Notices(told.append)
    assert notices.current == ""
    notices("camera 0: is back")
    now.time += 3
    assert notices.current == "camera 0: is back"
    now.time += 3
    assert notices.current == ""
    assert told == ["camera 0: is back"]


def test_a_blur_that_was_never_reached_is_not_saved_as_the_first(desk, monkeypatch):
    desk.press("n")
    desk.said.get(timeout=PATIENCE)
    monkeypatch.setattr(desk.controls._wanted, "put", lambda background: None)  # the opener is too busy
    desk.press("-")
    assert desk.controls.backgrounds == ("blur:0.9", "first", "blur:0.8", "broken")
