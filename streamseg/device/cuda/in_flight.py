"""The frames that are in a GPUPipeline, and what is known of each."""

from __future__ import annotations

from dataclasses import dataclass

from streamseg.device.cuda.buffers.transfer import FrameSlot
from streamseg.device.cuda.platform import Event
from streamseg.device.cuda.stages.finish import Finish
from streamseg.frame import Frame
from streamseg.media.pixels.gpu_frame import GPUFrame

__all__ = ["FrameInFlight", "Uploaded"]


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A frame whose planes are being copied to the GPU memory of ``slot``, from the host or from the GPU's decoder.

    Attributes:
        frame: as it was decoded.
        slot: its planes.
        done: fires when they are there.
    """

    frame: Frame | GPUFrame
    slot: FrameSlot
    done: Event


@dataclass(slots=True)
class FrameInFlight:
    """A frame between its motion and its output.

    Attributes:
        uploaded: the frame and its planes.
        index: of its results in GPUMotionEstimator and MatteFilter.
        previous: index of the frame before it; its own for the first frame of all.
        wanted: what becomes of it.
        downloaded: fires when its statistics are on the host; later, when its ROI is.
        scene: number of its scene, once known.
        new_scene: whether it is the first of its scene, once known.
        smoothed: whether its matte has been smoothed with those of later frames.
    """

    uploaded: Uploaded
    index: int
    previous: int
    wanted: Finish
    downloaded: Event
    scene: int = 0
    new_scene: bool = False
    smoothed: bool = False
