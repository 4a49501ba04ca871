"""From planes to the network's input and to small images, against NumPy references and swscale."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

from numpy_reference import prepared, resampled  # noqa: E402

from streamseg.device.cpu.device import CPUDevice  # noqa: E402
from streamseg.device.cuda.buffers.planes import frame_descriptor  # noqa: E402
from streamseg.device.cuda.buffers.transfer import FrameSlot  # noqa: E402
from streamseg.device.cuda.colour import rgb_matrix  # noqa: E402
from streamseg.device.cuda.device import prepare_arguments  # noqa: E402
from streamseg.frame import Colour, Frame, PixelFormat  # noqa: E402
from streamseg.matting.tracking.inference import FULL_FRAME_INFERENCE, Inference  # noqa: E402
from streamseg.matting.tracking.roi import FULL_FRAME, ROI  # noqa: E402
from streamseg.media.pixels.scale import RGBScaler  # noqa: E402
from streamseg.network.architecture import MEAN, STD  # noqa: E402

FORMATS = ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le", "yuv411p", "gbrp", "yuva420p"]
BT709 = Colour(1, 1)
LEFT_HALF = ROI(0.0, 0.25, 0.5, 1.0)
INFERENCES = [Inference(FULL_FRAME), Inference(LEFT_HALF, flipped=True), Inference(ROI(0.3, 0.1, 0.95, 0.6))]


def frame_of(name: str, width=426, height=241, colour=BT709) -> Frame:
    """Soft shapes and a hard edge, in any format."""
    form = PixelFormat.parse(name)
    planes = []
    for which, (rows, columns) in enumerate(form.shapes(width, height)):
        y, x = np.mgrid[0:rows, 0:columns]
        y, x = y / rows, x / columns
        values = 0.5 + 0.25 * np.sin(7 * x + which) * np.cos(5 * y - which) + 0.15 * (x > 0.6)
        planes.append(np.rint(values * form.maximum).astype(form.dtype))
    return Frame(tuple(planes), form, 0, Fraction(1, 25), colour)


def uploaded(platform, frame: Frame) -> FrameSlot:
    slot = FrameSlot.allocate(platform, frame.format, frame.width, frame.height)
    slot.fill(frame.planes)
    slot.upload()
    return slot


def run_prepare(platform, descriptor, frame: Frame, inference: Inference = FULL_FRAME_INFERENCE) -> np.ndarray:
    out = platform.empty((320, 320, 3), torch.float32)
    matrix = platform.upload(torch.from_numpy(rgb_matrix(frame.format, frame.colour, frame.width, frame.height)))
    arguments = prepare_arguments(descriptor, frame.format, frame.width, frame.height, inference)
    platform.launch("prepare", (320, 320), *arguments, matrix, 320, 320, out)
    return out.cpu().numpy()


def network_input(platform, frame: Frame, inference: Inference = FULL_FRAME_INFERENCE) -> np.ndarray:
    slot = uploaded(platform, frame)  # holds the memory that the descriptor points to
    return run_prepare(platform, slot.frame.descriptor, frame, inference)


def in_codes(normalised: np.ndarray) -> np.ndarray:
    return (normalised * STD + MEAN) * 255


@pytest.mark.parametrize("inference", INFERENCES, ids=["full frame", "left half", "inside"])
@pytest.mark.parametrize("name", FORMATS)
def test_the_networks_input_equals_the_reference(platform, name, inference):
    frame = frame_of(name)
    got = network_input(platform, frame, inference)
    expected = prepared(frame, inference.roi)
    if inference.flipped:
        expected = expected[:, ::-1]
    assert np.abs(in_codes(got) - in_codes(expected)).max() < 0.1


@pytest.mark.parametrize("size", [(64, 36), (1920, 1080), (320, 320)], ids=str)
def test_frames_are_enlarged_and_reduced(platform, size):
    frame = frame_of("yuv420p", *size)
    got = network_input(platform, frame)
    assert np.abs(in_codes(got) - in_codes(prepared(frame))).max() < 0.1


@pytest.mark.parametrize("colour", [Colour(1, 1), Colour(1, 2), Colour(6, 1), Colour(9, 1), Colour(2, 0)], ids=str)
@pytest.mark.parametrize("name", ["yuv420p", "yuv422p10le"])
def test_matrix_and_range_are_the_frames(name, colour):
    """Flat colours, against swscale: only its rounding remains."""
    form = PixelFormat.parse(name)
    scale = 1 << (form.depth - 8)
    for codes in [(120, 100, 160), (60, 140, 120), (200, 128, 128)]:
        shapes = form.shapes(64, 64)
        planes = tuple(np.full(shape, code * scale, form.dtype) for shape, code in zip(shapes, codes, strict=True))
        frame = Frame(planes, form, 0, Fraction(1, 25), colour)
        expected = RGBScaler(32, 32)(frame)[16, 16]
        matrix = rgb_matrix(form, colour, 64, 64)
        got = 255 * (matrix[:, :3] @ (np.array(codes) * scale) + matrix[:, 3])
        assert np.abs(got - expected).max() <= 3, (codes, got, expected)


def test_the_networks_input_is_like_the_cpu_devices(platform):
    """Within swscale's own error: without accurate rounding it is a code or two too dark."""
    frame = frame_of("yuv420p", 1280, 720)
    cpu = CPUDevice.__new__(CPUDevice)
    cpu.sizes, cpu._to_rgb, cpu._selfie = (320,), {320: RGBScaler(320, 320)}, None
    for inference in (Inference(FULL_FRAME), Inference(LEFT_HALF, flipped=True)):
        expected = cpu.prepare(frame, inference).rgb.astype(np.float64)
        difference = np.abs(in_codes(network_input(platform, frame, inference)) - expected)
        assert difference.mean() < 2
        assert np.quantile(difference, 0.99) < 6


