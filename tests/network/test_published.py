"""The published pre- and post-processing, against its definition and against the authors' own maps."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from streamseg.device.cpu.openvino.network import OpenVINONetwork
from streamseg.errors import InputError
from streamseg.network.architecture import MEAN, STD
from streamseg.network.published import prepare, published_map, resize, stretch
from streamseg.network.weights import load_weights


def decode(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def row(*values: float) -> np.ndarray:
    return np.array([values], np.float32)


def test_resize_uses_half_pixel_centres_and_repeats_edges() -> None:
    np.testing.assert_allclose(resize(row(0, 1), (1, 4)), row(0, 0.25, 0.75, 1))


def test_resize_with_black_border_darkens_the_outermost_samples() -> None:
    np.testing.assert_allclose(resize(row(1, 1), (1, 4), black_border=True), row(0.75, 1, 1, 0.75))


def test_resize_without_antialiasing_reads_two_samples() -> None:
    np.testing.assert_allclose(resize(row(8, 0, 0, 0, 0, 4, 0, 0), (1, 2)), row(0, 2))


def test_resize_with_antialiasing_uses_a_triangle_of_twice_the_scale() -> None:
    triangle = np.array([0.75, 0.75, 0.25]) / 1.75
    expected = row(triangle[0] * 3, triangle[2] * 3)
    np.testing.assert_allclose(resize(row(3, 0, 0, 0), (1, 2), antialias=True), row(expected[0, 0], 0), rtol=1e-6)
    np.testing.assert_allclose(resize(row(0, 3, 0, 0), (1, 2), antialias=True), expected, rtol=1e-6)


def test_resize_treats_rows_columns_and_channels_alike() -> None:
    image = np.random.default_rng(0).random((7, 5, 3), np.float32)
    resized = resize(image, (4, 9))
    assert resized.shape == (4, 9, 3) and resized.dtype == np.float32
    one = resize(resize(image[..., 1], (4, 5)), (4, 9))
    np.testing.assert_allclose(resized[..., 1], one, rtol=1e-5)
    np.testing.assert_allclose(resize(image.swapaxes(0, 1), (9, 4)), resized.swapaxes(0, 1), rtol=1e-5)


def test_prepare_divides_by_the_images_own_maximum() -> None:
    image = np.full((320, 320, 3), 200, np.uint8)
    got = prepare(image)
    assert got.shape == (3, 320, 320) and got.dtype == np.float32 and got.flags.c_contiguous
    expected = (1 - np.array(MEAN)) / np.array(STD)
    np.testing.assert_allclose(got, np.broadcast_to(expected[:, None, None], got.shape), rtol=1e-5)


def test_prepare_keeps_channels_separate() -> None:
    image = np.zeros((320, 320, 3), np.uint8)
    image[..., 1], image[..., 2] = 100, 50
    expected = (np.array([0, 1, 0.5]) - np.array(MEAN)) / np.array(STD)
    np.testing.assert_allclose(prepare(image)[:, 5, 7], expected, rtol=1e-5)


def test_a_black_image_and_a_flat_map_stay_finite() -> None:
    assert np.isfinite(prepare(np.zeros((10, 12, 3), np.uint8), 32)).all()
    assert (stretch(np.full((4, 4), 0.3, np.float32)) == 0).all()


def test_stretch_spans_zero_to_one() -> None:
    np.testing.assert_allclose(stretch(row(0.2, 0.3, 0.6)), row(0, 0.25, 1), atol=1e-6)


def test_published_map_has_the_size_of_the_image_and_eight_bits() -> None:
    ramp = np.linspace(0.1, 0.7, 64 * 64, dtype=np.float32).reshape(64, 64)
    got = published_map(np.zeros((50, 90, 3), np.uint8), lambda image: ramp, size=64)
    assert got.shape == (50, 90) and got.dtype == np.float32
    levels = got * 255
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-4)
    assert got.min() < 0.02 and got.max() > 0.98


@pytest.mark.parametrize(
    "image",
    [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3)), np.zeros((0, 8, 3), np.uint8)],
    ids=["grey", "rgba", "float", "empty"],
)
def test_prepare_rejects_what_is_not_an_rgb_image(image: np.ndarray) -> None:
    with pytest.raises(InputError, match="expected uint8"):
        prepare(image)


def test_the_authors_own_maps_are_reproduced(shared_data: Path) -> None:
    """PNG inputs differ by at most .0002; JPEGs differ by how the decoder upsamples chroma."""
    network = OpenVINONetwork(load_weights("published")).saliency
    differences = {}
    for path in sorted((shared_data / "official" / "images").iterdir()):
        theirs = decode(shared_data / "official" / "u2netp" / f"{path.stem}.png")[..., 0] / 255
        differences[path.name] = float(np.abs(published_map(decode(path), network) - theirs).mean())
    assert len(differences) == 10
    assert max(differences.values()) <= 0.003, differences
    assert max(value for name, value in differences.items() if name.endswith(".png")) <= 0.0003, differences
    assert sum(differences.values()) / 10 <= 0.001, differences
