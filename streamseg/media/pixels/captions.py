"""Closed captions within frames (ANSI/CTA-708 in ATSC A/53 user data), taken from decoded frames to encoded ones."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from fractions import Fraction

import av
from av.filter import Graph
from av.sidedata.sidedata import Type

from streamseg.frame import PixelFormat
from streamseg.media.pixels.gpu_frame import is_on_gpu
from streamseg.media.pixels.native import planar_name, plane_views
from streamseg.media.pixels.side_data import only_side_data, side_data_of

__all__ = ["CaptionWriter", "Captions"]

# More frames than any pipeline has in flight.
_MOST = 4096
_CODECS = ("h264", "hevc", "mpeg2video", "av1")
_KIND = Type.A53_CC


class Captions:
    """Captions of frames on their way from a reader to a writer, by pts.

    PyAV can give no side data to a frame. So the captions stay on a frame of 2×2 pixels, which is a crop of their own
    one, and are enlarged to the size of the new frame, whose samples are then copied into it. One thread may note,
    another one take.

    Args:
        codec: FFmpeg's name of the codec of the video; most have no captions.
    """

    def __init__(self, codec: str) -> None:
        self.seen = False
        self._possible = codec in _CODECS
        self._by_pts: OrderedDict[int, av.VideoFrame] = OrderedDict()
        self._finder: _Finder | None = None

    @staticmethod
    def are_in(native: av.VideoFrame) -> bool:
        """Whether a decoded frame has captions."""
        return side_data_of(native, _KIND) is not None

    def note(self, pts: int, native: av.VideoFrame) -> None:
        """Remember the captions of a decoded frame, if it has any."""
        if not self._possible or is_on_gpu(native):
            return
        if self._finder is None or not self._finder.fits(native):
            self._finder = _Finder(native)
        carrier = self._finder(native)
        if carrier is None:
            return
        self.seen = True
        self._by_pts[pts] = carrier
        if len(self._by_pts) > _MOST:
            self._by_pts.popitem(last=False)

    def take(self, pts: int) -> av.VideoFrame | None:
        """The frame with the captions that were noted; None if there are none."""
        return self._by_pts.pop(pts, None)


class _Finder:
    """Makes small frames with nothing but the captions of frames of one size and format."""

    def __init__(self, native: av.VideoFrame) -> None:
        self._key = self._key_of(native)
        graph = Graph()
        graph.threads = 1
        buffer = graph.add_buffer(width=native.width, height=native.height, format=native.format, time_base=Fraction(1))
        selected = graph.add("sidedata", f"mode=select:type={_KIND.value}")
        small = [graph.add("crop", "2:2:0:0"), graph.add("copy")]
        graph.link_nodes(buffer, selected, *small, *only_side_data(graph, _KIND), graph.add("buffersink")).configure()
        self._graph = graph

    @staticmethod
    def _key_of(native: av.VideoFrame) -> tuple[int, int, str]:
        return native.width, native.height, native.format.name

    def fits(self, native: av.VideoFrame) -> bool:
        return self._key_of(native) == self._key

    def __call__(self, native: av.VideoFrame) -> av.VideoFrame | None:
        self._graph.push(native)
        with suppress(av.error.BlockingIOError):
            frame = self._graph.pull()
            assert isinstance(frame, av.VideoFrame)
            return frame
        return None


class CaptionWriter:
    """Makes copies of frames of one size and planar format that have captions."""

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._key: tuple[int, int, str, str] | None = None

    def __call__(self, native: av.VideoFrame, carrier: av.VideoFrame) -> av.VideoFrame:
        """A copy of ``native`` with the captions of ``carrier``, without its time stamps."""
        key = native.width, native.height, native.format.name, carrier.format.name
        if self._graph is None or key != self._key:
            self._graph, self._key = _enlarging(native, carrier), key
        self._graph.push(carrier)
        frame = self._graph.pull()
        assert isinstance(frame, av.VideoFrame)
        frame.make_writable()
        pixel_format = PixelFormat.parse(planar_name(native.format.name))
        for target, source in zip(plane_views(frame, pixel_format), plane_views(native, pixel_format), strict=True):
            target[:] = source
        frame.colorspace, frame.color_range = native.colorspace, native.color_range
        frame.color_primaries, frame.color_trc = native.color_primaries, native.color_trc
        return frame


def _enlarging(native: av.VideoFrame, carrier: av.VideoFrame) -> Graph:
    graph = Graph()
    graph.threads = 1
    buffer = graph.add_buffer(width=carrier.width, height=carrier.height, format=carrier.format, time_base=Fraction(1))
    filters = [
        graph.add("scale", f"{native.width}:{native.height}:flags=neighbor"),
        graph.add("format", native.format.name),
        graph.add("buffersink"),
    ]
    graph.link_nodes(buffer, *filters).configure()
    return graph
