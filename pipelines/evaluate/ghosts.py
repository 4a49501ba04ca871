"""How good are mattes: clips without ground truth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from streamseg.frame import Frame
from streamseg.media.reading.reader import VideoReader
from streamseg.metrics import ghost_of_matte
from streamseg.metrics.arrays import Means
from streamseg.metrics.ghost import half_transparent

from ..segmenter import Segmenter
from .methods import Method, choose_methods
from .progress import with_progress
from .report import Column, Report, mean_rows

__all__ = ["evaluate_ghosts"]

_COLUMNS = (Column("ghost", "ghost", 5), Column("half", "half", 5))


def evaluate_ghosts(clips: Sequence[str], names: Sequence[str] | None = None, **network: Any) -> Report:
    """The share of pixels where the methods' mattes are half transparent far from their own contours.

    "ghost" is streamseg.metrics.ghost_of_matte, "half" the share of all half transparent pixels, edges included; means
    over frames.

    Args:
        clips: videos.
        names: of the methods; None for all.
        network: options of Segmenter.

    Raises:
        InputError: a clip cannot be read.
        OptionError, WeightsError: an unknown method, and as for Segmenter.
    """
    for clip in clips:
        VideoReader(clip, tolerant=True).close()
    methods = choose_methods(names, Segmenter(**network))
    rows: list[dict[str, Any]] = []
    for clip in clips:
        title = Path(clip).name
        for name, method in methods.items():
            rows.append({"clip": title, "method": name, **_clip_figures(clip, method, f"{title}, {name}")})
    if len(clips) > 1:
        rows += mean_rows(rows, by="method", over="clip", columns=_COLUMNS)
    return Report(("clip", "method"), _COLUMNS, rows, {"clips": len(clips)})


def _clip_figures(clip: str, method: Method, title: str) -> dict[str, float | None]:
    means = Means(*(column.key for column in _COLUMNS))
    with VideoReader(clip, tolerant=True) as reader:
        cutouts = method(_frames(reader))
        for cutout in with_progress(cutouts, "frame", title, reader.info.frames):
            alpha = cutout.matte.as_float()
            means.add(ghost=ghost_of_matte(alpha), half=float(half_transparent(alpha).mean()))
    return means.results()


def _frames(items: Iterable[Any]) -> Iterator[Frame]:
    return (item for item in items if isinstance(item, Frame))
