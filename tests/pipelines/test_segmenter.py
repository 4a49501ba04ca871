"""Segmenter: a frame in, its matte out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from streamseg.pipelines import Segmenter
from streamseg.pipelines.evaluate.ground_truth import read_mask

from streamseg.device.cpu.quantised import QUANTISED
from streamseg.errors import InputError, OptionError, WeightsError
from streamseg.frame import Frame
from streamseg.media.images import read_image
from streamseg.media.reading.reader import VideoReader
from streamseg.metrics import iou


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter()


@pytest.fixture(scope="module")
def float32():
    return Segmenter(precision="float32")


def gradient(rows: int, columns: int) -> np.ndarray:
    ramp = np.linspace(0, 255, columns, dtype=np.uint8)
    return np.broadcast_to(ramp[None, :, None], (rows, columns, 3))


ONE_SIZE = {"subject": "any", "input_size": 320}
EMPTY = {
    "grey": np.full((360, 640, 3), 128, np.uint8),
    "black": np.zeros((360, 640, 3), np.uint8),
    "nearly black": np.full((360, 640, 3), 5, np.uint8),
    "white": np.full((360, 640, 3), 255, np.uint8),
    "gradient": gradient(360, 640),
    "gradient down": np.ascontiguousarray(gradient(640, 360).transpose(1, 0, 2)),
}


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_scene_gives_an_empty_matte(segmenter, name):
    assert segmenter(EMPTY[name]).alpha.max() == 0


def test_a_person_is_found(segmenter, sample_clip):
    with VideoReader(str(sample_clip)) as reader:
        frame = next(item for item in reader if isinstance(item, Frame))
    matte = segmenter(frame)
    assert matte.alpha.shape == (frame.height, frame.width)
    assert 0.2 < matte.as_float().mean() < 0.6
    chest = matte.as_float()[-80:-40, frame.width // 2 - 20 : frame.width // 2 + 20]
    assert chest.min() == 1


@pytest.mark.parametrize(
    ("crop", "size"),
    [
        ((slice(0, 420), slice(150, 450)), 224),  # as in a selfie
        ((slice(0, 480), slice(0, 640)), 320),  # near, but found whole at 320 only
    ],
)
def test_the_input_is_small_where_a_near_subject_is_found_better_there(sample_clip, frames_of, crop, size):
    rgb = frames_of(sample_clip)[0].to_ndarray(format="rgb24", src_colorspace="ITU709")
    image = np.ascontiguousarray(rgb[crop])
    chosen, given = (Segmenter(subject="any", input_size=each)(image) for each in (None, size))
    assert np.array_equal(chosen.alpha, given.alpha)


def test_people_who_fill_the_image_are_found_whole(segmenter, shared_data):
    folder = shared_data / "people-close"
    images = sorted((folder / "images").iterdir())[::12]
    published = (Segmenter(weights="published", **each) for each in ({}, {"subject": "any"}, ONE_SIZE))
    default, both_networks, both_sizes, one_size = (
        np.mean([_iou(folder, path, each) for path in images]) for each in (segmenter, *published)
    )
    assert default > 0.9
    # At the size that the network was trained at, many of these people are found in part only.
    assert both_networks > 0.9
    assert both_networks > both_sizes + 0.01 > one_size + 0.05


def test_a_room_without_a_person_is_empty_for_the_subject_person(shared_data):
    person, salient = Segmenter(subject="person"), Segmenter(subject="any")
    rooms = [read_image(str(path)) for path in sorted((shared_data / "rooms").iterdir())[::3]]
    assert all(person(room).alpha.max() == 0 for room in rooms)
    assert any(salient(room).as_float().mean() > 0.02 for room in rooms)


def test_a_person_is_found_by_each_subject(sample_clip, frames_of):
    rgb = frames_of(sample_clip)[0].to_ndarray(format="rgb24", src_colorspace="ITU709")
    means = [Segmenter(subject=subject)(rgb).as_float().mean() for subject in ("auto", "person", "any")]
    assert means[0] == means[1] == pytest.approx(means[2], abs=0.02)


def test_an_unknown_subject_is_refused():
    with pytest.raises(OptionError, match="subject 'dog': expected auto, person, any"):
        Segmenter(subject="dog")


def _iou(folder, path, segmenter):
    matte = segmenter(read_image(str(path))).as_float()
    return iou(matte, read_mask(folder / "masks" / f"{path.stem}.png", *matte.shape[::-1]))


def test_an_array_gives_the_same_matte_as_its_frame(segmenter, sample_clip, frames_of):
    native = frames_of(sample_clip)[0]
    with VideoReader(str(sample_clip)) as reader:
        frame = next(item for item in reader if isinstance(item, Frame))
    rgb = native.to_ndarray(format="rgb24", src_colorspace="ITU709")
    assert np.abs(segmenter(rgb).as_float() - segmenter(frame).as_float()).mean() < 0.01


@pytest.mark.parametrize(
    "wrong", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((4, 4, 4), np.uint8)]
)
def test_an_array_of_another_shape_or_dtype_is_refused(segmenter, wrong):
    with pytest.raises(InputError, match="expected uint8 of shape"):
        segmenter(wrong)


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_scene_is_empty_in_float32_too(float32, name):
    assert float32(EMPTY[name]).alpha.max() == 0


def test_both_precisions_find_the_same_person(segmenter, float32, sample_clip, frames_of):
    rgb = frames_of(sample_clip)[0].to_ndarray(format="rgb24")
    assert np.abs(segmenter(rgb).as_float() - float32(rgb).as_float()).mean() < 0.02


def test_int8_is_for_the_packaged_weights_only():
    with pytest.raises(OptionError, match="precision int8: these weights are in float32"):
        Segmenter(model="u2net", precision="int8")
    with pytest.raises(OptionError, match="expected int8 or float32"):
        Segmenter(precision="int4")


def test_an_unknown_device_is_refused():
    with pytest.raises(OptionError, match="expected cpu"):
        Segmenter(device="abacus")


def test_images_of_pillow_and_whole_numbers_of_numpy_are_taken(segmenter):
    image = pytest.importorskip("PIL.Image").new("RGB", (64, 48), (128, 128, 128))
    assert Segmenter(threads=np.int64(1))(image).alpha.shape == (48, 64)


@pytest.mark.parametrize("options", [{"threads": 1.5}, {"threads": "2"}, {"model": ["u2netp"]}, {"weights": 5}])
def test_options_of_another_type_are_our_own_error(options):
    with pytest.raises(OptionError, match="expected"):
        Segmenter(**options)


def test_the_authors_own_weights_can_be_chosen(sample_clip):
    with VideoReader(str(sample_clip)) as reader:
        frame = next(item for item in reader if isinstance(item, Frame))
    chosen: list[str | Path | None] = ["published", QUANTISED["published"].path, None]
    by_name, by_path, default = (Segmenter(weights=each, subject="any")(frame).alpha for each in chosen)
    np.testing.assert_array_equal(by_name, by_path)
    assert (by_name != default).any()


def test_only_the_small_network_is_packaged():
    with pytest.raises(WeightsError, match="u2net are not packaged"):
        Segmenter(model="u2net", weights="published")
