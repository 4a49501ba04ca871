"""Steady over time: what was seen before, carried along the motion, mixed with what is seen now.

The recursion is that of a Kalman filter in every pixel, with a scalar weight in place of the covariance, on a grid
that is compensated for motion (as in Dubois and Sabri 1984, Noise Reduction in Image Sequences Using
Motion-Compensated Temporal Filtering): the weight of what is remembered grows with every sight and shrinks where the
motion does not explain the picture.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from streamseg.matting.arrays import Image, box_mean, sample
from streamseg.matting.boxes import WHOLE, Box
from streamseg.matting.carry import carry
from streamseg.matting.motion import Motion

__all__ = [
    "BESIDE",
    "GRID",
    "LEVELS",
    "LIMITS",
    "Memory",
    "Observation",
    "begin",
    "even",
    "mix",
    "observe",
    "settle",
    "working_size",
]

#: Saliency at and below the first counts as background, at and above the second as foreground.
LEVELS = (0.2, 0.95)
#: Alpha at and below the first becomes 0, at and above the second 1: what was seen now and then leaves no haze.
LIMITS = (0.1, 0.95)
#: Weight of a matte beside the one that is evened out, whose own is 1, where the motion explains the frame.
BESIDE = 2.0
#: Longer side of the grid that mattes are remembered on, in pixels; less where the frame is smaller.
GRID = 512
# Sights that the memory is worth at most, at full strength.
_MOST = 4.0
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
        alpha: float32 [rows, columns] in [0, 1], on the cells of the grid that the box touches.
        box: where it looked.
        shape: rows and columns of the grid.
    """

    alpha: Image
    box: Box
    shape: tuple[int, int]

    @property
    def cells(self) -> tuple[slice, slice]:
        """The rows and columns of the grid that the network saw."""
        return cells_of(self.box, self.shape)


@dataclass(frozen=True, slots=True)
class Memory:
    """The matte up to a frame.

    Attributes:
        state: float32 [2, rows, columns]: the matte in [0, 1], and how many sights it is worth, 0 or more.
        surprise: how much what was seen last differs from what was remembered, as a part of what was seen; 0 or more,
            and 0 where nobody looked.
    """

    state: Image
    surprise: float = 0.0

    @property
    def alpha(self) -> Image:
        """The matte, a view."""
        return np.asarray(self.state[0])

    @property
    def weight(self) -> Image:
        """Its weight, a view."""
        return np.asarray(self.state[1])


