"""How a GPUPipeline makes mattes."""

from __future__ import annotations

from dataclasses import dataclass

from streamseg.matting.motion.estimate import FLOW_SIZE
from streamseg.matting.temporal.filter import MATTE_SIZE

__all__ = ["GPUPipelineOptions"]


@dataclass(frozen=True, slots=True)
class GPUPipelineOptions:
    """How mattes are made, see streamseg.pipelines.stages.options.Matting and Speed.

    Attributes:
        steady, look_ahead, edges, every, flow_size, matte_size: as there; frames are held back for the look-ahead also
            where ``steady`` is 0.
        batch: frames that the network computes at a time. More than one holds frames back, and ROIs are older.
        ahead: keep the GPU busy: more frames per second, with one more group of ``batch`` frames held back. Without it,
            for live frames, a frame is returned as soon as possible, and its ROI comes from the last matte.
    """

    steady: float = 0.5
    look_ahead: int = 2
    edges: bool = True
    every: int = 1
    flow_size: int = FLOW_SIZE
    matte_size: int = MATTE_SIZE
    batch: int = 1
    ahead: bool = False
