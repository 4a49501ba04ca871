"""Static HDR metadata: the display that a video was mastered on, and its light levels."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import av
from av.sidedata.sidedata import Type

from streamseg.media.pixels.side_data import all_side_data_of

__all__ = ["HDRMetadata"]

# FFmpeg's AVMasteringDisplayMetadata: ten fractions and two flags, in the machine's byte order.
_MASTERING, _LIGHT = struct.Struct("=20i2i"), struct.Struct("=2I")


@dataclass(frozen=True, slots=True)
class HDRMetadata:
    """SMPTE ST 2086 and CTA-861.3.

    Attributes:
        chromaticities: x and y of red, green, blue and white of the mastering display; None where unknown.
        luminance: the lowest and the highest of that display in cd/m²; None where unknown.
        light_levels: highest of a pixel and highest average of a frame (MaxCLL, MaxFALL) in cd/m²; None where unknown.
    """

    chromaticities: tuple[tuple[float, float], ...] | None = None
    luminance: tuple[float, float] | None = None
    light_levels: tuple[int, int] | None = None

    @classmethod
    def of(cls, native: av.VideoFrame) -> HDRMetadata | None:
        """What a decoded frame has, from the bitstream or the container; None if that is nothing."""
        found = all_side_data_of(native, Type.MASTERING_DISPLAY_METADATA, Type.CONTENT_LIGHT_LEVEL)
        mastering, light = found.get(Type.MASTERING_DISPLAY_METADATA), found.get(Type.CONTENT_LIGHT_LEVEL)
        chromaticities = luminance = light_levels = None
        if mastering is not None and len(mastering) >= _MASTERING.size:
            *numbers, has_chromaticities, has_luminance = _MASTERING.unpack(mastering[: _MASTERING.size])
            values = [n / (d or 1) for n, d in zip(numbers[::2], numbers[1::2], strict=True)]
            if has_chromaticities:
                chromaticities = tuple(zip(values[0:8:2], values[1:8:2], strict=True))
            if has_luminance:
                luminance = values[8], values[9]
        if light is not None and len(light) >= _LIGHT.size and any(levels := _LIGHT.unpack(light[: _LIGHT.size])):
            light_levels = levels
        metadata = cls(chromaticities, luminance, light_levels)
        return None if metadata == cls() else metadata
