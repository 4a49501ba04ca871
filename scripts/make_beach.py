"""Render samples/beach.jpg, the sample background: a beach in the late afternoon, from noise and sines.

Needs numpy and PyAV.  Run: python scripts/make_beach.py [samples/beach.jpg] [--draft]
"""

import argparse
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Point = tuple[float, float]

WIDTH, HEIGHT = 1600, 900
HORIZON = 395.0  # row of the horizon
FOCAL = 1500.0  # pixels
EYE = 2.2  # metres above the water
SUN = np.array([-0.31, 0.155, 1.0], np.float32) / np.linalg.norm([-0.31, 0.155, 1.0])
SUN_COLOUR = np.array([1.0, 0.76, 0.45], np.float32)
SEED = 20260


def smooth(low: float, high: float, x: Array) -> Array:
    """Hermite step from 0 at low to 1 at high."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def mix(a: Array, b: Array, t: Array) -> Array:
    """Blend colours a to b by t, one weight per pixel."""
    return (a + (b - a) * t[..., None]).astype(np.float32)


def colour(*rgb: float) -> Array:
    """A linear-light colour."""
    return np.array(rgb, np.float32)


_ANGLES = np.random.default_rng(SEED).uniform(0, 2 * np.pi, (256, 256))
_GRAD_X = np.cos(_ANGLES).astype(np.float32)
_GRAD_Y = np.sin(_ANGLES).astype(np.float32)


def noise(x: Array, y: Array) -> Array:
    """Gradient noise, about -0.7 to 0.7, one feature per unit."""
    x0, y0 = np.floor(x), np.floor(y)
    fx, fy = (x - x0).astype(np.float32), (y - y0).astype(np.float32)
    ix, iy = x0.astype(np.int32), y0.astype(np.int32)
    u = fx * fx * fx * (fx * (fx * 6 - 15) + 10)
    v = fy * fy * fy * (fy * (fy * 6 - 15) + 10)

    def corner(dx: int, dy: int) -> Array:
        i, j = (iy + dy) & 255, (ix + dx) & 255
        return np.asarray(_GRAD_X[i, j] * (fx - dx) + _GRAD_Y[i, j] * (fy - dy), np.float32)

    top = corner(0, 0) * (1 - u) + corner(1, 0) * u
    low = corner(0, 1) * (1 - u) + corner(1, 1) * u
    return np.asarray(top * (1 - v) + low * v, np.float32)


def fbm(x: Array, y: Array, octaves: int, footprint: Array | float = 0.0, gain: float = 0.5) -> Array:
    """Octaves of noise; those finer than a pixel's footprint (in the same units) fade out."""
    total = np.zeros(np.broadcast_shapes(x.shape, y.shape), np.float32)
    weight, scale = 1.0, 1.0
    for octave in range(octaves):
        shift = 17.3 * octave
        seen = np.exp(-np.square(1.6 * np.asarray(footprint, np.float32) * scale))
        total += weight * seen * noise(x * scale + shift, y * scale - shift)
        weight, scale = weight * gain, scale * 2.03
    return total


class Rays:
    """The camera's ray through every pixel, and where it meets the ground plane."""

    def __init__(self, scale: float) -> None:
        self.scale = scale
        rows = (np.arange(round(HEIGHT * scale), dtype=np.float32) + 0.5) / scale
        cols = (np.arange(round(WIDTH * scale), dtype=np.float32) + 0.5) / scale
        self.px, self.py = np.meshgrid(cols, rows)
        self.right = (self.px - WIDTH / 2) / FOCAL
        self.up = (HORIZON - self.py) / FOCAL
        self.horizon = int(np.searchsorted(rows, HORIZON))

    def ground(self) -> tuple[Array, Array, Array, Array]:
        """Ground x, ground z, and a pixel's size there across and along, below the horizon."""
        up, right = self.up[self.horizon :], self.right[self.horizon :]
        z = (EYE / np.maximum(-up, 0.25 / FOCAL)).astype(np.float32)
        along = z * z / (FOCAL * EYE * self.scale)
        return (right * z).astype(np.float32), z, z / (FOCAL * self.scale), along


