"""Whole clips through the card's line, beside the CPU's way of matting them."""

from __future__ import annotations

import threading
from itertools import islice

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

from streamseg.pipelines.card import card_stages  # noqa: E402
from streamseg.pipelines.follow import Follower, Watcher  # noqa: E402
from streamseg.pipelines.matting import Matting, cut_outs  # noqa: E402
from streamseg.pipelines.settle import Evener, Settler  # noqa: E402

from streamseg.device.cpu.device import CPUDevice  # noqa: E402
from streamseg.device.cuda.device import CUDADevice  # noqa: E402
from streamseg.device.cuda.network import SIZE, FusedNetwork  # noqa: E402
from streamseg.errors import StageError  # noqa: E402
from streamseg.frame import Frame  # noqa: E402
from streamseg.matting.arithmetic import NumPyArithmetic  # noqa: E402
from streamseg.matting.looks import Looks  # noqa: E402
from streamseg.matting.sharpener import Sharpener  # noqa: E402
from streamseg.media.reader import VideoReader  # noqa: E402
from streamseg.media.scale import RGBScaler  # noqa: E402
from streamseg.network.architecture import MEAN, STD  # noqa: E402
from streamseg.network.weights import load_weights  # noqa: E402
from streamseg.runtime import Runner, Stage  # noqa: E402

COUNT = 6


@pytest.fixture(scope="module")
def frames(sample_clip):
    with VideoReader(str(sample_clip)) as reader:
        return list(islice((item for item in reader if isinstance(item, Frame)), COUNT))


@pytest.fixture(scope="module")
def device(platform):
    return CUDADevice(platform=platform)


@pytest.fixture(scope="module")
def quick(platform):
    """For tests of what happens when; without a card the network is bright places, in no time."""
    device = CUDADevice(platform=platform, batch=4)
    if platform.device.type != "cuda":
        device.saliencies.network = bright
    return device


def bright(x):
    """What is brighter than the rest."""
    luma = x.mean(1)
    return torch.sigmoid(2 * (luma - luma.mean((1, 2), keepdim=True)))


class Reference(CPUDevice):
    """The CPU's way, its network in torch and float32: needs no OpenVINO."""

    def __init__(self, network):
        self._network = network
        self._to_rgb = RGBScaler(SIZE, SIZE)

    def network(self, prepared):
        normalised = torch.from_numpy(((prepared.rgb / 255 - MEAN) / STD).astype(np.float32))
        saliency = self._network(normalised[None].permute(0, 3, 1, 2))[0].numpy()
        return saliency[:, ::-1] if prepared.look.mirrored else saliency

    def saliency(self, begun):
        return begun


@pytest.fixture(scope="module")
def on_cpu(platform):
    """The mattes of a clip in plain NumPy."""
    networks = {
        forms: FusedNetwork(load_weights(), torch.device("cpu"), torch.float32, forms != "coarse")
        for forms in ("both", "coarse")
    }
    on_card = platform.device.type == "cuda"

    def mattes(clip, matting, lag, quick=False):
        network = networks[matting.forms] if on_card or not quick else bright
        pace, look_ahead, sharpen = matting.pace, matting.look_ahead if matting.steady else 0, Sharpener(matting.edges)
        plain = NumPyArithmetic()
        follow = Follower(Reference(network), matting.steady, Looks(pace.every), lag, pace.grid, plain)
        settle, even = Settler(max(0, look_ahead - 1), plain), Evener(plain)
        watched = map(Watcher(pace.picture, plain), clip)
        shots = [shot for each in watched for shot in follow(each)] + list(follow.finish())
        settled = [shot for each in shots for shot in settle(each)] + list(settle.finish())
        if look_ahead:
            settled = [shot for each in settled for shot in even(each)] + list(even.finish())
        return [sharpen(shot.frame, shot.alpha).matte.as_float() for shot in settled]

    return mattes


def difference(got, expected):
    assert len(got) == len(expected)
    return np.mean([np.abs(mine.matte.as_float() - theirs).mean() for mine, theirs in zip(got, expected, strict=True)])


def test_a_clip_has_the_cpus_mattes(device, frames, on_cpu):
    got = list(cut_outs(iter(frames), device, Matting(), 2))
    assert [cutout.frame.pts for cutout in got] == [frame.pts for frame in frames]
    assert difference(got, on_cpu(frames, Matting(), 2)) < 0.005


def test_in_batches_too(quick, frames, on_cpu):
    got = list(cut_outs(iter(frames), quick, Matting(), 5))
    assert [cutout.frame.pts for cutout in got] == [frame.pts for frame in frames]
    assert difference(got, on_cpu(frames, Matting(), 5, quick=True)) < 0.005


