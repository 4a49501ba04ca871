"""Writes what MediaPipe itself makes of an image, which tests/device/test_selfie.py compares with.

Run where mediapipe 0.10.21 is installed; streamseg need not be. The packaged reference is of the sample clip's first
frame:

    python -c "import av; image = next(av.open('samples/clip.mp4').decode(video=0)).reformat(256, 256, 'rgb24')
    image.to_image().save('image.png')"
    python scripts/selfie_reference.py image.png tests/device/selfie_reference.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import mediapipe
import numpy as np
from PIL import Image


def main() -> None:
    parser = argparse.ArgumentParser(description="Write what MediaPipe makes of an image.")
    parser.add_argument("image", type=Path, help="256×256 pixels, so that MediaPipe does not resize it")
    parser.add_argument("target", type=Path, help="the .json to write: the mean of each tile of 16×16 pixels × 1000")
    options = parser.parse_args()
    rgb = np.asarray(Image.open(options.image).convert("RGB"))
    network = mediapipe.solutions.selfie_segmentation.SelfieSegmentation(model_selection=0)
    tiles = network.process(rgb).segmentation_mask.reshape(16, 16, 16, 16).mean((1, 3))
    rows = ",\n    ".join(json.dumps(row) for row in np.rint(tiles * 1000).astype(int).tolist())
    version = mediapipe.__version__
    options.target.write_text(f'{{\n  "mediapipe": "{version}",\n  "thousandths": [\n    {rows}\n  ]\n}}\n')


if __name__ == "__main__":
    main()
