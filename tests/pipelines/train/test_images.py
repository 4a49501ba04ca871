"""Images and masks from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from streamseg.pipelines.train.images import encode_png, list_images, read_mask, read_rgb, read_rgba, recompressed

from streamseg.errors import InputError


def write_png(path: Path, array: np.ndarray, kind: str) -> Path:
    codec: Any = av.CodecContext.create("png", "w")
    codec.height, codec.width, codec.pix_fmt, codec.time_base = *array.shape[:2], kind, 1
    frame = av.VideoFrame.from_ndarray(array, format=kind)
    frame.pts = 0
    path.write_bytes(b"".join(bytes(packet) for packet in (*codec.encode(frame), *codec.encode(None))))
    return path


def test_colours_come_back_as_they_went(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (31, 45, 3), dtype=np.uint8)
    path = tmp_path / "a.png"
    path.write_bytes(encode_png(rgb))
    np.testing.assert_array_equal(read_rgb(path), rgb)


def test_a_mask_keeps_its_greys_and_its_full_range(tmp_path: Path) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(read_mask(write_png(tmp_path / "a.png", grey, "gray"), (16, 16)), grey)


def test_a_cutout_has_alpha_and_another_image_is_refused(tmp_path: Path) -> None:
    rgba = np.random.default_rng(1).integers(0, 256, (12, 14, 4), dtype=np.uint8)
    np.testing.assert_array_equal(read_rgba(write_png(tmp_path / "a.png", rgba, "rgba")), rgba)
    with pytest.raises(InputError, match="no alpha"):
        read_rgba(write_png(tmp_path / "b.png", rgba[..., :3].copy(), "rgb24"))


def test_a_phone_held_upright_gives_an_upright_image(tmp_path: Path) -> None:
    rgb = np.zeros((16, 24, 3), np.uint8)
    rgb[:8, :8, 0] = 255  # red, top left of what is stored
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° clockwise
    Image.fromarray(rgb).save(tmp_path / "a.jpg", exif=exif, quality=100)
    upright = read_rgb(tmp_path / "a.jpg")
    assert upright.shape == (24, 16, 3)
    assert upright[2, 13, 0] > 200 and upright[2, 2, 0] < 60 and upright[20, 13, 0] < 60


def test_compression_keeps_the_image_and_loses_more_at_lower_quality() -> None:
    y, x = np.mgrid[:48, :64]
    rgb = np.stack((4 * x, 5 * y, 2 * (x + y)), -1).astype(np.uint8)
    rgb[::7] //= 2
    errors = [np.abs(recompressed(rgb, quality).astype(float) - rgb).mean() for quality in (2, 24)]
    assert errors[0] < 6
    assert errors[0] < errors[1] < 20


def test_what_is_wrong_is_said_in_one_line(tmp_path: Path) -> None:
    path = write_png(tmp_path / "a.png", np.zeros((4, 6), np.uint8), "gray")
    with pytest.raises(InputError, match=r"is 6×4, its image 5×4") as wrong:
        read_mask(path, (4, 5))
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(InputError, match="decodes") as damaged:
        read_rgb(path)
    assert all("\n" not in str(each.value) for each in (wrong, damaged))
    with pytest.raises(InputError, match="no such folder"):
        list_images(tmp_path / "nowhere")
    (tmp_path / "a.jpg").touch()
    with pytest.raises(InputError, match="stem"):
        list_images(tmp_path)
