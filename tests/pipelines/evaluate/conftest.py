"""White squares on black, which are their own masks."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.media.images import encode_png, image_frame


def _square(shift=0):
    mask = np.zeros((90, 120), np.uint8)
    mask[20:70, 30 + shift : 80 + shift] = 255
    return mask


def _save(path, grey):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(image_frame(np.repeat(grey[..., None], 3, axis=2)), False))


@pytest.fixture
def square():
    """Makes a white square on black, uint8 [90, 120], shifted by so many columns."""
    return _square


@pytest.fixture
def save_grey():
    """Writes uint8 [rows, columns] to a PNG at a path; makes its folder."""
    return _save


@pytest.fixture
def sequences(tmp_path):
    """A folder with two sequences of white squares on black: in one the square moves, in the other it does not."""
    for name, shifts in (("moving", (0, 4, 8)), ("still", (0, 0))):
        for number, shift in enumerate(shifts):
            for part in ("images", "masks"):
                _save(tmp_path / "set" / name / part / f"{number:02d}.png", _square(shift))
    return tmp_path / "set"
