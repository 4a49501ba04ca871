"""The frame's own background, blurred, without the subject in it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from streamseg.device.cpu.matting.backend import best_backend
from streamseg.frame import Frame, Matte, Plane
from streamseg.matting.arrays import Image, resize
from streamseg.matting.compositing.blur import BlurSize
from streamseg.media.pixels.conform import Shape
from streamseg.media.pixels.gpu_frame import GPUFrame

__all__ = ["BlurredBackground"]


class BlurredBackground:
    """Blurs the background pixels only: first the subject is removed and the hole filled from its surroundings.

    So no colour of the subject spreads into a halo around it.

    Args:
        shape: shape of the frames.
        strength: of the blur, above 0 and up to 1.

    Attributes:
        size: the low resolution and the standard deviation of the blur, for devices with an implementation of their
            own.
    """

    def __init__(self, shape: Shape, strength: float) -> None:
        self.size = BlurSize.of(shape.width, shape.height, strength)
        self._height, self._width, self._sigma = self.size
        self._low_shapes = shape.format.opaque().shapes(self._width, self._height)
        self._maximum, self._backend = shape.format.maximum, best_backend()

    def planes(self, frame: Frame | GPUFrame, matte: Matte) -> tuple[Plane, ...]:
        assert isinstance(frame, Frame)  # it reads the frame, on the host
        alpha = self._backend.downscale(matte.alpha, self._width, self._height, matte.maximum)
        weight = self._backend.background_weight(alpha / np.float32(255))
        if not weight.any():
            weight[:] = 1  # the subject is everywhere: blur the whole frame
        luma, *chroma = zip(frame.planes[:3], self._low_shapes, strict=True)
        return *self._blurred([luma], weight), *self._blurred(chroma, weight)

    def _blurred(self, planes: list[tuple[Plane, tuple[int, int]]], weight: Image) -> Iterator[Plane]:
        """Blurred planes; all of ``planes``, each with its low-resolution shape, have the same two sizes."""
        plane, (rows, columns) = planes[0]
        (height, width), weight = plane.shape, resize(weight, rows, columns)
        small = np.stack([self._backend.downscale(plane, columns, rows, self._maximum) for plane, _ in planes])
        # Chroma is subsampled, so its standard deviation is smaller in pixels.
        sigmas = self._sigma * rows / self._height, self._sigma * columns / self._width
        for blurred in self._backend.fill_and_blur(small, weight, *sigmas):
            yield self._backend.upscale(blurred, width, height, self._maximum)

    def close(self) -> None:
        pass
