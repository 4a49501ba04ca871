"""Side data of decoded frames, read without PyAV's own fault in it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
from av.filter import Graph
from av.sidedata.sidedata import Type

from streamseg.media.pixels.gpu_frame import downloaded, is_on_gpu

__all__ = ["all_side_data_of", "only_side_data", "side_data_of"]

# More than FFmpeg has types of side data, so that types of later releases are deleted too.
_TYPES = 64


def side_data_of(native: av.VideoFrame, kind: Type) -> bytes | None:
    """The bytes of one type of side data of a decoded frame; None where it has none.

    Args:
        native: in host or in GPU memory; it is not changed.
        kind: a type without metadata: any but ICC_PROFILE.
    """
    return all_side_data_of(native, kind).get(kind)


def all_side_data_of(native: av.VideoFrame, *kinds: Type) -> dict[Type, bytes]:
    """The bytes of some types of side data of a decoded frame, those that it has.

    PyAV's ``frame.side_data`` must not be read anywhere else: it frees the metadata of every entry that has some (the
    ICC profile of a PNG) a second time, which ends the process, and it raises ValueError for types that PyAV does not
    know (the EXIF of a photograph). Here all other types are deleted first, on a reference to the frame.

    Args:
        native, kinds: as for side_data_of.
    """
    if is_on_gpu(native):
        native = downloaded(native)
    side_data: Any = _only(native, kinds).side_data
    return {side_data[index].type: bytes(side_data[index]) for index in range(len(side_data))}


def only_side_data(graph: Graph, *kinds: Type) -> list[Any]:
    """Filters for ``graph`` that delete the other types from frames."""
    kept: set[Any] = {kind.value for kind in kinds}
    return [graph.add("sidedata", f"mode=delete:type={number}") for number in range(_TYPES) if number not in kept]


def _only(native: av.VideoFrame, kinds: tuple[Type, ...]) -> av.VideoFrame:
    """``native`` without its other side data."""
    graph = Graph()
    graph.threads = 1
    buffer = graph.add_buffer(width=native.width, height=native.height, format=native.format, time_base=Fraction(1))
    graph.link_nodes(buffer, *only_side_data(graph, *kinds), graph.add("buffersink")).configure()
    graph.push(native)
    frame = graph.pull()
    assert isinstance(frame, av.VideoFrame)
    return frame