def clear_sky(right: Array, up: Array) -> Array:
    """The sky without clouds in direction (right, up, 1)."""
    length = np.sqrt(right * right + up * up + 1)
    height = np.maximum(up, 0) / length
    base = mix(colour(0.070, 0.215, 0.56), colour(0.33, 0.54, 0.82), np.exp(-height * 7.0))
    base = mix(base, colour(1.0, 0.74, 0.50), 0.85 * np.exp(-height * 17.0))
    toward = np.clip((right * SUN[0] + up * SUN[1] + SUN[2]) / length, 0, 1)
    angle = np.arccos(toward)
    glow = 0.42 * np.exp(-angle / 0.24) + 0.75 * np.exp(-angle / 0.055) + 6.0 * np.exp(-angle / 0.0085)
    return np.asarray(base + glow[..., None] * SUN_COLOUR, np.float32)


def cloud_density(x: Array, y: Array) -> Array:
    """How thick the clouds are at a place on their layer."""
    warp = fbm(x * 0.7 + 5.0, y * 0.7, 3)
    shape = fbm(x + 0.5 * warp + 3.1, y * 1.15 + 0.5 * warp, 7, gain=0.53)
    cover = noise(x * 0.33 + 9.7, y * 0.33 + 1.2)
    return shape + 0.55 * cover


def sky(rays: Rays) -> Array:
    """The sky with soft clouds, lit from the sun's side."""
    right, up = rays.right[: rays.horizon], rays.up[: rays.horizon]
    # a layer that curves down to the horizon keeps the far clouds from shrinking to noise
    depth = 1.0 / (np.maximum(up, 0) + 0.055)
    x, y = right * depth * 0.75, depth * 0.55
    density = cloud_density(x, y)
    toward_x, toward_y = SUN[0] / SUN[2] - right, SUN[1] / SUN[2] - up
    reach = 0.10 / np.maximum(np.hypot(toward_x, toward_y), 0.08)
    shadow = cloud_density(x + toward_x * reach, y - toward_y * reach)
    amount = smooth(0.04, 0.56, density) * (0.35 + 0.65 * smooth(0.0, 0.05, up))
    lit = np.clip(0.62 - 0.9 * smooth(-0.1, 0.8, shadow) + 0.75 * smooth(0.9, 0.0, density), 0.0, 1.0)
    behind = clear_sky(right, up)
    white = mix(colour(0.50, 0.53, 0.64), colour(1.20, 1.05, 0.92), lit)
    angle = np.hypot(toward_x, toward_y)
    white = white + (0.55 * np.exp(-angle / 0.16))[..., None] * SUN_COLOUR
    white = mix(white, colour(1.0, 0.82, 0.68), 0.55 * np.exp(-np.maximum(up, 0) * 16))
    return mix(behind, np.asarray(white, np.float32), amount * 0.86)


def wave_slopes(x: Array, z: Array, across: Array, along: Array) -> tuple[Array, Array, Array]:
    """Slopes of the water by x and z, and the variance of the slopes too fine for the pixel."""
    rng = np.random.default_rng(SEED + 1)
    wobble = fbm(x / 9, z / 9, 2)
    slope_x, slope_z, lost = (np.zeros_like(x) for _ in range(3))
    for length in np.geomspace(0.16, 11.0, 44):
        heading = rng.normal(-0.25, 0.62)
        kx, kz = (2 * np.pi / length) * np.array([np.sin(heading), np.cos(heading)], np.float32)
        steep = 0.034 * rng.uniform(0.6, 1.2)
        phase = kx * x + kz * z + rng.uniform(0, 6.28) + 4.5 * wobble
        seen = np.exp(-0.16 * ((kx * across) ** 2 + (kz * along) ** 2))
        # a sharp crest and a flat trough
        swing = np.cos(phase) * np.exp(0.5 * np.sin(phase) - 0.25) * steep * seen
        slope_x += swing * np.sin(heading)
        slope_z += swing * np.cos(heading)
        lost += 0.5 * steep * steep * (1 - seen * seen)
    return slope_x, slope_z, lost