@pytest.mark.parametrize("depth", [8, 10])
def test_semi_planar_frames_give_the_same_input(platform, depth):
    """NV12 and P010, as from a GPU's decoder: padded rows, interleaved Cb and Cr, ten bits in the upper ones."""
    frame = frame_of("yuv420p" if depth == 8 else "yuv420p10le", 426, 242)
    planar = network_input(platform, frame)
    luma, cb, cr = (
        torch.from_numpy(
            (plane.astype(np.int32) << (16 - depth if depth > 8 else 0))
            .astype(plane.dtype)
            .view(np.int16 if depth > 8 else np.uint8)
        )
        for plane in frame.planes
    )
    padded = platform.upload(torch.zeros((242, 512), dtype=luma.dtype))
    padded[:, :426] = platform.upload(luma)
    chroma = platform.upload(torch.zeros((121, 256, 2), dtype=luma.dtype))
    chroma[:, :213] = platform.upload(torch.stack((cb, cr), 2))
    descriptor = platform.upload(frame_descriptor((padded, chroma), frame.format, 426, 242, interleaved=True))
    assert np.array_equal(run_prepare(platform, descriptor, frame), planar)


@pytest.mark.parametrize("name, which", [("yuv420p", 0), ("yuv420p", 2), ("yuv422p10le", 0), ("yuv422p10le", 1)])
@pytest.mark.parametrize("shape", [(90, 160), (300, 500)], ids=str)
def test_downscaled_planes_equal_the_reference(platform, name, which, shape):
    frame = frame_of(name)
    out = platform.empty(shape, torch.float32)
    scale = 255 / frame.format.maximum
    slot = uploaded(platform, frame)
    platform.launch("downscale", shape[::-1], slot.frame.descriptor, which, scale, *shape, out)
    expected = np.rint(resampled(frame.planes[which], *shape)) * scale
    difference = np.abs(out.cpu().numpy() - expected)
    assert difference.max() <= scale + 1e-3  # a code, where it was halfway between two
    assert (difference > 0.01).mean() < 0.01
