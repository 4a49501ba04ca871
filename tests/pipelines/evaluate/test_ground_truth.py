"""Folders of images and masks."""

from __future__ import annotations

import numpy as np
import pytest
from streamseg.pipelines.evaluate.ground_truth import find_sequences, read_mask, read_pairs

from streamseg.errors import InputError
from streamseg.media.images import encode_png, image_frame


def save(path, rgb):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(image_frame(np.ascontiguousarray(rgb, np.uint8)), False))


def grey(level, rows=20, columns=30):
    return np.full((rows, columns, 3), level, np.uint8)


@pytest.fixture
def folder(tmp_path):
    for stem in ("b", "a"):
        save(tmp_path / "images" / f"{stem}.png", grey(60 if stem == "a" else 200))
        save(tmp_path / "masks" / f"{stem}.png", grey(255 if stem == "a" else 0))
    return tmp_path


def test_frames_are_in_order_with_time_stamps_and_masks(folder):
    frames = list(read_pairs(folder).frames())
    assert [frame.pts for frame, _ in frames] == [0, 1]
    assert frames[1][0].time > 0
    assert all(not frame.format.rgb and (frame.width, frame.height) == (30, 20) for frame, _ in frames)
    assert frames[0][0].planes[0].mean() < frames[1][0].planes[0].mean()
    assert frames[0][1].all() and not frames[1][1].any()


def test_a_sequence_or_a_folder_of_sequences(folder, tmp_path):
    assert [sequence.name for sequence in find_sequences(folder)] == [folder.name]
    for name in ("two", "one"):
        (tmp_path / "many" / name).mkdir(parents=True)
        for part in ("images", "masks"):
            (tmp_path / "many" / name / part).symlink_to(folder / part)
    (tmp_path / "many" / "notes").mkdir()
    assert [sequence.name for sequence in find_sequences(tmp_path / "many")] == ["one", "two"]


def test_masks_are_true_above_half_in_any_colour(tmp_path):
    rgb = grey(0, 1, 4)
    rgb[0, 1], rgb[0, 2], rgb[0, 3] = (128, 128, 128), (129, 0, 0), (0, 0, 255)
    save(tmp_path / "mask.png", rgb)
    assert read_mask(tmp_path / "mask.png", 4, 1).tolist() == [[False, False, True, True]]
    with pytest.raises(InputError, match="is 4×1, expected 5×1 as the image"):
        read_mask(tmp_path / "mask.png", 5, 1)


def test_images_and_masks_without_a_partner_are_named(folder):
    save(folder / "masks" / "c.png", grey(0))
    with pytest.raises(InputError, match=r"c\.png: no file of the same name in .*images"):
        read_pairs(folder)
    save(folder / "images" / "c.png", grey(0))
    save(folder / "images" / "d.png", grey(0))
    with pytest.raises(InputError, match=r"d\.png: no file of the same name in .*masks"):
        read_pairs(folder)


def test_two_images_of_one_name_are_refused(folder):
    save(folder / "images" / "a.bmp", grey(0))
    with pytest.raises(InputError, match="the same name up to the suffix"):
        read_pairs(folder)


def test_other_sizes_within_a_sequence_are_refused(folder):
    save(folder / "images" / "b.png", grey(0, 22, 30))
    with pytest.raises(InputError, match=r"b\.png: is 30×22, expected 30×20 as the first"):
        list(read_pairs(folder).frames())


def test_empty_missing_and_broken_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        read_pairs(tmp_path / "nowhere")
    with pytest.raises(InputError, match="expected the folders images and masks"):
        find_sequences(tmp_path)
    with pytest.raises(InputError, match="expected the folders images and masks"):
        find_sequences(tmp_path / "nowhere")
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    with pytest.raises(InputError, match="holds no images"):
        read_pairs(tmp_path)
    for part in ("images", "masks"):
        (tmp_path / part / "a.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"a\.png"):
        list(read_pairs(tmp_path).frames())
