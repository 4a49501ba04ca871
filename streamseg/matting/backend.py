"""The steps of matting that take time, as one interface: MattingBackend. NumPy implements it here, C elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from numpy.typing import DTypeLike, NDArray

from streamseg.frame import Frame, Matte, Plane
from streamseg.matting import resampling
from streamseg.matting.arrays import Image
from streamseg.matting.compositing import blur, over
from streamseg.matting.edges import refine
from streamseg.matting.motion import estimate, layers
from streamseg.matting.motion.estimate import Motion
from streamseg.matting.temporal import ambiguity, smoothing
from streamseg.matting.temporal import filter as temporal_filter
from streamseg.matting.temporal.filter import MatteState, Observation
from streamseg.matting.tracking.roi import ROI

__all__ = ["MattingBackend", "NumPyBackend"]


class MattingBackend(Protocol):
    """The steps that take time, without state: any thread may use the same object.

    Each method does what the function of its name does, up to rounding; ``composite_into`` to the bit.
    """

    @property
    def name(self) -> str:
        """What it is written in."""
        ...

    def downscale(self, plane: Plane, width: int, height: int, maximum: int) -> Image:
        """See streamseg.matting.resampling."""
        ...

    def upscale(self, image: Image, width: int, height: int, maximum: int) -> Plane:
        """See streamseg.matting.resampling."""
        ...

    def estimate_motion(self, here: Image, there: Image) -> Motion:
        """See streamseg.matting.motion.estimate."""
        ...

    def reverse_motion(self, motion: Motion, here: Image, there: Image) -> Motion:
        """See streamseg.matting.motion.estimate."""
        ...

    def layer_motion(self, motion: Motion, alpha: Image) -> Motion:
        """See streamseg.matting.motion.layers."""
        ...

    def observe(self, saliency: Image, roi: ROI, shape: tuple[int, int], content: float) -> Observation:
        """See streamseg.matting.temporal.filter."""
        ...

    def update(
        self, state: MatteState, motion: Motion, observation: Observation | None, strength: float, roi: ROI | None
    ) -> MatteState:
        """See streamseg.matting.temporal.filter."""
        ...

    def smooth(self, alpha: Image, later: Image, motion: Motion) -> Image:
        """See streamseg.matting.temporal.smoothing."""
        ...

    def average(self, alpha: Image, neighbours: Iterable[tuple[Image, Motion]]) -> Image:
        """See streamseg.matting.temporal.smoothing."""
        ...

    def resolve(self, alpha: Image, before: Callable[[], Image] | None = None) -> Image:
        """See streamseg.matting.temporal.ambiguity."""
        ...

    def upsample_alpha(self, alpha: Image, width: int, height: int, dtype: DTypeLike) -> NDArray[Any]:
        """See streamseg.matting.edges.refine."""
        ...

    def refine_edges(self, frame: Frame, alpha: Image, codes: Plane) -> Frame:
        """See streamseg.matting.edges.refine."""
        ...

    def background_weight(self, alpha: Image) -> Image:
        """See streamseg.matting.compositing.blur."""
        ...

    def fill_and_blur(self, images: Image, weight: Image, sigma_y: float, sigma_x: float) -> Image:
        """See streamseg.matting.compositing.blur."""
        ...

    def composite_into(self, out: Frame, frame: Frame, matte: Matte, background: tuple[Plane, ...]) -> None:
        """See streamseg.matting.compositing.over."""
        ...


class NumPyBackend:
    """In plain NumPy: the reference, several times slower than streamseg.device.cpu.matting.backend."""

    name = "NumPy"
    downscale = staticmethod(resampling.downscale)
    upscale = staticmethod(resampling.upscale)
    estimate_motion = staticmethod(estimate.estimate_motion)
    reverse_motion = staticmethod(estimate.reverse_motion)
    layer_motion = staticmethod(layers.layer_motion)
    observe = staticmethod(temporal_filter.observe)
    update = staticmethod(temporal_filter.update)
    smooth = staticmethod(smoothing.smooth)
    average = staticmethod(smoothing.average)
    resolve = staticmethod(ambiguity.resolve)
    upsample_alpha = staticmethod(refine.upsample_alpha)
    refine_edges = staticmethod(refine.refine_edges)
    background_weight = staticmethod(blur.background_weight)
    fill_and_blur = staticmethod(blur.fill_and_blur)
    composite_into = staticmethod(over.composite_into)
