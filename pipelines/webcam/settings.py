"""The settings of ``streamseg webcam``, and the file that keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from streamseg.errors import OptionError
from streamseg.media.live.devices import CameraRequest

from ..live import AUTO, LiveSettings
from .toml_file import read_toml, write_toml

__all__ = ["AUTOMATIC", "WebcamSettings", "read_settings", "save_settings"]

#: The name that stands for the first virtual camera.
AUTOMATIC = "auto"


@dataclass(frozen=True, slots=True)
class WebcamSettings:
    """Input and outputs of a webcam job. In the file the names have hyphens.

    Attributes:
        camera: number or name of a camera, a file (played at its own pace, looped), or an address.
        width, height, fps: requested from the camera.
        bg: backgrounds to choose from, the first at the start; see LiveSettings.
        steady, edges, speed, auto_frame, delay: see LiveSettings.
        mirror: flip the camera's frames left to right.
        virtual_camera: name of a virtual camera to feed, or "auto".
        record: a video file to record into.
        audio: a microphone ("default" or a name), a file (looped) or an address, for the sound of the recording.
        headless: no window.

    Raises:
        OptionError: values out of range, or no output.
    """

    camera: str = "0"
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    bg: tuple[str, ...] = ("blur",)
    steady: float = 0.5
    edges: bool = True
    speed: str = AUTO
    auto_frame: bool = False
    delay: int = 0
    mirror: bool = False
    virtual_camera: str | None = None
    record: str | None = None
    audio: str | None = None
    headless: bool = False

    def __post_init__(self) -> None:
        if not self.bg:
            raise OptionError("bg: expected at least one background")
        for name in ("width", "height", "fps"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise OptionError(f"{name} {value:g}: expected more than 0")
        if self.headless and self.virtual_camera is None and self.record is None:
            raise OptionError("headless: there is no output left; add a virtual camera or a recording")
        if self.audio is not None and self.record is None:
            raise OptionError(f"audio {self.audio}: only a recording has sound; add a file to record into")
        self.live()

    def live(self) -> LiveSettings:
        """Those of the live pipeline."""
        framing, delay = self.auto_frame, self.delay
        return LiveSettings(self.bg[0], self.steady, self.edges, self.speed, auto_frame=framing, delay=delay)

    def request(self) -> CameraRequest:
        """Those requested from the camera."""
        return CameraRequest(self.width, self.height, self.fps)


_TYPES: dict[str, tuple[type, ...]] = {
    "width": (int,),
    "height": (int,),
    "fps": (int, float),
    "steady": (int, float),
    "auto-frame": (bool,),
    "delay": (int,),
    "edges": (bool,),
    "mirror": (bool,),
    "headless": (bool,),
    "bg": (list, str),
}


def read_settings(path: str) -> dict[str, Any]:
    """The contents of a settings file, as arguments for WebcamSettings.

    Raises:
        InputError: it cannot be read, or is not TOML.
        OptionError: an unknown name or a value of another type; the message names it.
    """
    return dict(_checked(path, name, value) for name, value in read_toml(path).items())


def _checked(path: str, name: str, value: Any) -> tuple[str, Any]:
    known = {field.name.replace("_", "-") for field in fields(WebcamSettings)}
    if name not in known:
        raise OptionError(f"{path}: unknown setting {name!r}; expected {', '.join(sorted(known))}")
    expected = _TYPES.get(name, (str,))
    unexpected_bool = isinstance(value, bool) and bool not in expected  # bool is a subclass of int
    if unexpected_bool or not isinstance(value, expected):
        raise OptionError(f"{path}: {name} is {value!r}; expected {' or '.join(kind.__name__ for kind in expected)}")
    if name == "bg":
        value = [value] if isinstance(value, str) else value
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise OptionError(f"{path}: bg is {value!r}; expected a list of strings")
        value = tuple(value)
    return name.replace("-", "_"), value


def save_settings(path: str, settings: WebcamSettings) -> None:
    """Write all settings that differ from the defaults, so that new defaults of a later release take effect.

    Files are written with absolute paths, so that the settings work from any folder.

    Raises:
        OutputError: it cannot be written.
    """
    default = asdict(WebcamSettings())
    chosen = {name: value for name, value in asdict(settings).items() if value != default[name]}
    write_toml(path, _portable(chosen))


def _portable(chosen: Mapping[str, Any]) -> dict[str, Any]:
    entries = {name.replace("_", "-"): value for name, value in chosen.items()}
    if "bg" in entries:
        entries["bg"] = [_absolute(item) for item in entries["bg"]]
    entries |= {name: _absolute(entries[name]) for name in ("camera", "audio") if name in entries}
    if "record" in entries:
        entries["record"] = str(Path(entries["record"]).absolute())
    return entries


def _absolute(name: str) -> str:
    return str(Path(name).absolute()) if Path(name).is_file() else name
