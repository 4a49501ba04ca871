"""The matte of one stream through time, on the GPU; the counterpart of streamseg.matting.temporal."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from streamseg.device.cuda.platform import Platform
from streamseg.device.cuda.stages.motion import GPUMotionEstimator
from streamseg.matting.constants import LAYER_ITERATIONS
from streamseg.matting.temporal.filter import max_weight
from streamseg.matting.tracking.inference import Inference
from streamseg.matting.tracking.roi import FULL_FRAME, ROI

__all__ = ["GPUObservation", "MatteFilter"]

# Bounds of an empty subject: top, bottom, left, right.
_EMPTY = (1 << 30, -1, 1 << 30, -1)


# A neighbouring frame's matte and the motion to this frame from it, as arguments of the kernel ``average``.
_Neighbour = tuple[Tensor | None, Tensor | None, Tensor | None]
_NO_NEIGHBOUR: _Neighbour = (None, None, None)


@dataclass(frozen=True, slots=True)
class GPUObservation:
    """What the network saw of a frame.

    Attributes:
        saliency: float32 [size, size] in [0, 1] on the GPU, as the network gave it.
        inference: ROI, and whether the map is flipped.
        content: of the frame, see streamseg.matting.motion.estimate.content.
    """

    saliency: Tensor
    inference: Inference
    content: float


class MatteFilter:
    """The temporal filter's state, the smoothed and averaged mattes, and the subject's ROI.

    Results are kept by index, as those of the GPUMotionEstimator: each index holds the mattes and the ROI of a frame.

    Args:
        platform: of the device.
        motion: of the same stream.
        rows, columns: of the matte grid.
        capacity: how many results are kept.
        strength: 0 to 1: how much the past counts.

    Attributes:
        strength: as above; may be changed between two frames.
    """

    def __init__(
        self, platform: Platform, motion: GPUMotionEstimator, rows: int, columns: int, capacity: int, strength: float
    ) -> None:
        self._platform, self._motion = platform, motion
        self.rows, self.columns, self.strength = rows, columns, strength
        shape, motion_shape = (rows, columns), (motion.rows, motion.columns)
        self._alphas = platform.empty((capacity, *shape), torch.float32)
        self._weight, self._next_weight = (platform.empty(shape, torch.float32) for _ in range(2))
        self._predicted = platform.empty((4, *shape), torch.float32)
        self._small_alpha, self._layer_weight = (platform.empty(motion_shape, torch.float32) for _ in range(2))
        self._layer_flows = [platform.empty((2, *motion_shape), torch.float32) for _ in range(LAYER_ITERATIONS)]
        self._smoothed = platform.empty((capacity, *shape), torch.float32)
        self._intermediate = [platform.empty(shape, torch.float32) for _ in range(2)]
        self._averaged, self._resolved = (platform.empty((capacity, *shape), torch.float32) for _ in range(2))
        self._core, self._region = (platform.empty(shape, torch.float32) for _ in range(2))
        self._sums = platform.empty((2, *shape), torch.float32)
        self._bounds = platform.upload(torch.tensor(_EMPTY, dtype=torch.int32))
        self._roi = platform.upload(torch.zeros(5, dtype=torch.float64))
        self._host_rois = platform.pinned((capacity, 5), torch.float64)

    def alpha(self, index: int) -> Tensor:
        """The filtered matte of a frame, float32 [rows, columns] in [0, 1]."""
        return self._alphas[index]

    def update(self, index: int, previous: int, observation: GPUObservation | None, new_scene: bool) -> None:
        """Queue the matte of a frame: that at ``previous`` predicted along the motion, corrected by the observation.

        The motion becomes that of the foreground layer, see streamseg.matting.motion.layers.

        Args:
            observation: None if the network did not see the frame.
            new_scene: there is no state before: the first frame of a scene. Then there must be an observation.
        """
        if not new_scene:
            self._replace_by_layer_motion(index, self._alphas[previous])
        self._predict(index, previous, observation, new_scene)
        size, shape = (self.columns, self.rows), (self.rows, self.columns)
        full_frame = observation is not None and observation.inference.roi == FULL_FRAME
        observed = (int(observation is not None), int(full_frame), int(new_scene))
        results = (self._alphas[index], self._next_weight, self._bounds)
        self._platform.launch("update", size, self._predicted, self._roi, *observed, *shape, *results)
        self._weight, self._next_weight = self._next_weight, self._weight
        self._platform.launch("track", (1, 1), self._bounds, int(new_scene), *shape, self._roi)
        self._host_rois[index].copy_(self._roi, non_blocking=True)

    def _predict(self, index: int, previous: int, observation: GPUObservation | None, new_scene: bool) -> None:
        motion = self._motion
        inference = Inference() if observation is None else observation.inference
        roi = inference.roi
        left, right = (roi.right, roi.left) if inference.flipped else (roi.left, roi.right)
        self._platform.launch(
            "predict",
            (self.columns, self.rows),
            *(self._alphas[previous], self._weight, motion.flow(index), motion.confidence(index)),
            *(motion.rows, motion.columns),
            *((None, 0) if observation is None else (observation.saliency, len(observation.saliency))),
            *roi.pixels(self.columns, self.rows),
            *(float(side) for side in (left, roi.top, right, roi.bottom)),
            *(1.0 if observation is None else float(observation.content), float(max_weight(self.strength))),
            *(int(new_scene), self.rows, self.columns, self._predicted),
        )

    def _replace_by_layer_motion(self, index: int, alpha: Tensor) -> None:
        """Turn the motion from the frame of ``alpha`` into that of the foreground layer, in place."""
        flow, confidence = self._motion.flow(index), self._motion.confidence(index)
        shape, launch = (self._motion.rows, self._motion.columns), self._platform.launch
        launch("resize_matte", shape[::-1], alpha, self.rows, self.columns, *shape, self._small_alpha)
        layer_flow = flow
        for out in self._layer_flows:
            weighted = self._small_alpha, layer_flow, confidence
            launch("layer_weight", shape[::-1], *weighted, *shape, self._layer_weight)
            launch("layer_flow", shape[::-1], self._layer_weight, flow, *shape, out)
            layer_flow = out
        flow.copy_(layer_flow)

    def roi(self, index: int) -> ROI | None:
        """The subject's ROI after a frame, once it has been downloaded; None if there is no subject."""
        *sides, found = self._host_rois[index].tolist()
        return ROI(*sides) if found else None

    def smooth(self, indices: list[int], linked: list[bool]) -> Tensor:
        """Queue the matte of the first of some consecutive frames, smoothed with the others.

        Args:
            indices: of the frames, in order.
            linked: for each frame but the first, whether it belongs to the same scene as the one before it. If so its
                motion back must have been queued.

        Returns:
            float32 [rows, columns] in [0, 1], valid as long as the index.
        """
        alpha = self._alphas[indices[-1]]
        backwards = zip(indices[-2::-1], indices[:0:-1], linked[::-1], strict=True)
        for step, (index, later, same_scene) in enumerate(backwards):
            out = self._intermediate[step % 2]
            alpha = self._smooth_one(index, later, alpha, out) if same_scene else self._alphas[index]
        self._smoothed[indices[0]].copy_(alpha)
        return self._smoothed[indices[0]]

    def _smooth_one(self, index: int, later: int, later_alpha: Tensor, out: Tensor) -> Tensor:
        shape = (self.rows, self.columns)
        motion = (*self._backward_motion(later), self._motion.rows, self._motion.columns)
        self._platform.launch("smooth", shape[::-1], self._alphas[index], later_alpha, *motion, *shape, out)
        return out

    def average(self, index: int, previous: int | None, later: int | None) -> Tensor:
        """Queue the weighted mean of the smoothed matte of a frame and its neighbours' mattes.

        Args:
            previous, later: indices of the frames before and after it, if they belong to the same scene. The one before
                must have been averaged; the one after must have been smoothed, and its motion back queued.

        Returns:
            float32 [rows, columns] in [ALPHA_LOW, ALPHA_HIGH], valid as long as the index.
        """
        shape, motion = (self.rows, self.columns), self._motion
        before = after = _NO_NEIGHBOUR
        if previous is not None:
            before = (self._averaged[previous], motion.flow(index), motion.confidence(index))
        if later is not None:
            after = (self._smoothed[later], *self._backward_motion(later))
        sizes, out = (motion.rows, motion.columns, *shape), self._averaged[index]
        self._platform.launch("average", shape[::-1], self._smoothed[index], *before, *after, *sizes, out)
        return out

    def resolve(self, index: int, alpha: Tensor, previous: int | None) -> Tensor:
        """Queue the matte of a frame with its ambiguous regions decided, see streamseg.matting.temporal.ambiguity.

        Args:
            alpha: of the frame, float32 [rows, columns] in [0, 1].
            previous: index of the frame before, if it belongs to the same scene and its matte has been resolved.

        Returns:
            float32 [rows, columns], valid as long as the index.
        """
        shape, motion, before = (self.rows, self.columns), self._motion, None
        if previous is not None:
            flow = motion.flow(index), motion.confidence(index), motion.rows, motion.columns
            before = self._intermediate[0]
            self._platform.launch("smooth", shape[::-1], alpha, self._resolved[previous], *flow, *shape, before)
        launch, out = self._platform.launch, self._resolved[index]
        launch("ambiguous_core", shape[::-1], alpha, *shape, self._core)
        launch("ambiguous_region", shape[::-1], self._core, *shape, self._region)
        launch("decision_sums", shape[::-1], alpha, before, self._region, *shape, self._sums)
        launch("decide", shape[::-1], alpha, before, self._region, self._sums, *shape, out)
        return out

    def _backward_motion(self, index: int) -> tuple[Tensor, Tensor]:
        return self._motion.backward_flow(index), self._motion.backward_confidence(index)
