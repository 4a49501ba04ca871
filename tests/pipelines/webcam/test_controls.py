"""Each key: what it changes, and what is reported."""

from __future__ import annotations

from queue import Queue
from types import SimpleNamespace

import pytest
from streamseg.pipelines.live import LiveFigures, LiveSettings
from streamseg.pipelines.webcam.controls import KEYS, Controls, Notices

from streamseg.errors import InputError
from streamseg.matting.choosing.choice import SubjectPoint
from streamseg.matting.tracking.roi import FULL_FRAME, ROI
from streamseg.media.live.window import Click

TIMEOUT_S = 30


class Pipeline:
    """Settings that can be changed; a background called "broken" cannot be opened."""

    figures = LiveFigures(300, 290, 10, 30.0, 29.0, 10.0, 3, 0.041, 0.05, 0.09)

    def __init__(self):
        self.settings = LiveSettings("first")
        self.chosen, self.framer = [], SimpleNamespace(view=FULL_FRAME)

    def choose(self, mark, add=False):
        self.chosen.append((mark, add))

    def change(self, **settings):
        if settings.get("background") == "broken":
            raise InputError("background broken: no such file or colour")
        self.settings = LiveSettings(**{**{"background": self.settings.background, "steady": 0.5}, **settings})


@pytest.fixture
def webcam():
    pipeline, camera, messages = Pipeline(), SimpleNamespace(mirror=False), Queue()
    controls = Controls(pipeline, camera, ("first", "blur:0.9", "broken"), messages.put)
    yield SimpleNamespace(pipeline=pipeline, camera=camera, messages=messages, controls=controls, press=controls.press)
    controls.close()


def test_backgrounds_wrap_around_in_both_directions(webcam):
    webcam.press("n")
    assert webcam.messages.get(timeout=TIMEOUT_S) == "background blur:0.9"
    webcam.press("p")
    assert webcam.messages.get(timeout=TIMEOUT_S) == "background first"
    assert webcam.pipeline.settings.background == "first"


def test_a_background_that_cannot_be_opened_is_reported_and_the_old_one_stays(webcam):
    webcam.press("p")
    assert "broken: no such file or colour; the background is not changed" in webcam.messages.get(timeout=TIMEOUT_S)
    assert webcam.pipeline.settings.background == "first"
    assert webcam.controls.settings()["bg"] == ("first", "blur:0.9", "broken")  # a saved file must work again


def test_blur_more_and_less(webcam):
    webcam.press("n")
    webcam.messages.get(timeout=TIMEOUT_S)
    expected = ["blur:1", "blur:1", "blur:0.9", "blur:0.8"]
    for key, background in zip("++--", expected, strict=True):
        webcam.press(key)
        assert webcam.messages.get(timeout=TIMEOUT_S) == f"background {background}"
    assert webcam.controls.backgrounds[0] == "blur:0.8"


def test_a_blur_is_added_next_to_a_background_of_another_kind(webcam):
    webcam.press("+")
    assert webcam.messages.get(timeout=TIMEOUT_S) == "background blur:0.5"
    assert webcam.controls.backgrounds == ("blur:0.5", "blur:0.9", "broken", "first")


def test_steadiness_stays_in_its_range(webcam):
    for _ in range(7):
        webcam.press("]")
        webcam.messages.get(timeout=TIMEOUT_S)
    assert webcam.pipeline.settings.steady == 1
    webcam.press("[")
    assert webcam.messages.get(timeout=TIMEOUT_S) == "steadiness 0.9"
    assert webcam.controls.settings()["steady"] == 0.9


def test_mirror_freeze_help_statistics_and_quit(webcam):
    for key in "mfhq":
        webcam.press(key)
    assert webcam.camera.mirror and webcam.controls.frozen and webcam.controls.help and webcam.controls.quit
    lines = webcam.controls.lines("")
    assert "camera 30 fps, network 10, shown 29" in lines and "age 41 ms (h: keys)" in lines
    assert "frozen" in lines
    assert all(any(line.endswith(action) for line in lines) for action in KEYS.values())
    webcam.press("s")
    webcam.press("f")
    webcam.press("h")
    assert webcam.controls.lines("hello") == ["hello"]


def test_other_keys_do_nothing(webcam):
    before = webcam.controls.settings()
    for key in ("", "x", "Q", "\t"):
        webcam.press(key)
    assert webcam.controls.settings() == before
    assert not webcam.controls.quit


def test_notices_are_reported_once_and_shown_for_some_seconds(monkeypatch):
    reported, now = [], SimpleNamespace(time=100.0)
    monkeypatch.setattr("streamseg.pipelines.webcam.controls.monotonic", lambda: now.time)
    notices = Notices(reported.append)
    assert notices.current == ""
    notices("camera 0: is back")
    now.time += 3
    assert notices.current == "camera 0: is back"
    now.time += 3
    assert notices.current == ""
    assert reported == ["camera 0: is back"]


def test_a_blur_that_was_never_opened_is_not_saved_as_the_first(webcam, monkeypatch):
    webcam.press("n")
    webcam.messages.get(timeout=TIMEOUT_S)
    monkeypatch.setattr(webcam.controls._requested, "put", lambda background: None)  # the opener is too busy
    webcam.press("-")
    assert webcam.controls.backgrounds == ("blur:0.9", "first", "blur:0.8", "broken")


def test_clicks_choose_add_and_take_away_and_a_key_returns_to_all(webcam):
    webcam.controls.click(Click(0.25, 0.5, right=False, shift=False))
    webcam.controls.click(Click(0.75, 0.5, right=False, shift=True))
    webcam.controls.click(Click(0.5, 0.5, right=True, shift=False))
    webcam.press("a")
    one, more, away = SubjectPoint(0.25, 0.5), SubjectPoint(0.75, 0.5), SubjectPoint(0.5, 0.5, keep=False)
    assert webcam.pipeline.chosen == [(one, False), (more, True), (away, False), (None, False)]
    messages = [webcam.messages.get(timeout=TIMEOUT_S) for _ in range(4)]
    assert messages == ["chosen; a: all again", "one more is kept", "taken away", "all are kept"]


def test_a_click_on_an_enlarged_view_is_a_point_of_the_frame(webcam):
    webcam.pipeline.change(auto_frame=True)
    webcam.pipeline.framer.view = ROI(0.25, 0.0, 0.75, 0.5)
    webcam.controls.click(Click(0.5, 0.5, right=False, shift=False))
    assert webcam.pipeline.chosen == [(SubjectPoint(0.5, 0.25), False)]
