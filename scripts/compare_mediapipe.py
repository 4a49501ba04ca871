"""Mattes of people beside MediaPipe's: clips with alpha over rooms, seen by both.

    python scripts/compare_mediapipe.py CLIP… --over room.jpg --frames 40 --work composites
    OTHER/bin/python scripts/compare_mediapipe.py --work composites --mediapipe
    python scripts/compare_mediapipe.py CLIP… --over room.jpg --frames 40 --work composites

The first call writes the composites and prints the figures of the methods of streamseg. The second runs in an
environment of its own (``pip install mediapipe==0.10.14``), for its versions of NumPy and protobuf are others, and
writes the masks of the selfie segmentation, general and landscape. The third prints those too. Figures: means over
frames in the scales of streamseg.metrics.alpha.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MODELS = {"general": 0, "landscape": 1}
METHODS = ("default", "live")


def main() -> int:
    arguments = _arguments()
    work = Path(arguments.work)
    work.mkdir(parents=True, exist_ok=True)
    if arguments.mediapipe:
        _segment_all(work)
        return 0
    rows = []
    for clip in arguments.clip:
        for room in arguments.over:
            for method, figures in _figures(clip, room, arguments, work).items():
                rows.append({"clip": Path(clip).stem, "over": Path(room).stem, "method": method, **figures})
                print(json.dumps(rows[-1]), flush=True)
    for method in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == method]
        means = {key: round(float(np.mean([row[key] for row in own])), 2) for key in ("mad", "grad", "dtssd")}
        print(f"{method:<24}{json.dumps(means)}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("clip", nargs="*", help="a video with alpha")
    parser.add_argument("--over", action="append", default=[], help="a picture; may be repeated")
    parser.add_argument("--frames", type=int, default=40, help="of each clip; default: 40")
    parser.add_argument("--start", type=int, default=0, help="the first of them; default: 0")
    parser.add_argument("--subject", default="auto", help="as for streamseg video; default: auto")
    parser.add_argument("--work", required=True, help="a folder for composites and MediaPipe's masks")
    parser.add_argument("--mediapipe", action="store_true", help="write the masks, in MediaPipe's environment")
    return parser.parse_args()


def _figures(clip: str, room: str, arguments: argparse.Namespace, work: Path) -> dict[str, dict[str, float]]:
    from contextlib import closing
    from itertools import islice

    from streamseg.pipelines import Segmenter
    from streamseg.pipelines.evaluate.alpha import _composites, _rgb
    from streamseg.pipelines.evaluate.backgrounds import open_evaluation_background
    from streamseg.pipelines.evaluate.methods import choose_methods

    from streamseg.media.reading.reader import VideoReader

    span = arguments.start, arguments.start + arguments.frames
    with VideoReader(clip) as reader, closing(open_evaluation_background(room, reader.info.shape)) as background:
        pairs = list(islice(_composites(reader, background), *span))
    frames = [composite for composite, _ in pairs]
    truth = [np.asarray(source.planes[3] / np.float32(source.format.maximum), np.float32) for _, source in pairs]
    name = f"{Path(clip).stem}-{span[0]}-{Path(room).stem}"
    np.save(work / f"{name}.npy", np.stack([_rgb(frame) for frame in frames]))
    methods = choose_methods(METHODS, Segmenter(subject=arguments.subject))
    mattes: dict[str, Any] = {
        key: [cutout.matte.as_float() for cutout in method(iter(frames))] for key, method in methods.items()
    }
    for model in MODELS:
        masks = work / f"{name}.{model}.npz"
        if masks.exists():
            mattes[f"MediaPipe, {model}"] = np.load(masks)["masks"].astype(np.float32)
    return {key: _scores(each, truth) for key, each in mattes.items()}


def _scores(mattes: Any, truth: list[NDArray[np.float32]]) -> dict[str, float]:
    from streamseg.metrics import AlphaScores

    scores = AlphaScores()
    for matte, true in zip(mattes, truth, strict=True):
        scores.add(matte, true)
    return {key: round(value, 4) for key, value in scores.results().items() if value is not None}


def _segment_all(work: Path) -> None:
    import mediapipe

    for path in sorted(work.glob("*.npy")):
        for model, number in MODELS.items():
            with mediapipe.solutions.selfie_segmentation.SelfieSegmentation(model_selection=number) as network:
                masks = [network.process(np.ascontiguousarray(image)).segmentation_mask for image in np.load(path)]
            np.savez_compressed(path.with_suffix(f".{model}.npz"), masks=np.stack(masks).astype(np.float16))


if __name__ == "__main__":
    sys.exit(main())
