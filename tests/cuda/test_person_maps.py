"""The network for selfies on the GPU: its maps, and what they change."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

from reference_device import ReferenceDevice, bright  # noqa: E402
from streamseg.pipelines.stages.matting import cut_outs  # noqa: E402
from streamseg.pipelines.stages.options import Matting  # noqa: E402

from streamseg.device.cuda import device as device_module  # noqa: E402
from streamseg.device.cuda.device import CUDADevice  # noqa: E402
from streamseg.device.cuda.selfie import PersonMixer  # noqa: E402
from streamseg.frame import Colour, Frame, PixelFormat  # noqa: E402
from streamseg.matting.tracking.inference import Inference  # noqa: E402
from streamseg.matting.tracking.near import seen_by_both  # noqa: E402
from streamseg.matting.tracking.roi import ROI  # noqa: E402
from streamseg.media.reading.reader import VideoReader  # noqa: E402

late = pytest.mark.parametrize("platform", ["late", "gpu"], indirect=True)


def mixed(platform, inference, saliency, person_map):
    """What the GPU makes of both maps, not flipped."""
    there = platform.upload(torch.from_numpy(saliency[:, ::-1].copy() if inference.flipped else saliency))
    PersonMixer(platform)(inference, there, platform.upload(torch.from_numpy(person_map)))
    return there.cpu().numpy()[:, :: -1 if inference.flipped else 1]


@late
@pytest.mark.parametrize("side, flipped", [(320, False), (224, True)])
def test_maps_are_mixed_as_on_the_cpu(platform, side, flipped):
    rng = np.random.default_rng(side)
    saliency, person_map = (rng.uniform(0, 1, (size, size)).astype(np.float32) for size in (side, 256))
    inference = Inference(flipped=flipped, person_map="mix")
    expected = seen_by_both(inference, saliency, person_map)
    assert np.abs(expected - saliency).max() > 0.5
    assert np.abs(mixed(platform, inference, saliency, person_map) - expected).max() < 1e-4


@late
@pytest.mark.parametrize("people", [0, 655, 656])
def test_with_nobody_in_the_person_map_nothing_stays(platform, people):
    """One pixel in a hundred is somebody."""
    saliency, person_map = np.full((320, 320), 0.7, np.float32), np.zeros((256, 256), np.float32)
    person_map.flat[:people] = 0.6
    got = mixed(platform, Inference(person_map="presence"), saliency, person_map)
    assert np.array_equal(got, saliency if people > 655 else 0 * saliency)


@pytest.fixture
def quick(monkeypatch):
    """Bright areas in the place of the other network."""
    monkeypatch.setattr(device_module, "FusedNetwork", lambda *_, **__: bright)


def test_the_person_map_is_the_cpus(quick, platform, sample_clip):
    """Of the part of the frame that an inference sees, and not flipped."""
    with VideoReader(str(sample_clip)) as reader:
        (frame,) = islice((item for item in reader if isinstance(item, Frame)), 1)
    inference = Inference(ROI(0.25, 0.0, 0.75, 0.9), flipped=True, person_map="mix")
    maps = []
    for device in (CUDADevice(platform=platform, sizes=(64,), subject="auto"), ReferenceDevice(bright, (64,), "auto")):
        maps.append(device.person_map(device.network(device.prepare(frame, inference))))
        assert device.person_map(device.network(device.prepare(frame, Inference()))) is None
    mine, theirs = maps
    assert mine.shape == (256, 256) and (theirs > 0.5).mean() > 0.1
    assert np.abs(mine - theirs).mean() < 0.01


@pytest.mark.parametrize("subject", ["any", "person"])
def test_only_with_the_subject_person_a_room_with_nobody_in_it_is_empty(quick, platform, subject):
    planes = tuple(np.full(shape, 128, np.uint8) for shape in ((120, 160), (60, 80), (60, 80)))
    planes[0][:] = np.arange(40, 80, 0.25, np.float32)
    planes[0][40:80, 60:100] = 220
    frames = [Frame(planes, PixelFormat.parse("yuv420p"), n, Fraction(1, 24), Colour(1, 1, 1, 1)) for n in range(2)]
    device = CUDADevice(platform=platform, subject=subject)
    mattes = [cutout.matte.alpha for cutout in cut_outs(frames, device, Matting(look_ahead=0, speed="balanced"))]
    assert [bool(matte.any()) for matte in mattes] == [subject == "any"] * 2
