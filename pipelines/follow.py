"""The way of a matte through time, as stages: plain objects with state and no threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from streamseg.device import Device
from streamseg.device.cpu.arithmetic import best_arithmetic
from streamseg.frame import Frame
from streamseg.matting.arithmetic import Arithmetic
from streamseg.matting.arrays import Image
from streamseg.matting.boxes import Box, follow, subject_box
from streamseg.matting.looks import Look, Looks
from streamseg.matting.motion import THUMBNAIL, Motion, substance, thumbnail
from streamseg.matting.steady import GRID, Memory, begin, working_size

__all__ = ["Begun", "Follower", "Shot", "Watcher"]


@dataclass(slots=True)
class Shot:
    """A frame on its way, and what is known of it so far.

    Attributes:
        frame: as decoded.
        picture: its luma, small.
        motion: to it from the frame before; None at the first one and after a cut. As the subject has it, once it has
            been followed.
        memory: the matte up to it.
        alpha: the matte, float32 [rows, columns] in [0, 1], on the grid.
        backwards: the motion to the frame before from it, once somebody has asked.
    """

    frame: Frame
    picture: Image
    motion: Motion | None
    memory: Memory | None = None
    alpha: Image | None = None
    backwards: Motion | None = None


class Watcher:
    """Frame → shot: what moved since the frame before, and whether the scene was cut.

    Args:
        longest: longer side of the pictures that motion is found on, in pixels.
        arithmetic: does the work; the best there is if None.
    """

    def __init__(self, longest: int = THUMBNAIL, arithmetic: Arithmetic | None = None) -> None:
        self._longest, self._arithmetic = longest, arithmetic or best_arithmetic()
        self._before: Image | None = None
        self._size = (0, 0)

    def __call__(self, frame: Frame) -> Shot:
        """The shot of the next frame."""
        picture, before = thumbnail(frame, self._arithmetic.shrink, self._longest), self._before
        self._before = picture
        same_size, self._size = self._size == (frame.width, frame.height), (frame.width, frame.height)
        if before is None or not same_size:
            return Shot(frame, picture, None)
        motion = self._arithmetic.motion_between(picture, before)
        return Shot(frame, picture, None if motion.cut else motion)


@dataclass(frozen=True, slots=True)
class Begun:
    """A shot whose map is being computed.

    Attributes:
        shot: without its memory.
        scene: number of its scene.
        look: None if the network does not look.
        begun: the device's own.
    """

    shot: Shot
    scene: int
    look: Look | None = None
    begun: Any = None


class Follower:
    """Shot → shot with its memory: the network looks where the subject is, and what it sees is mixed with the past.

    The crop of a frame comes from the matte of the frame ``lag`` before it (the last one if there is no lag), whatever
    the timing, so that a run repeated gives the same mattes. Live, ``begin`` and ``take`` are stages of their own, in
    two threads, and the crop comes from the newest matte there is.

    Args:
        device: its network.
        steady: 0 to 1: how much the past counts.
        looks: when, where and how the network looks; what it does not see carries the matte along the motion. At every
            frame, if None.
        lag: shots held back, so that as many frames can be in flight; 0 gives each shot back at once, with the mattes
            that 1 gives.
        grid: longer side of the grid that mattes are remembered on, in pixels.
        arithmetic: see Watcher.

    Attributes:
        steady: as above; may be changed between two frames.
        looks: as above.
    """

    def __init__(
        self,
        device: Device,
        steady: float,
        looks: Looks | None = None,
        lag: int = 0,
        grid: int = GRID,
        arithmetic: Arithmetic | None = None,
    ) -> None:
        self.steady, self.looks = steady, looks or Looks()
        self._device, self._lag, self._grid = device, lag, grid
        self._arithmetic = arithmetic or best_arithmetic()
        self._pending: deque[Begun] = deque()
        self._done: list[Shot] = []
        self._scene = 0  # written by begin
        # Written by take.
        self._memory: Memory | None = None
        self._remembered_scene = 0
        self._tracked: Box | None = None

    def __call__(self, shot: Shot) -> list[Shot]:
        """Take the next shot; gives those that are done, in order."""
        if len(self._pending) == self._lag > 0:
            self._done.append(self._take_pending())
        self._pending.append(self.begin(shot))
        if not self._lag:
            self._done.append(self._take_pending())
        done, self._done = self._done, []
        return done

    def finish(self) -> Iterator[Shot]:
        """The shots that are still held back; after a failure, those before the one that failed."""
        yield from self._done
        while self._pending:
            yield self._take_pending()

    def _take_pending(self) -> Shot:
        try:
            return self.take(self._pending.popleft())
        except BaseException:
            self._pending.clear()  # nothing may come out after a shot that failed
            raise

    def begin(self, shot: Shot) -> Begun:
        """Let the network begin with a shot, if it is to see it."""
        if shot.motion is None:
            self._scene += 1
        agreement = None if shot.motion is None else shot.motion.agreement
        if self.looks.skips(shot.motion is None, agreement):
            return Begun(shot, self._scene)
        tracked = self._tracked if self._scene == self._remembered_scene else None
        look = self.looks.next((shot.frame.width, shot.frame.height), agreement, tracked, self.steady > 0)
        return Begun(shot, self._scene, look, self._device.network(self._device.prepare(shot.frame, look)))

    def take(self, pending: Begun) -> Shot:
        """The shot with its memory, once the network has seen it. Takes shots in the order in which they were begun."""
        shot, observation = pending.shot, None
        if pending.look is not None:
            shape = working_size(shot.frame.width, shot.frame.height, self._grid)
            saliency = self._device.saliency(pending.begun)
            observation = self._arithmetic.observe(saliency, pending.look.box, shape, substance(shot.picture))
        if self._memory is None or shot.motion is None:
            assert observation is not None
            self._memory, tracked = begin(observation), None
        else:
            tracked = self._tracked
            shot.motion = self._arithmetic.at_contours(shot.motion, self._memory.alpha)
            self._memory = self._arithmetic.mix(self._memory, shot.motion, observation, self.steady, tracked)
            if observation is not None:
                self.looks.saw(self._memory.surprise)
        self._tracked = follow(tracked, subject_box(self._memory.alpha))
        self._remembered_scene = pending.scene
        shot.memory, shot.alpha = self._memory, self._memory.alpha
        return shot
