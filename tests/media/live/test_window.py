"""Clicks in the window, with a stand-in for OpenCV that calls back as it does."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from streamseg.media.images import image_frame
from streamseg.media.live import window
from streamseg.media.live.window import Click, Window


@pytest.fixture
def opened(monkeypatch):
    """A window that shows 100×50 pixels, and the function that OpenCV calls with mouse events."""
    callbacks = []
    cv2 = SimpleNamespace(
        WINDOW_AUTOSIZE=1,
        WINDOW_GUI_NORMAL=16,
        EVENT_MOUSEMOVE=0,
        EVENT_LBUTTONDOWN=1,
        EVENT_RBUTTONDOWN=2,
        EVENT_FLAG_SHIFTKEY=16,
        namedWindow=lambda title, flags: None,
        setMouseCallback=lambda title, callback: callbacks.append(callback),
        imshow=lambda title, bgr: None,
    )
    monkeypatch.setattr(window, "import_cv2", lambda: cv2)
    monkeypatch.setenv("DISPLAY", ":0")
    shown = Window("test")
    shown.show(image_frame(np.zeros((50, 100, 3), np.uint8)))
    return SimpleNamespace(window=shown, mouse=callbacks[0], cv2=cv2)


def test_clicks_are_fractions_of_the_shown_frame_with_button_and_shift_key(opened):
    cv2 = opened.cv2
    opened.mouse(cv2.EVENT_LBUTTONDOWN, 0, 49, 1, None)
    opened.mouse(cv2.EVENT_RBUTTONDOWN, 99, 0, 2 | cv2.EVENT_FLAG_SHIFTKEY, None)
    opened.mouse(cv2.EVENT_MOUSEMOVE, 5, 5, 0, None)
    opened.mouse(cv2.EVENT_LBUTTONDOWN, 100, 5, 0, None)  # beside the frame
    assert opened.window.clicks() == [Click(0.005, 0.99, False, False), Click(0.995, 0.01, True, True)]
    assert opened.window.clicks() == []