def water(rays: Rays, offshore: Array) -> Array:
    """The sea: mirrored sky, the water's own colour, the sun's glitter."""
    x, z, across, along = rays.ground()
    slope_x, slope_z, lost = wave_slopes(x, z, across, along)
    swell, foam_swell = breakers(x, z, offshore, along)
    slope_z = slope_z + swell
    right, up = rays.right[rays.horizon :], rays.up[rays.horizon :]
    length = np.sqrt(right * right + up * up + 1)
    dx, dy, dz = right / length, up / length, 1 / length
    norm = np.sqrt(slope_x**2 + slope_z**2 + 1)
    nx, ny, nz = -slope_x / norm, 1 / norm, -slope_z / norm
    facing = np.clip(-(dx * nx + dy * ny + dz * nz), 0.0, 1.0)
    mirror_x, mirror_y, mirror_z = (d + 2 * facing * n for d, n in ((dx, nx), (dy, ny), (dz, nz)))
    # the unseen facets lean toward the eye, so rough water mirrors a higher sky
    mirror_y = np.abs(mirror_y) + 1.1 * np.sqrt(lost) + 0.02
    mirror_z = np.maximum(mirror_z, 0.25)
    mirrored = np.minimum(clear_sky(mirror_x / mirror_z, mirror_y / mirror_z), 1.6)
    fresnel = 0.02 + 0.98 * (1 - np.clip(facing + 0.55 * np.sqrt(lost), 0, 1)) ** 5
    own = mix(colour(0.020, 0.135, 0.215), colour(0.085, 0.40, 0.43), np.exp(-offshore / 15.0))
    own = mix(own, colour(0.40, 0.46, 0.36), 0.75 * np.exp(-np.maximum(offshore, 0) / 1.6))
    patches = smooth(-0.5, 0.6, fbm(x / 20, z / 30, 3, along / 30))
    own = own * (0.80 + 0.38 * patches)[..., None] * (1 + 2.2 * np.clip(slope_z, -0.2, 0.25))[..., None]
    sea = mix(np.asarray(own, np.float32), mirrored, fresnel.astype(np.float32))
    sea = sea + glitter(rays, x, z, slope_x, slope_z, lost)[..., None] * SUN_COLOUR
    haze = smooth(80.0, 1600.0, z)
    sea = mix(np.asarray(sea, np.float32), colour(0.46, 0.60, 0.70), 0.55 * haze)
    return mix(sea, colour(0.93, 0.95, 0.95), foam_swell)


def glitter(rays: Rays, x: Array, z: Array, slope_x: Array, slope_z: Array, lost: Array) -> Array:
    """The share of the sun that the facets in each pixel throw at the eye."""
    right, up = rays.right[rays.horizon :], rays.up[rays.horizon :]
    length = np.sqrt(right * right + up * up + 1)
    half = [SUN[0] - right / length, SUN[1] - up / length, SUN[2] - 1 / length]
    want_x, want_z = -half[0] / half[1], -half[2] / half[1]
    spread = 0.0035 + lost
    miss = ((want_x - slope_x) ** 2 * 1.6 + (want_z - slope_z) ** 2) / (2 * spread)
    sparkle = noise(rays.px[rays.horizon :] / 2.6, rays.py[rays.horizon :] / 1.5)
    gain = 0.25 + 3.2 * smooth(0.12, 0.55, sparkle) * (1 - 0.6 * smooth(300.0, 2000.0, z))
    return np.asarray(np.exp(-miss) * gain * 0.9, np.float32)


def shoreline(x: Array) -> Array:
    """The z of the water's edge: a shallow bay that swings back far off to the right."""
    wobble = 1.5 * noise(x / 7.0 + 3.3, np.full_like(x, 0.5)) + 0.5 * noise(x / 2.3, np.full_like(x, 7.5))
    return np.asarray(15.2 + 0.33 * x + 0.026 * np.square(np.maximum(x, 0)) + wobble, np.float32)


