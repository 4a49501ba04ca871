"""The whole way of a frame on the card: up, seen, matted, composited, and down again.

    upload ──► step ─────────────────────────────────────────────────────────► download
    planes     motion; network where the subject is; mixed, settled, finished   planes

Each of the three is called by a thread of its own and waits for as little as can be: what the host must know (where the
subject is, whether the scene was cut) is read back while the card does the work of other frames. Frames are taken in
groups of as many as the network computes at a time, usually one. Ahead of the network, the motion of the next group is
found: while the host decides where the network looks, the card is busy with that, and with the mattes of the group
before; so the crop comes from the last matte of the group before that one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from streamseg.background.blur import SmallBlur
from streamseg.device.cuda.decoded import DecodedPictures
from streamseg.device.cuda.device import CUDADevice, prepare_arguments
from streamseg.device.cuda.failures import clear_failures
from streamseg.device.cuda.finish import Finished, Finisher, Output
from streamseg.device.cuda.motion import MotionFinder
from streamseg.device.cuda.network import SIZE
from streamseg.device.cuda.platform import Event
from streamseg.device.cuda.ring import Ring
from streamseg.device.cuda.steady import MatteMemory, Sight
from streamseg.device.cuda.transfer import PictureSlot
from streamseg.frame import Frame, Matte, PixelFormat, Plane
from streamseg.matting.boxes import Box
from streamseg.matting.looks import Look, Looks
from streamseg.matting.sharpener import Cutout
from streamseg.matting.steady import working_size
from streamseg.media.card_frame import CardFrame
from streamseg.media.native import allocate

__all__ = ["Line", "LineOptions", "Uploaded"]

# Frames between the stages of a runner: two wait before each, one is in each hand.
_BETWEEN = 6


@dataclass(frozen=True, slots=True)
class LineOptions:
    """How mattes are made, see streamseg.pipelines.matting.Matting.

    Attributes:
        steady, look_ahead, edges: as there.
        every: the network sees every so manyth frame.
        picture, grid: longer sides of the pictures that motion is found on and mattes are remembered on, in pixels.
        batch: frames that the network computes at a time. More than one holds frames back, and makes crops older.
        ahead: keep the card busy: more frames a second, and one group more that is held back. Without it, for live
            pictures, a frame comes out as soon as it can, and its crop is from the last matte.
    """

    steady: float = 0.5
    look_ahead: int = 2
    edges: bool = True
    every: int = 1
    picture: int = 320
    grid: int = 512
    batch: int = 1
    ahead: bool = False


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A frame whose planes are on their way to the card's slot, from the host or from the card's decoder."""

    frame: Frame | CardFrame
    slot: PictureSlot
    done: Event


@dataclass(slots=True)
class _Flight:
    """A frame on the card.

    Attributes:
        uploaded: it and its memory.
        place: of its picture, motion and matte.
        before: the place of the frame before it.
        known: fires when the numbers of its motion are on the host.
        scene: number of its scene, once known.
        fresh: whether it is the first of its scene.
        settled: whether its matte knows of what follows.
    """

    uploaded: Uploaded
    place: int
    before: int
    known: Event
    scene: int = 0
    fresh: bool = False
    settled: bool = False


