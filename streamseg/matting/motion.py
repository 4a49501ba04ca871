"""What moved between two frames, how far that can be trusted, and whether there is anything to see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from streamseg.frame import Frame, Plane
from streamseg.matting import stretch
from streamseg.matting.arrays import Image, box_mean, gradients, halve, warp
from streamseg.matting.flow import dense_flow

__all__ = ["THUMBNAIL", "Motion", "agreement", "motion_between", "reversed_motion", "substance", "thumbnail"]

#: Longer side of the pictures that motion is found on, in pixels.
THUMBNAIL = 320
# Errors of a warped picture, in 8-bit code values, that noise explains; and the part of a squared gradient that a flow
# wrong by half a pixel explains.
_NOISE = 6.0
_GRADIENT = 0.25
_WINDOW = 2
# Below this mean agreement nothing of one frame is in the other.
_CUT = 0.3


@dataclass(frozen=True, slots=True)
class Motion:
    """How one picture came from another.

    Attributes:
        flow: float32 [2, rows, columns]: where each pixel was, relative to where it is, in pixels.
        agreement: float32 [rows, columns] in [0, 1]: how well what was there explains what is here.
    """

    flow: Image
    agreement: Image

    @property
    def cut(self) -> bool:
        """Whether the two pictures have nothing in common: another scene."""
        return float(self.agreement.mean()) < _CUT


#: A plane at a width and a height, as float32, of codes up to a maximum: see streamseg.matting.stretch.shrink.
Shrink = Callable[[Plane, int, int, int], Image]


def thumbnail(frame: Frame, shrink: Shrink = stretch.shrink, longest: int = THUMBNAIL) -> Image:
    """The frame's luma, small: float32 [rows, columns] in 8-bit code values.

    Args:
        shrink: does the work.
        longest: pixels along the longer side.
    """
    longer = max(frame.width, frame.height)
    width, height = (max(16, round(side * longest / longer)) for side in (frame.width, frame.height))
    return shrink(frame.planes[0], width, height, frame.format.maximum)


def motion_between(here: Image, there: Image) -> Motion:
    """The motion to ``here`` from ``there``, both float32 [rows, columns] in 8-bit code values."""
    flow = dense_flow(here, there)
    return Motion(flow, agreement(here, there, flow))


def reversed_motion(motion: Motion, here: Image, there: Image) -> Motion:
    """The motion to ``here`` from ``there``, where ``motion`` is the one to ``there`` from ``here``.

    One step of the fixed point of inversion (Chen et al. 2008, A simple fixed-point approach to invert a deformation
    field): a third of the cost of finding the motion anew.
    """
    flow = -warp(motion.flow, -motion.flow)
    return Motion(flow, agreement(here, there, flow))


def agreement(here: Image, there: Image, flow: Image) -> Image:
    """In [0, 1]: 1 where ``there``, fetched along ``flow``, looks like ``here``.

    A difference counts in proportion to what noise and a slightly wrong flow would cause at this place: the squared
    gradient stands for the latter.
    """
    difference = warp(there[None], flow)[0]
    difference -= here
    difference *= difference
    slopes = gradients(here)
    slopes *= slopes
    slope = box_mean(slopes[0] + slopes[1], _WINDOW)
    slope *= np.float32(-_GRADIENT)
    slope -= np.float32(_NOISE**2)
    error = box_mean(difference, _WINDOW)
    error /= slope
    return np.exp(error, out=error)


def substance(picture: Image) -> float:
    """In [0, 1]: 0 for a picture with nothing in it, flat or mere noise; 1 for all others.

    Structure survives averaging and noise does not: for uncorrelated noise the variance of means of 8×8 pixels is 1/64
    of the pixels' own (for pictures, whose spectra fall with the square of frequency, most of it remains; Field 1987,
    Relations between the statistics of natural images).

    Args:
        picture: float32 [rows, columns] in 8-bit code values.
    """
    variance = float(picture.var())
    coarse = float(halve(halve(halve(picture))).var())
    contrast = _ramp(variance**0.5, 1.0, 3.0)
    return contrast * _ramp(coarse / max(variance, 1e-6), 0.15, 0.3)


def _ramp(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low)))
