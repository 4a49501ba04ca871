"""Makes the pictures of "How it works": one frame of the sample clip at every step of the matting.

Needs streamseg and Pillow:
python scripts/make_steps.py samples/clip.mp4 samples/beach.jpg docs/images
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from streamseg.pipelines import Segmenter
from streamseg.pipelines.stages.effect import open_effect
from streamseg.pipelines.stages.matting import smoothing_stages
from streamseg.pipelines.stages.motion import MotionEstimator, TrackedFrame
from streamseg.pipelines.stages.options import Matting
from streamseg.pipelines.stages.tracking import SubjectTracker

from streamseg.device.cpu.matting.backend import best_backend
from streamseg.frame import Frame
from streamseg.matting.edges.cutout import Cutout, EdgeRefiner
from streamseg.matting.motion.estimate import Motion
from streamseg.matting.tracking.inference import FULL_FRAME_INFERENCE, Inference
from streamseg.media.pixels.conform import Shape
from streamseg.media.pixels.native import native_of
from streamseg.media.reading.reader import VideoReader

RGB = NDArray[np.uint8]
WIDTH = 480
# A pixel that moves this far between two frames has the full colour.
FASTEST = 1.0


class RecordingDevice:
    """A device that keeps what the network saw last, and its map."""

    def __init__(self, device: Any) -> None:
        self._device = device
        self.name, self.sizes, self.subject = device.name, device.sizes, device.subject
        self.inference, self.seen, self.map = FULL_FRAME_INFERENCE, np.zeros(()), np.zeros(())

    def prepare(self, frame: Frame, inference: Inference = FULL_FRAME_INFERENCE) -> Any:
        prepared = self._device.prepare(frame, inference)
        self.inference, self.seen = inference, prepared.rgb
        return prepared

    def saliency(self, pending: Any) -> NDArray[np.float32]:
        self.map = self._device.saliency(pending)
        return self.map

    def __getattr__(self, name: str) -> Any:
        return getattr(self._device, name)


class Steps:
    """The first frame from number ``earliest`` on that the network saw unflipped, and what became of it."""

    def __init__(self, clip: Path, earliest: int) -> None:
        self.device = RecordingDevice(Segmenter(variants="both").device)
        speed = Matting().settings
        self._motion = MotionEstimator(speed.flow_size)
        self._tracker = SubjectTracker(self.device, 0.5, speed.schedule(), longest=speed.matte_size)
        self._smoothing = smoothing_stages(Matting().look_ahead)
        self.motion: Motion | None = None
        with VideoReader(str(clip)) as reader:
            self.shape: Shape = reader.info.shape
            self.tracked = self._run((item for item in reader if isinstance(item, Frame)), earliest)

    def _run(self, frames: Iterator[Frame], earliest: int) -> TrackedFrame:
        wanted: Frame | None = None
        for number, frame in enumerate(islice(frames, earliest + 8)):
            started = self._motion(frame)
            motion = started.motion
            for tracked in self._tracker(started):
                for smooth in self._through(tracked):
                    if smooth.frame is wanted:
                        return smooth
            if wanted is None and number >= earliest and not self.device.inference.flipped:
                wanted, self.motion = frame, motion
                self.inference, self.seen, self.map = self.device.inference, self.device.seen, self.device.map
        raise SystemExit("no frame of this clip shows all steps")

    def _through(self, tracked: TrackedFrame) -> list[TrackedFrame]:
        items = [tracked]
        for stage in self._smoothing:
            items = [out for item in items for out in stage.call(item)]
        return items


def rgb_of(frame: Frame) -> RGB:
    """uint8 [rows, columns, 3]."""
    return np.asarray(native_of(frame).reformat(format="rgb24").to_ndarray(), np.uint8)


def grey(values: NDArray[Any]) -> RGB:
    """Values in [0, 1] as RGB."""
    levels = (255 * np.clip(values, 0, 1) + 0.5).astype(np.uint8)
    return np.repeat(levels[:, :, None], 3, axis=2)


def flow_colours(motion: Motion) -> RGB:
    """Direction as hue, speed as saturation; white where nothing moves."""
    across, down = motion.flow
    hue = (np.arctan2(down, across) / (2 * np.pi)) % 1
    speed = np.minimum(np.hypot(across, down) / FASTEST, 1)
    hsv = np.stack([hue, speed, np.ones_like(hue)], axis=2)
    return np.asarray(Image.fromarray((255 * hsv).astype(np.uint8), "HSV").convert("RGB"))


def fitted(rgb: RGB) -> Image.Image:
    """A picture of the common width."""
    return Image.fromarray(rgb).resize((WIDTH, round(WIDTH * rgb.shape[0] / rgb.shape[1])), Image.Resampling.LANCZOS)


def beside(left: RGB, right: RGB, height: int = 270) -> Image.Image:
    """Two pictures of one height, side by side."""
    pictures = [Image.fromarray(np.ascontiguousarray(each)) for each in (left, right)]
    scaled = [
        each.resize((round(each.width * height / each.height), height), Image.Resampling.LANCZOS) for each in pictures
    ]
    both = Image.new("RGB", (scaled[0].width + 8 + scaled[1].width, height), "white")
    both.paste(scaled[0], (0, 0))
    both.paste(scaled[1], (scaled[0].width + 8, 0))
    return both


def edge_part(alpha: NDArray[Any]) -> tuple[slice, slice]:
    """Where in a matte [rows, columns] the most is uncertain: a window of a fifth of its width."""
    side = alpha.shape[1] // 5
    uncertain = (alpha > 0.05) & (alpha < 0.95)
    places = [(y, x) for y in range(0, alpha.shape[0] - side, 16) for x in range(0, alpha.shape[1] - side, 16)]
    y, x = max(places, key=lambda at: int(uncertain[at[0] : at[0] + side, at[1] : at[1] + side].sum()))
    return slice(y, y + side), slice(x, x + side)


def pictures(steps: Steps, background: Path) -> dict[str, Image.Image]:
    """File name → picture."""
    frame, alpha = steps.tracked.frame, steps.tracked.alpha
    assert alpha is not None and steps.motion is not None
    rgb = rgb_of(frame)
    plain, refined = (EdgeRefiner(edges, best_backend())(frame, alpha) for edges in (False, True))
    part = edge_part(refined.matte.as_float())
    return {
        "step-1-frame.jpg": fitted(rgb),
        "step-2-motion.jpg": beside(grey(steps.tracked.luma / 255), flow_colours(steps.motion)),
        "step-3-roi.jpg": beside(with_roi(rgb, steps.inference), np.asarray(steps.seen)),
        "step-4-saliency.jpg": Image.fromarray(grey(steps.map)),
        "step-5-filtered.jpg": fitted(grey(plain.matte.as_float())),
        "step-6-edges.jpg": beside(grey(plain.matte.as_float()[part]), grey(refined.matte.as_float()[part])),
        "step-7-composite.jpg": composited(steps, refined, background),
    }


def with_roi(rgb: RGB, inference: Inference) -> RGB:
    """The frame with a rectangle around what the network sees."""
    picture = Image.fromarray(rgb)
    left, top, right, bottom = inference.roi.pixels(picture.width, picture.height)
    ImageDraw.Draw(picture).rectangle((left, top, right - 1, bottom - 1), outline=(255, 190, 0), width=6)
    return np.asarray(picture)


def composited(steps: Steps, cutout: Cutout, background: Path) -> Image.Image:
    """The frame over the background."""
    effect = open_effect(str(background), steps.device._device, steps.shape, steps.shape.format)
    rgb = rgb_of(effect.apply(*cutout))
    effect.close()
    return fitted(rgb)


def main() -> None:
    """Writes the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("background", type=Path)
    parser.add_argument("folder", type=Path, help="where the JPEGs are written")
    parser.add_argument("--frame", type=int, default=12, help="the first frame that may be shown")
    args = parser.parse_args()
    for name, picture in pictures(Steps(args.clip, args.frame), args.background).items():
        picture.save(args.folder / name, quality=85)
        print(f"{name}: {picture.width}x{picture.height}, {(args.folder / name).stat().st_size} bytes")


if __name__ == "__main__":
    main()
