"""Framing and colour of training images. Every function draws from the generator it is given and nothing else."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor

from streamseg.errors import MissingDependency

from .images import Bytes, recompressed

__all__ = ["Colours", "Example", "blend", "close_up", "crop_at_random", "flip", "loose", "resize", "subject_box"]

Random = np.random.Generator

# A close-up shows this much of what the mask marks, from the top, and is this many times as large.
_UPPER = (0.25, 1.0)
_ROOM = (0.9, 2.1)
_ASPECT = (3 / 4, 16 / 9)
_SMALLEST = 24
# Share of the images that are compressed once more.
_COMPRESSED = 0.25


class Example(NamedTuple):
    """An image and its mask.

    Attributes:
        rgb: uint8 [H, W, 3].
        mask: uint8 [H, W], 255 for foreground; None where the teacher is to draw it.
    """

    rgb: Bytes
    mask: Bytes | None


class Box(NamedTuple):
    """A rectangle in pixels."""

    x: float
    y: float
    width: float
    height: float


def subject_box(mask: Bytes) -> Box:
    """Around what is at least half foreground; the whole image where nothing is."""
    rows, columns = np.flatnonzero((mask > 127).any(1)), np.flatnonzero((mask > 127).any(0))
    if not len(rows):
        return Box(0, 0, mask.shape[1], mask.shape[0])
    return Box(columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1)


def close_up(rng: Random, example: Example) -> Example:
    """A crop that the upper part of the subject fills, its borders touching, as in a selfie or a call."""
    assert example.mask is not None
    body = subject_box(example.mask)
    upper = max(body.height * _log_uniform(rng, *_UPPER), _SMALLEST)
    part = example.mask[int(body.y) : int(body.y + upper)]
    own = subject_box(part)
    aspect = _log_uniform(rng, *_ASPECT)
    height = max(upper, own.width / aspect if rng.random() < 0.7 else 0.0) * _log_uniform(rng, *_ROOM)
    width = height * aspect
    x = own.x + own.width / 2 - width / 2 + rng.normal() * 0.12 * width
    room = height - upper
    y = body.y - rng.uniform(0, 1) * room if room > 0 else body.y + rng.uniform(-0.15, 0.1) * height
    return _cut(example, Box(x, y, width, height))


def loose(rng: Random, example: Example) -> Example:
    """Most of the image, at least three quarters of each side; the whole of it in three of ten draws."""
    if rng.random() < 0.3:
        return example
    rows, columns = example.rgb.shape[:2]
    share = rng.uniform(0.75, 1)
    x, y = rng.uniform(0, 1 - share) * columns, rng.uniform(0, 1 - share) * rows
    return _cut(example, Box(x, y, share * columns, share * rows))


def crop_at_random(rng: Random, example: Example, size: int) -> Example:
    """Resized to a square of 10/9 of ``size``, then a random crop of ``size``: 320 and 288 in section 4.2."""
    large = resize(example, round(size * 10 / 9))
    x, y = rng.integers(0, len(large.rgb) - size + 1, 2)
    return _cut(large, Box(int(x), int(y), size, size))


def flip(rng: Random, example: Example, way: str) -> Example:
    """Mirrored (``horizontal``) or upside down (``vertical``) in half of the draws; never for ``none``."""
    if way == "none" or rng.random() < 0.5:
        return example
    turned = (slice(None), slice(None, None, -1)) if way == "horizontal" else (slice(None, None, -1),)
    return Example(example.rgb[turned], None if example.mask is None else example.mask[turned])


def resize(example: Example, size: int) -> Example:
    """To a square, bilinear and anti-aliased."""
    if example.rgb.shape[:2] == (size, size):
        return example
    rgb = _resized(example.rgb.transpose(2, 0, 1), (size, size)).transpose(1, 2, 0)
    return Example(rgb, None if example.mask is None else _resized(example.mask[None], (size, size))[0])


def blend(rng: Random, cutout: Example, background: Bytes) -> Example:
    """The cutout over a background stretched to its size, its light drawn a little towards that of the background."""
    assert cutout.mask is not None
    below = _resized(background.transpose(2, 0, 1), cutout.mask.shape).transpose(1, 2, 0).astype(np.float32)
    alpha, rgb = cutout.mask[..., None] / np.float32(255), cutout.rgb.astype(np.float32)
    if rng.random() < 0.6:
        mean = (rgb * alpha).sum((0, 1)) / max(float(alpha.sum()), 1.0)
        rgb = rgb + 0.35 * (below.mean((0, 1)) - mean)
    return Example(np.clip(rgb * alpha + below * (1 - alpha), 0, 255).astype(np.uint8), cutout.mask)


class Colours:
    """Light, colour, blur and noise of cameras, by Kornia, and their JPEG compression.

    Raises:
        MissingDependency: Kornia is not installed.
    """

    def __init__(self) -> None:
        try:
            import kornia.augmentation as kornia
        except ImportError:
            raise MissingDependency('augmentation needs Kornia: pip install "streamseg[train]"') from None
        self._steps: Any = torch.nn.Sequential(
            kornia.ColorJiggle(0.3, 0.4, 0.5, 0.03, p=0.8),
            kornia.RandomGamma((0.5, 2.4), p=0.3),
            kornia.RandomGaussianBlur((7, 7), (0.4, 1.6), p=0.2),
            kornia.RandomGaussianNoise(0.0, 0.035, p=0.25),
        )

    def __call__(self, image: Tensor, seed: int) -> Tensor:
        """An image, float32 [3, S, S] in [0, 1], as another camera in other light would show it."""
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed)
            out: Tensor = self._steps(image[None])[0].clamp(0, 1)
        rng = np.random.default_rng(seed)
        return _compressed(out, int(rng.integers(3, 25))) if rng.random() < _COMPRESSED else out


def _compressed(image: Tensor, quality: int) -> Tensor:
    rgb = (image * 255).round().byte().permute(1, 2, 0).numpy()
    return torch.from_numpy(recompressed(rgb, quality)).permute(2, 0, 1).float() / 255


def _log_uniform(rng: Random, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _cut(example: Example, box: Box) -> Example:
    """The box, moved inside the image and cut down to it where it is larger."""
    rows, columns = example.rgb.shape[:2]
    width, height = (int(min(max(side, 1), whole)) for side, whole in ((box.width, columns), (box.height, rows)))
    x, y = int(min(max(box.x, 0), columns - width)), int(min(max(box.y, 0), rows - height))
    inside = (slice(y, y + height), slice(x, x + width))
    return Example(example.rgb[inside], None if example.mask is None else example.mask[inside])


def _resized(planes: Bytes, shape: tuple[int, ...]) -> Bytes:
    """uint8 [C, H, W] to uint8 [C, *shape]."""
    image = torch.from_numpy(np.ascontiguousarray(planes))[None]
    return F.interpolate(image, shape, mode="bilinear", antialias=True, align_corners=False)[0].numpy()
