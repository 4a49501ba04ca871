"""Makes samples/clip.mp4, the sample clip, from NASA's public-domain portrait of Eileen Collins.

Needs streamseg and scipy; astronaut.png, which scikit-image ships in skimage/data; and U²-Net† as ONNX with a
1×3×320×320 input and the saliency map in [0, 1] as its first output. The person is cut out of the image, the
background behind her is filled in, and both are animated: she sways, before a slow hand-held camera. The sound, a short
arpeggio, is synthesised here too.

python scripts/make_sample_clip.py astronaut.png u2netp.onnx [samples/clip.mp4]
"""

import argparse
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray
from scipy import ndimage

from streamseg.network.quiet_openvino import import_openvino

Array = NDArray[np.floating[Any]]

WIDTH, HEIGHT, FPS, FRAMES = 640, 480, 24, 96
SAMPLE_RATE = 48000
BODY_PIVOT = (215.0, 620.0)  # she sways about her hips, below the image
NECK_PIVOT = (222.0, 185.0)
HEAD_CENTRE = (228.0, 85.0)
STRIPE_SLANT = 0.5  # columns per row


def read_rgb(path: Path) -> Array:
    """An image file as float32 RGB in [0, 1], [rows, columns, 3]; all images here are such."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    return (frame.to_ndarray(format="rgb24") / 255).astype(np.float32)


def find_matte(image: Array, network: Path) -> Array:
    """The person's matte at the image's size, float32 [rows, columns] in [0, 1]."""
    model = import_openvino().Core().compile_model(str(network), "CPU")
    frame = av.VideoFrame.from_ndarray(np.rint(image * 255).astype(np.uint8), format="rgb24")
    rgb = frame.reformat(320, 320, interpolation="LANCZOS").to_ndarray().astype(np.float32)
    rgb = (rgb / max(float(rgb.max()), 1.0) - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    matte = model(rgb.transpose(2, 0, 1)[None].astype(np.float32))[0][0, 0]
    return resize(np.asarray(matte, np.float32), *image.shape[:2])


def resize(plane: Array, height: int, width: int) -> Array:
    """A plane at another size, by cubic splines, clipped to [0, 1]."""
    rows = (np.arange(height) + 0.5) * plane.shape[0] / height - 0.5
    columns = (np.arange(width) + 0.5) * plane.shape[1] / width - 0.5
    grid = np.meshgrid(rows, columns, indexing="ij")
    return np.clip(ndimage.map_coordinates(plane, grid, order=3, mode="nearest"), 0, 1).astype(np.float32)


def guided_filter(matte: Array, image: Array, radius: int = 5, epsilon: float = 4e-4) -> Array:
    """The matte aligned with the image's edges, by a guided filter on luma."""
    luma = image @ np.array([0.299, 0.587, 0.114], np.float32)

    def box(x: Array) -> Array:
        return np.asarray(ndimage.uniform_filter(x, 2 * radius + 1), np.float32)

    mean_luma, mean_matte = box(luma), box(matte)
    slope = (box(luma * matte) - mean_luma * mean_matte) / (box(luma * luma) - mean_luma**2 + epsilon)
    offset = mean_matte - slope * mean_luma
    return np.clip(box(slope) * luma + box(offset), 0, 1).astype(np.float32)


def clean_matte(matte: Array, image: Array) -> Array:
    """The person alone: one component without holes, without the flag that the network partly finds."""
    mask = ndimage.binary_opening(matte > 0.75, iterations=4)
    labels, count = ndimage.label(mask)
    sizes = ndimage.sum_labels(mask, labels, np.arange(1, count + 1))
    mask = ndimage.binary_fill_holes(labels == 1 + int(np.argmax(sizes)))
    near = ndimage.binary_dilation(mask, iterations=7)
    inside = ndimage.binary_erosion(mask, iterations=6, border_value=1)
    refined = np.where(inside, 1.0, np.where(near, guided_filter(matte, image), 0.0)).astype(np.float32)
    return np.clip((refined - 0.04) / 0.90, 0, 1).astype(np.float32)


