"""How well is a chosen subject followed: sequences with masks, and pairs of people that cross each other.

    python scripts/evaluate_choice.py DAVIS --out figures.json --strips strips/
    python scripts/evaluate_choice.py --people PEOPLE --rooms ROOMS --pairs 4

On each sequence (DAVIS/*/images, masks) one point is chosen in the first frame: the deepest inside the mask, by the
distance transform. The IoU over the frames is that of the finished mattes, chosen beside automatic. For the pairs two
people (PEOPLE/images, masks) move over a room (ROOMS) in opposite directions, the first in front of the second; each is
chosen in turn, and its mask is what is visible of it. Needs OpenCV (the extra ``evaluate``).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from streamseg.pipelines import Segmenter
from streamseg.pipelines.evaluate.ground_truth import find_sequences, read_mask, read_pairs
from streamseg.pipelines.stages.matting import cut_outs
from streamseg.pipelines.stages.options import Matting

from streamseg.frame import Frame
from streamseg.matting.choosing.choice import SubjectPoint
from streamseg.media.images import encode_png, image_frame, read_image
from streamseg.media.pixels.native import native_of
from streamseg.media.pixels.scale import to_rgb
from streamseg.metrics import iou

Masked = list[tuple[Frame, NDArray[np.bool_]]]
# The made clips: size, frames, and heights of the people as parts of the picture's.
WIDTH, HEIGHT, FRAMES, TALL = 640, 360, 60, (0.85, 0.75)
STRIP = 8


def main() -> None:
    arguments = _arguments()
    rows: list[dict[str, Any]] = []
    segmenter = Segmenter(variants=Matting(speed=arguments.speed).variants, threads=arguments.threads)
    clips = _clips(arguments)
    for name, masked in clips:
        row: dict[str, Any] = {"clip": name, "frames": len(masked)}
        point = deepest_point(masked[0][1])
        for method, subject in (("automatic", None), ("chosen", point)):
            if method == "automatic" and arguments.chosen_only:
                continue
            matting = Matting(speed=arguments.speed, subject=subject)
            cutouts = list(cut_outs((frame for frame, _ in masked), segmenter.device.another(), matting, lag=1))
            mattes = [cutout.matte.as_float() for cutout in cutouts]
            values = [iou(matte, mask) for matte, (_, mask) in zip(mattes, masked, strict=True)]
            row[method] = round(float(np.mean(values)), 4)
            row[f"{method}, last tenth"] = round(float(np.mean(values[-max(1, len(values) // 10) :])), 4)
            if arguments.strips:
                _save_strip(Path(arguments.strips) / f"{name}-{method}.png", masked, mattes, point)
        rows.append(row)
        print(json.dumps(row), flush=True)
    means = {key: float(np.mean([row[key] for row in rows])) for key in ("automatic", "chosen") if key in rows[0]}
    print(json.dumps(means))
    if arguments.out:
        Path(arguments.out).write_text(json.dumps({"rows": rows, "mean": means}, indent=1), encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sequences", nargs="?", help="a folder of sequences")
    parser.add_argument("--only", action="append", help="only this sequence; may be repeated")
    parser.add_argument("--people", help="a folder with images/ and masks/ of people")
    parser.add_argument("--rooms", help="a folder of images")
    parser.add_argument("--pairs", type=int, default=3, help="how many clips of two people; default: 3")
    parser.add_argument("--frames", type=int, help="the first frames of each sequence")
    parser.add_argument("--speed", default="best")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--chosen-only", action="store_true", help="leave out automatic")
    parser.add_argument("--out", help="write the figures in JSON")
    parser.add_argument("--strips", help="a folder for strips of frames")
    return parser.parse_args()


def _clips(arguments: argparse.Namespace) -> Iterator[tuple[str, Masked]]:
    if arguments.sequences:
        for sequence in find_sequences(Path(arguments.sequences)):
            if not arguments.only or sequence.name in arguments.only:
                yield sequence.name, list(islice(sequence.frames(), arguments.frames))
    if arguments.people:
        for number in range(arguments.pairs):
            clip = list(_crossing(Path(arguments.people), Path(arguments.rooms), number))[: arguments.frames]
            for subject in (0, 1):
                yield f"pair-{number}-{'front' if subject == 0 else 'behind'}", [(f, m[subject]) for f, m in clip]


def deepest_point(mask: NDArray[np.bool_]) -> SubjectPoint:
    """The point of a mask that is farthest from its border."""
    padded = np.pad(mask.astype(np.uint8), 1)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(np.argmax(depth)), depth.shape)
    return SubjectPoint(int(column), int(row))


def _crossing(people: Path, rooms: Path, number: int) -> Iterator[tuple[Frame, list[NDArray[np.bool_]]]]:
    """A clip of two people who cross: frames, and the visible mask of the one in front and of the one behind."""
    pairs = _whole_people(people)
    room = sorted(path for path in rooms.iterdir() if path.suffix in (".jpg", ".png"))
    background = _covering(_rgb(room[number % len(room)]))
    front, behind = (_cut(*pairs[(7 * number + part) % len(pairs)], TALL[part]) for part in (0, 1))
    for step in range(FRAMES):
        along = step / (FRAMES - 1)
        picture, masks = background.copy(), []
        for cut, centre in ((behind, 0.78 - 0.56 * along), (front, 0.22 + 0.56 * along)):
            masks.append(_paste(picture, *cut, centre, 0.01 * np.sin(step / 4)))
        masks[0] &= ~masks[1]
        frame = image_frame(picture)
        yield Frame(frame.planes, frame.format, step, Fraction(1, 25), frame.colour), masks[::-1]


def _whole_people(folder: Path) -> list[tuple[Path, Path]]:
    """Those whose mask is one that stands on the lower border or ends above it, and fills a fair part of the image."""
    chosen = []
    for image, mask in read_pairs(folder).paths:
        grey = cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE) > 127
        sides = grey[:, 0].mean() + grey[:, -1].mean() + grey[0].mean()
        if 0.1 < grey.mean() < 0.4 and sides == 0 and cv2.connectedComponents(grey.astype(np.uint8))[0] == 2:
            chosen.append((image, mask))
    return chosen


def _cut(image: Path, mask: Path, tall: float) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    rgb = _rgb(image)
    grey = read_mask(mask, rgb.shape[1], rgb.shape[0])
    rows, columns = np.flatnonzero(grey.any(1)), np.flatnonzero(grey.any(0))
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height = round(tall * HEIGHT)
    size = min(round(0.45 * WIDTH), round(height * (columns[-1] + 1 - columns[0]) / (rows[-1] + 1 - rows[0]))), height
    alpha = cv2.resize(grey[part].astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA)
    return cv2.resize(rgb[part], size, interpolation=cv2.INTER_AREA), alpha


def _paste(
    picture: NDArray[np.uint8], rgb: NDArray[np.uint8], alpha: NDArray[np.uint8], centre: float, bob: float
) -> NDArray[np.bool_]:
    """In place, standing on the lower border, at a position between pixels; gives its mask."""
    rows, columns = alpha.shape
    shift = np.float32([[1, 0, centre * WIDTH - columns / 2], [0, 1, HEIGHT - rows + bob * HEIGHT + 4]])
    over = cv2.warpAffine(alpha, shift, (WIDTH, HEIGHT))
    colours = cv2.warpAffine(rgb, shift, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
    part = over[..., None] / 255
    picture[:] = np.rint(colours * part + picture * (1 - part)).astype(np.uint8)
    return np.asarray(over > 127)


def _covering(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    scale = max(WIDTH / rgb.shape[1], HEIGHT / rgb.shape[0])
    large = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(large[:HEIGHT, :WIDTH])


def _rgb(path: Path) -> NDArray[np.uint8]:
    frame = read_image(str(path))
    return np.asarray(to_rgb(native_of(frame), frame.colour, "rgb24").to_ndarray(), np.uint8)


def _save_strip(path: Path, masked: Masked, mattes: list[NDArray[np.float32]], point: SubjectPoint) -> None:
    """Frames side by side: what is not in the matte tinted, the border of the true mask in green."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tiles = []
    for index in np.linspace(0, len(masked) - 1, STRIP).round().astype(int):
        frame, mask = masked[index]
        rgb = np.asarray(to_rgb(native_of(frame), frame.colour, "rgb24").to_ndarray(), np.float32)
        shown = rgb * mattes[index][..., None] + (0.25 * rgb + [120, 0, 60]) * (1 - mattes[index][..., None])
        shown = shown.clip(0, 255).astype(np.uint8)
        contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        shown = cv2.drawContours(np.ascontiguousarray(shown), contours, -1, (0, 255, 0), 2)
        if index == 0:
            shown = cv2.circle(shown, (int(point.x), int(point.y)), 8, (255, 255, 0), -1)
        tiles.append(cv2.resize(shown, (427, round(427 * frame.height / frame.width)), interpolation=cv2.INTER_AREA))
    rows = [np.concatenate(tiles[start : start + 4], axis=1) for start in (0, 4)]
    path.write_bytes(encode_png(image_frame(np.concatenate(rows)), False))


if __name__ == "__main__":
    sys.exit(main())
