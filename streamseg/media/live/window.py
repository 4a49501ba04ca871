"""A window on the screen, with OpenCV."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from numpy.typing import NDArray

from streamseg.errors import MissingDependency
from streamseg.frame import Frame
from streamseg.media.live.opencv import import_cv2
from streamseg.media.pixels.native import native_of
from streamseg.media.pixels.scale import to_rgb

__all__ = ["QUIT", "Click", "Window"]

#: What Window.key returns when the user quits: by q, by Escape, or by closing the window.
QUIT = "q"
_ESCAPE, _NONE = 27, 0xFF
_WHITE, _DARKENING = (255, 255, 255), 3
# Height of a line of text: as a fraction of the frame's height, and the minimum in pixels.
_LINE, _MIN_LINE = 1 / 24, 16
# Height in pixels of a capital letter of OpenCV's plain font at scale 1.
_CAPITAL_HEIGHT = 22


class Click(NamedTuple):
    """A click on the shown frame.

    Attributes:
        x, y: fractions of its width and height, from left and top, in [0, 1].
        right: whether with the right button, else the left one.
        shift: whether with the shift key.
    """

    x: float
    y: float
    right: bool
    shift: bool


class Window:
    """Shows frames. Only for the thread that created it, which must be the main thread on macOS.

    Raises:
        MissingDependency: OpenCV is not installed or cannot be loaded, or there is no display.
    """

    def __init__(self, title: str) -> None:
        if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise MissingDependency("a window needs a display, and neither DISPLAY nor WAYLAND_DISPLAY is set")
        self._cv2, self._title = import_cv2(), title
        self._cv2.namedWindow(title, self._cv2.WINDOW_AUTOSIZE | self._cv2.WINDOW_GUI_NORMAL)
        self._clicks: list[Click] = []
        self._size = (1, 1)
        self._cv2.setMouseCallback(title, self._clicked)

    def show(self, frame: Frame, lines: Sequence[str] = ()) -> None:
        """Show ``frame``, with ``lines`` of text over its upper left corner, at the next call of ``key``."""
        bgr = to_rgb(native_of(frame), frame.colour, "bgr24").to_ndarray()
        self._write(bgr, lines)
        self._size = frame.width, frame.height
        self._cv2.imshow(self._title, bgr)

    def key(self, seconds: float = 0.001) -> str:
        """Wait up to ``seconds`` for a key. Returns its character, "" for none, or QUIT."""
        code = self._cv2.waitKey(max(1, round(1000 * seconds))) & 0xFF
        if code == _ESCAPE or self._cv2.getWindowProperty(self._title, self._cv2.WND_PROP_VISIBLE) < 1:
            return QUIT
        return "" if code == _NONE else chr(code)

    def clicks(self) -> list[Click]:
        """The clicks since the last call, as far as ``key`` has taken them in."""
        clicks, self._clicks = self._clicks, []
        return clicks

    def _clicked(self, event: int, x: int, y: int, flags: int, _: Any) -> None:
        """Called by OpenCV within ``key``; x and y in pixels of the shown frame."""
        buttons = {self._cv2.EVENT_LBUTTONDOWN: False, self._cv2.EVENT_RBUTTONDOWN: True}
        width, height = self._size
        if event in buttons and 0 <= x < width and 0 <= y < height:
            shift = bool(flags & self._cv2.EVENT_FLAG_SHIFTKEY)
            self._clicks.append(Click((x + 0.5) / width, (y + 0.5) / height, buttons[event], shift))

    def _write(self, bgr: NDArray[Any], lines: Sequence[str]) -> None:
        """White text on a darkened rectangle, legible on every frame."""
        if not lines:
            return
        cv2, line = self._cv2, max(_MIN_LINE, round(bgr.shape[0] * _LINE))
        font, scale, thickness = cv2.FONT_HERSHEY_SIMPLEX, 0.6 * line / _CAPITAL_HEIGHT, 1
        width = max(cv2.getTextSize(text, font, scale, thickness)[0][0] for text in lines)
        rectangle = bgr[: round((len(lines) + 0.5) * line), : width + line]
        rectangle //= _DARKENING
        for number, text in enumerate(lines, start=1):
            origin = (line // 2, number * line)
            cv2.putText(bgr, text, origin, font, scale, _WHITE, thickness, cv2.LINE_AA)

    def close(self) -> None:
        """Close the window."""
        self._cv2.destroyWindow(self._title)