def inpaint(image: Array, known: Array) -> Array:
    """The image where it is known (a weight in [0, 1]), filled in from a pyramid elsewhere, coarse to fine."""
    if min(known.shape) <= 2:
        weight = max(float(known.sum()), 1e-6)
        mean = (image * known[..., None]).sum((0, 1)) / weight
        return np.broadcast_to(mean, image.shape).astype(np.float32)
    height, width = known.shape
    even_height, even_width = height + height % 2, width + width % 2
    pad = ((0, even_height - height), (0, even_width - width))
    weights = np.pad(known, pad, mode="edge")
    weighted = np.pad(image, (*pad, (0, 0)), mode="edge") * weights[..., None]
    half_weights = weights.reshape(even_height // 2, 2, even_width // 2, 2).mean((1, 3))
    half = weighted.reshape(even_height // 2, 2, even_width // 2, 2, 3).mean((1, 3))
    half = half / np.maximum(half_weights, 1e-6)[..., None]
    coarse = inpaint(half.astype(np.float32), np.minimum(half_weights * 2, 1).astype(np.float32))
    filler = np.stack([resize(coarse[..., c], even_height, even_width) for c in range(3)], -1)[:height, :width]
    return (image * known[..., None] + filler * (1 - known[..., None])).astype(np.float32)


def extend_stripes(image: Array, background: Array, unknown: NDArray[np.bool_]) -> Array:
    """The background with the flag's stripes, at the left, extended along their slant behind her shoulder."""
    rows, columns = np.mgrid[0 : unknown.shape[0], 0 : unknown.shape[1]].astype(np.float32)
    distance = np.zeros_like(rows)  # to the nearest known pixel along the slant
    hidden = unknown.copy()
    for step in range(1, 60):
        y, x = np.clip(rows - step, 0, None), np.clip(columns - STRIPE_SLANT * step, 0, None)
        known = ~unknown[np.rint(y).astype(int), np.rint(x).astype(int)]
        distance[hidden & known] = step + 1
        hidden &= ~known
    grid = (rows - distance, columns - STRIPE_SLANT * distance)
    planes = [ndimage.map_coordinates(image[..., c], grid, order=1, mode="nearest") for c in range(3)]
    extended = np.stack(planes, -1)
    weight = (unknown & ~hidden & (columns < 140) & (rows > 150)).astype(np.float32)
    weight = weight * np.clip((125 - columns) / 25, 0, 1)
    return (background + (extended - background) * weight[..., None]).astype(np.float32)


def split_layers(image: Array, matte: Array) -> tuple[Array, Array, Array]:
    """The person's own colours, her matte, and the background without her."""
    # well beyond her soft edge, or her colours would bleed into the background
    unknown = ndimage.binary_dilation(matte > 0.02, iterations=6)
    background = inpaint(image, 1 - unknown.astype(np.float32))
    background = extend_stripes(image, background, unknown)
    rng = np.random.default_rng(3)
    texture = ndimage.gaussian_filter(rng.standard_normal((*matte.shape, 3)), (1.0, 1.0, 0)) * 0.018
    background = background + texture * unknown[..., None]
    alpha = matte[..., None]
    unmixed = (image - (1 - alpha) * background) / np.maximum(alpha, 0.35)
    inside = inpaint(image, (matte > 0.97).astype(np.float32))
    person = np.where(alpha > 0.97, image, np.clip(0.6 * unmixed + 0.4 * inside, 0, 1))
    return sharpen(person), matte, sharpen(np.clip(background, 0, 1))


def sharpen(image: Array) -> Array:
    """A weak unsharp mask, since upscaling blurs."""
    blurred = ndimage.gaussian_filter(image, (1.2, 1.2, 0))
    return np.clip(image + 0.45 * (image - blurred), 0, 1).astype(np.float32)


def drift(t: float, *waves: tuple[float, float, float]) -> float:
    """A sum of sine waves at t seconds, each (amplitude, hertz, phase)."""
    return float(sum(amplitude * np.sin(2 * np.pi * rate * t + phase) for amplitude, rate, phase in waves))


def rotate(x: Array, y: Array, pivot: tuple[float, float], angle: Array | float) -> tuple[Array, Array]:
    """Points rotated about the pivot by an angle in radians."""
    dx, dy = x - pivot[0], y - pivot[1]
    cos, sin = np.cos(angle), np.sin(angle)
    return pivot[0] + cos * dx - sin * dy, pivot[1] + sin * dx + cos * dy


def camera(t: float) -> tuple[Array, Array]:
    """The position (x, y) in the scene that each pixel of the frame at t seconds shows."""
    progress = t / (FRAMES / FPS)
    ease = progress * progress * (3 - 2 * progress)
    # with this framing the small network finds all of her suit; with a wider or tighter one it misses parts
    span = 432 - 14 * ease + drift(t, (1.2, 0.31, 0.4))
    centre_x = 236 - 4 * ease + drift(t, (3.4, 0.27, 0.3), (1.3, 0.71, 1.9), (0.35, 1.9, 0.2))
    centre_y = 168 - 6 * ease + drift(t, (2.0, 0.33, 2.1), (0.9, 0.83, 0.7), (0.30, 2.3, 1.1))
    angle = np.deg2rad(drift(t, (0.55, 0.23, 0.9), (0.16, 0.77, 2.2)))
    step = span / WIDTH
    columns = (np.arange(WIDTH, dtype=np.float32) - (WIDTH - 1) / 2) * step + centre_x
    rows = (np.arange(HEIGHT, dtype=np.float32) - (HEIGHT - 1) / 2) * step + centre_y
    x, y = np.meshgrid(columns, rows)
    return rotate(x, y, (centre_x, centre_y), angle)


def person_positions(x: Array, y: Array, t: float) -> tuple[Array, Array]:
    """Positions in the person's layer for positions in the scene: she sways, breathes and tilts her head."""
    sway = np.deg2rad(drift(t, (0.85, 0.30, 0.2), (0.22, 0.67, 1.4)))
    zoom = 1.022 + 0.010 * np.sin(2 * np.pi * 0.22 * t + 0.6)
    x, y = rotate(x - drift(t, (2.2, 0.25, 1.0)), y - 2.0, BODY_PIVOT, -sway)
    # a little larger and lower than in the image, where her hair touches the upper border
    x = BODY_PIVOT[0] + (x - BODY_PIVOT[0]) / zoom
    y = BODY_PIVOT[1] + (y - BODY_PIVOT[1]) / zoom - 13.0
    chest = np.exp(-(((x - 200) / 150) ** 2) - ((y - 270) / 90) ** 2)
    y = y + chest * drift(t, (1.3, 0.36, 0.0))
    distance = np.hypot((x - HEAD_CENTRE[0]) / 105, (y - HEAD_CENTRE[1]) / 118)
    head = np.clip((1.0 - distance) / 0.45, 0, 1)
    head = head * head * (3 - 2 * head)
    tilt = np.deg2rad(drift(t, (2.3, 0.41, 0.5), (0.7, 0.93, 2.0)))
    x, y = rotate(x, y, NECK_PIVOT, -tilt * head)
    return x + head * drift(t, (1.6, 0.37, 2.6)), y + head * drift(t, (1.1, 0.55, 0.8))


class Sampler:
    """Interpolates an image by cubic splines."""

    def __init__(self, image: Array) -> None:
        planes = image[..., None] if image.ndim == 2 else image
        self.planes = [ndimage.spline_filter(p, 3, mode="mirror") for p in np.moveaxis(planes, -1, 0)]

    def __call__(self, x: Array, y: Array) -> Array:
        """The image at these positions, mirrored beyond its borders."""
        options: dict[str, Any] = {"order": 3, "mode": "mirror", "prefilter": False}
        sampled = [ndimage.map_coordinates(plane, (y, x), **options) for plane in self.planes]
        return np.clip(np.stack(sampled, -1), 0, 1).astype(np.float32)


def render_frames(person: Array, matte: Array, background: Array) -> list[NDArray[np.uint8]]:
    """All frames of the clip, each uint8 RGB [HEIGHT, WIDTH, 3]."""
    sample_person, sample_matte, sample_background = Sampler(person), Sampler(matte), Sampler(background)
    rng = np.random.default_rng(5)
    frames = []
    for number in range(FRAMES):
        t = number / FPS
        x, y = camera(t)
        person_x, person_y = person_positions(x, y, t)
        alpha = sample_matte(person_x, np.minimum(person_y, 511.0))
        # parallax: what is farther away moves less with the camera
        far_x, far_y = x + drift(t, (2.5, 0.27, 0.3)), y + drift(t, (1.2, 0.33, 2.1))
        frame = alpha * sample_person(person_x, person_y) + (1 - alpha) * sample_background(far_x, far_y)
        frame = frame + 0.006 * rng.standard_normal((HEIGHT, WIDTH, 1)).astype(np.float32)
        frames.append(np.clip(np.rint(frame * 255), 0, 255).astype(np.uint8))
    return frames


def bell(pitch: float, seconds: float) -> Array:
    """A soft bell tone; ``pitch`` in hertz."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    partials = ((1.0, 1.0, 2.4), (2.0, 0.35, 3.6), (3.01, 0.14, 6.0), (4.2, 0.06, 9.0))
    tone = sum(gain * np.sin(2 * np.pi * pitch * k * t) * np.exp(-decay * t) for k, gain, decay in partials)
    return np.asarray(tone * np.minimum(t / 0.006, 1), np.float32)


def synthesise() -> Array:
    """The audio, float32 [2, samples]: an arpeggio that moves between left and right, with a soft echo."""
    total = round(FRAMES / FPS * SAMPLE_RATE)
    mixed = np.zeros((2, total + SAMPLE_RATE * 3), np.float32)
    steps = [0, 4, 7, 11, 14, 11, 7, 4, 5, 9, 12, 16, 12, 7]
    for i, step in enumerate(steps):
        tone = bell(261.63 * 2 ** (step / 12), 2.6) * (0.85 + 0.15 * (i % 4 == 0))
        start, pan = round(i * 0.25 * SAMPLE_RATE), 0.5 + 0.3 * np.sin(i * 0.9)
        mixed[0, start : start + tone.size] += tone * np.float32(np.sqrt(1 - pan))
        mixed[1, start : start + tone.size] += tone * np.float32(np.sqrt(pan))
    for delay, gain in ((0.19, 0.28), (0.31, 0.20), (0.47, 0.12)):
        shift = round(delay * SAMPLE_RATE)
        mixed[:, shift:] += np.float32(gain) * mixed[::-1, :-shift].copy()
    mixed = mixed[:, :total]
    fade = np.minimum(1, (total - np.arange(total)) / (0.6 * SAMPLE_RATE)).astype(np.float32)
    return np.asarray(mixed * fade * (0.5 / np.abs(mixed).max()), np.float32)


def write_clip(path: Path, frames: list[NDArray[np.uint8]], samples: Array, crf: float) -> None:
    """Writes H.264 and AAC: BT.709, limited range, tagged as such."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        # a fixed number of threads, for the same file on any machine
        video.options = {"crf": str(crf), "preset": "veryslow", "threads": "2"}
        context = video.codec_context
        context.color_range, context.colorspace = ColorRange.MPEG, Colorspace.ITU709
        context.color_primaries = context.color_trc = 1
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="stereo")
        audio.bit_rate = 96000
        for number, rgb in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(
                format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
            )
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(video.encode(frame))
            first, last = (n * SAMPLE_RATE // FPS for n in (number, number + 1))
            block = np.ascontiguousarray(samples[:, first:last])
            audio_frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
            audio_frame.sample_rate, audio_frame.pts = SAMPLE_RATE, first
            audio_frame.time_base = Fraction(1, SAMPLE_RATE)
            container.mux(audio.encode(audio_frame))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))


def main() -> None:
    """Makes the clip."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", type=Path, help="scikit-image's astronaut.png")
    parser.add_argument("network", type=Path, help="U²-Net†, ONNX")
    parser.add_argument("output", nargs="?", type=Path, default=Path("samples/clip.mp4"))
    parser.add_argument("--crf", type=float, default=18)
    args = parser.parse_args()
    image = read_rgb(args.image)
    matte = clean_matte(find_matte(image, args.network), image)
    write_clip(args.output, render_frames(*split_layers(image, matte)), synthesise(), args.crf)
    print(f"{args.output}: {args.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
