"""Makes the looping video background of the samples: blurred lights that drift in the dark.

python scripts/make_lights.py samples/lights.mp4
"""

from __future__ import annotations

import sys
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, FPS, SECONDS = 960, 540, 15, 8
LIGHTS = 26


def main(path: str) -> None:
    """Writes the video to ``path``."""
    with av.open(path, "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "27", "preset": "veryslow", "g": "60"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(FPS * SECONDS):
            frame = av.VideoFrame.from_ndarray(render(number / (FPS * SECONDS)), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def render(phase: float) -> NDArray[np.uint8]:
    """One frame, uint8 RGB [HEIGHT, WIDTH, 3]; ``phase`` in [0, 1] is the position in the loop."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    image = np.stack([18 + 38 * y / HEIGHT, 24 + 22 * y / HEIGHT, 58 - 8 * y / HEIGHT], axis=-1)
    rng, angle = np.random.default_rng(7), 2 * np.pi * phase
    for _ in range(LIGHTS):
        centre_x, centre_y, radius = rng.uniform(0, WIDTH), rng.uniform(0.1, 0.95) * HEIGHT, rng.uniform(18, 64)
        colour = np.array([[255, 176, 92], [255, 120, 110], [120, 170, 255], [255, 220, 160]])[rng.integers(4)]
        amplitude, start, pulses = rng.uniform(10, 40), rng.uniform(0, 2 * np.pi), rng.integers(1, 3)
        light_x = centre_x + amplitude * np.sin(angle + start)
        light_y = centre_y + 0.6 * amplitude * np.cos(angle + 2 * start)
        distance = np.hypot(x - light_x, y - light_y)
        disc = np.clip((radius - distance) / (0.22 * radius) + 0.5, 0, 1)  # out of focus: a disc, not a Gaussian
        brightness = (0.2 + 0.16 * np.sin(pulses * angle + start)) * disc
        image += brightness[..., None] * colour
    return np.clip(image, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    main(sys.argv[1])
