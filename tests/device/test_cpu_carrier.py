"""The compiled carrier against its NumPy twin."""

from __future__ import annotations

from threading import Thread

import numpy as np
import pytest

from streamseg.device.cpu.carrier import CompiledCarrier
from streamseg.matting.arrays import box_mean
from streamseg.matting.carry import NumPyCarrier
from streamseg.matting.motion import Motion

SIZES = [((45, 80), (72, 128)), ((45, 80), (45, 80)), ((80, 45), (128, 72)), ((33, 57), (20, 40)), ((16, 16), (8, 9))]


def motion(shape, seed=1):
    """Smooth, of some pixels, also pointing outside."""
    rng = np.random.default_rng(seed)
    flow = box_mean(rng.uniform(-40, 40, (2, *shape)).astype(np.float32), 3)
    return Motion(flow, rng.random(shape, np.float32))


@pytest.mark.parametrize("flow_shape, shape", SIZES)
@pytest.mark.parametrize("channels", [1, 2])
def test_it_carries_as_its_twin_does(flow_shape, shape, channels):
    images = np.random.default_rng(2).random((channels, *shape), np.float32)
    compiled, plain = CompiledCarrier(), NumPyCarrier()
    for seed in range(12):  # the first ones are not compiled yet
        ours, theirs = (carrier.path(motion(flow_shape, seed), *shape) for carrier in (compiled, plain))
        assert np.abs(ours.agreement - theirs.agreement).max() < 1e-4
        assert np.abs(compiled.fetch(images, ours) - plain.fetch(images, theirs)).max() < 1e-3


def test_what_it_gave_stays():
    """Later calls, of other sizes too, do not write into it."""
    carrier, images = CompiledCarrier(), np.random.default_rng(3).random((1, 72, 128), np.float32)
    for _ in range(10):  # the first ones are not compiled yet
        carrier.fetch(images, carrier.path(motion((45, 80)), 72, 128))
    path = carrier.path(motion((45, 80)), 72, 128)
    carried = carrier.fetch(images, path)
    kept = [array.copy() for array in (path.places, path.agreement, carried)]
    carrier.fetch(1 - images, carrier.path(motion((45, 80), 2), 72, 128))
    carrier.fetch(images[:, :40, :50].copy(), carrier.path(motion((45, 80), 2), 40, 50))
    for array, was in zip((path.places, path.agreement, carried), kept, strict=True):
        assert np.array_equal(array, was)


def test_two_threads_with_the_same_graphs_do_not_disturb_each_other():
    images = np.random.default_rng(4).random((1, 72, 128), np.float32)
    first, plain = CompiledCarrier(), NumPyCarrier()
    wrong: list[float] = []

    def carry(carrier, seed):
        for _ in range(60):
            moved = motion((45, 80), seed)
            ours = carrier.fetch(images, carrier.path(moved, 72, 128))
            theirs = plain.fetch(images, plain.path(moved, 72, 128))
            wrong.append(float(np.abs(ours - theirs).max()))

    threads = [Thread(target=carry, args=(carrier, seed)) for seed, carrier in enumerate((first, first.another()))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wrong) == 120 and max(wrong) < 1e-3
