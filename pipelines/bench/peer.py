"""Ours and another program on the same frames, in turn, one frame at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from streamseg.background import open_background
from streamseg.deprecation import with_old_keys
from streamseg.frame import Frame, Matte
from streamseg.matting.tracking.inference import Inference
from streamseg.media.pixels.conform import Shape
from streamseg.media.pixels.native import allocate, native_of, plane_views, wrap
from streamseg.media.reading.reader import VideoReader
from streamseg.media.writing.origin import Origin
from streamseg.media.writing.target import Encoding, choose_target
from streamseg.media.writing.writer import Writer, open_writer
from streamseg.network.architecture import Variant

from ..segmenter import Segmenter
from ..stages.effect import open_effect
from .peers import Peer, open_peer

__all__ = ["PeerResult", "against_peer"]

_FRAMES = 16
_WARM_UP = 2
_OLD_KEYS = {"whole_ms": "end_to_end_ms", "peer_whole_ms": "peer_end_to_end_ms", "coarse_ms": "lite_ms"}


@dataclass(frozen=True, slots=True)
class PeerResult:
    """Milliseconds a frame: medians over frames that ours and theirs take in turn, one at a time on all cores.

    Attributes:
        name: of the other program.
        network_ms, lite_ms, end_to_end_ms: ours: decoded frame to saliency map by the full and by the lite variant of
            the network; decoded frame to encoded frame by the full variant.
        peer_network_ms, peer_end_to_end_ms: theirs: RGB image to mask; decoded frame to encoded frame.
    """

    name: str
    network_ms: float
    lite_ms: float
    end_to_end_ms: float
    peer_network_ms: float
    peer_end_to_end_ms: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON, also under the keys of the release before."""
        return with_old_keys(asdict(self), _OLD_KEYS)

    def table(self) -> str:
        """For people."""
        rows = [
            ("network with scaling", self.network_ms, self.peer_network_ms),
            ("the same, lite variant", self.lite_ms, self.peer_network_ms),
            ("end to end", self.end_to_end_ms, self.peer_end_to_end_ms),
        ]
        lines = [f"{'ms a frame, in turn':<26}{'streamseg':>10}{self.name:>10}{'ratio':>8}"]
        lines += [f"{name:<26}{ours:10.1f}{theirs:10.1f}{ours / theirs:8.3f}" for name, ours, theirs in rows]
        return "\n".join(lines)


def against_peer(source: str, background: str, name: str, **network: Any) -> PeerResult:
    """Time ours and another program on the first frames of a file.

    The other program gets the background as one image, also where ours makes one for each frame.

    Raises:
        OptionError, MissingDependency, InputError: the peer, the source or the background cannot be used.
    """
    peer = open_peer(name)
    segmenter = Segmenter(**network, variants="both")
    device = segmenter.device
    with VideoReader(source, tolerant=True) as reader, tempfile.TemporaryDirectory() as folder:
        target = choose_target(str(Path(folder) / "out.mp4"), reader.info.shape.format, False, Encoding())
        shape = reader.deliver(target.format, target.even)
        frames = list(islice((item for item in reader if isinstance(item, Frame)), _FRAMES + _WARM_UP))
        effect = open_effect(background, device, shape, target.format)
        writers = [open_writer(target, shape, Origin.of(reader), (), overwrite=True) for _ in range(2)]

        def our_network(frame: Frame, variant: Variant = "full") -> None:
            device.saliency(device.network(device.prepare(frame, Inference(variant=variant))))

        def ours(frame: Frame) -> None:
            writers[0].write(effect.apply(*segmenter.cut_out(frame)))

        image = rgb_of(_first_background(background, shape, frames[0], segmenter.matte(frames[0])))
        try:
            steps = [
                our_network,
                lambda frame: our_network(frame, "lite"),
                ours,
                lambda frame: peer.network(rgb_of(frame)),
                _theirs(peer, image, writers[1]),
            ]
            return PeerResult(peer.name, *_in_turn(frames, steps))
        finally:
            effect.close()
            for writer in writers:
                writer.discard()


def _theirs(peer: Peer, background: NDArray[np.uint8], writer: Writer) -> Callable[[Frame], None]:
    def theirs(frame: Frame) -> None:
        writer.write(_frame_of(peer.composite(rgb_of(frame), background), frame))

    return theirs


def _in_turn(frames: list[Frame], steps: list[Callable[[Frame], None]]) -> list[float]:
    """The median milliseconds of each step."""
    seconds: list[list[float]] = [[] for _ in steps]
    for frame in frames:
        for step, times in zip(steps, seconds, strict=True):
            started = perf_counter()
            step(frame)
            times.append(perf_counter() - started)
    return [1000 * median(times[_WARM_UP:] or times) for times in seconds]


def _first_background(background: str, shape: Shape, frame: Frame, matte: Matte) -> Frame:
    """The background of the first frame, as a frame."""
    opened = open_background(background, shape)
    try:
        out = allocate(frame, frame.format.opaque())
        for plane, values in zip(out.planes, opened.planes(frame, matte), strict=False):
            plane[:] = values
        return out
    finally:
        opened.close()


def rgb_of(frame: Frame) -> NDArray[np.uint8]:
    """uint8 RGB [rows, columns, 3] of a frame, as FFmpeg converts it."""
    return np.asarray(native_of(frame).to_ndarray(format="rgb24"), np.uint8)


def _frame_of(rgb: NDArray[np.uint8], like: Frame) -> Frame:
    native = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=like.format.opaque().name)
    frame = allocate(like, like.format.opaque())
    for plane, values in zip(frame.planes, plane_views(native, like.format.opaque()), strict=True):
        plane[:] = values
    return wrap(native_of(frame), like.pts, like.time_base, like.colour, like.sample_aspect_ratio)
