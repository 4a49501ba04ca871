"""A GPU's video decoder without a GPU: FFmpeg decodes on the CPU, and its frames get NVDEC's layout, in host memory.

Everything after it (the reader, DLPack, the kernels) is real; the driver's decoding and the order of its work among
streams are not covered.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
import pytest
from av.packet import Packet

from streamseg.media.gpu import decoding
from streamseg.media.pixels import gpu_frame
from streamseg.media.reading import reader
from streamseg.media.reading.decoder import Decoder
from streamseg.media.reading.source import open_input

LAYOUTS = {"yuv420p": "nv12", "yuvj420p": "nv12", "yuv420p10le": "p010le"}
DRIVER = object()


def semi_planar(native: av.VideoFrame) -> av.VideoFrame:
    """The frame in the layout of a GPU's decoder, with all its properties."""
    if native.format.name not in LAYOUTS:
        return native  # the driver does not decode that; FFmpeg falls back
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
    """Make it the driver; returns the sources that it was opened for."""
    opened: list[str] = []
    on_gpu: list[Any] = []

    def open_with(source: str, decoder: Any = None) -> Any:
        container = open_input(source)
        if decoder is DRIVER:
            opened.append(source)
            on_gpu.append(container)
        return container

    def decoder(container: Any, *rest: Any) -> Decoder:
        return (_StandIn if any(container is each for each in on_gpu) else Decoder)(container, *rest)

    patch.setattr(decoding, "gpu_decoder", lambda stays: DRIVER)
    patch.setattr(reader, "open_input", open_with)
    patch.setattr(reader, "Decoder", decoder)
    if stays:
        patch.setattr(gpu_frame, "_ON_GPU", tuple(LAYOUTS.values()))
    return opened
