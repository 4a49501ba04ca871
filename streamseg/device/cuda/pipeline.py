"""All of a frame on the GPU: upload, motion, inference, matte, composite, download.

    upload ──► step ─────────────────────────────────────────────────────────────► download
    planes     motion; network on the ROI; matte filtered, smoothed, averaged; output   planes

Each of the three methods is called by a thread of its own and waits as little as possible: what the host must know (the
subject's ROI, whether there was a scene cut) is downloaded while the GPU works on other frames. Frames are taken in
groups of as many as the network computes at a time, usually one. With the option ``ahead``, the motion of the next
group is queued before the network of this one: while the host decides on the ROI, the GPU is busy with that, and with
the mattes of the group before; so the ROI comes from the last matte of the group before that one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from torch import Tensor

from streamseg.device.cuda.buffers.decoded import DecodedFrames
from streamseg.device.cuda.buffers.ring import Ring
from streamseg.device.cuda.buffers.transfer import FrameSlot
from streamseg.device.cuda.device import CUDADevice
from streamseg.device.cuda.failures import clear_failures
from streamseg.device.cuda.in_flight import FrameInFlight, Uploaded
from streamseg.device.cuda.options import GPUPipelineOptions
from streamseg.device.cuda.stages.filter import MatteFilter
from streamseg.device.cuda.stages.finish import Finish, Finished, Finisher, Output
from streamseg.device.cuda.stages.inference import InferenceScheduler
from streamseg.device.cuda.stages.motion import GPUMotionEstimator
from streamseg.frame import Frame, Matte, PixelFormat, Plane
from streamseg.matting.compositing.blur import BlurSize
from streamseg.matting.edges.cutout import Cutout
from streamseg.matting.temporal.filter import grid_shape
from streamseg.matting.tracking.inference import InferenceSchedule
from streamseg.matting.tracking.near import SubjectFigures
from streamseg.media.pixels.gpu_frame import GPUFrame
from streamseg.media.pixels.native import allocate

__all__ = ["GPUPipeline", "GPUPipelineOptions", "Uploaded"]

# Frames between the stages of a runner: two in each queue, and one in each stage; and more of them where a background
# that moves has a stage.
_BETWEEN_STAGES, _BESIDE_BACKGROUND = 6, 3


class GPUPipeline:
    """One stream of video on a GPU.

    Args:
        device: the GPU. Its batch is the most that ``options.batch`` may be.
        pixel_format, width, height: of all frames.
        options: how mattes are made.
        output: what is downloaded; for COMPOSITE ``step`` gets the background. None where ``step`` is told for each
            frame: any but ALPHA, all downloaded with the matte.
        blur: low resolution of the blurred background, for BLURRED.
        schedule: of the inferences; on every frame that ``options.every`` says, if None.
        figures: count what the subject is taken for.

    Raises:
        DeviceOutOfMemory: there is too little memory for frames of this size.
    """

    def __init__(
        self,
        device: CUDADevice,
        pixel_format: PixelFormat,
        width: int,
        height: int,
        options: GPUPipelineOptions,
        output: Output | None = Output.COMPOSITE,
        blur: BlurSize | None = None,
        schedule: InferenceSchedule | None = None,
        figures: SubjectFigures | None = None,
    ) -> None:
        self._device, self._options = device, options
        platform, batch, self._look_ahead = device.platform, options.batch, options.look_ahead
        self._usual = Finish(output or Output.COMPOSITE, options.edges, blur=blur)
        slots = 2 * batch + self._look_ahead + _BETWEEN_STAGES
        self._capacity = capacity = 3 * batch + self._look_ahead + 4
        rows, columns = (max(16, round(side * options.flow_size / max(width, height))) for side in (height, width))
        grid, shape = grid_shape(width, height, options.matte_size), (pixel_format, width, height)
        with clear_failures("allocating memory for frames"), platform.on(device.compute):
            uploads = slots + (_BESIDE_BACKGROUND if output in (Output.COMPOSITE, None) else 0)
            self._uploads = Ring(FrameSlot.allocate(platform, *shape) for _ in range(uploads))
            self._motion = GPUMotionEstimator(platform, device.compute, rows, columns, capacity)
            self._filter = MatteFilter(platform, self._motion, *grid, capacity, options.steady)
            self._finisher = Finisher(device, *shape, grid, slots, output)
            if blur is not None:
                self._finisher.blur(blur)
        self._figures = figures or SubjectFigures()
        stream = device, self._motion, self._filter, (width, height), options
        self._scheduler = InferenceScheduler(*stream, schedule or InferenceSchedule(options.every), self._figures)
        self._decoded = DecodedFrames(device)
        self._count = 0
        # In order: frames of the group that is not yet complete; with ``ahead`` a group whose motion has been queued;
        # frames that wait for later ones.
        self._incomplete: list[FrameInFlight] = []
        self._next_group: list[FrameInFlight] = []
        self._held: deque[FrameInFlight] = deque()

    @property
    def steady(self) -> float:
        """0 to 1: how much the past counts; may be changed between two frames."""
        return self._filter.strength

    @steady.setter
    def steady(self, steady: float) -> None:
        self._filter.strength = steady

    @property
    def inferences(self) -> int:
        """How many frames the network has seen."""
        return self._figures.inferences

    def upload(self, frame: Frame | GPUFrame) -> Uploaded:
        """Queue the upload of a frame; called by one thread, frame after frame."""
        device, platform = self._device, self._device.platform
        with clear_failures("uploading a frame"):
            slot = self._uploads.acquire()
            if isinstance(frame, GPUFrame):
                self._decoded.copy(frame, slot)
                frame = replace(frame, native=None)
            else:
                slot.fill(frame.planes)
                with platform.on(device.upload):
                    slot.upload()
            return Uploaded(frame, slot, platform.record(device.upload))

    def step(
        self, uploaded: Uploaded, background: tuple[Plane, ...] | None = None, wanted: Finish | None = None
    ) -> list[Finished]:
        """Queue all that can be queued of a frame; returns frames that are being downloaded, in order.

        Args:
            background: planes behind the frame, for COMPOSITE. The same object as before is not uploaded again.
            wanted: what becomes of the frame, where that differs from frame to frame; instead of ``background``.
        """
        wanted = replace(self._usual, background=background) if wanted is None else wanted
        with clear_failures("working on a frame"), self._device.lock:
            try:
                return self._step(uploaded, wanted)
            except BaseException:
                self._incomplete, self._next_group = [], []  # nothing may be output after a frame that failed
                self._held.clear()
                raise

    def _step(self, uploaded: Uploaded, wanted: Finish) -> list[Finished]:
        self._incomplete.append(self._estimate_motion(uploaded, wanted))
        if len(self._incomplete) < self._options.batch:
            return []
        if not self._options.ahead:
            return self._matte(self._take_group())
        group, self._next_group = self._next_group, self._take_group()
        return self._matte(group)

    def finish(self) -> Iterator[Finished]:
        """The frames that are still held back."""
        with clear_failures("working on a frame"), self._device.lock:
            finished = [*self._matte(self._next_group), *self._matte(self._take_group())]
            self._next_group = []
            while self._held:
                finished.append(self._finish_oldest())
        yield from finished

    def download(self, finished: Finished) -> Frame:
        """Wait for the output of a frame; called by one thread. For CUTOUT, see download_cutout."""
        out = allocate(finished.frame, self._finisher.format)
        with clear_failures("downloading a frame"), self._finisher.downloaded(finished) as planes:
            for target, plane in zip(out.planes, planes, strict=True):
                np.copyto(target, plane)
        return out

    def download_with_matte(self, finished: Finished) -> tuple[Frame, Matte]:
        """Wait for the output of a frame and its matte in full scale, where outputs differ; called by one thread."""
        out = allocate(finished.frame, self._finisher.format)
        with clear_failures("downloading a frame"), self._finisher.downloaded(finished) as (*planes, codes):
            for target, plane in zip(out.planes, planes, strict=True):
                np.copyto(target, plane)
            return out, Matte(codes.copy())

    def download_cutout(self, finished: Finished) -> Cutout:
        """Wait for a frame with the foreground's own colours, and its matte; called by one thread."""
        frame = finished.frame
        with clear_failures("downloading a frame"), self._finisher.downloaded(finished) as planes:
            *colours, codes = (plane.copy() for plane in planes)
        if isinstance(frame, GPUFrame):
            return Cutout(frame.on_host(tuple(colours)), Matte(codes))
        return Cutout(replace(frame, planes=(*colours, *frame.planes[3:]), native=None), Matte(codes))

    def close(self) -> None:
        """Wait until the GPU is idle, so that its memory may be used for something else."""
        with clear_failures("closing the GPU"):
            for stream in (self._device.upload, self._device.compute, self._device.download):
                stream.synchronize()

    def _take_group(self) -> list[FrameInFlight]:
        group, self._incomplete = self._incomplete, []
        return group

    def _estimate_motion(self, uploaded: Uploaded, wanted: Finish) -> FrameInFlight:
        """Queue the luma base of a frame and the motion to it."""
        device, platform, motion = self._device, self._device.platform, self._motion
        index = self._count % self._capacity
        previous = (self._count - 1) % self._capacity if self._count else index
        self._count += 1
        device.compute.wait_event(uploaded.done)
        with platform.on(device.compute):
            scale = 255 / uploaded.frame.format.maximum
            shape, descriptor = (motion.rows, motion.columns), uploaded.slot.frame.descriptor
            platform.launch("downscale", shape[::-1], descriptor, 0, scale, *shape, motion.luma(index))
            motion.estimate(index, 0 if uploaded.frame.colour.full_range else 16)
        return FrameInFlight(uploaded, index, previous, wanted, platform.record(device.compute))

    def _matte(self, group: list[FrameInFlight]) -> list[Finished]:
        """Queue inferences and mattes of a group, and the output of the frames that are then complete."""
        if not group:
            return []
        group[-1].downloaded.synchronize()
        with self._device.platform.on(self._device.compute):
            observations = self._scheduler.observe(group)
            finished = []
            for item in group:
                self._filter.update(item.index, item.previous, observations.get(item.index), item.new_scene)
                if not item.new_scene and self._look_ahead:
                    self._motion.reverse(item.index, item.previous)
                self._held.append(item)
                if len(self._held) > self._look_ahead:
                    finished.append(self._finish_oldest())
            group[-1].downloaded = self._device.platform.record(self._device.compute)
        self._scheduler.complete(group)
        return finished

    def _finish_oldest(self) -> Finished:
        """Queue the output of the frame that has been held longest."""
        later = list(self._held)[1:]
        item = self._held.popleft()
        platform, compute = self._device.platform, self._device.compute
        with platform.on(compute):
            alpha = self._averaged(item, later) if self._look_ahead else self._filter.alpha(item.index)
            independent = item.new_scene or not self.steady
            alpha = self._filter.resolve(item.index, alpha, None if independent else item.previous)
            finished = self._finisher.finish(item.uploaded.frame, item.uploaded.slot, alpha, item.wanted)
        self._uploads.release(item.uploaded.slot, platform.record(compute))
        return finished

    def _averaged(self, item: FrameInFlight, later: list[FrameInFlight]) -> Tensor:
        """A frame's matte, smoothed and averaged as by the stages of streamseg.pipelines.stages.smoothing."""
        if not item.smoothed:  # the first of the stream
            self._smooth([item, *later][: self._look_ahead])
        if later:
            self._smooth(later)
        before = None if item.new_scene else item.previous
        after = later[0].index if later and not later[0].new_scene else None
        return self._filter.average(item.index, before, after)

    def _smooth(self, items: list[FrameInFlight]) -> None:
        self._filter.smooth([item.index for item in items], [not item.new_scene for item in items[1:]])
        items[0].smoothed = True
