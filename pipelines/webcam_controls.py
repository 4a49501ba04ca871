"""What the keys of the webcam's window do, and the text over its picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

from streamseg.errors import StreamsegError
from streamseg.media.camera import Camera
from streamseg.runtime import Mailbox, Pump
from streamseg.runtime.queue import End

from .live import LiveLine

__all__ = ["KEYS", "Controls", "Notices"]

#: Key → what it does; the order is that of the help in the window.
KEYS = {
    "n": "next background",
    "p": "previous background",
    "+": "blur more",
    "-": "blur less",
    "m": "mirror",
    "]": "steadier",
    "[": "quicker",
    "f": "freeze",
    "s": "statistics",
    "h": "these keys",
    "q": "quit",
}
_BLUR_STEP, _STEADY_STEP = 0.1, 0.1
_USUAL_BLUR = 0.5
_NOTICE_SECONDS = 4.0


class Notices:
    """Sentences for the user: on the terminal, and for some seconds in the window. Any thread may add one."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._newest = ("", 0.0)

    def __call__(self, sentence: str) -> None:
        """Add one."""
        self._newest = (sentence, monotonic())
        self._tell(sentence)

    @property
    def current(self) -> str:
        """The one to show, or ""."""
        sentence, time = self._newest
        return sentence if monotonic() - time < _NOTICE_SECONDS else ""


class Controls:
    """Belongs to the thread that gets the keys.

    Args:
        line: whose settings change.
        camera: to be mirrored.
        backgrounds: to choose from; the first is on.
        say: told what changed.

    Attributes:
        frozen, statistics, help: what the picture shows.
        quit: whether the user wants to go.
    """

    def __init__(
        self, line: LiveLine, camera: Camera, backgrounds: tuple[str, ...], say: Callable[[str], None]
    ) -> None:
        self.frozen = self.help = self.quit = False
        self.statistics = True
        self._line, self._camera, self._say = line, camera, say
        self._backgrounds, self._place = list(backgrounds), 0
        self._actions: dict[str, Callable[[], None]] = {
            "n": lambda: self._turn_to(self._place + 1),
            "p": lambda: self._turn_to(self._place - 1),
            "+": lambda: self._blur(_BLUR_STEP),
            "=": lambda: self._blur(_BLUR_STEP),
            "-": lambda: self._blur(-_BLUR_STEP),
            "m": self._mirror,
            "]": lambda: self._steady(_STEADY_STEP),
            "[": lambda: self._steady(-_STEADY_STEP),
            "f": lambda: self._toggle("frozen"),
            "s": lambda: self._toggle("statistics"),
            "h": lambda: self._toggle("help"),
            "q": lambda: self._toggle("quit"),
        }
        # Opening a background may take long, and the pictures go on meanwhile.
        self._wanted: Mailbox[str] = Mailbox()
        self._opener = Pump(self._wishes(), self._open, lambda failure: None, "backgrounds")

    def press(self, key: str) -> None:
        """Do what a key stands for; others do nothing."""
        if key in self._actions:
            self._actions[key]()

    @property
    def backgrounds(self) -> tuple[str, ...]:
        """Those to choose from, that which is on first: not one that was chosen and could not be had."""
        on, row = self._line.settings.background, self._backgrounds
        place = row.index(on) if on in row else 0
        return (on, *row[place + (on in row) :], *row[:place])

    def lines(self, notice: str) -> list[str]:
        """The text over the picture."""
        lines = self._figures() if self.statistics else []
        lines += ["frozen"] if self.frozen else []
        lines += [f"{key}  {what}" for key, what in KEYS.items()] if self.help else []
        return lines + ([notice] if notice else [])

    def _figures(self) -> list[str]:
        figures = self._line.figures
        return [
            f"camera {figures.arrived_fps:.0f} fps, network {figures.network_fps:.0f}, shown {figures.shown_fps:.0f}",
            f"age {1000 * figures.age_last:.0f} ms (h: keys)",
        ]

    def _toggle(self, name: str) -> None:
        setattr(self, name, not getattr(self, name))

    def _turn_to(self, place: int) -> None:
        self._place = place % len(self._backgrounds)
        self._wanted.put(self._backgrounds[self._place])

    def _blur(self, step: float) -> None:
        """Of a background that is no blur a blur is made, in its place in the row."""
        now = self._backgrounds[self._place]
        word, _, strength = now.partition(":")
        before = float(strength or _USUAL_BLUR) if word == "blur" else _USUAL_BLUR - step
        after = min(1.0, max(_BLUR_STEP, round(before + step, 2)))
        if word != "blur":
            self._place += 1
            self._backgrounds.insert(self._place, "")
        self._backgrounds[self._place] = f"blur:{after:g}"
        self._wanted.put(self._backgrounds[self._place])

    def _mirror(self) -> None:
        self._camera.mirror = not self._camera.mirror

    def _steady(self, step: float) -> None:
        steady = min(1.0, max(0.0, round(self._line.settings.steady + step, 2)))
        self._line.change(steady=steady)
        self._say(f"steadiness {steady:g}")

    def _wishes(self) -> Iterator[str]:
        while not isinstance(wish := self._wanted.get(), End):
            yield wish

    def _open(self, background: str) -> None:
        try:
            self._line.change(background=background)
        except StreamsegError as error:
            self._say(f"{error}; the background stays")
        else:
            self._say(f"background {background}")

    def settings(self) -> dict[str, Any]:
        """What the keys have changed, as arguments for WebcamSettings."""
        return {
            "bg": self.backgrounds,
            "steady": self._line.settings.steady,
            "mirror": self._camera.mirror,
        }

    def close(self) -> None:
        """Open no more backgrounds."""
        self._wanted.end()
        self._opener.join()
