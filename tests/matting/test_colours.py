"""The local colours of foreground and background at an edge, and the alpha they give."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.matting.edges.colours import local_colours, local_radius, refine_pixels

ROWS, COLUMNS = 90, 160
FOREGROUND, BACKGROUND = np.array([0.7, 0.4, 0.6]), np.array([0.3, 0.55, 0.45])


def ramp(width):
    """Alpha with a vertical edge in the middle, ``width`` pixels wide."""
    profile = np.clip((np.arange(COLUMNS) - COLUMNS / 2) / width + 0.5, 0, 1)
    return np.ascontiguousarray(np.broadcast_to(profile, (ROWS, COLUMNS))).astype(np.float32)


def composite(alpha, foreground=FOREGROUND, background=BACKGROUND):
    colours = alpha * foreground[:, None, None] + (1 - alpha) * background[:, None, None]
    return colours.astype(np.float32)


def local_model(colours, alpha):
    return local_colours(colours, alpha, local_radius(*alpha.shape))


def trust(colours, alpha):
    return local_model(colours, alpha)[5]


def refined(colours, alpha):
    local = local_model(colours, alpha).reshape(6, -1)
    return refine_pixels(alpha.ravel(), colours.reshape(3, -1), local)[0].reshape(alpha.shape)


def test_uniform_colours_give_their_difference_and_the_true_alpha():
    truth = ramp(2)
    local = local_model(composite(truth), ramp(4))
    edge = np.s_[8:-8, COLUMNS // 2]
    assert local[5][edge].min() > 0.7
    assert np.allclose(local[:3, 8:-8, COLUMNS // 2].T, FOREGROUND - BACKGROUND, atol=0.05)
    alpha = refined(composite(truth), ramp(4))[8:-8, 70:90]
    assert np.abs(alpha - truth[8:-8, 70:90]).mean() < 0.5 * np.abs(ramp(4) - truth)[8:-8, 70:90].mean()


def test_equal_colours_leave_alpha_unchanged():
    alpha = ramp(6)
    assert np.abs(refined(composite(alpha, FOREGROUND, FOREGROUND), alpha) - alpha).max() < 1e-3


def test_random_texture_on_both_sides_is_not_trusted():
    """Its colours carry no information: alpha does not follow them."""
    alpha = ramp(6)
    colours = np.random.default_rng(1).random((3, ROWS, COLUMNS), np.float32)
    band = (alpha > 0.02) & (alpha < 0.98)
    assert trust(colours, alpha)[band].mean() < 0.1
    assert np.abs(refined(colours, alpha) - alpha)[band].mean() < 0.04


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_with_one_side_only_no_colour_is_trusted(value):
    alpha = np.full((ROWS, COLUMNS), value, np.float32)
    assert trust(composite(ramp(2)), alpha).max() < 0.02


def test_the_neighbourhood_grows_with_the_image():
    """It crosses an edge in a large image that is too wide for it in a small one."""
    trusts = []
    for columns in (160, 840):
        profile = np.clip((np.arange(columns) - columns / 2) / 20 + 0.5, 0, 1)
        alpha = np.ascontiguousarray(np.broadcast_to(profile, (40, columns))).astype(np.float32)
        trusts.append(trust(composite(alpha), alpha)[20, columns // 2])
    assert trusts[0] < 0.2
    assert trusts[1] > 0.5
