"""The methods that ``streamseg evaluate`` compares: from the frames of a sequence to their mattes.

A method that is to appear in the tables goes into METHODS at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import tee
from typing import NamedTuple, TypeVar

from streamseg.errors import OptionError
from streamseg.frame import Frame, Matte
from streamseg.matting.alpha import matte_from_saliency
from streamseg.media.scale import PlaneScaler

from .segmenter import Segmenter

__all__ = ["METHODS", "Cutout", "Method", "choose_methods", "run"]

_Companion = TypeVar("_Companion")


class Cutout(NamedTuple):
    """What a method makes of a frame.

    Attributes:
        matte: at the frame's size, uint8 or uint16 whatever the frame's depth.
        foreground: the frame with the subject's own colours at its edges, in the frame's size and format;
            None for the frame itself.
    """

    matte: Matte
    foreground: Frame | None = None


#: Takes all frames of one sequence in order, gives one cutout for each, in order. It may look ahead; what it remembers
#: lasts for one call.
Method = Callable[[Iterator[Frame]], Iterator[Cutout]]


def run(method: Method, items: Iterable[tuple[Frame, _Companion]]) -> Iterator[tuple[Frame, _Companion, Cutout]]:
    """Each frame, what goes with it, and what ``method`` makes of it; holds no more frames than it looks ahead.

    Raises:
        ValueError: the method gives more or fewer cutouts than frames.
    """
    kept, for_method = tee(items)
    cutouts = method(frame for frame, _ in for_method)
    for (frame, companion), cutout in zip(kept, cutouts, strict=True):
        yield frame, companion, cutout


def _raw_map(segmenter: Segmenter) -> Method:
    """The whole frame's saliency as it is, no levels, bilinearly brought to the frame's size (in 16 bits)."""
    device, scale = segmenter.device, PlaneScaler()

    def method(frames: Iterator[Frame]) -> Iterator[Cutout]:
        for frame in frames:
            saliency = device.saliency(device.network(device.prepare(frame)))
            yield Cutout(matte_from_saliency(saliency, frame.width, frame.height, 16, scale, levels=(0.0, 1.0)))

    return method


def _plain(segmenter: Segmenter) -> Method:
    """Segmenter.matte, frame by frame."""
    return lambda frames: (Cutout(segmenter.matte(frame)) for frame in frames)


#: Name in the tables → makes the method from the network.
METHODS: dict[str, Callable[[Segmenter], Method]] = {
    "raw map": _raw_map,
    "plain": _plain,
}


def choose_methods(names: Sequence[str] | None, segmenter: Segmenter) -> dict[str, Method]:
    """Methods by name; all of them for None or no names.

    Raises:
        OptionError: there is no method of that name.
    """
    for name in names or ():
        if name not in METHODS:
            raise OptionError(f"method {name!r}: expected {', '.join(METHODS)}")
    return {name: make(segmenter) for name, make in METHODS.items() if not names or name in names}
