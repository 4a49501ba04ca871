"""Backgrounds for evaluation: three generated ones, and those of ``--bg`` that are not made from the frame itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from streamseg.background import Background, StillBackground, open_background
from streamseg.background.fit import fitted
from streamseg.errors import OptionError
from streamseg.media.images import image_frame
from streamseg.media.pixels.conform import Shape
from streamseg.network.published import resize

__all__ = ["GENERATED_BACKGROUNDS", "open_evaluation_background"]

_Image = NDArray[np.float32]

# Sides of the grids of random colours that the texture is the sum of, from coarse to fine, in cells.
_OCTAVES = (3, 7, 17, 41, 101)


def _flat(width: int, height: int) -> _Image:
    return np.broadcast_to(np.array([0.55, 0.5, 0.42], np.float32), (height, width, 3))


def _gradient(width: int, height: int) -> _Image:
    """Warm and bright at the top left, cool and dark at the bottom right."""
    along = (np.linspace(0, 1, width)[None, :, None] + np.linspace(0, 1, height)[:, None, None]) / 2
    ends = np.array([[0.93, 0.85, 0.7], [0.15, 0.25, 0.45]])
    return np.asarray(ends[0] + along * (ends[1] - ends[0]), np.float32)


def _texture(width: int, height: int) -> _Image:
    """Noise at several scales, more in brightness than in colour as in nature, the same every time."""
    rng = np.random.default_rng(0)
    total = np.zeros((height, width, 3), np.float32)
    for octave, cells in enumerate(_OCTAVES):
        grid = (rng.uniform(-1, 1, (cells, cells, 1)) + 0.2 * rng.uniform(-1, 1, (cells, cells, 3))).astype(np.float32)
        total += resize(grid, (height, width), antialias=True) * np.float32(0.6**octave)
    return np.asarray(np.clip(0.45 + 0.3 * total, 0, 1), np.float32)


#: Name → makes RGB in [0, 1], float32 [height, width, 3], from width and height.
GENERATED_BACKGROUNDS: dict[str, Callable[[int, int], _Image]] = {
    "flat": _flat,
    "gradient": _gradient,
    "texture": _texture,
}


def open_evaluation_background(spec: str, shape: Shape) -> Background:
    """The background that ``spec`` names, for frames of ``shape``.

    Args:
        spec: "flat", "gradient", "texture", or what open_background takes, but not blur.

    Raises:
        OptionError: blur.
        InputError: no such file or colour, or a file that does not decode.
    """
    if spec.partition(":")[0] == "blur":
        raise OptionError(
            f"background {spec}: a clip with alpha has none to blur; expected an image, a video or a colour"
        )
    if spec not in GENERATED_BACKGROUNDS:
        return open_background(spec, shape)
    rgb = GENERATED_BACKGROUNDS[spec](shape.width, shape.height)
    return StillBackground(fitted(image_frame(np.rint(rgb * 255).astype(np.uint8)), shape))