def breakers(x: Array, z: Array, offshore: Array, along: Array) -> tuple[Array, Array]:
    """Slope and foam of the small waves that break before the beach."""
    slope, foam = np.zeros_like(x), np.zeros_like(x)
    bend = 2.6 * fbm(x / 10 + 2.2, z / 30, 3)
    for number, (place, height, wide) in enumerate([(5.2, 0.34, 0.85), (14.0, 0.30, 1.3), (27.0, 0.22, 1.8)]):
        local = offshore - place - bend * (1 + 0.25 * number)
        strength = smooth(-0.15, 0.45, noise(x / (9 + 4 * number) + 31.7 * number, z / 60))
        bump = np.exp(-np.square(local / wide))
        slope += height * strength * bump * (-2 * local / wide) * 0.9
        lace = fbm(x / 0.9, z / 0.55 + 11 * number, 5, along / 0.55)
        front = smooth(-0.9 * wide, -0.45 * wide, local) * smooth(0.75 * wide, -0.35 * wide, local)
        foam = np.maximum(foam, smooth(0.30, 0.80, front * (0.80 + 1.5 * lace) * (0.15 + strength)))
        behind = smooth(0.2 * wide, 0.9 * wide, local) * smooth(3.4 * wide, wide, local)
        torn = smooth(0.02, 0.45, lace) * behind
        foam = np.maximum(foam, 0.55 * torn * strength)
    return slope, np.asarray(foam, np.float32)


def lace_foam(x: Array, z: Array, offshore: Array, along: Array) -> Array:
    """The thin foam on the water's edge: a bright rim, then a torn net behind it."""
    warp_x, warp_z = fbm(x / 1.7, z / 1.7, 3, along / 1.7), fbm(x / 1.7 + 40, z / 1.7, 3, along / 1.7)
    u, v = x / 0.85 + 1.1 * warp_x, z / 0.85 + 1.1 * warp_z
    ridge = 1 - 2.4 * np.abs(noise(u, v)) - 0.9 * np.abs(noise(u * 2.3 + 7, v * 2.3))
    net = smooth(0.30, 0.80, ridge + 0.25 * fbm(x / 4, z / 4, 2, along / 4))
    ragged = offshore + 0.35 * fbm(x / 0.5, z / 0.5, 3, along)
    rim = smooth(-0.02, 0.05, offshore) * smooth(0.55, 0.08, ragged)
    body = smooth(0.0, 0.12, offshore) * smooth(3.6, 0.4, offshore) * (0.35 + 0.65 * net)
    return np.asarray(np.clip(0.95 * rim + 0.85 * body * smooth(0.0, 0.7, net + 0.25), 0, 1), np.float32)


def sand_height(x: Array, z: Array, along: Array, dry: Array) -> Array:
    """Relief of the sand: trodden hollows when dry, faint when wet."""
    broad = 0.10 * fbm(x / 1.6, z / 1.6, 3, along / 1.6)
    trodden = 0.060 * fbm(x / 0.36 + 8, z / 0.36, 6, along / 0.36, gain=0.56)
    ripple = 0.010 * np.sin(9.0 * (z - 0.35 * x) + 5 * fbm(x / 1.1, z / 1.1, 3, along / 1.1))
    return np.asarray(broad * (0.3 + 0.7 * dry) + (trodden + ripple) * dry, np.float32)


