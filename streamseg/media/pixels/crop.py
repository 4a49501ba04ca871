"""Parts of frames."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import av
from av.filter import Graph

from streamseg.frame import Frame

__all__ = ["Margins", "MarginsCutter", "crop"]


def crop(frame: Frame, left: int, top: int, width: int, height: int) -> Frame:
    """A part of ``frame``, without a copy; its upper left corner is rounded down to a whole chroma sample."""
    if (left, top, width, height) == (0, 0, frame.width, frame.height):
        return frame
    shift_x, shift_y = frame.format.shift_x, frame.format.shift_y
    left, top = left >> shift_x << shift_x, top >> shift_y << shift_y
    shifts = ((0, 0), (shift_x, shift_y), (shift_x, shift_y), (0, 0))
    planes = tuple(
        plane[top >> y : (top >> y) + rows, left >> x : (left >> x) + columns]
        for plane, (x, y), (rows, columns) in zip(
            frame.planes, shifts, frame.format.shapes(width, height), strict=False
        )
    )
    return replace(frame, planes=planes, native=None)


@dataclass(frozen=True, slots=True)
class Margins:
    """Pixels at the edges of a frame."""

    left: int = 0
    right: int = 0
    top: int = 0
    bottom: int = 0


class MarginsCutter:
    """Cuts the margins off decoded frames, without copies."""

    def __init__(self, margins: Margins) -> None:
        self._margins = margins
        self._key: tuple[int, int, str] | None = None
        self._graph: Graph | None = None

    def __call__(self, native: av.VideoFrame) -> av.VideoFrame:
        """``native`` without the margins, with its time stamps; itself where nothing would be left of it."""
        width = native.width - self._margins.left - self._margins.right
        height = native.height - self._margins.top - self._margins.bottom
        if self._margins == Margins() or width <= 0 or height <= 0:
            return native
        key = native.width, native.height, native.format.name
        if self._graph is None or key != self._key:
            self._graph, self._key = self._open(native, width, height), key
        self._graph.push(native)
        cut = self._graph.pull()
        assert isinstance(cut, av.VideoFrame)
        cut.pts, cut.dts, cut.time_base = native.pts, native.dts, native.time_base
        return cut

    def _open(self, native: av.VideoFrame, width: int, height: int) -> Graph:
        graph = Graph()
        graph.threads = 1
        buffer = graph.add_buffer(width=native.width, height=native.height, format=native.format, time_base=Fraction(1))
        crop_filter = graph.add("crop", f"{width}:{height}:{self._margins.left}:{self._margins.top}:exact=1")
        graph.link_nodes(buffer, crop_filter, graph.add("buffersink")).configure()
        return graph
