"""``streamseg bench --against``: another program on the same decoded frames, taking turns with ours."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from streamseg.background import open_background
from streamseg.frame import Frame, Matte
from streamseg.matting.looks import Look
from streamseg.media.conform import Shape
from streamseg.media.native import allocate, native_of, plane_views, wrap
from streamseg.media.origin import Origin
from streamseg.media.reader import VideoReader
from streamseg.media.target import Encoding, choose_target
from streamseg.media.writer import Writer, open_writer

from .effect import open_effect
from .peers import Peer, open_peer
from .segmenter import Segmenter

__all__ = ["PeerResult", "against_peer"]

_FRAMES = 16
_WARM_UP = 2


@dataclass(frozen=True, slots=True)
class PeerResult:
    """Milliseconds a frame, medians of frames taken in turns, one frame at a time on all cores.

    Attributes:
        name: of the other program.
        network_ms, coarse_ms, whole_ms: ours: decoded frame to map by the fine and by the coarse form of the network;
            decoded frame to encoded frame by the fine form.
        peer_network_ms, peer_whole_ms: theirs: RGB picture to mask; decoded frame to encoded frame.
    """

    name: str
    network_ms: float
    coarse_ms: float
    whole_ms: float
    peer_network_ms: float
    peer_whole_ms: float

    def table(self) -> str:
        """For people."""
        rows = [
            ("network and its scaling", self.network_ms, self.peer_network_ms),
            ("the same, coarse form", self.coarse_ms, self.peer_network_ms),
            ("whole frame", self.whole_ms, self.peer_whole_ms),
        ]
        lines = [f"{'ms a frame, in turns':<26}{'streamseg':>10}{self.name:>10}{'ratio':>8}"]
        lines += [f"{name:<26}{ours:10.1f}{theirs:10.1f}{ours / theirs:8.3f}" for name, ours, theirs in rows]
        return "\n".join(lines)


def against_peer(source: str, background: str, name: str, **network: Any) -> PeerResult:
    """Time ours and another program on the first frames of a file.

    The other program gets the background as a picture made once, also where ours makes one for each frame.

    Raises:
        OptionError, MissingDependency, InputError: the peer, the source or the background cannot be used.
    """
    peer = open_peer(name)
    segmenter = Segmenter(**network, forms="both")
    device = segmenter.device
    with VideoReader(source, tolerant=True) as reader, tempfile.TemporaryDirectory() as folder:
        target = choose_target(str(Path(folder) / "out.mp4"), reader.info.shape.format, False, Encoding())
        shape = reader.deliver(target.format, target.even)
        frames = list(islice((item for item in reader if isinstance(item, Frame)), _FRAMES + _WARM_UP))
        effect = open_effect(background, device, shape, target.format)
        writers = [open_writer(target, shape, Origin.of(reader), (), overwrite=True) for _ in range(2)]

        def our_network(frame: Frame, fine: bool = True) -> None:
            device.saliency(device.network(device.prepare(frame, Look(fine=fine))))

        def ours(frame: Frame) -> None:
            writers[0].write(effect.apply(*segmenter.cut_out(frame)))

        behind = rgb_of(_first_background(background, shape, frames[0], segmenter.matte(frames[0])))
        try:
            steps = [
                our_network,
                lambda frame: our_network(frame, fine=False),
                ours,
                lambda frame: peer.network(rgb_of(frame)),
                _theirs(peer, behind, writers[1]),
            ]
            return PeerResult(peer.name, *_in_turns(frames, steps))
        finally:
            effect.close()
            for writer in writers:
                writer.discard()


def _theirs(peer: Peer, behind: NDArray[np.uint8], writer: Writer) -> Callable[[Frame], None]:
    def theirs(frame: Frame) -> None:
        writer.write(_frame_of(peer.whole(rgb_of(frame), behind), frame))

    return theirs


def _in_turns(frames: list[Frame], steps: list[Callable[[Frame], None]]) -> list[float]:
    """The median milliseconds of each step."""
    seconds: list[list[float]] = [[] for _ in steps]
    for frame in frames:
        for step, taken in zip(steps, seconds, strict=True):
            started = perf_counter()
            step(frame)
            taken.append(perf_counter() - started)
    return [1000 * median(taken[_WARM_UP:] or taken) for taken in seconds]


def _first_background(background: str, shape: Shape, frame: Frame, matte: Matte) -> Frame:
    """What stands behind the first frame, as a frame."""
    behind = open_background(background, shape)
    try:
        out = allocate(frame, frame.format.opaque())
        for plane, values in zip(out.planes, behind.planes(frame, matte), strict=False):
            plane[:] = values
        return out
    finally:
        behind.close()


def rgb_of(frame: Frame) -> NDArray[np.uint8]:
    """uint8 RGB [rows, columns, 3] of a frame, as FFmpeg converts it."""
    return np.asarray(native_of(frame).to_ndarray(format="rgb24"), np.uint8)


def _frame_of(picture: NDArray[np.uint8], like: Frame) -> Frame:
    native = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=like.format.opaque().name)
    frame = allocate(like, like.format.opaque())
    for plane, values in zip(frame.planes, plane_views(native, like.format.opaque()), strict=True):
        plane[:] = values
    return wrap(native_of(frame), like.pts, like.time_base, like.colour, like.sample_aspect_ratio)