def sand(rays: Rays, offshore: Array) -> Array:
    """The beach, from mirror-wet at the edge to dry and grainy."""
    x, z, across, along = rays.ground()
    inland = -offshore + 0.7 * fbm(x / 3, z / 3, 3, along / 3)
    dry = smooth(2.2, 4.6, inland)
    wet = smooth(2.6, 0.2, inland)
    height = sand_height(x, z, along, dry)
    slope_z = -np.gradient(height, axis=0) / np.maximum(along, 1e-4)
    slope_x = np.gradient(height, axis=1) / across
    norm = np.sqrt(slope_x**2 + slope_z**2 + 1)
    # the sun stands low: lift it a little, or every hollow turns black
    light = (-slope_x * SUN[0] + 0.42 - slope_z * SUN[2] * 0.55) / norm
    shade = 0.36 + 1.22 * np.clip(light, 0.0, 1.3)
    tint = smooth(-0.5, 0.5, fbm(x / 2.4 + 60, z / 2.4, 4, along / 2.4))
    base = mix(colour(0.58, 0.415, 0.255), colour(0.72, 0.56, 0.37), tint)
    base = mix(base, base * colour(0.44, 0.42, 0.42), 1 - dry)
    rng = np.random.default_rng(SEED + 2)
    near = np.clip(1.25 - z / 16, 0.15, 1.0)
    grain = 0.20 * rng.standard_normal(x.shape).astype(np.float32) * near
    grain += 0.07 * noise(x / 0.030, z / 0.045) * np.exp(-np.square(along / 0.04)) * (0.3 + 0.7 * dry)
    ground = base * (shade + grain * (0.45 + 0.55 * dry))[..., None]
    ground = shells(ground, x, z, dry)
    ripple = 0.012 * noise(x / 0.5, z / 0.9) + 0.02 * fbm(x / 2, z / 3, 2, along / 3)
    up = -rays.up[rays.horizon :]
    mirrored = np.minimum(clear_sky(rays.right[rays.horizon :] + ripple, np.abs(up + ripple)), 1.15)
    facing = np.clip(up / np.sqrt(up * up + 1), 0, 1)
    wet = wet * (0.82 + 0.5 * fbm(x / 0.9, z / 0.5, 4, along / 0.5))
    shine = wet * (0.05 + 0.95 * (1 - facing) ** 5) * 0.85
    return mix(np.asarray(ground, np.float32), mirrored, np.asarray(shine, np.float32))


def shells(ground: Array, x: Array, z: Array, dry: Array) -> Array:
    """A few bits of shell and weed on the dry sand."""
    rng = np.random.default_rng(SEED + 3)
    for _ in range(90):
        cz = rng.uniform(6.4, 13.0)
        cx = rng.uniform(-0.55, 0.55) * cz
        size = rng.uniform(0.008, 0.022)
        spot = np.exp(-np.square((np.square(x - cx) + np.square((z - cz) / 1.6)) / size**2)) * dry
        pale = colour(0.95, 0.88, 0.78) if rng.random() < 0.55 else colour(0.20, 0.15, 0.10)
        ground = mix(ground, pale, np.asarray(0.8 * spot, np.float32))
    return ground


def headland(rays: Rays, picture: Array) -> Array:
    """Two far hills behind the bay, paler with distance."""
    for base, start, tall, near, seed in ((0.0, 820.0, 62.0, 0.35, 4.0), (1.0, 1130.0, 96.0, 0.62, 9.0)):
        x = rays.px[0]
        rise = smooth(start, start + 560, x) * tall
        line = np.full_like(x, seed)
        rough = 26 * fbm(x / 190, line, 5) + 4 * fbm(x / 22, line + 3, 4)
        top = HORIZON + base - rise - rough * smooth(start, start + 240, x)
        cover = smooth(-0.5, 0.5, (rays.py - top[None]) * 1.0) * (rays.py < HORIZON + 2 + 6 * near)
        cover = cover * (x > start + 15)[None]
        woods = 0.5 + 0.9 * fbm(rays.px / 16 + seed, rays.py / 7, 4)
        woods = woods + 0.35 * fbm(rays.px / 70, rays.py / 30, 2)
        green = mix(colour(0.045, 0.085, 0.070), colour(0.20, 0.235, 0.13), np.clip(woods, 0, 1))
        green = mix(green, colour(0.62, 0.66, 0.72), np.full_like(rays.px, 1 - near))
        picture = mix(picture, green, np.asarray(cover, np.float32))
    return picture


