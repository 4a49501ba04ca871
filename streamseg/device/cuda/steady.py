"""The matte of one stream through time, on the card; what streamseg.matting.steady does on a CPU."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from streamseg.device.cuda.motion import MotionFinder
from streamseg.device.cuda.network import SIZE
from streamseg.device.cuda.platform import Platform
from streamseg.matting.boxes import WHOLE, Box
from streamseg.matting.looks import Look
from streamseg.matting.steady import BESIDE, LEVELS, LIMITS, heaviest

__all__ = ["MatteMemory", "Sight"]

_NOWHERE = 1 << 30


@dataclass(frozen=True, slots=True)
class Sight:
    """What the network saw of a frame.

    Attributes:
        saliency: on the card, float32 [320, 320] in [0, 1], as the network gave it.
        look: how it looked.
        substance: of the picture, see streamseg.matting.motion.substance.
    """

    saliency: Tensor
    look: Look
    substance: float


class MatteMemory:
    """What is remembered of the mattes, and where the subject is.

    Places are those of the MotionFinder: each holds the matte of its frame.

    Args:
        platform: of the device.
        motion: of the same stream.
        rows, columns: of the grid that mattes are remembered on.
        places: how many mattes are kept.
        strength: 0 to 1: how much the past counts.
    """

    def __init__(
        self, platform: Platform, motion: MotionFinder, rows: int, columns: int, places: int, strength: float
    ) -> None:
        self._platform, self._motion = platform, motion
        self.rows, self.columns, self._most = rows, columns, heaviest(strength)
        size = (rows, columns)
        self._alphas = platform.empty((places, *size), torch.float32)
        self._weight, self._next_weight = (platform.empty(size, torch.float32) for _ in range(2))
        self._carried = platform.empty((4, *size), torch.float32)
        self._small, self._subject = (platform.empty((motion.rows, motion.columns), torch.float32) for _ in range(2))
        self._led = [platform.empty((2, motion.rows, motion.columns), torch.float32) for _ in range(2)]
        self._settled = platform.empty((places, *size), torch.float32)
        self._later = [platform.empty(size, torch.float32) for _ in range(2)]
        self._evened = platform.empty((places, *size), torch.float32)
        self._bounds = platform.upload(torch.tensor([_NOWHERE, -1, _NOWHERE, -1], dtype=torch.int32))
        self._tracked = platform.upload(torch.zeros(5, dtype=torch.float64))
        self._host_tracked = platform.pinned((places, 5), torch.float64)

    def alpha(self, place: int) -> Tensor:
        """The matte up to the frame in ``place``, float32 [rows, columns] in [0, 1]."""
        return self._alphas[place]

    def mix(self, place: int, before: int, sight: Sight | None, fresh: bool) -> None:
        """Queue the matte of a frame, from that in ``before`` carried along the motion and what the network saw.

        The motion becomes that at contours, see streamseg.matting.contour.

        Args:
            sight: None if the network did not look.
            fresh: there is nothing to remember: the first frame of a scene. Then it must have looked.
        """
        size, of, launch = (self.columns, self.rows), (self.rows, self.columns), self._platform.launch
        look, new = Look() if sight is None else sight.look, int(fresh)
        box, motion = look.box, self._motion
        if not fresh:
            self._lead(motion.flow(place), motion.agreement(place), self._alphas[before])
        sides = (box.right, box.left) if look.mirrored else (box.left, box.right)
        launch(
            "carry",
            size,
            *(self._alphas[before], self._weight, motion.flow(place), motion.agreement(place)),
            *(motion.rows, motion.columns),
            *(None if sight is None else sight.saliency, SIZE),
            *box.pixels(self.columns, self.rows),
            *(float(side) for side in (sides[0], box.top, sides[1], box.bottom)),
            *(1.0 if sight is None else float(sight.substance), *LEVELS, float(self._most)),
            *(new, *of, self._carried),
        )
        looked = (int(sight is not None), int(sight is not None and box == WHOLE), new)
        results = (self._alphas[place], self._next_weight, self._bounds)
        launch("mix", size, self._carried, self._tracked, *looked, *of, *results)
        self._weight, self._next_weight = self._next_weight, self._weight
        launch("track", (1, 1), self._bounds, new, *of, self._tracked)
        self._host_tracked[place].copy_(self._tracked, non_blocking=True)

    def _lead(self, flow: Tensor, agreement: Tensor, alpha: Tensor) -> None:
        """Turn a motion from the frame of ``alpha`` into that at contours, in place: see streamseg.matting.contour."""
        of, launch, led = (self._motion.rows, self._motion.columns), self._platform.launch, flow
        launch("resize_matte", of[::-1], alpha, self.rows, self.columns, *of, self._small)
        for out in self._led:
            launch("weigh_subject", of[::-1], self._small, led, agreement, *of, self._subject)
            launch("lead", of[::-1], self._subject, flow, *of, out)
            led = out
        flow.copy_(led)

    def tracked(self, place: int) -> Box | None:
        """Where the subject was followed to with the frame in ``place``, once the copies are done."""
        *sides, there = self._host_tracked[place].tolist()
        return Box(*sides) if there else None

    def settle(self, places: list[int], linked: list[bool]) -> Tensor:
        """Queue the matte of the first of some frames in the light of the others, which follow it.

        Args:
            places: of the frames, in order.
            linked: for each frame but the first, whether it shows the same scene as the one before it. If so its
                motion backwards must have been queued.

        Returns:
            float32 [rows, columns] in [0, 1], valid as long as the place.
        """
        alpha = self._alphas[places[-1]]
        for turn, (place, after, follows) in enumerate(zip(places[-2::-1], places[:0:-1], linked[::-1], strict=True)):
            alpha = self._settle(place, after, alpha, self._later[turn % 2]) if follows else self._alphas[place]
        self._settled[places[0]].copy_(alpha)
        return self._settled[places[0]]

    def _settle(self, place: int, after: int, later: Tensor, out: Tensor) -> Tensor:
        of = (self.rows, self.columns)
        motion = (*self._backwards(after), self._motion.rows, self._motion.columns)
        self._platform.launch("settle", of[::-1], self._alphas[place], later, *motion, *of, out)
        return out

    def even(self, place: int, before: int | None, after: int | None) -> Tensor:
        """Queue the mean of the settled matte of a frame with those of the frames beside it.

        Args:
            before, after: their places, if they show the same scene; the one before has been evened out, the one after
                settled, and its motion backwards has been queued.

        Returns:
            float32 [rows, columns] in [0, 1], valid as long as the place.
        """
        of, motion, nothing = (self.rows, self.columns), self._motion, (None, None, None)
        past = (self._evened[before], motion.flow(place), motion.agreement(place)) if before is not None else nothing
        future = (self._settled[after], *self._backwards(after)) if after is not None else nothing
        sizes = (motion.rows, motion.columns, *of)
        out = self._evened[place]
        self._platform.launch("even", of[::-1], self._settled[place], *past, *future, *sizes, *LIMITS, BESIDE, out)
        return out

    def _backwards(self, after: int) -> tuple[Tensor, Tensor]:
        return self._motion.backwards(after), self._motion.backwards_agreement(after)
