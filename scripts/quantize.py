"""Make the packaged 8-bit U²-Net†: post-training quantisation by NNCF, calibrated on training images.

    pip install nncf
    python scripts/quantize.py DUTS-TR/images streamseg/device/cpu/u2netp-int8.xml

The images must come from the set the network was trained on (DUTS-TR), never from one it is scored on; flat and graded
pictures come with them. What stays in float32, and why:

- two convolutions of stage 2d: biases of up to 228 and 1361, large numbers that cancel;
- the seven that make the maps;
- the stages at a quarter of the resolution and below: in a dark or graded scene with nobody in it their signals are
  small beside those of the images, and the rounding errors add up to a subject that is not there (a map of up to .99 of
  a black frame with everything in 8 bits). They are a small part of the work.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import av
import nncf
import numpy as np
from numpy.typing import NDArray

from streamseg.device.cpu.graph import build_model
from streamseg.network.architecture import MEAN, STD, U2NETP, convolution_names
from streamseg.network.published import prepare
from streamseg.network.quiet_openvino import import_openvino
from streamseg.network.weights import load_weights

Array = NDArray[np.float32]

IMAGES, SIZE = 100, 320
GREYS = (0, 8, 16, 30, 60, 90, 128, 170, 210, 255)
RAMPS = ((0, 255), (0, 128), (128, 255), (255, 0), (30, 60))
DEEP = ("stage3", "stage4", "stage5", "stage6", "stage5d", "stage4d", "stage3d")
MAPS = (*(f"side{k}" for k in range(1, 7)), "outconv")
CANCELLING = ("stage2d.rebnconv2d.conv_s1", "stage2d.rebnconv1d.conv_s1")


def calibration(folder: Path) -> list[Array]:
    """Every second image, in the order of their names, and empty pictures: float32 [1, 3, 320, 320] each."""
    paths = sorted(folder.iterdir())[::2][:IMAGES]
    return [prepare(picture(path))[None] for path in paths] + [normalised(flat) for flat in empty_pictures()]


def picture(path: Path) -> NDArray[np.uint8]:
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def empty_pictures() -> list[Array]:
    """Pictures with nothing in them: float32 [320, 320, 3] from 0 to 255."""
    pictures = [np.full((SIZE, SIZE, 3), grey, np.float32) for grey in GREYS]
    for low, high in RAMPS:
        ramp = np.linspace(low, high, SIZE, dtype=np.float32)
        pictures += [np.broadcast_to(side, (SIZE, SIZE, 3)) for side in (ramp[None, :, None], ramp[:, None, None])]
    return pictures


def normalised(rgb: Array) -> Array:
    """With the fixed scale of the stream."""
    mean, deviation = (np.array(values, np.float32).reshape(3, 1, 1) for values in (MEAN, STD))
    return ((rgb.transpose(2, 0, 1) / 255 - mean) / deviation)[None].astype(np.float32)


def in_float32() -> list[str]:
    """Names of the convolutions that are not quantised."""
    deep = [name for name in convolution_names(U2NETP) if name.split(".")[0] in DEEP]
    return [*CANCELLING, *MAPS, *deep]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    data = calibration(arguments.images)
    quantised = nncf.quantize(
        build_model(load_weights(), normalised=True),
        nncf.Dataset(data),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(data),
        ignored_scope=nncf.IgnoredScope(names=in_float32()),
    )
    import_openvino().save_model(quantised, arguments.output, compress_to_fp16=False)


if __name__ == "__main__":
    main()
