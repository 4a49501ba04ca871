"""Ambiguous regions of mattes: decided as a whole, and kept."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.matting.constants import ALPHA_HIGH, ALPHA_LOW, DECISION_STEP
from streamseg.matting.edges.refine import apply_limits
from streamseg.matting.temporal.ambiguity import resolve
from streamseg.metrics.ghost import ghost

SHAPE = (90, 120)
BODY = (slice(20, 80), slice(30, 70))
#: All of it but its edges, which are not ambiguous.
INSIDE = (slice(30, 70), slice(40, 60))


def person_with(body, shape=SHAPE):
    """A head that is certain over a body of that alpha."""
    alpha = np.zeros(shape, np.float32)
    alpha[BODY] = body
    alpha[5:20, 40:60] = 1
    return alpha


@pytest.mark.parametrize("body, decided", [(0.35, 0), (0.75, 1)])
def test_a_half_transparent_region_is_decided_as_a_whole(body, decided):
    alpha = person_with(body)
    truth = person_with(decided) > 0.5
    before = ghost(apply_limits(alpha), truth)
    assert before > 0.1
    resolved = apply_limits(resolve(alpha))
    assert np.array_equal(resolved[INSIDE], np.full_like(resolved[INSIDE], decided))
    assert ghost(resolved, truth) < 0.05 * before  # what is left is at its border


def test_what_is_certain_and_what_is_narrow_stay_as_they_are():
    alpha = person_with(1.0)
    alpha[20:80, 24:30] = 0.5  # narrower than three quarters of the opening's square
    assert resolve(alpha) is alpha
    alpha[30:70, 90:] = 0.75
    resolved = resolve(alpha)
    assert np.array_equal(resolved[:, :80], alpha[:, :80])
    assert resolved[50, 100] == resolved[50, -1] == pytest.approx(ALPHA_HIGH)  # up to the frame's border


def test_an_uneven_region_gets_what_most_of_it_has():
    alpha = person_with(0.0)
    alpha[BODY] = np.random.default_rng(1).uniform(0.55, 0.8, (60, 40))
    resolved = apply_limits(resolve(alpha))
    assert resolved[INSIDE].min() == 1


def test_a_decision_holds_while_alpha_is_close_to_one_half_and_changes_over_some_frames():
    solid = person_with(1.0)
    doubtful = person_with(ALPHA_LOW + (ALPHA_HIGH - ALPHA_LOW) * 0.495)
    assert resolve(doubtful)[50, 50] < ALPHA_LOW + 0.5 * (ALPHA_HIGH - ALPHA_LOW)
    kept = solid
    for _ in range(5):
        kept = resolve(doubtful, kept.copy)
    assert kept[50, 50] > 0.55
    faint, changed = person_with(0.3), [solid[50, 50]]
    matte = np.clip(solid, ALPHA_LOW, ALPHA_HIGH)
    for _ in range(6):
        matte = resolve(faint, matte.copy)
        changed.append(matte[50, 50])
    assert -np.diff(changed)[1] <= DECISION_STEP * (ALPHA_HIGH - ALPHA_LOW) + 1e-5
    assert changed[1] > 0.5
    assert changed[-1] == pytest.approx(ALPHA_LOW, abs=1e-6)


def test_arguments_are_left_unchanged():
    alpha, previous = person_with(0.6), person_with(1.0)
    resolve(alpha, lambda: previous)
    assert np.array_equal(alpha, person_with(0.6))
    assert np.array_equal(previous, person_with(1.0))
