"""Live frames uploaded, matted and composited on a GPU, and downloaded: each goes there once and comes back once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from streamseg.frame import Frame
from streamseg.matting.tracking.inference import InferenceSchedule
from streamseg.runtime import Stage

from ..gpu import finish_of, gpu_options
from ..live_background import LiveBackground
from .base import Composite, LiveSettings

if TYPE_CHECKING:
    from streamseg.device.cuda.device import CUDADevice
    from streamseg.device.cuda.pipeline import GPUPipeline, Uploaded
    from streamseg.device.cuda.stages.finish import Finish, Finished

__all__ = ["GPUStages"]


class GPUStages:
    """See LiveStages: for frames of one format and size. A frame is composited as soon as it can be.

    Args:
        device: a CUDADevice.
        settings: gives those of the next frame. No automatic framing.
        schedule: of the inferences.
        background: behind the frames.
        started: called with each frame whose work has begun, with whether the network has seen a frame since the last.
    """

    on_gpu = True

    def __init__(
        self,
        device: Any,
        settings: Callable[[], LiveSettings],
        schedule: InferenceSchedule,
        background: LiveBackground,
        started: Callable[[bool], None],
    ) -> None:
        self._device: CUDADevice = device
        self._settings, self._schedule = settings, schedule
        self._background, self._started = background, started
        self._kind: tuple[object, ...] | None = None
        self._pipeline: GPUPipeline | None = None

    def takes(self, frame: Frame) -> bool:
        kind = frame.format, frame.width, frame.height
        self._kind = self._kind or kind
        return kind == self._kind

    def stages(self) -> list[Stage[Any, Any]]:
        return [
            Stage("upload", self._upload),
            Stage("background", lambda uploaded: (uploaded, self._wanted(uploaded))),
            Stage("gpu", lambda pair: self._step(*pair), self._finish),
            Stage("download", self._download),
        ]

    def close(self) -> None:
        if self._pipeline is not None:
            self._pipeline.close()

    @property
    def _opened(self) -> GPUPipeline:
        assert self._pipeline is not None
        return self._pipeline

    def _upload(self, frame: Frame) -> Uploaded:
        if self._pipeline is None:
            self._pipeline = self._open(frame)
        return self._pipeline.upload(frame)

    def _open(self, frame: Frame) -> GPUPipeline:
        from streamseg.device.cuda.pipeline import GPUPipeline

        settings = self._settings()
        options = gpu_options(settings.matting, settings.steady, settings.delay, settings.edges)
        size = frame.format, frame.width, frame.height
        return GPUPipeline(self._device, *size, options, output=None, schedule=self._schedule)

    def _wanted(self, uploaded: Uploaded) -> Finish:
        assert isinstance(uploaded.frame, Frame)
        return finish_of(self._background.effect(uploaded.frame), uploaded.frame, self._settings().edges)

    def _step(self, uploaded: Uploaded, wanted: Finish) -> list[Finished]:
        pipeline = self._opened
        pipeline.steady, before = self._settings().steady, pipeline.inferences
        finished = pipeline.step(uploaded, wanted=wanted)
        self._started(pipeline.inferences > before)
        return finished

    def _finish(self) -> Iterator[Finished]:
        return iter(()) if self._pipeline is None else self._pipeline.finish()

    def _download(self, finished: Finished) -> Composite:
        return Composite(*self._opened.download_with_matte(finished))
