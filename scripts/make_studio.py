"""Make the studio background of the samples: a grey wall with a light on it.

python scripts/make_studio.py samples/studio.jpg
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamseg.media.native import native_of
from streamseg.media.pictures import encode_picture, picture_of
from streamseg.media.scale import to_jpeg

WIDTH, HEIGHT = 1280, 720


def main(path: str) -> None:
    """Write the picture to ``path``."""
    Path(path).write_bytes(encode_picture(to_jpeg(native_of(picture_of(picture()))), ".jpg", {"qscale": "4"}))


def picture() -> NDArray[np.uint8]:
    """uint8 RGB [HEIGHT, WIDTH, 3]."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    light = np.exp(-(((x / WIDTH - 0.62) / 0.42) ** 2) - ((y / HEIGHT - 0.34) / 0.55) ** 2)
    grain = np.random.default_rng(3).normal(0, 1.1, (HEIGHT, WIDTH))  # enough to hide the steps of 8 bits
    wall = np.stack([66 + 128 * light, 72 + 122 * light, 80 + 112 * light], axis=-1)
    return np.clip(np.rint(wall + grain[..., None]), 0, 255).astype(np.uint8)


if __name__ == "__main__":
    main(sys.argv[1])
