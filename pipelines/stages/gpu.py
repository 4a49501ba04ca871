"""All stages on a GPU: frames are uploaded, matted and composited there, and downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from streamseg.background import BlurredBackground
from streamseg.background.video import VideoBackground
from streamseg.frame import Frame, Matte, Plane
from streamseg.matting.edges.cutout import Cutout
from streamseg.matting.tracking.near import SubjectFigures
from streamseg.media.pixels.gpu_frame import GPUFrame
from streamseg.runtime import Stage

from .effect import Effect, Kind
from .options import Matting, Speed

if TYPE_CHECKING:
    from streamseg.device.cuda.device import CUDADevice
    from streamseg.device.cuda.pipeline import GPUPipeline, GPUPipelineOptions, Uploaded
    from streamseg.device.cuda.stages.finish import Finish, Finished

__all__ = ["finish_of", "gpu_composites", "gpu_options", "gpu_stages"]

# The outputs of the GPU pipeline by the kind of effect; others are applied on the host.
_OUTPUTS = {Kind.COMPOSITE: "COMPOSITE", Kind.ALPHA: "ALPHA", Kind.MATTE: "MATTE", Kind.BLUR: "BLURRED"}
# For backgrounds that do not depend on the matte.
_NO_MATTE = Matte(np.zeros((1, 1), np.uint8))


def gpu_composites(effect: Effect) -> bool:
    """Whether a GPU can apply ``effect``, so that only its result is downloaded."""
    return effect.kind in _OUTPUTS


def gpu_options(speed: Speed, steady: float, look_ahead: int, edges: bool, **others: Any) -> GPUPipelineOptions:
    """How a GPU makes mattes at a speed; ``others`` are further options of it."""
    from streamseg.device.cuda.pipeline import GPUPipelineOptions

    sizes = speed.every, speed.flow_size, speed.matte_size
    return GPUPipelineOptions(steady, look_ahead, edges, *sizes, **others)


def finish_of(effect: Effect, frame: Frame, edges: bool) -> Finish:
    """What a GPU makes of a frame, by an effect that gpu_composites accepts; ``edges``: see Matting."""
    from streamseg.device.cuda.stages.finish import Finish, Output

    background, output = effect.background, Output[_OUTPUTS[effect.kind]]
    if isinstance(background, BlurredBackground):
        return Finish(output, edges, blur=background.size)
    return Finish(output, edges, None if background is None else background.planes(frame, _NO_MATTE))


def gpu_stages(
    device: Any,
    matting: Matting,
    ahead: bool,
    effect: Effect | None = None,
    figures: SubjectFigures | None = None,
) -> list[Stage[Any, Any]]:
    """The stages from a Frame or GPUFrame to a Cutout, or to the Frame that an effect makes.

    The frames of a moving background have a stage of their own: what decodes and scales them does not keep the GPU
    waiting.

    Args:
        device: a CUDADevice.
        ahead: hold a frame back so that the GPU is never idle; see GPUPipelineOptions.
        effect: one that gpu_composites accepts; None for cut-outs.
        figures: count what the subject is taken for.
    """
    gpu = _GPUStages(device, matting, ahead, effect, figures)
    if effect is None or not isinstance(effect.background, VideoBackground):
        step = Stage[Any, Any]("gpu", lambda uploaded: gpu.step(uploaded, gpu.background(uploaded.frame)), gpu.finish)
        return [Stage("upload", gpu.upload), step, Stage("download", gpu.download)]
    return [
        Stage("upload", gpu.upload),
        Stage("background", lambda uploaded: (uploaded, gpu.background(uploaded.frame))),
        Stage("gpu", lambda pair: gpu.step(*pair), gpu.finish),
        Stage("download", gpu.download),
    ]


class _GPUStages:
    """Opens the pipeline with the first frame, whose format and size are those of all.

    Its memory is freed with the stages.
    """

    def __init__(
        self,
        device: CUDADevice,
        matting: Matting,
        ahead: bool,
        effect: Effect | None,
        figures: SubjectFigures | None,
    ) -> None:
        self._device, self._matting, self._ahead, self._effect = device, matting, ahead, effect
        self._figures = figures
        self._pipeline: GPUPipeline | None = None

    def upload(self, frame: Frame | GPUFrame) -> Uploaded:
        if self._pipeline is None:
            self._pipeline = self._opened(frame)
        return self._pipeline.upload(frame)

    def _opened(self, frame: Frame | GPUFrame) -> GPUPipeline:
        from streamseg.device.cuda.pipeline import GPUPipeline
        from streamseg.device.cuda.stages.finish import Output

        matting, look_ahead = self._matting, self._matting.look_ahead if self._matting.steady else 0
        how = matting.settings, matting.steady, look_ahead, matting.edges
        options = gpu_options(*how, batch=self._device.batch, ahead=self._ahead)
        output = Output.CUTOUT if self._effect is None else Output[_OUTPUTS[self._effect.kind]]
        background = None if self._effect is None else self._effect.background
        blur = background.size if isinstance(background, BlurredBackground) else None
        shape = frame.format, frame.width, frame.height
        return GPUPipeline(self._device, *shape, options, output, blur, figures=self._figures)

    def step(self, uploaded: Uploaded, background: tuple[Plane, ...] | None) -> list[Finished]:
        assert self._pipeline is not None
        return self._pipeline.step(uploaded, background)

    def background(self, frame: Frame | GPUFrame) -> tuple[Plane, ...] | None:
        """What the GPU needs behind a frame."""
        background = None if self._effect is None else self._effect.background
        if background is None or isinstance(background, BlurredBackground):  # the GPU blurs the frame itself
            return None
        return background.planes(frame, _NO_MATTE)

    def finish(self) -> Iterator[Finished]:
        return iter(()) if self._pipeline is None else self._pipeline.finish()

    def download(self, finished: Finished) -> Frame | Cutout:
        assert self._pipeline is not None
        if self._effect is None:
            return self._pipeline.download_cutout(finished)
        return self._pipeline.download(finished)
