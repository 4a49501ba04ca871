"""Options of requests. They come from outside: everything is checked, and none of them names a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from streamseg.background.choose import is_colour
from streamseg.errors import OptionError

from ...stages.effect import TRANSPARENT
from ...stages.options import Matting

__all__ = ["CLIP_TYPES", "PICTURE_TYPES", "ClipOptions", "LiveOptions", "PictureOptions"]

#: Content types of results, by format.
PICTURE_TYPES = {"png": "image/png", "jpeg": "image/jpeg"}
CLIP_TYPES = {"mp4": "video/mp4", "webm": "video/webm", "mov": "video/quicktime", "mkv": "video/x-matroska"}
_WITH_ALPHA = ("webm", "mov", "mkv")
_SPEEDS = ("best", "balanced", "fast")
_LONGEST = 100


@dataclass(frozen=True, slots=True)
class PictureOptions:
    """What is made of a picture.

    Attributes:
        bg: "transparent", "matte", "blur", "blur:STRENGTH" or a colour; None where a file comes as the background.
        format: of PICTURE_TYPES.
    """

    bg: str | None
    format: str

    @classmethod
    def parse(cls, values: Mapping[str, str], has_background: bool) -> PictureOptions:
        """From the text of a request. Raises OptionError."""
        _check_names(values, ("bg", "format"))
        bg = _background(values.get("bg"), has_background, TRANSPARENT)
        chosen = _one_of(values, "format", tuple(PICTURE_TYPES), "png")
        if bg == TRANSPARENT and chosen == "jpeg":
            raise OptionError("format jpeg: JPEG cannot hold transparency; choose png, or another bg")
        return cls(bg, chosen)


@dataclass(frozen=True, slots=True)
class ClipOptions:
    """What is made of a clip.

    Attributes:
        bg: as for PictureOptions.
        format: of CLIP_TYPES.
        matting: speed, steadiness and edges.
        audio: keep the sound.
    """

    bg: str | None
    format: str
    matting: Matting
    audio: bool

    @classmethod
    def parse(cls, values: Mapping[str, str], has_background: bool) -> ClipOptions:
        """From the text of a request. Raises OptionError."""
        _check_names(values, ("bg", "format", "speed", "steady", "edges", "audio"))
        bg = _background(values.get("bg"), has_background, "blur")
        chosen = _one_of(values, "format", tuple(CLIP_TYPES), "webm" if bg == TRANSPARENT else "mp4")
        if bg == TRANSPARENT and chosen not in _WITH_ALPHA:
            raise OptionError(
                f"format {chosen}: cannot hold transparency; choose {', '.join(_WITH_ALPHA)}, or another bg"
            )
        speed = _one_of(values, "speed", _SPEEDS, "best")
        matting = Matting(_number(values, "steady", 0.5), edges=_switch(values, "edges"), speed=speed)
        return cls(bg, chosen, matting, _switch(values, "audio"))


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """How live frames are matted.

    Attributes:
        format: of the mattes, of PICTURE_TYPES.
        speed: one of those of a clip, or "auto".
        steady: 0 to 1.
    """

    format: str
    speed: str
    steady: float

    @classmethod
    def parse(cls, values: Mapping[str, str]) -> LiveOptions:
        """From the text of a request. Raises OptionError."""
        _check_names(values, ("format", "speed", "steady"))
        chosen = _one_of(values, "format", tuple(PICTURE_TYPES), "png")
        steady = Matting(_number(values, "steady", 0.5)).steady
        return cls(chosen, _one_of(values, "speed", ("auto", *_SPEEDS), "auto"), steady)


def _check_names(values: Mapping[str, str], known: tuple[str, ...]) -> None:
    for name, value in values.items():
        if name not in known:
            raise OptionError(f"option {name[:_LONGEST]!r}: unknown; expected {', '.join(known)}")
        if len(value) > _LONGEST:
            raise OptionError(f"option {name}: {len(value)} characters are too many; expected up to {_LONGEST}")


def _background(bg: str | None, has_background: bool, default: str) -> str | None:
    if has_background:
        if bg is not None:
            raise OptionError(f"bg {bg}: there is an uploaded background too; send one of them")
        return None
    if bg is None:
        return default
    word, _, strength = bg.partition(":")
    if bg in (TRANSPARENT, "matte", "blur") or is_colour(bg):
        return bg
    if word != "blur":
        raise OptionError(f"bg {bg!r}: expected transparent, matte, blur, blur:STRENGTH or a colour (name or #rrggbb)")
    if not 0 < _as_number("blur strength", strength) <= 1:
        raise OptionError(f"blur strength {strength!r}: expected a number above 0 and up to 1")
    return bg


def _one_of(values: Mapping[str, str], name: str, known: tuple[str, ...], default: str) -> str:
    value = values.get(name, default)
    if value not in known:
        raise OptionError(f"{name} {value!r}: expected {', '.join(known)}")
    return value


def _switch(values: Mapping[str, str], name: str) -> bool:
    return _one_of(values, name, ("on", "off"), "on") == "on"


def _number(values: Mapping[str, str], name: str, default: float) -> float:
    return _as_number(name, values[name]) if name in values else default


def _as_number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise OptionError(f"{name} {text!r}: expected a number") from None