def stroke(canvas: Array, a: Array, b: Array, wide: tuple[float, float], paint: Array) -> None:
    """Draw one tapered stroke from a to b on canvas (colour and cover), in its pixels."""
    reach = max(wide) + 1.5
    low = np.floor(np.minimum(a, b) - reach).astype(int)
    high = np.ceil(np.maximum(a, b) + reach).astype(int)
    x0, x1 = max(low[0], 0), min(high[0], canvas.shape[1])
    y0, y1 = max(low[1], 0), min(high[1], canvas.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    xs = np.arange(x0, x1, dtype=np.float32)[None] + 0.5 - a[0]
    ys = np.arange(y0, y1, dtype=np.float32)[:, None] + 0.5 - a[1]
    d = b - a
    t = np.clip((xs * d[0] + ys * d[1]) / max(float(d @ d), 1e-6), 0, 1)
    away = np.hypot(xs - t * d[0], ys - t * d[1])
    cover = np.clip(wide[0] + (wide[1] - wide[0]) * t - away + 0.5, 0, 1)[..., None]
    tile = canvas[y0:y1, x0:x1]
    tile[..., :3] += (paint - tile[..., :3]) * cover
    tile[..., 3:] += (1 - tile[..., 3:]) * cover


def frond(canvas: Array, root: Array, angle: float, long: float, light: float, scale: float) -> None:
    """One arching leaf with its drooping leaflets."""
    rng = np.random.default_rng(int(abs(angle) * 1000) + 7)
    heading = np.array([np.cos(angle), -np.sin(angle)], np.float32)
    droop = rng.uniform(0.30, 0.55) + 0.22 * abs(float(heading[0]))
    t = np.linspace(0, 1, 52, dtype=np.float32)[:, None]
    spine = root + long * (heading * (t - 0.12 * t**3) + np.array([0, droop], np.float32) * t**2.3)
    dark, pale = colour(0.012, 0.026, 0.012), colour(0.135, 0.165, 0.035)
    for i in range(4, 50):
        tangent = spine[i] - spine[i - 1]
        tangent = tangent / max(float(np.hypot(*tangent)), 1e-6)
        full = float(np.sin(np.pi * min(1.0, 0.10 + 0.93 * i / 52)) ** 0.6)
        size = long * 0.34 * full * rng.uniform(0.62, 1.12)
        for side in (-1.0, 1.0):
            out = np.array([-tangent[1], tangent[0]], np.float32) * side
            aim = 0.85 * tangent + 0.55 * out
            aim = aim / float(np.hypot(*aim))
            sway = np.array([rng.uniform(-0.10, 0.16), 0.30 + 0.34 * rng.random()], np.float32)
            tip = spine[i] + size * (0.80 * aim + sway)
            knee = spine[i] + size * 0.5 * aim + np.array([0, 0.06 * size], np.float32)
            facing = 1.0 if side * heading[0] < 0 else 0.5
            glow = np.clip(light * (0.10 + 0.90 * rng.random() ** 1.5) * facing, 0, 1)
            paint = dark + (pale - dark) * np.float32(glow)
            stroke(canvas, spine[i], knee, (1.1 * scale, 1.6 * scale), paint)
            stroke(canvas, knee, tip, (1.6 * scale, 0.1), paint * np.float32(0.9))
    for i in range(1, 52):
        paint = colour(0.13, 0.12, 0.04) * np.float32(0.4 + 0.6 * light)
        wide = 2.6 * scale * (1 - i / 56)
        stroke(canvas, spine[i - 1], spine[i], (wide, 0.96 * wide), paint)


def palm(canvas: Array, foot: Point, crown: Point, size: float, seed: int) -> None:
    """A leaning palm: a ringed trunk, nuts, and a crown of fronds."""
    rng = np.random.default_rng(seed)
    scale = size / 260
    start, end = np.array(foot, np.float32), np.array(crown, np.float32)
    t = np.linspace(0, 1, 150, dtype=np.float32)[:, None]
    sag = np.array([0.18 * (foot[0] - crown[0]), 0.02 * (foot[1] - crown[1])], np.float32)
    path = start + (end - start) * t - sag * np.sin(np.pi * t) * -1.0
    for i in range(1, len(path)):
        wide = (14 - 7 * i / 150 + 5 * np.exp(-i / 9)) * scale
        for across, light in ((0.0, 0.035), (-0.30, 0.075), (-0.55, 0.15), (-0.80, 0.27)):
            ring = 0.72 + 0.28 * (i % 5 > 1) + rng.uniform(-0.08, 0.08)
            paint = colour(1.0, 0.74, 0.50) * np.float32(light * ring)
            shift = np.array([across * wide, 0], np.float32)
            part = float(wide * (1 - 0.99 * abs(across)))
            stroke(canvas, path[i - 1] + shift, path[i] + shift, (part, part), paint)
    angles = np.linspace(-0.6, np.pi + 0.6, 15) + rng.uniform(-0.16, 0.16, 15)
    for angle in rng.permutation(angles):
        long = size * rng.uniform(0.70, 1.12)
        light = 0.35 + 0.5 * rng.random() + 0.2 * (np.cos(angle) < 0)
        frond(canvas, end, float(angle), long, float(light), scale)
    for _ in range(5):
        nut = end + np.array([rng.uniform(-15, 13), rng.uniform(4, 20)], np.float32) * np.float32(scale)
        stroke(canvas, nut, nut + 0.1, (8.5 * scale, 8.5 * scale), colour(0.05, 0.035, 0.015))


def palms(rays: Rays, picture: Array) -> Array:
    """Two palms at the right, over the picture."""
    canvas = np.zeros((*picture.shape[:2], 4), np.float32)
    k = rays.scale
    palm(canvas, (1690 * k, 600 * k), (1392 * k, 262 * k), 150 * k, 11)
    palm(canvas, (1680 * k, 900 * k), (1500 * k, 128 * k), 250 * k, 5)
    return mix(picture, canvas[..., :3], canvas[..., 3])


def render(scale: float) -> Array:
    """The whole picture in linear light."""
    rays = Rays(scale)
    x, z, _, along = rays.ground()
    offshore = (z - shoreline(x)) * 0.93
    edge = smooth(-0.5, 0.5, offshore / np.maximum(along, 0.02))
    shore = mix(sand(rays, offshore), water(rays, np.maximum(offshore, 0)), edge)
    shore = mix(shore, colour(0.97, 0.96, 0.93), lace_foam(x, z, offshore, along))
    far = headland(rays, np.concatenate([sky(rays), shore]))
    return palms(rays, far)


def develop(light: Array) -> NDArray[np.uint8]:
    """Linear light to an sRGB picture, with soft highlights."""
    mapped = 1 - np.exp(-np.maximum(light, 0) * 1.32)
    grey = mapped.mean(-1, keepdims=True)
    mapped = np.clip(grey + 1.14 * (mapped - grey), 0, 1)
    srgb = np.where(mapped < 0.0031308, 12.92 * mapped, 1.055 * np.maximum(mapped, 1e-6) ** (1 / 2.4) - 0.055)
    srgb = srgb + 0.16 * srgb * (1 - srgb) * (2 * srgb - 1)
    return np.asarray(np.clip(np.rint(srgb * 255), 0, 255), np.uint8)


def halve(picture: Array) -> Array:
    """Average 2x2 pixels."""
    h, w = picture.shape[:2]
    return np.asarray(picture.reshape(h // 2, 2, w // 2, 2, 3).mean((1, 3)), np.float32)


def write_jpeg(path: Path, picture: NDArray[np.uint8], quality: int = 3) -> None:
    """Write an RGB picture as JPEG; quality is the encoder's quantiser, 2 (best) to 31."""
    codec = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height, codec.pix_fmt = picture.shape[1], picture.shape[0], "yuvj420p"
    codec.time_base = Fraction(1, 25)
    codec.qmin = codec.qmax = quality
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    frame = frame.reformat(format="yuvj420p", dst_colorspace="ITU601", dst_color_range=ColorRange.JPEG)
    path.write_bytes(b"".join(bytes(p) for p in [*codec.encode(frame), *codec.encode(None)]))


def main() -> None:
    """Render the beach and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", nargs="?", type=Path, default=Path("samples/beach.jpg"))
    parser.add_argument("--draft", action="store_true", help="half size, for a quick look")
    parser.add_argument("--quality", type=int, default=3, help="quantiser, 2 (best) to 31")
    args = parser.parse_args()
    light = render(0.5) if args.draft else halve(render(2.0))
    write_jpeg(args.output, develop(light), args.quality)
    print(f"{args.output}: {args.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
