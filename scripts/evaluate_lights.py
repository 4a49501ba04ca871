"""How much do mattes suffer from bad light and webcams: flicker, exposure, noise, compression.

    python scripts/evaluate_lights.py DAVIS/lucia dancer-alpha.webm --over room.jpg --method live --out figures.json

A source is a folder with images/ and masks/, or a clip with alpha, which is put over each --over. Its frames are
disturbed as webcams do it, and the mattes of the clean and of the disturbed ones are compared with the true mask: mean
IoU, and how much of the clean clip's is lost. "agreement" is the IoU of both mattes with each other.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from streamseg.pipelines import Segmenter
from streamseg.pipelines.evaluate.alpha import _composites
from streamseg.pipelines.evaluate.backgrounds import open_evaluation_background
from streamseg.pipelines.evaluate.ground_truth import find_sequences
from streamseg.pipelines.evaluate.methods import METHODS, choose_methods

from streamseg.frame import Frame
from streamseg.media.pixels.conform import Conformer
from streamseg.media.pixels.native import native_of
from streamseg.media.pixels.scale import to_rgb
from streamseg.media.reading.reader import VideoReader
from streamseg.metrics import iou

RGB = NDArray[np.float32]
Mask = NDArray[np.bool_]
#: From linear light in [0, 1], float32 [rows, columns, 3], and the number of the frame, to the same, disturbed.
Disturbance = Callable[[RGB, int, np.random.Generator], RGB]

GAMMA = 2.2
FPS = 30.0
# A rolling shutter reads the rows one after the other, in this part of the time from frame to frame.
READOUT = 0.8
# Of lamps without a smooth supply: their light swings by this part around its mean, at twice the mains frequency.
RIPPLE = 0.4
EXPOSURE_S = 1 / 200


def mains(frequency: float, fps: float) -> Disturbance:
    """Bands of a lamp on mains of that frequency in Hz, as a rolling shutter sees them that many times a second."""
    twice = 2 * frequency
    depth = RIPPLE * float(np.sinc(twice * EXPOSURE_S))

    def disturb(light: RGB, number: int, _: np.random.Generator) -> RGB:
        times = (number + READOUT * np.linspace(0, 1, light.shape[0])) / fps
        return light * (1 + depth * np.sin(2 * np.pi * twice * times)).astype(np.float32)[:, None, None]

    return disturb


def exposure_steps(light: RGB, number: int, _: np.random.Generator) -> RGB:
    """Automatic exposure that hunts: every 15 frames a step of up to half a stop, up and down, within 3 frames."""
    stops = (0.0, 0.5, 0.1, -0.4, 0.2, -0.5)
    step, within = divmod(number, 15)
    before, after = stops[(step - 1) % len(stops) if step else 0], stops[step % len(stops)]
    return light * np.float32(2 ** (before + (after - before) * min(1.0, (within + 1) / 3)))


def noise(light: RGB, _: int, generator: np.random.Generator) -> RGB:
    """Shot noise and read noise of a small sensor: some 6 code values in mid grey."""
    return light + sensor_noise(light, generator, 0.0016, 0.004)


def low_light(light: RGB, _: int, generator: np.random.Generator) -> RGB:
    """A sixth of the light, half of it made up by gain, with the noise of both."""
    dim = light * np.float32(1 / 3)
    return dim + sensor_noise(dim, generator, 0.0025, 0.006)


def sensor_noise(light: RGB, generator: np.random.Generator, shot: float, read: float) -> RGB:
    """Gaussian with a variance of ``shot`` · light + ``read``², alike in part over 2×2 pixels."""
    rows, columns = light.shape[:2]
    fine = generator.standard_normal(light.shape, np.float32)
    coarse = generator.standard_normal((rows // 2 + 1, columns // 2 + 1, 3), np.float32)
    coarse = coarse.repeat(2, axis=0).repeat(2, axis=1)[:rows, :columns]
    return (0.8 * fine + 0.6 * coarse) * np.sqrt(np.float32(shot) * light.clip(0) + np.float32(read**2))


def chained(*disturbances: Disturbance) -> Disturbance:
    """One after the other."""

    def disturb(light: RGB, number: int, generator: np.random.Generator) -> RGB:
        for each in disturbances:
            light = each(light, number, generator)
        return light

    return disturb


def unchanged(light: RGB, _: int, __: np.random.Generator) -> RGB:
    """The clean clip."""
    return light


#: Name → disturbance, and how it is compressed: codec and bits a pixel; None for not at all.
LIGHTS: dict[str, tuple[Disturbance, tuple[str, float] | None]] = {
    "clean": (unchanged, None),
    "flicker 50 Hz": (mains(50, 30), None),
    "flicker 60 Hz": (mains(60, 25), None),
    "exposure steps": (exposure_steps, None),
    "noise": (noise, None),
    "low light": (low_light, None),
    "MJPEG": (unchanged, ("mjpeg", 0.8)),
    "H.264": (unchanged, ("libx264", 0.08)),
    "all": (chained(mains(50, 30), exposure_steps, low_light), ("mjpeg", 0.8)),
}


def main() -> int:
    arguments = _arguments()
    segmenter = Segmenter(subject=arguments.subject, threads=arguments.threads)
    method = choose_methods([arguments.method], segmenter)[arguments.method]
    rows: list[dict[str, Any]] = []
    for name, clip in clips(arguments.source, arguments.over, arguments.frames):
        clean: list[Mask] = []
        for light in ["clean", *(each for each in arguments.light or LIGHTS if each != "clean")]:
            frames = disturbed([rgb for rgb, _ in clip], *LIGHTS[light])
            mattes = [cutout.matte.as_float() >= 0.5 for cutout in method(iter(frames))]
            clean = clean or mattes
            row = {"clip": name, "light": light, **_figures(mattes, clean, [mask for _, mask in clip])}
            rows.append(row)
            print(json.dumps(row), flush=True)
    _print_means(rows)
    if arguments.out:
        Path(arguments.out).write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", nargs="+", help="a folder with images/ and masks/, or a clip with alpha")
    parser.add_argument("--over", action="append", help="background of clips with alpha; default: texture")
    parser.add_argument("--frames", type=int, default=60, help="of each clip, at most; default: 60")
    parser.add_argument("--method", choices=METHODS, default="live", help="as in streamseg evaluate; default: live")
    parser.add_argument("--light", choices=LIGHTS, action="append", help="only these; default: all")
    parser.add_argument("--subject", default="person", help="as for streamseg webcam; default: person")
    parser.add_argument("--threads", type=int, help="of the network")
    parser.add_argument("--out", metavar="FILE", help="write the figures in JSON")
    return parser.parse_args()


def clips(
    sources: Iterable[str], over: list[str] | None, count: int
) -> Iterator[tuple[str, list[tuple[NDArray[np.uint8], Mask]]]]:
    """Name and frames of each clip: RGB, uint8 [rows, columns, 3], and true masks."""
    for source in sources:
        if Path(source).is_dir():
            for sequence in find_sequences(Path(source)):
                yield sequence.name, [(_rgb(frame), mask) for frame, mask in islice(sequence.frames(), count)]
            continue
        for background in over or ["texture"]:
            name = f"{Path(source).stem} over {Path(background).stem}"
            yield name, list(islice(_over(source, background), count))


def _over(clip: str, background: str) -> Iterator[tuple[NDArray[np.uint8], Mask]]:
    with (
        VideoReader(clip) as reader,
        closing(open_evaluation_background(background, reader.info.shape)) as opened,
    ):
        for frame, source in _composites(reader, opened):
            yield _rgb(frame), np.asarray(source.planes[3] > source.format.maximum / 2)


def _rgb(frame: Frame) -> NDArray[np.uint8]:
    return np.asarray(to_rgb(native_of(frame), frame.colour, "rgb24").to_ndarray(), np.uint8)


def disturbed(
    images: list[NDArray[np.uint8]], disturb: Disturbance, compressed: tuple[str, float] | None
) -> list[Frame]:
    """The frames as a webcam gives them, 8-bit 4:2:0; the same for the same images."""
    generator = np.random.default_rng(0)
    natives = [
        _native(disturb((image / np.float32(255)) ** np.float32(GAMMA), number, generator), number)
        for number, image in enumerate(images)
    ]
    natives = natives if compressed is None else list(_recoded(natives, *compressed))
    conformer = Conformer(natives[0], Fraction(1))
    return [conformer(native, number, Fraction(1, 30)) for number, native in enumerate(natives)]


def _native(light: RGB, number: int) -> av.VideoFrame:
    rgb = np.rint(light.clip(0, 1) ** np.float32(1 / GAMMA) * 255).astype(np.uint8)
    rows, columns = (side // 2 * 2 for side in rgb.shape[:2])
    native = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb[:rows, :columns]), "rgb24")
    native = native.reformat(format="yuv420p", dst_colorspace="itu601", dst_color_range=1)
    native.colorspace, native.color_range = 5, 1
    native.pts, native.time_base = number, Fraction(1, 30)
    return native


def _recoded(natives: list[av.VideoFrame], codec: str, bits_per_pixel: float) -> Iterator[av.VideoFrame]:
    """Encoded at a webcam's or a call's rate, and decoded again."""
    width, height = natives[0].width, natives[0].height
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        options = {"preset": "superfast", "tune": "zerolatency"} if codec == "libx264" else {}
        stream = container.add_stream(codec, rate=30, options=options)
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.bit_rate = round(bits_per_pixel * width * height * FPS)
        for native in natives:
            if codec == "mjpeg":
                native = native.reformat(format="yuvj420p", src_color_range=1, dst_color_range=2)
            container.mux(stream.encode(native))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as container:
        yield from container.decode(video=0)


def _figures(mattes: list[Mask], clean: list[Mask], truth: list[Mask]) -> dict[str, float]:
    rows, columns = mattes[0].shape
    figures = {
        "iou": np.mean([iou(one, mask[:rows, :columns]) for one, mask in zip(mattes, truth, strict=True)]),
        "agreement": np.mean([iou(one, other) for one, other in zip(mattes, clean, strict=True)]),
    }
    return {name: round(float(value), 4) for name, value in figures.items()}


def _print_means(rows: list[dict[str, Any]]) -> None:
    clean = np.mean([row["iou"] for row in rows if row["light"] == "clean"])
    print(f"{'light':<16}{'IoU':>8}{'change':>8}{'agreement':>11}")
    for light in dict.fromkeys(row["light"] for row in rows):
        own = [row for row in rows if row["light"] == light]
        mean, agreement = (float(np.mean([row[key] for row in own])) for key in ("iou", "agreement"))
        print(f"{light:<16}{mean:>8.4f}{mean - clean:>+8.4f}{agreement:>11.4f}")


if __name__ == "__main__":
    sys.exit(main())
