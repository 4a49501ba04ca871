"""The arithmetic of mattes, to be had in several makes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from numpy.typing import DTypeLike, NDArray

from streamseg.frame import Frame, Matte, Plane
from streamseg.matting import composite, contour, motion, sharp, steady, stretch
from streamseg.matting.arrays import Image
from streamseg.matting.boxes import Box
from streamseg.matting.motion import Motion
from streamseg.matting.steady import Memory, Observation

__all__ = ["Arithmetic", "NumPyArithmetic"]


class Arithmetic(Protocol):
    """The steps that take time, without state: every thread may use the same object.

    Each does what the function of its name does, up to rounding; ``composite_into`` to the bit.
    """

    @property
    def name(self) -> str:
        """What does it."""
        ...

    def shrink(self, plane: Plane, width: int, height: int, maximum: int) -> Image:
        """See streamseg.matting.stretch."""
        ...

    def stretch(self, image: Image, width: int, height: int, maximum: int) -> Plane:
        """See streamseg.matting.stretch."""
        ...

    def motion_between(self, here: Image, there: Image) -> Motion:
        """See streamseg.matting.motion."""
        ...

    def reversed_motion(self, motion: Motion, here: Image, there: Image) -> Motion:
        """See streamseg.matting.motion."""
        ...

    def at_contours(self, motion: Motion, alpha: Image) -> Motion:
        """See streamseg.matting.contour."""
        ...

    def observe(self, saliency: Image, box: Box, shape: tuple[int, int], substance: float) -> Observation:
        """See streamseg.matting.steady."""
        ...

    def mix(
        self, memory: Memory, motion: Motion, observation: Observation | None, strength: float, tracked: Box | None
    ) -> Memory:
        """See streamseg.matting.steady."""
        ...

    def settle(self, memory: Memory, later: Image, motion: Motion) -> Image:
        """See streamseg.matting.steady."""
        ...

    def even(self, alpha: Image, neighbours: Iterable[tuple[Image, Motion]]) -> Image:
        """See streamseg.matting.steady."""
        ...

    def enlarge(self, alpha: Image, width: int, height: int, dtype: DTypeLike) -> NDArray[Any]:
        """See streamseg.matting.sharp."""
        ...

    def refine_edges(self, frame: Frame, alpha: Image, codes: Plane) -> Frame:
        """See streamseg.matting.sharp."""
        ...

    def composite_into(self, out: Frame, frame: Frame, matte: Matte, background: tuple[Plane, ...]) -> None:
        """See streamseg.matting.composite."""
        ...


class NumPyArithmetic:
    """In plain NumPy: the methods as they are meant, several times slower than streamseg.device.cpu.arithmetic."""

    name = "NumPy"
    shrink = staticmethod(stretch.shrink)
    stretch = staticmethod(stretch.stretch)
    motion_between = staticmethod(motion.motion_between)
    reversed_motion = staticmethod(motion.reversed_motion)
    at_contours = staticmethod(contour.at_contours)
    observe = staticmethod(steady.observe)
    mix = staticmethod(steady.mix)
    settle = staticmethod(steady.settle)
    even = staticmethod(steady.even)
    enlarge = staticmethod(sharp.enlarge)
    refine_edges = staticmethod(sharp.refine_edges)
    composite_into = staticmethod(composite.composite_into)
