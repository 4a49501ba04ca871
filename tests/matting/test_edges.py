"""The colours on both sides of an edge, and the alpha they give."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.matting.edges import local_colours, local_radius, refine

ROWS, COLUMNS = 90, 160
SUBJECT, BEHIND = np.array([0.7, 0.4, 0.6]), np.array([0.3, 0.55, 0.45])


def ramp(width):
    """Alpha of an edge down the middle."""
    places = np.clip((np.arange(COLUMNS) - COLUMNS / 2) / width + 0.5, 0, 1)
    return np.ascontiguousarray(np.broadcast_to(places, (ROWS, COLUMNS))).astype(np.float32)


def mixed(alpha, subject=SUBJECT, behind=BEHIND):
    colours = alpha * subject[:, None, None] + (1 - alpha) * behind[:, None, None]
    return colours.astype(np.float32)


def around(colours, alpha):
    return local_colours(colours, alpha, local_radius(*alpha.shape))


def trust(colours, alpha):
    return around(colours, alpha)[5]


def refined(colours, alpha):
    local = around(colours, alpha).reshape(6, -1)
    return refine(alpha.ravel(), colours.reshape(3, -1), local)[0].reshape(alpha.shape)


def test_plain_sides_give_their_difference_and_the_alpha_between_them():
    truth = ramp(2)
    local = around(mixed(truth), ramp(4))
    edge = np.s_[8:-8, COLUMNS // 2]
    assert local[5][edge].min() > 0.7
    assert np.allclose(local[:3, 8:-8, COLUMNS // 2].T, SUBJECT - BEHIND, atol=0.05)
    alpha = refined(mixed(truth), ramp(4))[8:-8, 70:90]
    assert np.abs(alpha - truth[8:-8, 70:90]).mean() < 0.5 * np.abs(ramp(4) - truth)[8:-8, 70:90].mean()


def test_sides_of_one_colour_leave_alpha_as_it_was():
    alpha = ramp(6)
    assert np.abs(refined(mixed(alpha, SUBJECT, SUBJECT), alpha) - alpha).max() < 1e-3


def test_a_wild_texture_on_both_sides_is_not_trusted():
    """Its colours tell nothing: alpha does not follow them."""
    alpha = ramp(6)
    colours = np.random.default_rng(1).random((3, ROWS, COLUMNS), np.float32)
    band = (alpha > 0.02) & (alpha < 0.98)
    assert trust(colours, alpha)[band].mean() < 0.1
    assert np.abs(refined(colours, alpha) - alpha)[band].mean() < 0.04


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_with_one_side_only_nothing_is_trusted(value):
    alpha = np.full((ROWS, COLUMNS), value, np.float32)
    assert trust(mixed(ramp(2)), alpha).max() < 0.02


def test_larger_pictures_are_looked_at_more_widely():
    """An edge as wide as the neighbourhood of a small picture is wide is crossed in a large one."""
    trusts = []
    for columns in (160, 840):
        places = np.clip((np.arange(columns) - columns / 2) / 20 + 0.5, 0, 1)
        alpha = np.ascontiguousarray(np.broadcast_to(places, (40, columns))).astype(np.float32)
        trusts.append(trust(mixed(alpha), alpha)[20, columns // 2])
    assert trusts[0] < 0.2
    assert trusts[1] > 0.5
