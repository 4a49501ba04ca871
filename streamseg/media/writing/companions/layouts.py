"""Channel layouts of audio: any order of channels in the source, FFmpeg's own order for encoders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import av
from av.audio.codeccontext import AudioCodecContext
from av.filter import Graph

__all__ = ["ChannelOrder", "SourceLayout", "take_layout"]

# fmt: off
_KNOWN = (
    "mono", "stereo", "2.1", "3.0", "3.0(back)", "4.0", "quad", "quad(side)", "3.1", "5.0", "5.0(side)", "4.1",
    "5.1", "5.1(side)", "6.0", "6.0(front)", "hexagonal", "6.1", "6.1(back)", "6.1(front)", "7.0", "7.0(front)",
    "7.1", "7.1(wide)", "7.1(wide-side)", "5.1.2", "5.1.2(back)", "octagonal", "cube", "5.1.4", "7.1.2", "7.1.4",
)
# fmt: on


@dataclass(frozen=True, slots=True)
class SourceLayout:
    """The channels of an audio stream.

    Attributes:
        name: FFmpeg's name of the layout that decoded frames have; "" if the stream has no channels.
        channels: how many.
        order: for each channel of ``name``, its index in the source; None if that is the same order.
        labelled: whether the source says what its channels are.
    """

    name: str
    channels: int
    order: tuple[int, ...] | None
    labelled: bool


def take_layout(context: AudioCodecContext) -> SourceLayout:
    """The channels of a stream to be decoded, whose context gets a layout in FFmpeg's own order.

    PyAV copies layouts without their map of channels and frees that map twice; so in a context that is not open, the
    layout is looked at once and then replaced. Nothing else may look at the layout of a stream before this.
    """
    layout = context.layout
    names, name = [channel.name for channel in layout.channels], layout.name
    if not names:
        return SourceLayout("", 0, None, False)
    native = _native(names, name)
    if not context.is_open:
        context.layout = native
    wanted = [channel.name for channel in av.AudioLayout(native).channels]
    labelled = sorted(wanted) == sorted(names)
    order = tuple(names.index(each) for each in wanted) if labelled and names != wanted else None
    return SourceLayout(native, len(names), order, labelled)


def _native(names: list[str], name: str) -> str:
    """The layout of these channels in FFmpeg's order, or else the usual one of as many."""
    for candidate in _KNOWN if " channels" in name else (name, *_KNOWN):
        try:
            channels = [channel.name for channel in av.AudioLayout(candidate).channels]
        except ValueError:  # a custom order, written out
            continue
        if sorted(channels) == sorted(names):
            return candidate
    try:
        return str(av.AudioLayout(f"{len(names)}c").name)
    except ValueError:
        return f"{len(names)} channels"


class ChannelOrder:
    """Brings the channels of decoded frames into the order of their layout."""

    def __init__(self, layout: SourceLayout) -> None:
        self._layout = layout
        self._graph: Graph | None = None

    def __call__(self, frame: Any) -> Any:
        """``frame``, or one with its channels exchanged; None stays None."""
        if frame is None or self._layout.order is None or len(frame.layout.channels) != self._layout.channels:
            return frame
        if self._graph is None:
            self._graph = self._open(frame)
        self._graph.push(frame)
        return self._graph.pull()

    def _open(self, frame: Any) -> Graph:
        graph = Graph()
        source = graph.add_abuffer(
            format=frame.format.name, sample_rate=frame.sample_rate, layout=frame.layout.name, time_base=frame.time_base
        )
        indices = "|".join(map(str, self._layout.order or ()))
        exchange = graph.add("channelmap", f"map={indices}:channel_layout={self._layout.name}")
        graph.link_nodes(source, exchange, graph.add("abuffersink")).configure()
        return graph
