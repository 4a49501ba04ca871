"""Static HDR metadata as settings of encoders."""

from __future__ import annotations

from streamseg.media.pixels.hdr import HDRMetadata

__all__ = ["hdr_settings"]

_NAMES = {  # setting of FFmpeg's encoder, mastering display and light levels in it
    "libx265": ("x265-params", "master-display", "max-cll"),
    "libx264": ("x264-params", "mastering-display", "cll"),
    "libsvtav1": ("svtav1-params", "mastering-display", "content-light"),
}


def hdr_settings(codec: str, metadata: HDRMetadata) -> dict[str, str]:
    """Settings that make an encoder write ``metadata``, to be joined to others by colons; none if it cannot."""
    if codec not in _NAMES:
        return {}
    option, mastering, light = _NAMES[codec]
    settings = []
    if metadata.chromaticities is not None and metadata.luminance is not None:
        # Steps of .00002 and of .0001 cd/m²; SVT-AV1 takes the numbers themselves.
        scales = (1.0, 1.0) if codec == "libsvtav1" else (50_000.0, 10_000.0)
        settings.append(f"{mastering}={_mastering(metadata.chromaticities, metadata.luminance, *scales)}")
    if metadata.light_levels is not None:
        settings.append(f"{light}={metadata.light_levels[0]},{metadata.light_levels[1]}")
    return {option: ":".join(settings)} if settings else {}


def _mastering(
    chromaticities: tuple[tuple[float, float], ...], luminance: tuple[float, float], xy_scale: float, scale: float
) -> str:
    def pair(first: float, second: float, by: float) -> str:
        return "({},{})".format(*(f"{each:.5f}" if by == 1 else round(each * by) for each in (first, second)))

    red, green, blue, white = (pair(*xy, xy_scale) for xy in chromaticities)
    return f"G{green}B{blue}R{red}WP{white}L{pair(luminance[1], luminance[0], scale)}"
