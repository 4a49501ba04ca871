"""Which part of which frame the network sees, and the inference: the counterpart of streamseg.matting.tracking."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from streamseg.device.cuda.device import CUDADevice
from streamseg.device.cuda.in_flight import FrameInFlight
from streamseg.device.cuda.options import GPUPipelineOptions
from streamseg.device.cuda.selfie import PersonMixer
from streamseg.device.cuda.stages.filter import GPUObservation, MatteFilter
from streamseg.device.cuda.stages.motion import GPUMotionEstimator
from streamseg.matting.tracking.inference import Inference, InferenceSchedule
from streamseg.matting.tracking.near import NEAR_INPUT_SIZE, NearSubject, SubjectFigures
from streamseg.matting.tracking.roi import FULL_FRAME, ROI
from streamseg.network.selfie import SELFIE_SIZE

__all__ = ["InferenceScheduler"]


class _Seen(NamedTuple):
    """A frame that the network sees, how, and the frame's content."""

    item: FrameInFlight
    inference: Inference
    content: float


class InferenceScheduler:
    """Runs the network on groups of frames, on ROIs that come from earlier mattes.

    Args:
        device: runs the network.
        motion, matte_filter: of the same stream.
        size: width and height of the frames.
        options: of the pipeline.
        schedule: of the inferences.
        figures: count what the subject is taken for.
    """

    def __init__(
        self,
        device: CUDADevice,
        motion: GPUMotionEstimator,
        matte_filter: MatteFilter,
        size: tuple[int, int],
        options: GPUPipelineOptions,
        schedule: InferenceSchedule,
        figures: SubjectFigures,
    ) -> None:
        self._device, self._motion, self._filter = device, motion, matte_filter
        self._size, self._options = size, options
        self._schedule, self._near, self._scene = schedule, NearSubject(device.subject), 0
        self._figures = figures
        self._host_maps: dict[int, Tensor] = {}
        self._chosen: dict[int, Tensor] = {}
        if NEAR_INPUT_SIZE in device.sizes[1:]:
            for side in (device.sizes[0], NEAR_INPUT_SIZE):
                self._host_maps[side] = device.platform.pinned((side, side), torch.float32)
                self._chosen[side] = device.platform.empty((device.batch, side, side), torch.float32)
        self._mix = PersonMixer(device.platform)
        self._host_person_map = device.platform.pinned((SELFIE_SIZE, SELFIE_SIZE), torch.float32)
        # Newest first: the last frame of each group whose mattes have been queued.
        self._group_ends: deque[FrameInFlight] = deque(maxlen=2)

    def observe(self, group: list[FrameInFlight]) -> dict[int, GPUObservation]:
        """Queue the inferences on a group whose statistics have been downloaded; finds scene cuts first.

        Returns:
            The observations of the frames that the network sees, by index.
        """
        observations: dict[int, GPUObservation] = {}
        grouped: list[_Seen] = []
        for position, item in enumerate(group):
            statistics = self._motion.statistics(item.index)
            item.new_scene = item.index == item.previous or statistics.cut
            self._scene += item.new_scene
            item.scene = self._scene
            if self._schedule.skips(item.new_scene):
                continue
            seen = _Seen(item, self._inference(item), statistics.content)
            if self._choice_is_due(seen):
                observations[item.index] = self._choose(seen, position)
            else:
                grouped.append(seen._replace(inference=self._near.seen(seen.inference)))
            self._figures.count(self._near.seen(seen.inference))
        for size in self._device.sizes:
            observations |= self._observed([seen for seen in grouped if self._size_of(seen.inference) == size], size)
        return observations

    def _observed(self, group: list[_Seen], size: int) -> dict[int, GPUObservation]:
        """Queue inferences of one input size, with the person maps that they ask for."""
        observations = self._run_network(group, size)
        asking = [seen for seen in group if seen.inference.person_map != "unused"]
        for (item, inference, _), person_map in zip(asking, self._person_maps(asking), strict=True):
            self._mix(inference, observations[item.index].saliency, person_map)
        return observations

    def complete(self, group: list[FrameInFlight]) -> None:
        """Report that the mattes of a group have been queued: ROIs of later groups come from its last frame."""
        self._group_ends.appendleft(group[-1])

    def _size_of(self, inference: Inference) -> int:
        return inference.size or self._device.sizes[0]

    def _run_network(self, group: list[_Seen], size: int) -> dict[int, GPUObservation]:
        """Queue inferences of one input size."""
        if not group:
            return {}
        device, network = self._device, self._device.captured[size]
        for (item, inference, _), out in zip(group, network.inputs, strict=False):
            device.queue_input(item.uploaded.frame, item.uploaded.slot, inference, out)
        network.run(len(group))
        return {
            item.index: GPUObservation(saliency, inference, content)
            for (item, inference, content), saliency in zip(group, network.outputs, strict=False)
        }

    def _person_maps(self, group: list[_Seen]) -> list[Tensor]:
        """Queue the person maps of frames, float32 [256, 256]; valid until the next ones are queued."""
        selfie = self._device.selfie
        if selfie is None or not group:
            return []
        for (item, inference, _), out in zip(group, selfie.inputs, strict=False):
            part = inference._replace(flipped=False)
            self._device.queue_input(item.uploaded.frame, item.uploaded.slot, part, out)
        selfie.run(len(group))
        return list(selfie.outputs[: len(group)])

    def _choice_is_due(self, seen: _Seen) -> bool:
        full_frame = seen.inference.roi == FULL_FRAME
        return bool(self._host_maps) and self._near.is_due(full_frame, seen.item.new_scene)

    def _choose(self, seen: _Seen, position: int) -> GPUObservation:
        """See the frame at ``position`` of its group in both sizes; waits for the GPU, which is seldom needed."""
        maps: dict[int, Tensor] = {}
        for inference in self._near.choices(seen.inference):
            size = self._size_of(inference)
            (observation,) = self._run_network([seen._replace(inference=inference)], size).values()
            maps[size] = self._chosen[size][position]
            maps[size].copy_(observation.saliency)
            self._host_maps[size].copy_(observation.saliency, non_blocking=True)
        person_maps = self._person_maps([seen])
        for person_map in person_maps:
            self._host_person_map.copy_(person_map, non_blocking=True)
        self._device.platform.record(self._device.compute).synchronize()
        maps_there = (self._host_maps[size].numpy() for size in (NEAR_INPUT_SIZE, self._device.sizes[0]))
        small, usual = (each[:, ::-1] if seen.inference.flipped else each for each in maps_there)
        self._near.choose(small, usual, self._host_person_map.numpy() if person_maps else None)
        inference = self._near.seen(seen.inference)
        saliency = maps[self._size_of(inference)]
        for person_map in person_maps:
            self._mix(inference, saliency, person_map)
        return GPUObservation(saliency, inference, seen.content)

    def _inference(self, item: FrameInFlight) -> Inference:
        filtered = self._filter.strength > 0
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
