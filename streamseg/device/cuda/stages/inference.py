"""Which part of which frame the network sees, and the inference: the counterpart of streamseg.matting.tracking."""

from __future__ import annotations

from collections import deque

import numpy as np

from streamseg.device.cuda.device import CUDADevice, prepare_arguments
from streamseg.device.cuda.in_flight import FrameInFlight
from streamseg.device.cuda.options import GPUPipelineOptions
from streamseg.device.cuda.stages.filter import GPUObservation, MatteFilter
from streamseg.device.cuda.stages.motion import GPUMotionEstimator
from streamseg.matting.tracking.inference import Inference, InferenceSchedule
from streamseg.matting.tracking.roi import ROI

__all__ = ["InferenceScheduler"]


class InferenceScheduler:
    """Runs the network on groups of frames, on ROIs that come from earlier mattes.

    Args:
        device: runs the network.
        motion, matte_filter: of the same stream.
        size: width and height of the frames.
        options: of the pipeline.
    """

    def __init__(
        self,
        device: CUDADevice,
        motion: GPUMotionEstimator,
        matte_filter: MatteFilter,
        size: tuple[int, int],
        options: GPUPipelineOptions,
    ) -> None:
        self._device, self._motion, self._filter = device, motion, matte_filter
        self._size, self._options = size, options
        self._schedule, self._scene = InferenceSchedule(options.every), 0
        # Newest first: the last frame of each group whose mattes have been queued.
        self._group_ends: deque[FrameInFlight] = deque(maxlen=2)

    def observe(self, group: list[FrameInFlight]) -> dict[int, GPUObservation]:
        """Queue the inferences on a group whose statistics have been downloaded; finds scene cuts first.

        Returns:
            The observations of the frames that the network sees, by index.
        """
        inferences: list[tuple[FrameInFlight, Inference, float]] = []
        for item in group:
            statistics = self._motion.statistics(item.index)
            item.new_scene = item.index == item.previous or statistics.cut
            self._scene += item.new_scene
            item.scene = self._scene
            if not self._schedule.skips(item.new_scene):
                inferences.append((item, self._inference(item), statistics.content))
        return self._run_network(inferences, self._device.sizes[0])

    def complete(self, group: list[FrameInFlight]) -> None:
        """Report that the mattes of a group have been queued: ROIs of later groups come from its last frame."""
        self._group_ends.appendleft(group[-1])

    def _run_network(
        self, inferences: list[tuple[FrameInFlight, Inference, float]], side: int
    ) -> dict[int, GPUObservation]:
        """Queue inferences of one input size."""
        if not inferences:
            return {}
        device, network = self._device, self._device.captured[side]
        for position, (item, inference, _) in enumerate(inferences):
            frame, slot = item.uploaded.frame, item.uploaded.slot
            arguments = prepare_arguments(slot.frame.descriptor, frame.format, *self._size, inference)
            out = network.inputs[position]
            device.platform.launch("prepare", (side, side), *arguments, device.matrix(frame), side, side, out)
        network.run(len(inferences))
        return {
            item.index: GPUObservation(network.outputs[position], inference, content)
            for position, (item, inference, content) in enumerate(inferences)
        }

    def _inference(self, item: FrameInFlight) -> Inference:
        filtered = self._options.steady > 0
        if item.new_scene:
            return self._schedule.next(self._size, None, None, filtered)
        # Binary is enough: the schedule only asks where the flow explains nothing.
        confidence = np.float32(1) - self._motion.unexplained(item.index).numpy()
        return self._schedule.next(self._size, confidence, self._roi(item), filtered)

    def _roi(self, item: FrameInFlight) -> ROI | None:
        """The newest ROI of the subject that is known, if it is from the same scene."""
        newest = self._newest_matted()
        if newest is None or newest.scene != item.scene:
            return None
        return self._filter.roi(newest.index)

    def _newest_matted(self) -> FrameInFlight | None:
        """The last frame of the group before, or with ``ahead`` of the one before that, which the GPU is done with."""
        groups_back = 1 if self._options.ahead else 0
        if len(self._group_ends) <= groups_back:
            return None
        self._group_ends[groups_back].downloaded.synchronize()
        return self._group_ends[groups_back]
