"""The methods that ``streamseg evaluate`` compares: from the frames of a sequence to their cut-outs.

To add a method to the tables, add it to METHODS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import tee
from typing import TypeVar

import numpy as np

from streamseg.errors import OptionError
from streamseg.frame import Frame, Matte
from streamseg.matting.edges.cutout import Cutout
from streamseg.media.pixels.scale import PlaneScaler

from ..segmenter import Segmenter
from ..stages.matting import cut_outs
from ..stages.options import Matting

__all__ = ["METHODS", "Method", "choose_methods", "run"]

_Companion = TypeVar("_Companion")


#: Takes all frames of one sequence in order and yields one cut-out for each, in order. It may look ahead; its state
#: lasts for one call.
Method = Callable[[Iterator[Frame]], Iterator[Cutout]]


def run(method: Method, items: Iterable[tuple[Frame, _Companion]]) -> Iterator[tuple[Frame, _Companion, Cutout]]:
    """Each frame, its companion, and its cut-out by ``method``; holds no more frames than the method looks ahead.

    Raises:
        ValueError: the method yields more or fewer cut-outs than frames.
    """
    kept, for_method = tee(items)
    cutouts = method(frame for frame, _ in for_method)
    for (frame, companion), cutout in zip(kept, cutouts, strict=True):
        yield frame, companion, cutout


def _raw_map(segmenter: Segmenter) -> Method:
    """The saliency map of the full frame, scaled bilinearly to the frame's size, in 16 bits."""
    device, scale = segmenter.device, PlaneScaler()

    def method(frames: Iterator[Frame]) -> Iterator[Cutout]:
        for frame in frames:
            saliency = device.saliency(device.network(device.prepare(frame)))
            codes = np.rint(saliency * np.float32(65535)).astype(np.uint16)
            yield Cutout(frame, Matte(scale(codes, frame.width, frame.height)))

    return method


def _plain(segmenter: Segmenter) -> Method:
    """Segmenter.cut_out, frame by frame."""
    return lambda frames: (segmenter.cut_out(frame) for frame in frames)


def _pipeline(matting: Matting, lag: int) -> Callable[[Segmenter], Method]:
    """The stages of the pipeline."""

    def make(segmenter: Segmenter) -> Method:
        device = segmenter.with_variants(matting.variants).device
        return lambda frames: cut_outs(frames, device, matting, lag)

    return make


# Frames held back on two cores.
_LAG = 1

#: Name in the tables → makes the method from a Segmenter.
METHODS: dict[str, Callable[[Segmenter], Method]] = {
    "raw map": _raw_map,
    "plain": _plain,
    "live": _pipeline(Matting(look_ahead=0, speed="live"), _LAG),
    "live delayed": _pipeline(Matting(speed="live"), _LAG),
    "live every frame": _pipeline(Matting(look_ahead=0, speed="live-every"), _LAG),
    "live every frame delayed": _pipeline(Matting(speed="live-every"), _LAG),
    "causal": _pipeline(Matting(look_ahead=0), _LAG),
    "default": _pipeline(Matting(), _LAG),
    "balanced": _pipeline(Matting(speed="balanced"), _LAG),
    "fast": _pipeline(Matting(speed="fast"), _LAG),
    "no edges": _pipeline(Matting(edges=False), _LAG),
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
