"""Steady over time: what was seen before, carried along the motion, mixed with what is seen now.

The recursion is that of a Kalman filter in every pixel, with a scalar weight in place of the covariance, on a grid
that is compensated for motion (as in Dubois and Sabri 1984, Noise Reduction in Image Sequences Using
Motion-Compensated Temporal Filtering): the weight of what is remembered grows with every sight and shrinks where the
motion does not explain the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamseg.matting.arrays import Image, box_mean, resize, sample, warp
from streamseg.matting.boxes import WHOLE, Box
from streamseg.matting.flow import resize_flow
from streamseg.matting.motion import Motion

__all__ = ["GRID", "LEVELS", "Memory", "Observation", "begin", "mix", "observe", "settle", "working_size"]

#: Saliency at and below the first counts as background, at and above the second as foreground.
LEVELS = (0.2, 0.95)
#: Longer side of the grid that mattes are remembered on, in pixels; less where the frame is smaller.
GRID = 512
# Sights that the memory is worth at most, at full strength.
_MOST = 8.0
# A sight that contradicts the memory counts less, and one of something new less than one of something gone.
_DOUBT, _NEWS = 4.0, 0.7
# What is contradicted again and again loses this part of its weight each time, so that it yields within a few frames.
_YIELD = 0.2
# What nobody looks at is forgotten by this factor a frame.
_FORGET = 0.8
_WINDOW = 4


@dataclass(frozen=True, slots=True)
class Observation:
    """What the network saw of a frame.

    Attributes:
        alpha: float32 [rows, columns] in [0, 1], 0 outside of the box.
        weight: float32 [rows, columns]: how much it counts; 0 where it did not look.
        box: where it looked.
    """

    alpha: Image
    weight: Image
    box: Box


@dataclass(frozen=True, slots=True)
class Memory:
    """The matte up to a frame.

    Attributes:
        alpha: float32 [rows, columns] in [0, 1].
        weight: float32 [rows, columns], 0 or more: how many sights it is worth.
    """

    alpha: Image
    weight: Image


def working_size(width: int, height: int, longest: int = GRID) -> tuple[int, int]:
    """Rows and columns of the grid for frames of that size, ``longest`` at most along the longer side."""
    scale = min(1.0, longest / max(width, height))
    return max(8, round(height * scale)), max(8, round(width * scale))


def observe(
    saliency: Image, box: Box, shape: tuple[int, int], substance: float = 1.0, levels: tuple[float, float] = LEVELS
) -> Observation:
    """A map of ``box`` on the grid.

    Args:
        saliency: float32 [rows, columns] in [0, 1], the network's map of the box.
        shape: of the grid.
        substance: factor on the matte; 0 where the picture shows nothing.
        levels: fixed levels, the same for every frame: levels fitted to each frame flicker.
    """
    rows, columns = shape
    left, top, right, bottom = box.pixels(columns, rows)
    low, high = levels
    seen = np.clip((saliency - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)
    seen *= np.float32(substance)
    down = ((np.arange(top, bottom) + 0.5) / rows - box.top) / (box.bottom - box.top) * saliency.shape[0] - 0.5
    across = ((np.arange(left, right) + 0.5) / columns - box.left) / (box.right - box.left) * saliency.shape[1] - 0.5
    alpha, weight = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    alpha[top:bottom, left:right] = sample(seen, down, across)
    weight[top:bottom, left:right] = 1
    return Observation(alpha, weight, box)


def begin(observation: Observation) -> Memory:
    """The memory after the first frame of a scene."""
    return Memory(observation.alpha, observation.weight)


def mix(
    memory: Memory, motion: Motion, observation: Observation | None, strength: float, tracked: Box | None
) -> Memory:
    """The memory one frame later.

    Args:
        memory: up to the frame before.
        motion: to this frame from the one before.
        observation: of this frame; None if the network did not look.
        strength: 0 to 1: how much the past counts.
        tracked: where the subject was followed; there a look at the whole frame counts half, being coarser.
    """
    carried, weight = _carried(memory, motion, _MOST * strength)
    if observation is None:
        return Memory(carried, weight)
    shape = carried.shape
    unseen = observation.weight == 0
    carried[unseen] *= np.float32(_FORGET)
    weight[unseen] *= np.float32(_FORGET)
    belief = observation.weight
    if observation.box == WHOLE and tracked is not None:
        left, top, right, bottom = tracked.pixels(shape[1], shape[0])
        belief = belief.copy()
        belief[top:bottom, left:right] *= np.float32(0.5)
    change = observation.alpha - carried
    contradiction = box_mean(np.abs(change), _WINDOW)
    belief = belief / (1 + np.float32(_DOUBT) * contradiction)
    belief *= np.where(change > 0, np.float32(_NEWS), np.float32(1))
    weight += belief
    belief /= weight + np.float32(1e-6)
    change *= belief
    carried += change
    weight *= 1 - np.float32(_YIELD) * contradiction
    return Memory(carried, weight)


def _carried(memory: Memory, motion: Motion, most: float) -> tuple[Image, Image]:
    alpha, weight = warp(np.stack((memory.alpha, memory.weight)), resize_flow(motion.flow, *memory.alpha.shape))
    weight *= resize(motion.agreement, *memory.alpha.shape)
    np.minimum(weight, np.float32(most), out=weight)
    return alpha, weight


def settle(memory: Memory, later: Image, motion: Motion) -> Image:
    """The matte of a frame in the light of the next one.

    Args:
        memory: up to the frame.
        later: float32 [rows, columns], the matte of the next frame, settled or not.
        motion: from the next frame, as motion_between(frame, next) gives.
    """
    carried: Image = warp(later[None], resize_flow(motion.flow, *later.shape))[0]
    carried -= memory.alpha
    carried *= resize(motion.agreement, *later.shape)
    carried += memory.alpha
    return carried