class Line:
    """One stream of video through a card.

    Args:
        device: the card. Its batch is the most that ``options.batch`` may be.
        pixel_format, width, height: of all frames.
        options: how mattes are made.
        output: what comes out; frames are composited over what ``step`` is given.
        blur: of the background, for BLURRED.

    Raises:
        DeviceOutOfMemory: there is too little memory for frames of this size.
    """

    def __init__(
        self,
        device: CUDADevice,
        pixel_format: PixelFormat,
        width: int,
        height: int,
        options: LineOptions,
        output: Output = Output.COMPOSITE,
        blur: SmallBlur | None = None,
    ) -> None:
        self._device, self._options, self._size = device, options, (width, height)
        platform, batch = device.platform, options.batch
        self._look_ahead = options.look_ahead if options.steady else 0
        in_flight = 2 * batch + self._look_ahead + _BETWEEN
        self._places = 3 * batch + self._look_ahead + 4
        rows, columns = (max(16, round(side * options.picture / max(width, height))) for side in (height, width))
        grid, of = working_size(width, height, options.grid), (pixel_format, width, height)
        with clear_failures("making room for frames"), platform.on(device.compute):
            self._uploads = Ring(PictureSlot.allocate(platform, *of) for _ in range(in_flight))
            self._motion = MotionFinder(platform, device.compute, rows, columns, self._places)
            self._memory = MatteMemory(platform, self._motion, *grid, self._places, options.steady)
            self._finisher = Finisher(device, *of, grid, options.edges, output, in_flight, blur)
        self._decoded = DecodedPictures(device)
        self._frames = self._scene = 0
        self._looks = Looks(options.every)
        self._gathered: list[_Flight] = []
        self._begun: list[_Flight] = []
        self._held: deque[_Flight] = deque()
        # Newest first: the last frame of each group that the network has seen.
        self._seen: deque[_Flight] = deque(maxlen=2)
        self._backgrounds: dict[int, tuple[Plane, ...] | None] = {}

    def upload(self, frame: Frame | CardFrame) -> Uploaded:
        """Send a frame on its way; called by one thread, frame after frame."""
        device, platform = self._device, self._device.platform
        with clear_failures("uploading a frame"):
            slot = self._uploads.acquire()
            if isinstance(frame, CardFrame):
                self._decoded.copy(frame, slot)
                frame = replace(frame, native=None)
            else:
                slot.fill(frame.planes)
                with platform.on(device.upload):
                    slot.upload()
            return Uploaded(frame, slot, platform.record(device.upload))

    def step(self, uploaded: Uploaded, background: tuple[Plane, ...] | None = None) -> list[Finished]:
        """Queue all that can be of a frame; gives frames that are on their way down, in order.

        Args:
            background: planes behind the frame, unless cut-outs are made. The same object as before is not sent again.
        """
        with clear_failures("working on a frame"), self._device.turn:
            try:
                return self._stepped(uploaded, background)
            except BaseException:
                self._gathered, self._begun = [], []  # nothing may come out after a frame that failed
                self._held.clear()
                raise

    def _stepped(self, uploaded: Uploaded, background: tuple[Plane, ...] | None) -> list[Finished]:
        flight = self._arrived(uploaded)
        self._backgrounds[flight.place] = background
        self._gathered.append(flight)
        if len(self._gathered) < self._options.batch:
            return []
        if not self._options.ahead:
            return self._through(self._taken())
        due, self._begun = self._begun, self._taken()
        return self._through(due)

    def finish(self) -> Iterator[Finished]:
        """The frames that are still held back."""
        with clear_failures("working on a frame"), self._device.turn:
            finished = [*self._through(self._begun), *self._through(self._taken())]
            self._begun = []
            while self._held:
                finished.append(self._settled())
        yield from finished

    def download(self, finished: Finished) -> Frame:
        """What was made of a frame, once it is there; called by one thread. Of CUTOUT, see download_cutout."""
        out = allocate(finished.frame, self._finisher.format)
        with clear_failures("downloading a frame"), self._finisher.arrived(finished) as planes:
            for target, plane in zip(out.planes, planes, strict=True):
                np.copyto(target, plane)
        return out

    def download_cutout(self, finished: Finished) -> Cutout:
        """The frame, its edges clean of the old background, and its matte."""
        frame = finished.frame
        with clear_failures("downloading a frame"), self._finisher.arrived(finished) as planes:
            *own, codes = (plane.copy() for plane in planes)
        if isinstance(frame, CardFrame):
            return Cutout(frame.on_host(tuple(own)), Matte(codes))
        return Cutout(replace(frame, planes=(*own, *frame.planes[3:]), native=None), Matte(codes))

    def close(self) -> None:
        """Let the card come to rest, so that its memory may be used for something else."""
        with clear_failures("closing the card"):
            for stream in (self._device.upload, self._device.compute, self._device.download):
                stream.synchronize()

    def _taken(self) -> list[_Flight]:
        taken, self._gathered = self._gathered, []
        return taken

    def _arrived(self, uploaded: Uploaded) -> _Flight:
        """Queue the small picture and its motion."""
        device, platform, motion = self._device, self._device.platform, self._motion
        place = self._frames % self._places
        before = (self._frames - 1) % self._places if self._frames else place
        self._frames += 1
        device.compute.wait_event(uploaded.done)
        with platform.on(device.compute):
            scale = 255 / uploaded.frame.format.maximum
            of = (motion.rows, motion.columns)
            picture = uploaded.slot.picture.descriptor
            platform.launch("shrink", of[::-1], picture, 0, scale, *of, motion.picture(place))
            motion.find(place, before)
        return _Flight(uploaded, place, before, platform.record(device.compute))

    def _through(self, group: list[_Flight]) -> list[Finished]:
        """A group whose motion has been queued: seen, mixed, and what is then due of it and before it finished."""
        if not group:
            return []
        group[-1].known.synchronize()
        with self._device.platform.on(self._device.compute):
            sights = self._sights(group)
            finished = []
            for flight in group:
                self._memory.mix(flight.place, flight.before, sights.get(flight.place), flight.fresh)
                if not flight.fresh and self._look_ahead:
                    self._motion.reverse(flight.place, flight.before)
                self._held.append(flight)
                if len(self._held) > self._look_ahead:
                    finished.append(self._settled())
            group[-1].known = self._device.platform.record(self._device.compute)
        self._seen.appendleft(group[-1])
        return finished

    def _sights(self, group: list[_Flight]) -> dict[int, Sight]:
        """Queue the network for those of a group that it is to see; by their places."""
        looks: list[tuple[_Flight, Look, float]] = []
        for flight in group:
            facts = self._motion.known(flight.place)
            flight.fresh = flight.place == flight.before or facts.cut
            self._scene += flight.fresh
            flight.scene = self._scene
            if not self._looks.skips(flight.fresh):
                looks.append((flight, self._look(flight), facts.substance))
        return self._seen_by_network(looks)

    def _seen_by_network(self, looks: list[tuple[_Flight, Look, float]]) -> dict[int, Sight]:
        if not looks:
            return {}
        device, network = self._device, self._device.saliencies
        for turn, (flight, look, _) in enumerate(looks):
            frame, slot = flight.uploaded.frame, flight.uploaded.slot
            arguments = prepare_arguments(slot.picture.descriptor, frame.format, *self._size, look)
            out = network.inputs[turn]
            device.platform.launch("prepare", (SIZE, SIZE), *arguments, device.matrix(frame), SIZE, SIZE, out)
        network.run(len(looks))
        return {
            flight.place: Sight(network.outputs[turn], look, substance)
            for turn, (flight, look, substance) in enumerate(looks)
        }

    def _look(self, flight: _Flight) -> Look:
        mixed = self._options.steady > 0
        if flight.fresh:
            return self._looks.next(self._size, None, None, mixed)
        agreement = np.float32(1) - self._motion.unexplained(flight.place).numpy()
        return self._looks.next(self._size, agreement, self._tracked(flight), mixed)

    def _tracked(self, flight: _Flight) -> Box | None:
        """Where the subject was last, in the scene of this frame."""
        newest = self._newest()
        if newest is None or newest.scene != flight.scene:
            return None
        return self._memory.tracked(newest.place)

    def _newest(self) -> _Flight | None:
        """The frame whose matte says where to look: the last of the group before, or else of the one before that."""
        back = 1 if self._options.ahead else 0
        if len(self._seen) <= back:
            return None
        self._seen[back].known.synchronize()
        return self._seen[back]

    def _settled(self) -> Finished:
        """Queue the end of the frame that was held longest."""
        held = list(self._held)
        flight = self._held.popleft()
        platform, compute = self._device.platform, self._device.compute
        with platform.on(compute):
            alpha = self._evened(flight, held[1:]) if self._look_ahead else self._memory.alpha(flight.place)
            background = self._backgrounds.pop(flight.place)
            finished = self._finisher.finish(flight.uploaded.frame, flight.uploaded.slot, alpha, background)
        self._uploads.release(flight.uploaded.slot, platform.record(compute))
        return finished

    def _evened(self, flight: _Flight, later: list[_Flight]) -> Tensor:
        """Its matte, which knows of those that follow: see the stages of streamseg.pipelines.matting."""
        if not flight.settled:  # the first of the stream
            self._settle([flight, *later][: self._look_ahead])
        if later:
            self._settle(later)
        before = None if flight.fresh else flight.before
        after = later[0].place if later and not later[0].fresh else None
        return self._memory.even(flight.place, before, after)

    def _settle(self, flights: list[_Flight]) -> None:
        self._memory.settle([each.place for each in flights], [not each.fresh for each in flights[1:]])
        flights[0].settled = True
