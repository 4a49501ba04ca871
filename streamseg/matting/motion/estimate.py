"""Motion between two frames, how far it can be trusted, and whether a frame has any content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from streamseg.frame import Frame, Plane
from streamseg.matting import resampling
from streamseg.matting.arrays import Image, box_mean, gradients, halve, warp
from streamseg.matting.constants import (
    CONFIDENCE_GRADIENT,
    CONFIDENCE_NOISE,
    CONFIDENCE_RADIUS,
    SCENE_CUT_CONFIDENCE,
)
from streamseg.matting.motion.flow import dense_flow

__all__ = [
    "FLOW_SIZE",
    "Motion",
    "content",
    "content_of",
    "estimate_motion",
    "flow_confidence",
    "luma_base",
    "reverse_motion",
]

#: Longer side of the luma images that motion is estimated on, in pixels.
FLOW_SIZE = 320


@dataclass(frozen=True, slots=True)
class Motion:
    """The motion to one frame from another.

    Attributes:
        flow: float32 [2, rows, columns]: where each pixel was, relative to where it is, across and down in pixels.
        confidence: float32 [rows, columns] in [0, 1]: how well the other frame, warped by the flow, explains this one.
    """

    flow: Image
    confidence: Image

    @property
    def cut(self) -> bool:
        """Whether the two frames have nothing in common: a scene cut."""
        return float(self.confidence.mean()) < SCENE_CUT_CONFIDENCE


#: A plane at a width and a height, as float32, of codes up to a maximum: see streamseg.matting.resampling.downscale.
Downscale = Callable[[Plane, int, int, int], Image]


def luma_base(frame: Frame, downscale: Downscale = resampling.downscale, longest: int = FLOW_SIZE) -> Image:
    """Base of the luma pyramid: the frame's luma at low resolution, float32 [rows, columns] in 8-bit code values.

    Args:
        downscale: does the work.
        longest: pixels along the longer side.
    """
    longer = max(frame.width, frame.height)
    width, height = (max(16, round(side * longest / longer)) for side in (frame.width, frame.height))
    return downscale(frame.planes[0], width, height, frame.format.maximum)


def estimate_motion(here: Image, there: Image) -> Motion:
    """The motion to ``here`` from ``there``, both float32 [rows, columns] in 8-bit code values."""
    flow = dense_flow(here, there)
    return Motion(flow, flow_confidence(here, there, flow))


def reverse_motion(motion: Motion, here: Image, there: Image) -> Motion:
    """The motion to ``here`` from ``there``, where ``motion`` is the one to ``there`` from ``here``.

    One step of the fixed point of inversion (Chen et al. 2008, A simple fixed-point approach to invert a deformation
    field): a third of the cost of estimating the motion again.
    """
    flow = -warp(motion.flow, -motion.flow)
    return Motion(flow, flow_confidence(here, there, flow))


def flow_confidence(here: Image, there: Image, flow: Image) -> Image:
    """In [0, 1]: 1 where ``there``, warped by ``flow``, looks like ``here``.

    The squared error is divided by what noise and a slightly wrong flow would cause at this place (the squared
    gradient stands for the latter), and the exponential of its negative taken.

    Args:
        here, there: float32 [rows, columns] in 8-bit code values.
        flow: float32 [2, rows, columns] in pixels.
    """
    error = warp(there[None], flow)[0]
    error -= here
    error *= error
    slopes = gradients(here)
    slopes *= slopes
    slope = box_mean(slopes[0] + slopes[1], CONFIDENCE_RADIUS)
    slope *= np.float32(-CONFIDENCE_GRADIENT)
    slope -= np.float32(CONFIDENCE_NOISE**2)
    mean_error = box_mean(error, CONFIDENCE_RADIUS)
    mean_error /= slope
    return np.exp(mean_error, out=mean_error)


def content(luma: Image) -> float:
    """In [0, 1]: 0 for an image with nothing in it, flat or mere noise; 1 for all others.

    Args:
        luma: float32 [rows, columns] in 8-bit code values.
    """
    return content_of(float(luma.var()), float(halve(halve(halve(luma))).var()))


def content_of(variance: float, coarse_variance: float) -> float:
    """The content of an image from its variance and that of its means over 8×8 pixels, in 8-bit code values squared.

    Structure survives averaging and noise does not: for uncorrelated noise the variance of such means is 1/64 of the
    pixels' own (for natural images, whose spectra fall with the square of frequency, most of it remains; Field 1987,
    Relations between the statistics of natural images).
    """
    contrast = _ramp(variance**0.5, 1.0, 3.0)
    return contrast * _ramp(coarse_variance / max(variance, 1e-6), 0.15, 0.3)


def _ramp(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low)))
