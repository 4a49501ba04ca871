"""The matte through time: a Kalman filter in every cell of a grid that is compensated for motion.

The recursion is that of a Kalman filter with a scalar weight in place of the covariance (as in Dubois and Sabri 1984,
Noise Reduction in Image Sequences Using Motion-Compensated Temporal Filtering): the weight of the state grows with
every observation and shrinks where the flow does not explain the frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamseg.matting.arrays import Image, box_mean, sample
from streamseg.matting.constants import (
    CONTRADICTION_DECAY,
    INNOVATION_PENALTY,
    INNOVATION_RADIUS,
    MAX_STATE_WEIGHT,
    RISING_WEIGHT,
    SALIENCY_HIGH,
    SALIENCY_LOW,
    UNOBSERVED_DECAY,
)
from streamseg.matting.motion.estimate import Motion
from streamseg.matting.motion.warp import warp_by_motion
from streamseg.matting.tracking.roi import FULL_FRAME, ROI

__all__ = [
    "MATTE_SIZE",
    "MatteState",
    "Observation",
    "grid_shape",
    "halved_cells",
    "initialise",
    "max_weight",
    "observe",
    "sample_positions",
    "update",
]

#: Longer side of the matte grid in cells; less where the frame is smaller.
MATTE_SIZE = 512


@dataclass(frozen=True, slots=True)
class Observation:
    """What the network saw of a frame, on the matte grid.

    Attributes:
        alpha: float32 [rows, columns] in [0, 1], on the cells that the ROI touches.
        roi: the part of the frame that was seen.
        shape: rows and columns of the whole grid.
    """

    alpha: Image
    roi: ROI
    shape: tuple[int, int]

    @property
    def cells(self) -> tuple[slice, slice]:
        """The rows and columns of the grid that were seen."""
        return roi_cells(self.roi, self.shape)


@dataclass(frozen=True, slots=True)
class MatteState:
    """State of the filter after a frame.

    Attributes:
        values: float32 [2, rows, columns]: alpha in [0, 1], and its weight in observations, 0 or more.
        innovation: sum of absolute differences between observation and prediction, relative to the sum of what was
            observed; 0 or more, and 0 without an observation.
    """

    values: Image
    innovation: float = 0.0

    @property
    def alpha(self) -> Image:
        """Alpha, float32 [rows, columns]; a view."""
        return np.asarray(self.values[0])

    @property
    def weight(self) -> Image:
        """Its weight, float32 [rows, columns]; a view."""
        return np.asarray(self.values[1])


def roi_cells(roi: ROI, shape: tuple[int, int]) -> tuple[slice, slice]:
    """The rows and columns that ``roi`` touches on a grid of that shape."""
    left, top, right, bottom = roi.pixels(shape[1], shape[0])
    return slice(top, bottom), slice(left, right)


def grid_shape(width: int, height: int, longest: int = MATTE_SIZE) -> tuple[int, int]:
    """Rows and columns of the matte grid for frames of that size, ``longest`` at most along the longer side."""
    scale = min(1.0, longest / max(width, height))
    return max(8, round(height * scale)), max(8, round(width * scale))


def observe(
    saliency: Image,
    roi: ROI,
    shape: tuple[int, int],
    content: float = 1.0,
    levels: tuple[float, float] = (SALIENCY_LOW, SALIENCY_HIGH),
) -> Observation:
    """A saliency map of ``roi`` on the matte grid.

    Args:
        saliency: float32 [rows, columns] in [0, 1], the network's map of the ROI.
        shape: rows and columns of the grid.
        content: factor on alpha in [0, 1]; 0 where the frame shows nothing, see streamseg.matting.motion.estimate.
        levels: saliency that counts as background and as foreground, the same for every frame: levels fitted to each
            frame flicker.
    """
    low, high = levels
    seen = np.clip((saliency - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)
    seen *= np.float32(content)
    return Observation(sample(seen, *sample_positions(roi, shape, saliency.shape)), roi, shape)


def sample_positions(roi: ROI, shape: tuple[int, int], size: tuple[int, ...]) -> tuple[Image, Image]:
    """Where the rows and columns of the grid that ``roi`` touches lie in a map of it, of ``size`` [rows, columns].

    Returns:
        float32 [rows] and [columns] in pixels of the map; pixel centres are whole numbers.
    """
    rows, columns = shape
    left, top, right, bottom = roi.pixels(columns, rows)
    down = ((np.arange(top, bottom) + 0.5) / rows - roi.top) / (roi.bottom - roi.top) * size[0] - 0.5
    across = ((np.arange(left, right) + 0.5) / columns - roi.left) / (roi.right - roi.left) * size[1] - 0.5
    return down.astype(np.float32), across.astype(np.float32)


def initialise(observation: Observation) -> MatteState:
    """The state after the first frame of a scene."""
    values = np.zeros((2, *observation.shape), np.float32)
    values[0][observation.cells] = observation.alpha
    values[1][observation.cells] = 1
    return MatteState(values)


def update(
    state: MatteState, motion: Motion, observation: Observation | None, strength: float, roi: ROI | None
) -> MatteState:
    """The state one frame later: predicted along the motion, corrected by the observation.

    Args:
        state: of the frame before.
        motion: to this frame from the one before, at any resolution.
        observation: of this frame; None if the network did not see it.
        strength: 0 to 1: how much the past counts.
        roi: of the subject; inside it an observation of the full frame has half its weight, because it is coarser.
    """
    values, confidence = warp_by_motion(state.values, motion)
    values[1] *= confidence
    np.minimum(values[1], np.float32(max_weight(strength)), out=values[1])
    if observation is None:
        return MatteState(values)
    _decay_unobserved(values, observation.cells)
    halved = halved_cells(observation, roi)
    return MatteState(values, _correct(values[:, *observation.cells], observation.alpha, halved))


def max_weight(strength: float) -> float:
    """The largest weight of a state, in observations."""
    return MAX_STATE_WEIGHT * strength


def halved_cells(observation: Observation, roi: ROI | None) -> tuple[slice, slice] | None:
    """The cells where an observation has half its weight, see update."""
    if observation.roi != FULL_FRAME or roi is None:
        return None
    return roi_cells(roi, observation.shape)


def _decay_unobserved(values: Image, cells: tuple[slice, slice]) -> None:
    """In place, everywhere but in those cells."""
    rows, columns = cells
    factor = np.float32(UNOBSERVED_DECAY)
    values[:, : rows.start] *= factor
    values[:, rows.stop :] *= factor
    values[:, rows, : columns.start] *= factor
    values[:, rows, columns.stop :] *= factor


def _correct(values: Image, observed: Image, halved: tuple[slice, slice] | None) -> float:
    """Correct predicted ``values`` [2, rows, columns] in place by an observation of all their cells.

    Returns the innovation, see MatteState.
    """
    alpha, weight = values
    residual = observed - alpha
    absolute = np.abs(residual)
    contradiction = box_mean(absolute, INNOVATION_RADIUS)
    innovation = float(absolute.sum()) / max(1.0, float(observed.sum()))
    gain = contradiction * np.float32(INNOVATION_PENALTY)
    gain += 1
    np.divide(np.float32(1), gain, out=gain)
    rising = (residual > 0) * np.float32(RISING_WEIGHT - 1)
    rising += 1
    gain *= rising
    if halved is not None:
        gain[halved] *= np.float32(0.5)
    weight += gain
    gain /= weight + np.float32(1e-6)
    residual *= gain
    alpha += residual
    contradiction *= np.float32(-CONTRADICTION_DECAY)
    contradiction += 1
    weight *= contradiction
    return innovation
