"""How good are mattes: a clip with an alpha channel, composited over other backgrounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.background import Background
from streamseg.errors import InputError
from streamseg.frame import Frame, Matte
from streamseg.matting.compositing.alpha import alpha_at_depth
from streamseg.matting.compositing.over import composite_into
from streamseg.matting.edges.cutout import Cutout
from streamseg.media.pixels.native import allocate, native_of
from streamseg.media.pixels.scale import to_rgb
from streamseg.media.reading.reader import VideoReader
from streamseg.metrics import AlphaScores
from streamseg.metrics.arrays import Means
from streamseg.metrics.morphology import dilate

from ..segmenter import Segmenter
from .backgrounds import GENERATED_BACKGROUNDS, open_evaluation_background
from .methods import Method, choose_methods, run
from .progress import with_progress
from .report import Column, Report, mean_rows

__all__ = ["NEW_BACKGROUND", "evaluate_alpha"]

NEW_BACKGROUND = "#00b140"
# Pixels around alpha between 0 and 1 that still belong to the edge.
_EDGE_RADIUS = 2

_COLUMNS = (
    Column("mad", "MAD", 2),
    Column("mse", "MSE", 2),
    Column("grad", "Grad", 3),
    Column("conn", "Conn", 3),
    Column("dtssd", "dtSSD", 2),
    Column("edge_mse", "edge MSE", 1),
    Column("ghost", "ghost", 5),
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
    true one, in 8-bit code values squared, mean of R, G and B, where true alpha is strictly between 0 and 1, and up to
    2 pixels around. "ghost": see streamseg.metrics.ghost.

    Args:
        clip: a video with a straight alpha channel.
        backgrounds: each "flat", "gradient", "texture" or what open_background takes, but not blur; None for the first
            three.
        over: the new background, likewise.
        names: of the methods; None for all.
        network: options of Segmenter.

    Raises:
        InputError: the clip cannot be read or has no alpha, or a background cannot be read.
        OptionError, WeightsError: blur, an unknown method, and as for Segmenter.
    """
    specs = list(backgrounds or GENERATED_BACKGROUNDS)
    _check(clip, [*specs, over])
    methods = choose_methods(names, Segmenter(**network))
    rows: list[dict[str, Any]] = []
    for spec in specs:
        for name, method in methods.items():
            rows.append({"background": spec, "method": name, **_clip_figures(clip, spec, over, method, name)})
    if len(specs) > 1:
        rows += mean_rows(rows, by="method", over="background", columns=_COLUMNS)
    return Report(("background", "method"), _COLUMNS, rows, {"clip": clip, "new background": over})


def _check(clip: str, specs: list[str]) -> None:
    """Check the inputs before the work starts; raises what evaluate_alpha raises."""
    with VideoReader(clip, tolerant=True) as reader:
        if not reader.info.shape.format.alpha:
            raise InputError(f"{clip}: has no alpha channel; expected a clip such as ProRes 4444 or VP9 with alpha")
        for spec in specs:
            open_evaluation_background(spec, reader.info.shape).close()


def _clip_figures(clip: str, spec: str, over: str, method: Method, name: str) -> dict[str, float | None]:
    scores, edge = AlphaScores(), Means("edge_mse")
    with VideoReader(clip) as reader:
        shape, total = reader.info.shape, reader.info.frames
        with (
            closing(open_evaluation_background(spec, shape)) as background,
            closing(open_evaluation_background(over, shape)) as new,
        ):
            results = run(method, _composites(reader, background))
            for _, source, cutout in with_progress(results, "frame", f"{spec}, {name}", total):
                truth = np.asarray(source.planes[3] / np.float32(source.format.maximum), np.float32)
                scores.add(cutout.matte.as_float(), truth)
                edge.add(edge_mse=_edge_mse(source, cutout, truth, new))
    return {**scores.results(), **edge.results()}


def _composites(reader: VideoReader, background: Background) -> Iterator[tuple[Frame, Frame]]:
    """Composites of the frames over a background, each with its source frame."""
    for source in reader:
        if isinstance(source, Frame):
            yield _over(source, _source_matte(source), background), source


def _source_matte(frame: Frame) -> Matte:
    """The frame's alpha plane as a matte."""
    alpha = frame.planes[3]
    if frame.format.depth == 8:
        return Matte(alpha)
    return Matte(np.rint(alpha * (65535 / frame.format.maximum)).astype(np.uint16))


def _over(frame: Frame, matte: Matte, background: Background) -> Frame:
    out = allocate(frame, frame.format.opaque())
    composite_into(out, frame, matte, background.planes(frame, matte))
    return out


def _edge_mse(source: Frame, cutout: Cutout, truth: NDArray[np.float32], background: Background) -> float | None:
    """Over ``background``; None if no true alpha is between 0 and 1."""
    edge = dilate((truth > 0) & (truth < 1), _EDGE_RADIUS)
    if not edge.any():
        return None
    matte = Matte(alpha_at_depth(cutout.matte.alpha, 8 if source.format.depth == 8 else 16))
    estimated = _rgb(_over(cutout.frame, matte, background))
    true = _rgb(_over(source, _source_matte(source), background))
    return float(np.mean(np.square(estimated[edge].astype(np.float64) - true[edge])))


def _rgb(frame: Frame) -> NDArray[np.uint8]:
    """uint8 [rows, columns, 3]."""
    return np.asarray(to_rgb(native_of(frame), frame.colour, "rgb24").to_ndarray(), np.uint8)
