"""Makes the studio background of the samples: a grey wall with a light on it.

python scripts/make_studio.py samples/studio.jpg
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamseg.media.images import encode_image, image_frame
from streamseg.media.pixels.native import native_of
from streamseg.media.pixels.scale import to_jpeg

WIDTH, HEIGHT = 1280, 720


def main(path: str) -> None:
    """Writes the image to ``path``."""
    Path(path).write_bytes(encode_image(to_jpeg(native_of(image_frame(render()))), ".jpg", {"qscale": "4"}))


def render() -> NDArray[np.uint8]:
    """uint8 RGB [HEIGHT, WIDTH, 3]."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    light = np.exp(-(((x / WIDTH - 0.62) / 0.42) ** 2) - ((y / HEIGHT - 0.34) / 0.55) ** 2)
    noise = np.random.default_rng(3).normal(0, 1.1, (HEIGHT, WIDTH))  # enough to hide banding in 8 bits
    wall = np.stack([66 + 128 * light, 72 + 122 * light, 80 + 112 * light], axis=-1)
    return np.clip(np.rint(wall + noise[..., None]), 0, 255).astype(np.uint8)


if __name__ == "__main__":
    main(sys.argv[1])
