"""Make samples/clip.mp4, the sample clip, from NASA's public-domain portrait of Eileen Collins.

Needs streamseg and scipy; astronaut.png, which scikit-image ships in skimage/data; and a
U^2-Net-dagger network as ONNX with a 1x3x320x320 input, its first output the matte from 0 to 1.
The person is cut from the picture, what is behind her is filled in, and a slow hand-held camera looks on
while she sways.  The sound, a short arpeggio, is synthesised here too.

Run: python scripts/make_sample_clip.py astronaut.png u2netp.onnx [samples/clip.mp4]
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

WIDTH, HEIGHT, RATE, FRAMES = 640, 480, 24, 96
SOUND_RATE = 48000
BODY_PIVOT = (215.0, 620.0)  # she sways about her hips, below the picture
NECK_PIVOT = (222.0, 185.0)
HEAD_CENTRE = (228.0, 85.0)
STRIPE_SLANT = 0.5  # columns a row


def read_picture(path: Path) -> Array:
    """The picture at path, RGB from 0 to 1."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    return (frame.to_ndarray(format="rgb24") / 255).astype(np.float32)


def find_matte(picture: Array, network: Path) -> Array:
    """The person's matte at the picture's size."""
    model = import_openvino().Core().compile_model(str(network), "CPU")
    frame = av.VideoFrame.from_ndarray(np.rint(picture * 255).astype(np.uint8), format="rgb24")
    small = frame.reformat(320, 320, interpolation="LANCZOS").to_ndarray().astype(np.float32)
    small = (small / max(float(small.max()), 1.0) - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    matte = model(small.transpose(2, 0, 1)[None].astype(np.float32))[0][0, 0]
    return resize(np.asarray(matte, np.float32), picture.shape[0], picture.shape[1])


def resize(plane: Array, height: int, width: int) -> Array:
    """A plane at another size, by cubic splines, kept between 0 and 1."""
    rows = (np.arange(height) + 0.5) * plane.shape[0] / height - 0.5
    cols = (np.arange(width) + 0.5) * plane.shape[1] / width - 0.5
    grid = np.meshgrid(rows, cols, indexing="ij")
    return np.clip(ndimage.map_coordinates(plane, grid, order=3, mode="nearest"), 0, 1).astype(np.float32)


def guided(matte: Array, picture: Array, radius: int = 5, eps: float = 4e-4) -> Array:
    """The matte drawn to the picture's own edges (a guided filter on luma)."""
    luma = picture @ np.array([0.299, 0.587, 0.114], np.float32)

    def box(x: Array) -> Array:
        return np.asarray(ndimage.uniform_filter(x, 2 * radius + 1), np.float32)

    mean_l, mean_m = box(luma), box(matte)
    slope = (box(luma * matte) - mean_l * mean_m) / (box(luma * luma) - mean_l**2 + eps)
    offset = mean_m - slope * mean_l
    return np.clip(box(slope) * luma + box(offset), 0, 1).astype(np.float32)


def clean_matte(matte: Array, picture: Array) -> Array:
    """The person alone: one piece without holes, and none of the flag that the network lets through."""
    solid = ndimage.binary_opening(matte > 0.75, iterations=4)
    labels, count = ndimage.label(solid)
    sizes = ndimage.sum_labels(solid, labels, np.arange(1, count + 1))
    solid = ndimage.binary_fill_holes(labels == 1 + int(np.argmax(sizes)))
    near = ndimage.binary_dilation(solid, iterations=7)
    inside = ndimage.binary_erosion(solid, iterations=6, border_value=1)
    fine = np.where(inside, 1.0, np.where(near, guided(matte, picture), 0.0)).astype(np.float32)
    return np.clip((fine - 0.04) / 0.90, 0, 1).astype(np.float32)


def fill(picture: Array, known: Array) -> Array:
    """The picture with the unknown parts filled in from around them, coarse to fine."""
    if min(known.shape) <= 2:
        weight = max(float(known.sum()), 1e-6)
        mean = (picture * known[..., None]).sum((0, 1)) / weight
        return np.broadcast_to(mean, picture.shape).astype(np.float32)
    height, width = known.shape
    padded_h, padded_w = height + height % 2, width + width % 2
    pad = ((0, padded_h - height), (0, padded_w - width))
    share = np.pad(known, pad, mode="edge")
    colours = np.pad(picture, (*pad, (0, 0)), mode="edge") * share[..., None]
    share_small = share.reshape(padded_h // 2, 2, padded_w // 2, 2).mean((1, 3))
    small = colours.reshape(padded_h // 2, 2, padded_w // 2, 2, 3).mean((1, 3))
    small = small / np.maximum(share_small, 1e-6)[..., None]
    coarse = fill(small.astype(np.float32), np.minimum(share_small * 2, 1).astype(np.float32))
    up = np.stack([resize(coarse[..., c], padded_h, padded_w) for c in range(3)], -1)[:height, :width]
    return (picture * known[..., None] + up * (1 - known[..., None])).astype(np.float32)


def carry_stripes(picture: Array, filled: Array, unknown: NDArray[np.bool_]) -> Array:
    """The fill with the flag's stripes, at the left, carried on along their own slant behind her shoulder."""
    rows, cols = np.mgrid[0 : unknown.shape[0], 0 : unknown.shape[1]].astype(np.float32)
    back = np.zeros_like(rows)
    hidden = unknown.copy()
    for step in range(1, 60):
        y, x = np.clip(rows - step, 0, None), np.clip(cols - STRIPE_SLANT * step, 0, None)
        known = ~unknown[np.rint(y).astype(int), np.rint(x).astype(int)]
        back[hidden & known] = step + 1
        hidden &= ~known
    grid = (rows - back, cols - STRIPE_SLANT * back)
    planes = [ndimage.map_coordinates(picture[..., c], grid, order=1, mode="nearest") for c in range(3)]
    carried = np.stack(planes, -1)
    here = (unknown & ~hidden & (cols < 140) & (rows > 150)).astype(np.float32)
    here = here * np.clip((125 - cols) / 25, 0, 1)
    return (filled + (carried - filled) * here[..., None]).astype(np.float32)


def layers(picture: Array, matte: Array) -> tuple[Array, Array, Array]:
    """The person's colours, her matte, and the background without her."""
    # well away from her soft edge, or her colours would bleed into the fill
    outside = ndimage.binary_dilation(matte > 0.02, iterations=6)
    behind = fill(picture, 1 - outside.astype(np.float32))
    behind = carry_stripes(picture, behind, outside)
    rng = np.random.default_rng(3)
    texture = ndimage.gaussian_filter(rng.standard_normal((*matte.shape, 3)), (1.0, 1.0, 0)) * 0.018
    behind = behind + texture * outside[..., None]
    alpha = matte[..., None]
    lifted = (picture - (1 - alpha) * behind) / np.maximum(alpha, 0.35)
    own = fill(picture, (matte > 0.97).astype(np.float32))
    person = np.where(alpha > 0.97, picture, np.clip(0.6 * lifted + 0.4 * own, 0, 1))
    return sharpen(person), matte, sharpen(np.clip(behind, 0, 1))


def sharpen(picture: Array) -> Array:
    """A little crispness, for the enlargement takes some."""
    soft = ndimage.gaussian_filter(picture, (1.2, 1.2, 0))
    return np.clip(picture + 0.45 * (picture - soft), 0, 1).astype(np.float32)


def drift(t: float, *parts: tuple[float, float, float]) -> float:
    """A sum of sines, each (size, cycles a second, phase)."""
    return float(sum(size * np.sin(2 * np.pi * rate * t + phase) for size, rate, phase in parts))


def turn(x: Array, y: Array, pivot: tuple[float, float], angle: Array | float) -> tuple[Array, Array]:
    """The points turned about the pivot by an angle in radians."""
    dx, dy = x - pivot[0], y - pivot[1]
    cos, sin = np.cos(angle), np.sin(angle)
    return pivot[0] + cos * dx - sin * dy, pivot[1] + sin * dx + cos * dy


def camera(t: float) -> tuple[Array, Array]:
    """Where in the picture each pixel of the frame at t seconds looks."""
    u = t / (FRAMES / RATE)
    ease = u * u * (3 - 2 * u)
    # this framing is one at which the small network sees all of her suit: a wider or tighter one loses parts
    span = 432 - 14 * ease + drift(t, (1.2, 0.31, 0.4))
    centre_x = 236 - 4 * ease + drift(t, (3.4, 0.27, 0.3), (1.3, 0.71, 1.9), (0.35, 1.9, 0.2))
    centre_y = 168 - 6 * ease + drift(t, (2.0, 0.33, 2.1), (0.9, 0.83, 0.7), (0.30, 2.3, 1.1))
    angle = np.deg2rad(drift(t, (0.55, 0.23, 0.9), (0.16, 0.77, 2.2)))
    step = span / WIDTH
    cols = (np.arange(WIDTH, dtype=np.float32) - (WIDTH - 1) / 2) * step + centre_x
    rows = (np.arange(HEIGHT, dtype=np.float32) - (HEIGHT - 1) / 2) * step + centre_y
    x, y = np.meshgrid(cols, rows)
    return turn(x, y, (centre_x, centre_y), angle)


def person_points(x: Array, y: Array, t: float) -> tuple[Array, Array]:
    """Where the person's layer is read for points of the scene: her sway, her breath, her head's tilt."""
    sway = np.deg2rad(drift(t, (0.85, 0.30, 0.2), (0.22, 0.67, 1.4)))
    lean = 1.022 + 0.010 * np.sin(2 * np.pi * 0.22 * t + 0.6)
    x, y = turn(x - drift(t, (2.2, 0.25, 1.0)), y - 2.0, BODY_PIVOT, -sway)
    # a little nearer and lower than in the picture, which leaves her hair no room
    x = BODY_PIVOT[0] + (x - BODY_PIVOT[0]) / lean
    y = BODY_PIVOT[1] + (y - BODY_PIVOT[1]) / lean - 13.0
    chest = np.exp(-(((x - 200) / 150) ** 2) - ((y - 270) / 90) ** 2)
    y = y + chest * drift(t, (1.3, 0.36, 0.0))
    away = np.hypot((x - HEAD_CENTRE[0]) / 105, (y - HEAD_CENTRE[1]) / 118)
    hold = np.clip((1.0 - away) / 0.45, 0, 1)
    hold = hold * hold * (3 - 2 * hold)
    tilt = np.deg2rad(drift(t, (2.3, 0.41, 0.5), (0.7, 0.93, 2.0)))
    x, y = turn(x, y, NECK_PIVOT, -tilt * hold)
    return x + hold * drift(t, (1.6, 0.37, 2.6)), y + hold * drift(t, (1.1, 0.55, 0.8))


class Sampler:
    """Reads a picture between its pixels by cubic splines."""

    def __init__(self, picture: Array) -> None:
        planes = picture[..., None] if picture.ndim == 2 else picture
        self.planes = [ndimage.spline_filter(p, 3, mode="mirror") for p in np.moveaxis(planes, -1, 0)]

    def __call__(self, x: Array, y: Array) -> Array:
        """The picture at these points, mirrored beyond its edges."""
        how: dict[str, Any] = {"order": 3, "mode": "mirror", "prefilter": False}
        read = [ndimage.map_coordinates(p, (y, x), **how) for p in self.planes]
        return np.clip(np.stack(read, -1), 0, 1).astype(np.float32)


def frames(person: Array, matte: Array, behind: Array) -> list[NDArray[np.uint8]]:
    """Every frame of the clip."""
    read_person, read_matte, read_behind = Sampler(person), Sampler(matte), Sampler(behind)
    rng = np.random.default_rng(5)
    made = []
    for number in range(FRAMES):
        t = number / RATE
        x, y = camera(t)
        px, py = person_points(x, y, t)
        alpha = read_matte(px, np.minimum(py, 511.0))
        # what is farther off moves less with the camera
        far_x, far_y = x + drift(t, (2.5, 0.27, 0.3)), y + drift(t, (1.2, 0.33, 2.1))
        frame = alpha * read_person(px, py) + (1 - alpha) * read_behind(far_x, far_y)
        frame = frame + 0.006 * rng.standard_normal((HEIGHT, WIDTH, 1)).astype(np.float32)
        made.append(np.clip(np.rint(frame * 255), 0, 255).astype(np.uint8))
    return made


def bell(pitch: float, seconds: float) -> Array:
    """A soft bell at a pitch in hertz."""
    t = np.arange(round(seconds * SOUND_RATE)) / SOUND_RATE
    partials = ((1.0, 1.0, 2.4), (2.0, 0.35, 3.6), (3.01, 0.14, 6.0), (4.2, 0.06, 9.0))
    tone = sum(size * np.sin(2 * np.pi * pitch * k * t) * np.exp(-decay * t) for k, size, decay in partials)
    return np.asarray(tone * np.minimum(t / 0.006, 1), np.float32)


def sound() -> Array:
    """The clip's sound: an arpeggio from left to right with a soft echo, as 2 x samples."""
    total = round(FRAMES / RATE * SOUND_RATE)
    mixed = np.zeros((2, total + SOUND_RATE * 3), np.float32)
    steps = [0, 4, 7, 11, 14, 11, 7, 4, 5, 9, 12, 16, 12, 7]
    for i, step in enumerate(steps):
        tone = bell(261.63 * 2 ** (step / 12), 2.6) * (0.85 + 0.15 * (i % 4 == 0))
        start, side = round(i * 0.25 * SOUND_RATE), 0.5 + 0.3 * np.sin(i * 0.9)
        mixed[0, start : start + tone.size] += tone * np.float32(np.sqrt(1 - side))
        mixed[1, start : start + tone.size] += tone * np.float32(np.sqrt(side))
    for delay, size in ((0.19, 0.28), (0.31, 0.20), (0.47, 0.12)):
        shift = round(delay * SOUND_RATE)
        mixed[:, shift:] += np.float32(size) * mixed[::-1, :-shift].copy()
    mixed = mixed[:, :total]
    fade = np.minimum(1, (total - np.arange(total)) / (0.6 * SOUND_RATE)).astype(np.float32)
    return np.asarray(mixed * fade * (0.5 / np.abs(mixed).max()), np.float32)


def write_clip(path: Path, pictures: list[NDArray[np.uint8]], samples: Array, crf: float) -> None:
    """Write H.264 and AAC: BT.709, limited range, tagged as such."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=RATE)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        # two threads at most, for the same file on any machine
        video.options = {"crf": str(crf), "preset": "veryslow", "threads": "2"}
        context = video.codec_context
        context.color_range, context.colorspace = ColorRange.MPEG, Colorspace.ITU709
        context.color_primaries = context.color_trc = 1
        audio = container.add_stream("aac", rate=SOUND_RATE, layout="stereo")
        audio.bit_rate = 96000
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
                format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
            )
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(video.encode(frame))
            first, last = (n * SOUND_RATE // RATE for n in (number, number + 1))
            heard = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples[:, first:last]), format="fltp", layout="stereo"
            )
            heard.sample_rate, heard.pts, heard.time_base = SOUND_RATE, first, Fraction(1, SOUND_RATE)
            container.mux(audio.encode(heard))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))


def main() -> None:
    """Make the clip."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("picture", type=Path, help="scikit-image's astronaut.png")
    parser.add_argument("network", type=Path, help="a U^2-Net-dagger network, ONNX")
    parser.add_argument("output", nargs="?", type=Path, default=Path("samples/clip.mp4"))
    parser.add_argument("--crf", type=float, default=18)
    args = parser.parse_args()
    picture = read_picture(args.picture)
    matte = clean_matte(find_matte(picture, args.network), picture)
    write_clip(args.output, frames(*layers(picture, matte)), sound(), args.crf)
    print(f"{args.output}: {args.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
