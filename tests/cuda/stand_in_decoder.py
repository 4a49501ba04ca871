"""A card's decoder without a card: FFmpeg decodes on the CPU, its pictures are laid out as NVDEC's, in host memory.

All that follows (the reader, DLPack, the kernels) is the real thing; what is not covered is the driver's decoding and
the order of its work among streams.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
import pytest
from av.packet import Packet

from streamseg.media import card_frame, hardware, reader
from streamseg.media.decoder import Decoder
from streamseg.media.source import open_input

LAYOUTS = {"yuv420p": "nv12", "yuvj420p": "nv12", "yuv420p10le": "p010le"}
DRIVER = object()


def semi_planar(native: av.VideoFrame) -> av.VideoFrame:
    """As a card's decoder lays it out, with all that is said of it."""
    if native.format.name not in LAYOUTS:
        return native  # FFmpeg falls back: the driver does not decode that
    out = native.reformat(format=LAYOUTS[native.format.name])
    if native.time_base is not None:
        out.pts, out.time_base = native.pts, native.time_base
    out.colorspace, out.color_range = native.colorspace, 2 if "j" in native.format.name else native.color_range
    out.color_primaries, out.color_trc = native.color_primaries, native.color_trc
    return out


class _StandIn(Decoder):
    def __iter__(self) -> Iterator[Any]:
        for item in super().__iter__():
            yield item if isinstance(item, Packet) else semi_planar(item)


def install(patch: pytest.MonkeyPatch, stays: bool = True) -> list[str]:
    """Make it the driver; gives the sources that it was opened for."""
    opened: list[str] = []
    on_card: list[Any] = []

    def open_with(source: str, decoder: Any = None) -> Any:
        container = open_input(source)
        if decoder is DRIVER:
            opened.append(source)
            on_card.append(container)
        return container

    def decoder(container: Any, *rest: Any) -> Decoder:
        return (_StandIn if any(container is each for each in on_card) else Decoder)(container, *rest)

    patch.setattr(hardware, "card_decoder", lambda stays: DRIVER)
    patch.setattr(reader, "open_input", open_with)
    patch.setattr(reader, "Decoder", decoder)
    if stays:
        patch.setattr(card_frame, "_ON_CARD", tuple(LAYOUTS.values()))
    return opened