def test_live_pictures_have_the_cpus_mattes(device, frames, on_cpu):
    matting = Matting(look_ahead=0)
    card, *_ = stages = card_stages(device, matting, ahead=False)
    cutouts = []
    for frame in frames[:4]:
        step = stages[1].call(card.call(frame))
        assert len(step) == 1, "a live frame was held back"
        cutouts += map(stages[2].call, step)
    assert difference(cutouts, on_cpu(frames[:4], matting, 0)) < 0.005


@pytest.mark.parametrize("matting", [Matting(speed="fast"), Matting(steady=0, edges=False)], ids=["fast", "plain"])
def test_other_ways_of_matting_are_the_cpus_too(platform, frames, on_cpu, matting):
    """Also the network's batches, two at a time."""
    device = CUDADevice(platform=platform, batch=2, detail=matting.forms != "coarse")
    got = list(cut_outs(iter(frames[:4]), device, matting, 3))
    assert difference(got, on_cpu(frames[:4], matting, 3)) < 0.008


def test_a_cut_begins_anew(quick, frames, on_cpu):
    """After it nothing of the scene before is seen, though the look ahead reaches across it."""
    turned = [mirrored(frame, 1000 + frame.pts) for frame in frames[:3]]
    clip = [*frames[:3], *turned]
    got = list(cut_outs(iter(clip), quick.with_batch(1), Matting(), 2))
    assert difference(got, on_cpu(clip, Matting(), 2, quick=True)) < 0.01


def mirrored(frame, pts):
    """Upside down and inverted in brightness: another scene."""
    luma = 235 - frame.planes[0][::-1]
    others = [np.ascontiguousarray(plane[::-1]) for plane in frame.planes[1:]]
    return Frame((luma, *others), frame.format, pts, frame.time_base, frame.colour)


@pytest.mark.parametrize("count", [0, 1, 2, 4, 5])
def test_a_clip_of_any_length_comes_out_whole(quick, frames, count):
    got = [cutout.frame.pts for cutout in cut_outs(iter(frames[:count]), quick, Matting(), 2)]
    assert got == [frame.pts for frame in frames[:count]]


def test_nothing_is_allocated_once_the_line_runs(quick, platform, frames):
    upload, card, download = card_stages(quick, Matting(), ahead=True)

    def run(part):
        for frame in part:
            for done in card.call(upload.call(frame)):
                download.call(done)

    run(frames * 2)
    before = used(platform)
    run(frames * 2)
    assert used(platform) == before
    assert len(list(map(download.call, card.finish()))) > 0


def used(platform):
    return torch.cuda.memory_allocated() if platform.device.type == "cuda" else platform.allocated


def test_a_slow_sink_holds_the_card_back_and_loses_nothing(quick, frames):
    """The sink takes nothing until the source is stuck, or has given everything."""
    stuck, got = threading.Event(), []

    def source():
        for number in range(5 * COUNT):
            given = threading.Timer(1.0, stuck.set)
            given.start()
            yield frames[number % COUNT]
            given.cancel()
        stuck.set()

    def sink(cutout):
        assert stuck.wait(100)
        got.append(cutout.frame.pts)

    Runner(source(), [*card_stages(quick, Matting(), ahead=True), Stage("sink", sink)]).run()
    assert got == [frames[number % COUNT].pts for number in range(5 * COUNT)]


@pytest.mark.parametrize("where", ["sink", "card"])
def test_a_failure_ends_the_run(quick, frames, where):
    """A full disk, or the card: the run ends with it, and what came before it is there."""
    got = []

    def sink(cutout):
        if where == "sink" and len(got) == 2:
            raise OSError("the disk is full")
        got.append(cutout.frame.pts)

    stages = card_stages(quick, Matting(), ahead=True)
    if where == "card":
        calls = iter(range(1000))
        step = stages[1].call

        def failing(item):
            if next(calls) == 9:
                raise RuntimeError("CUDA error: unspecified launch failure")
            return step(item)

        stages[1] = Stage("card", failing, stages[1].finish)
    with pytest.raises(StageError, match=where):
        Runner(iter(frames * 4), [*stages, Stage("sink", sink)]).run()
    assert got == [frame.pts for frame in (frames * 2)[: 2 if where == "sink" else 9]]


def test_two_streams_share_a_network(quick, frames):
    """Frames in turns through two lines: neither sees anything of the other."""
    clips = [frames, [mirrored(frame, frame.pts) for frame in frames]]
    alone = [list(cut_outs(iter(clip), quick, Matting(), 2)) for clip in clips]
    lines = [card_stages(each, Matting(), ahead=True) for each in (quick, quick.another())]
    got = [[], []]
    for pair in zip(*clips, strict=True):
        for at, frame in enumerate(pair):
            upload, card, download = lines[at]
            got[at] += map(download.call, card.call(upload.call(frame)))
    for at, (_, card, download) in enumerate(lines):
        got[at] += map(download.call, card.finish())
        for mine, theirs in zip(got[at], alone[at], strict=True):
            assert np.array_equal(mine.matte.alpha, theirs.matte.alpha)
