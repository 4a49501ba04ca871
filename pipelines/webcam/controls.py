"""What the keys and clicks of the webcam's window do, and the text over its image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

from streamseg.errors import StreamsegError
from streamseg.matting.choosing.choice import SubjectPoint
from streamseg.matting.tracking.roi import FULL_FRAME
from streamseg.media.live.camera import Camera
from streamseg.media.live.window import Click
from streamseg.runtime import Mailbox, Pump
from streamseg.runtime.queue import End

from ..live import LivePipeline

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
    "a": "click: who is kept; right: who is not; shift: one more; a: all",
    "f": "freeze",
    "s": "statistics",
    "h": "these keys",
    "q": "quit",
}
_BLUR_STEP, _STEADY_STEP = 0.1, 0.1
_DEFAULT_BLUR = 0.5
_NOTICE_SECONDS = 4.0


class Notices:
    """Messages for the user: reported at once, and shown in the window for some seconds. Any thread may add one.

    Args:
        report: takes each message.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._newest = ("", 0.0)

    def __call__(self, message: str) -> None:
        """Add one."""
        self._newest = (message, monotonic())
        self._report(message)

    @property
    def current(self) -> str:
        """The one to show, or ""."""
        message, time = self._newest
        return message if monotonic() - time < _NOTICE_SECONDS else ""


class Controls:
    """Does what the keys stand for. For the thread that reads the keys only.

    Args:
        pipeline: whose settings change.
        camera: to be mirrored.
        backgrounds: to choose from; the first one is in use.
        report: called with a message when something has changed.

    Attributes:
        frozen, statistics, help: what the window shows.
        quit: whether the user wants to quit.
    """

    def __init__(
        self, pipeline: LivePipeline, camera: Camera, backgrounds: tuple[str, ...], report: Callable[[str], None]
    ) -> None:
        self.frozen = self.help = self.quit = False
        self.statistics = True
        self._pipeline, self._camera, self._report = pipeline, camera, report
        self._backgrounds, self._index = list(backgrounds), 0
        self._actions: dict[str, Callable[[], None]] = {
            "n": lambda: self._choose(self._index + 1),
            "p": lambda: self._choose(self._index - 1),
            "+": lambda: self._blur(_BLUR_STEP),
            "=": lambda: self._blur(_BLUR_STEP),
            "-": lambda: self._blur(-_BLUR_STEP),
            "m": self._mirror,
            "]": lambda: self._steady(_STEADY_STEP),
            "[": lambda: self._steady(-_STEADY_STEP),
            "a": self._choose_all,
            "f": lambda: self._toggle("frozen"),
            "s": lambda: self._toggle("statistics"),
            "h": lambda: self._toggle("help"),
            "q": lambda: self._toggle("quit"),
        }
        # Opening a background may take long: in a thread of its own, so that the window goes on.
        self._requested: Mailbox[str] = Mailbox()
        self._opener = Pump(self._requests(), self._open, lambda failure: None, "backgrounds")

    def press(self, key: str) -> None:
        """Do what a key stands for; other keys do nothing."""
        if key in self._actions:
            self._actions[key]()

    def click(self, click: Click) -> None:
        """Choose who is kept, with shift one more, or who is not, with the right button."""
        view = self._pipeline.framer.view if self._pipeline.settings.auto_frame else FULL_FRAME
        x, y = view.left + click.x * (view.right - view.left), view.top + click.y * (view.bottom - view.top)
        self._pipeline.choose(SubjectPoint(x, y, keep=not click.right), click.shift)
        self._report("taken away" if click.right else "one more is kept" if click.shift else "chosen; a: all again")

    def _choose_all(self) -> None:
        self._pipeline.choose(None)
        self._report("all are kept")

    @property
    def backgrounds(self) -> tuple[str, ...]:
        """Those to choose from, starting with the one in use, which is not one that was chosen but failed to open."""
        current, known = self._pipeline.settings.background, self._backgrounds
        index = known.index(current) if current in known else 0
        return (current, *known[index + (current in known) :], *known[:index])

    def lines(self, notice: str) -> list[str]:
        """The text over the image."""
        lines = self._figures() if self.statistics else []
        lines += ["frozen"] if self.frozen else []
        lines += [f"{key}  {action}" for key, action in KEYS.items()] if self.help else []
        return lines + ([notice] if notice else [])

    def _figures(self) -> list[str]:
        figures = self._pipeline.figures
        return [
            f"camera {figures.arrived_fps:.0f} fps, network {figures.network_fps:.0f}, shown {figures.shown_fps:.0f}",
            f"age {1000 * figures.age_last:.0f} ms (h: keys)",
        ]

    def _toggle(self, name: str) -> None:
        setattr(self, name, not getattr(self, name))

    def _choose(self, index: int) -> None:
        self._index = index % len(self._backgrounds)
        self._requested.put(self._backgrounds[self._index])

    def _blur(self, step: float) -> None:
        """Change the strength of the blur; next to a background of another kind, a blur is added to the list."""
        kind, _, strength = self._backgrounds[self._index].partition(":")
        before = float(strength or _DEFAULT_BLUR) if kind == "blur" else _DEFAULT_BLUR - step
        after = min(1.0, max(_BLUR_STEP, round(before + step, 2)))
        if kind != "blur":
            self._index += 1
            self._backgrounds.insert(self._index, "")
        self._backgrounds[self._index] = f"blur:{after:g}"
        self._requested.put(self._backgrounds[self._index])

    def _mirror(self) -> None:
        self._camera.mirror = not self._camera.mirror

    def _steady(self, step: float) -> None:
        steady = min(1.0, max(0.0, round(self._pipeline.settings.steady + step, 2)))
        self._pipeline.change(steady=steady)
        self._report(f"steadiness {steady:g}")

    def _requests(self) -> Iterator[str]:
        while not isinstance(background := self._requested.get(), End):
            yield background

    def _open(self, background: str) -> None:
        try:
            self._pipeline.change(background=background)
        except StreamsegError as error:
            self._report(f"{error}; the background is not changed")
        else:
            self._report(f"background {background}")

    def settings(self) -> dict[str, Any]:
        """What the keys have changed, as arguments for WebcamSettings."""
        return {
            "bg": self.backgrounds,
            "steady": self._pipeline.settings.steady,
            "mirror": self._camera.mirror,
        }

    def close(self) -> None:
        """Open no more backgrounds."""
        self._requested.end()
        self._opener.join()
