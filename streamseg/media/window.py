"""A window on the screen, by OpenCV."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from streamseg.errors import MissingDependency
from streamseg.frame import Frame
from streamseg.media.native import native_of
from streamseg.media.opencv import import_cv2
from streamseg.media.scale import to_rgb

__all__ = ["QUIT", "Window"]

#: What Window.key gives when the user wants the window gone: q, Escape, or the window closed.
QUIT = "q"
_ESCAPE, _NONE = 27, 0xFF
_WHITE, _DARKER = (255, 255, 255), 3
# Height of a line of text as a part of the picture's, and the least in pixels.
_LINE, _LEAST_LINE = 1 / 24, 16
# Height of a capital of OpenCV's plain font at scale 1, in pixels.
_CAPITAL = 22


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

    def show(self, frame: Frame, lines: Sequence[str] = ()) -> None:
        """Show ``frame`` with ``lines`` of text over its upper left corner; seen after the next call of ``key``."""
        bgr = to_rgb(native_of(frame), frame.colour, "bgr24").to_ndarray()
        self._write(bgr, lines)
        self._cv2.imshow(self._title, bgr)

    def key(self, seconds: float = 0.001) -> str:
        """The key that was pressed within ``seconds`` as a character; "" for none, QUIT to go."""
        code = self._cv2.waitKey(max(1, round(1000 * seconds))) & 0xFF
        if code == _ESCAPE or self._cv2.getWindowProperty(self._title, self._cv2.WND_PROP_VISIBLE) < 1:
            return QUIT
        return "" if code == _NONE else chr(code)

    def _write(self, bgr: NDArray[Any], lines: Sequence[str]) -> None:
        """White on a darkened box: to be read on every picture."""
        if not lines:
            return
        cv2, line = self._cv2, max(_LEAST_LINE, round(bgr.shape[0] * _LINE))
        font, scale, thickness = cv2.FONT_HERSHEY_SIMPLEX, 0.6 * line / _CAPITAL, 1
        width = max(cv2.getTextSize(text, font, scale, thickness)[0][0] for text in lines)
        box = bgr[: round((len(lines) + 0.5) * line), : width + line]
        box //= _DARKER
        for number, text in enumerate(lines, start=1):
            place = (line // 2, number * line)
            cv2.putText(bgr, text, place, font, scale, _WHITE, thickness, cv2.LINE_AA)

    def close(self) -> None:
        """Take the window away."""
        self._cv2.destroyWindow(self._title)
