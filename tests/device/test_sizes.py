"""A device that has the network ready at several sizes of its input."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.device import open_device
from streamseg.errors import OptionError
from streamseg.matting.tracking.inference import Inference
from streamseg.matting.tracking.roi import ROI
from streamseg.media.images import image_frame


@pytest.fixture(scope="module")
def frame():
    y, x = np.mgrid[0:120, 0:160]
    image = np.full((120, 160, 3), 70, np.uint8)
    image[np.hypot(x - 60, y - 66) < 30] = (230, 180, 90)
    return image_frame(image)


@pytest.fixture(scope="module")
def device():
    return open_device("cpu", threads=2, variants="both", sizes=(128, 96))


def saliency_of(device, frame, *inference):
    return device.saliency(device.network(device.prepare(frame, *inference)))


@pytest.mark.parametrize(("size", "variant"), [(128, "full"), (128, "lite"), (96, "full")])
def test_an_inference_at_a_size_is_that_of_a_device_of_this_size(device, frame, size, variant):
    inference = Inference(ROI(0.1, 0.1, 0.9, 1.0), True, variant, size)
    got = saliency_of(device, frame, inference)
    assert got.shape == (size, size) and got.std() > 0.1
    assert np.array_equal(got, saliency_of(open_device("cpu", variants=variant, sizes=[size]), frame, inference))


def test_the_first_size_is_the_usual_one(device, frame):
    assert device.another().sizes == (128, 96)
    assert np.array_equal(saliency_of(device, frame), saliency_of(device, frame, Inference(size=128)))


@pytest.mark.parametrize("sizes", [(), (320, 16), (96.5,)])
def test_other_sizes_are_refused(sizes):
    with pytest.raises(OptionError, match=r"sizes .*expected one whole number or more, each 32 or more"):
        open_device("cpu", sizes=sizes)