def cells_of(box: Box, shape: tuple[int, int]) -> tuple[slice, slice]:
    """The rows and columns that ``box`` touches on a grid of that shape."""
    left, top, right, bottom = box.pixels(shape[1], shape[0])
    return slice(top, bottom), slice(left, right)


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
    low, high = levels
    seen = np.clip((saliency - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)
    seen *= np.float32(substance)
    return Observation(sample(seen, *places_in(box, shape, saliency.shape)), box, shape)


def places_in(box: Box, shape: tuple[int, int], size: tuple[int, ...]) -> tuple[Image, Image]:
    """Where the rows and columns of the grid that ``box`` touches lie in a map of it, [rows, columns] as ``size`` says;
    float32, pixel centres are whole numbers."""
    rows, columns = shape
    left, top, right, bottom = box.pixels(columns, rows)
    down = ((np.arange(top, bottom) + 0.5) / rows - box.top) / (box.bottom - box.top) * size[0] - 0.5
    across = ((np.arange(left, right) + 0.5) / columns - box.left) / (box.right - box.left) * size[1] - 0.5
    return down.astype(np.float32), across.astype(np.float32)


def begin(observation: Observation) -> Memory:
    """The memory after the first frame of a scene."""
    state = np.zeros((2, *observation.shape), np.float32)
    state[0][observation.cells] = observation.alpha
    state[1][observation.cells] = 1
    return Memory(state)


def mix(
    memory: Memory,
    motion: Motion,
    observation: Observation | None,
    strength: float,
    tracked: Box | None,
) -> Memory:
    """The memory one frame later.

    Args:
        memory: up to the frame before.
        motion: to this frame from the one before, of any size.
        observation: of this frame; None if the network did not look.
        strength: 0 to 1: how much the past counts.
        tracked: where the subject was followed; there a look at the whole frame counts half, being coarser.
    """
    state, agreement = carry(memory.state, motion)
    state[1] *= agreement
    np.minimum(state[1], np.float32(heaviest(strength)), out=state[1])
    if observation is None:
        return Memory(state)
    _forget_around(state, observation.cells)
    return Memory(state, _see(state[:, *observation.cells], observation.alpha, coarse_cells(observation, tracked)))


def heaviest(strength: float) -> float:
    """The sights that the memory is worth at most."""
    return _MOST * strength


def coarse_cells(observation: Observation, tracked: Box | None) -> tuple[slice, slice] | None:
    """Where a look counts half; see mix."""
    if observation.box != WHOLE or tracked is None:
        return None
    return cells_of(tracked, observation.shape)


def _forget_around(state: Image, cells: tuple[slice, slice]) -> None:
    """In place, everywhere but in those cells."""
    rows, columns = cells
    factor = np.float32(_FORGET)
    state[:, : rows.start] *= factor
    state[:, rows.stop :] *= factor
    state[:, rows, : columns.start] *= factor
    state[:, rows, columns.stop :] *= factor


def _see(state: Image, seen: Image, coarse: tuple[slice, slice] | None) -> float:
    """Mix a sight of all of ``state`` into it, in place; in the cells ``coarse`` it counts half. Gives the surprise."""
    alpha, weight = state
    change = seen - alpha
    difference = np.abs(change)
    contradiction = box_mean(difference, _WINDOW)
    surprise = float(difference.sum()) / max(1.0, float(seen.sum()))
    belief = contradiction * np.float32(_DOUBT)
    belief += 1
    np.divide(np.float32(1), belief, out=belief)
    news = (change > 0) * np.float32(_NEWS - 1)
    news += 1
    belief *= news
    if coarse is not None:
        belief[coarse] *= np.float32(0.5)
    weight += belief
    belief /= weight + np.float32(1e-6)
    change *= belief
    alpha += change
    contradiction *= np.float32(-_YIELD)
    contradiction += 1
    weight *= contradiction
    return surprise


def settle(memory: Memory, later: Image, motion: Motion) -> Image:
    """The matte of a frame in the light of the next one.

    Args:
        memory: up to the frame.
        later: float32 [rows, columns], the matte of the next frame, settled or not.
        motion: from the next frame, as motion_between(frame, next) gives it, of any size.
    """
    (carried,), agreement = carry(later[None], motion)
    carried -= memory.alpha
    carried *= agreement
    carried += memory.alpha
    return np.asarray(carried)


def even(alpha: Image, neighbours: Iterable[tuple[Image, Motion]]) -> Image:
    """The matte of a frame, its mean with those of the frames beside it, carried to it.

    All are cut to what is not clear or solid in the end (see ``LIMITS``), so that the mean is of what is shown.

    Args:
        alpha: float32 [rows, columns] in [0, 1].
        neighbours: the mattes of other frames, of the same shape, each with the motion from its frame; they count
            ``BESIDE`` times as much as ``alpha`` where the motion explains this frame, and less where it does not, by
            the square root of the agreement: half the doubt that a memory of many frames has to have.

    Returns:
        float32 [rows, columns], between the limits.
    """
    total, weight = np.clip(alpha, *LIMITS), np.ones_like(alpha)
    for other, motion in neighbours:
        (carried,), agreement = carry(other[None], motion)
        np.clip(carried, *LIMITS, out=carried)
        worth = np.sqrt(agreement) * np.float32(BESIDE)
        carried *= worth
        total += carried
        weight += worth
    total /= weight
    return total
