"""A window on the screen, by OpenCV."""

from __future__ import annotations

import os
import sys

from streamseg.errors import MissingDependency
from streamseg.frame import Frame
from streamseg.media.native import native_of
from streamseg.media.opencv import import_cv2
from streamseg.media.scale import to_rgb

__all__ = ["Window"]

_QUIT_KEYS = (ord("q"), 27)


class Window:
    """Shows frames. Belongs to the thread that made it, which must be the main one on macOS.

    Raises:
        MissingDependency: OpenCV is not installed or cannot be loaded, or there is no display.
    """

    def __init__(self, title: str) -> None:
        if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise MissingDependency("a window needs a display, and neither DISPLAY nor WAYLAND_DISPLAY is set")
        self._cv2, self._title = import_cv2(), title
        self._cv2.namedWindow(title, self._cv2.WINDOW_AUTOSIZE | self._cv2.WINDOW_GUI_NORMAL)

    def show(self, frame: Frame) -> bool:
        """Show ``frame``; gives whether the user asked to quit (q, Escape, or the window closed)."""
        bgr = to_rgb(native_of(frame), frame.colour, "bgr24").to_ndarray()
        self._cv2.imshow(self._title, bgr)
        key = self._cv2.waitKey(1) & 0xFF
        return key in _QUIT_KEYS or self._cv2.getWindowProperty(self._title, self._cv2.WND_PROP_VISIBLE) < 1

    def close(self) -> None:
        """Take the window away."""
        self._cv2.destroyWindow(self._title)
