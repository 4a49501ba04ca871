"""How good are the mattes of a clip whose true alpha is known, before other backgrounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.background import Background
from streamseg.errors import InputError
from streamseg.frame import Frame, Matte
from streamseg.matting.alpha import alpha_at_depth
from streamseg.matting.composite import composite_into
from streamseg.matting.sharpener import Cutout
from streamseg.media.native import allocate, native_of
from streamseg.media.reader import VideoReader
from streamseg.media.scale import to_rgb
from streamseg.metrics import AlphaScores
from streamseg.metrics.arrays import Means
from streamseg.metrics.morphology import dilate

from .backdrops import BACKDROPS, open_backdrop
from .evaluate import watched
from .methods import Method, choose_methods, run
from .report import Column, Report, mean_rows
from .segmenter import Segmenter

__all__ = ["NEW_BACKGROUND", "evaluate_alpha"]

NEW_BACKGROUND = "#00b140"
# Pixels around soft alpha that still belong to the edge.
_EDGE = 2

_COLUMNS = (
    Column("mad", "MAD", 2),
    Column("mse", "MSE", 2),
    Column("grad", "Grad", 3),
    Column("conn", "Conn", 3),
    Column("dtssd", "dtSSD", 2),
    Column("edge_mse", "edge MSE", 1),
)


def evaluate_alpha(
    clip: str,
    backgrounds: Sequence[str] | None = None,
    over: str = NEW_BACKGROUND,
    names: Sequence[str] | None = None,
    **network: Any,
) -> Report:
    """Measures of the methods' mattes against a clip's own alpha.

    The clip is composited over each background; the methods see the composites. Their mattes are compared with the
    true alpha in the scales of streamseg.metrics.alpha. "edge MSE": each method's composite over ``over`` against the
    true one, in 8-bit code values squared, mean of R, G and B, where true alpha is strictly between 0 and 1 and 2
    pixels around.

    Args:
        clip: a video with an alpha channel, straight.
        backgrounds: each "flat", "gradient", "texture" or what open_background takes, but no blur; None for the three.
        over: the new background, likewise.
        names: of the methods; None for all.
        network: options of Segmenter.

    Raises:
        InputError: the clip cannot be read or has no alpha, or a background cannot be read.
        OptionError, WeightsError: blur, an unknown method, and as for Segmenter.
    """
    specs = list(backgrounds or BACKDROPS)
    _check(clip, [*specs, over])
    methods = choose_methods(names, Segmenter(**network))
    rows: list[dict[str, Any]] = []
    for spec in specs:
        for name, method in methods.items():
            rows.append({"background": spec, "method": name, **_figures(clip, spec, over, method, name)})
    if len(specs) > 1:
        rows += mean_rows(rows, by="method", over="background", columns=_COLUMNS)
    return Report(("background", "method"), _COLUMNS, rows, {"clip": clip, "new background": over})


def _check(clip: str, specs: list[str]) -> None:
    """Everything that can be wrong with the inputs, before the work begins."""
    with VideoReader(clip, tolerant=True) as reader:
        if not reader.info.shape.format.alpha:
            raise InputError(f"{clip}: has no alpha channel; expected a clip such as ProRes 4444 or VP9 with alpha")
        for spec in specs:
            open_backdrop(spec, reader.info.shape).close()


def _figures(clip: str, spec: str, over: str, method: Method, name: str) -> dict[str, float | None]:
    scores, edge = AlphaScores(), Means("edge_mse")
    with VideoReader(clip) as reader:
        shape, total = reader.info.shape, reader.info.frames
        with closing(open_backdrop(spec, shape)) as old, closing(open_backdrop(over, shape)) as new:
            results = run(method, _composites(reader, old))
            for shown, source, cutout in watched(results, "frame", f"{spec}, {name}", total):
                truth = source.planes[3] / np.float32(source.format.maximum)
                scores.add(cutout.matte.as_float(), truth)
                edge.add(edge_mse=_edge_mse(shown, source, cutout, truth, new))
    return {**scores.results(), **edge.results()}


def _composites(reader: VideoReader, background: Background) -> Iterator[tuple[Frame, Frame]]:
    """Frames over a background, each with its source."""
    for source in reader:
        if isinstance(source, Frame):
            yield _over(source, _own_matte(source), background), source


def _own_matte(frame: Frame) -> Matte:
    """The frame's alpha plane as a matte."""
    alpha = frame.planes[3]
    if frame.format.depth == 8:
        return Matte(alpha)
    return Matte(np.rint(alpha * (65535 / frame.format.maximum)).astype(np.uint16))


def _over(frame: Frame, matte: Matte, background: Background) -> Frame:
    out = allocate(frame, frame.format.opaque())
    composite_into(out, frame, matte, background.planes(frame, matte))
    return out


def _edge_mse(
    shown: Frame, source: Frame, cutout: Cutout, truth: NDArray[np.float32], background: Background
) -> float | None:
    band = dilate((truth > 0) & (truth < 1), _EDGE)
    if not band.any():
        return None
    matte = Matte(alpha_at_depth(cutout.matte.alpha, 8 if shown.format.depth == 8 else 16))
    made = _rgb(_over(cutout.frame, matte, background))
    true = _rgb(_over(source, _own_matte(source), background))
    return float(np.mean(np.square(made[band].astype(np.float64) - true[band])))


def _rgb(frame: Frame) -> NDArray[np.uint8]:
    """uint8 [rows, columns, 3]."""
    return np.asarray(to_rgb(native_of(frame), frame.colour, "rgb24").to_ndarray(), np.uint8)
