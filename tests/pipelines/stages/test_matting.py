"""The stages from frames to cut-outs, with a network for which bright pixels are salient."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from streamseg.pipelines import Segmenter
from streamseg.pipelines.stages.matting import cut_outs, matting_stages
from streamseg.pipelines.stages.options import SPEEDS, Matting

from streamseg.errors import OptionError, StageError
from streamseg.frame import Frame, PixelFormat
from streamseg.media.images import read_image
from streamseg.media.pixels.scale import PlaneScaler
from streamseg.runtime import Runner


class BrightnessDevice:
    """A device for which bright pixels are salient; records the time stamps of the frames it sees."""

    name, sizes, subject = "cpu", (64,), "any"

    def __init__(self):
        self.times = []

    def prepare(self, frame, inference):
        self.times.append(frame.pts)
        left, top, right, bottom = inference.roi.pixels(frame.width, frame.height)
        bright = frame.planes[0][top:bottom, left:right] > 0.72 * frame.format.maximum
        return PlaneScaler()(np.where(bright, 255, 0).astype(np.uint8), 64, 64).astype(np.float32) / 255

    def network(self, prepared):
        return prepared

    def saliency(self, pending):
        return pending

    def person_map(self, pending):
        return None


@cache
def texture(rows, columns):
    """A smooth random image of mean 0 and standard deviation 1."""
    rng = np.random.default_rng(1)
    x, y = np.arange(columns), np.arange(rows)[:, None]
    total = np.zeros((rows, columns))
    for length, angle, phase in zip(np.geomspace(10, 150, 40), *rng.uniform(0, 2 * np.pi, (2, 40)), strict=True):
        total += length**0.5 * np.cos((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / length + phase)
    return total / total.std()


def truth(pts, width, height):
    """The true alpha of a disc that moves to the right."""
    x, y = np.arange(width) - 0.3 * width - 3 * pts, (np.arange(height) - 0.5 * height)[:, None]
    return np.clip(0.2 * min(width, height) - np.hypot(x, y), 0, 1)


def frame_at(pts, width=240, height=160, name="yuv420p"):
    form = PixelFormat.parse(name)
    alpha, background = truth(pts, width, height), np.clip(0.35 + 0.08 * texture(height, width), 0.1, 0.6)
    planes = [np.full(shape, form.maximum // 2, form.dtype) for shape in form.shapes(width, height)]
    planes[0] = np.rint((alpha * 0.85 + (1 - alpha) * background) * form.maximum).astype(form.dtype)
    return Frame(tuple(planes), form, pts, Fraction(1, 25))


CLIP = [frame_at(pts) for pts in range(10)]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"steady": -0.1}, "steady -0.1: expected 0"),
        ({"steady": 1.5}, "steady 1.5: expected 0"),
        ({"steady": float("nan")}, "steady nan: expected 0"),
        ({"look_ahead": -1}, "look_ahead -1: expected 0 or more"),
        ({"speed": "warp"}, "speed 'warp': expected best, balanced, live, live-every, fast"),
    ],
)
def test_options_out_of_range_are_refused_with_a_message(options, message):
    with pytest.raises(OptionError, match=message):
        Matting(**options)


@pytest.mark.parametrize("options", [{"steady": 0}, {"steady": 1}, {"look_ahead": 0}, {"edges": False}])
def test_one_cut_out_for_each_frame(options):
    cutouts = list(cut_outs(CLIP, BrightnessDevice(), Matting(**options)))
    assert [cutout.frame.pts for cutout in cutouts] == list(range(10))
    for pts, cutout in enumerate(cutouts):
        expected = truth(pts, 240, 160) > 0.5
        found = cutout.matte.as_float() > 0.5
        assert np.count_nonzero(found & expected) > 0.85 * np.count_nonzero(found | expected)


@pytest.mark.parametrize(
    "speed, inferences",
    [("best", [*range(12)]), ("balanced", [0, 2, 4, 6, 8, 10]), ("live", [0, 3, 6, 9]), ("fast", [0, 3, 6, 10])],
)
@pytest.mark.parametrize("lag", [0, 2])
def test_faster_speeds_run_the_network_on_fewer_frames(speed, inferences, lag):
    device, clip = BrightnessDevice(), [frame_at(pts) for pts in range(12)]
    assert len(list(cut_outs(clip, device, Matting(speed=speed), lag))) == 12
    assert device.times == inferences


def test_the_variants_that_each_speed_needs():
    assert [Matting(speed=speed).variants for speed in SPEEDS] == ["both", "both", "lite", "lite", "lite"]


@pytest.mark.parametrize(
    "matting, lag, read_ahead",
    [
        (Matting(look_ahead=0), 0, 1),
        (Matting(look_ahead=2), 0, 3),
        (Matting(steady=0, look_ahead=2), 0, 1),
        (Matting(look_ahead=2), 3, 6),
    ],
)
def test_no_more_frames_are_held_back_than_asked_for(matting, lag, read_ahead):
    """Live frames must not wait: without look-ahead the first comes out before the second is read."""
    frames_read = []

    def source():
        for frame in CLIP:
            frames_read.append(frame.pts)
            yield frame

    stream = cut_outs(source(), BrightnessDevice(), matting, lag)
    for count in range(3):
        assert next(stream).frame.pts == count
        assert len(frames_read) == read_ahead + count


@pytest.mark.parametrize("lag", [0, 3])
def test_with_threads_the_cut_outs_are_the_same(lag):
    expected = list(cut_outs(CLIP, BrightnessDevice(), Matting(), lag))
    threaded = list(Runner(CLIP, matting_stages(BrightnessDevice(), Matting(), lag)))
    assert len(threaded) == len(expected) == 10
    for first, second in zip(expected, threaded, strict=True):
        assert np.array_equal(first.matte.alpha, second.matte.alpha)
        for one, other in zip(first.frame.planes, second.frame.planes, strict=True):
            assert np.array_equal(one, other)


@pytest.mark.parametrize("count", [0, 1, 4, 9])
def test_all_frames_before_a_failure_come_out(count):
    def source():
        yield from CLIP[:count]
        raise OSError("damaged")

    received = []
    with pytest.raises(StageError, match="source: damaged"):
        for cutout in Runner(source(), matting_stages(BrightnessDevice(), Matting(), 3)):
            received.append(cutout.frame.pts)
    assert received == list(range(count))


def test_a_failure_names_its_stage():
    class Broken(BrightnessDevice):
        def saliency(self, pending):
            raise RuntimeError("no memory")

    with pytest.raises(StageError, match="network: no memory"):
        list(Runner(CLIP, matting_stages(Broken(), Matting(), 2)))


def test_no_frames_give_no_cut_outs():
    assert list(cut_outs([], BrightnessDevice(), Matting(), 3)) == []


@pytest.mark.parametrize(
    "size, name",
    [((160, 240), "yuv420p"), ((241, 161), "yuv420p10le"), ((720, 404), "yuv422p"), ((200, 120), "gbrp")],
)
def test_mattes_have_the_frames_size_and_depth(size, name):
    frames = [frame_at(pts, *size, name) for pts in range(4)]
    for pts, cutout in enumerate(cut_outs(frames, BrightnessDevice(), Matting())):
        assert cutout.matte.alpha.shape == size[::-1]
        assert cutout.matte.alpha.dtype == (np.uint8 if cutout.frame.format.depth == 8 else np.uint16)
        assert cutout.frame.format == frames[pts].format
        assert np.abs(cutout.matte.as_float() - truth(pts, *size)).mean() < 0.02


def test_without_edge_refinement_frames_pass_unchanged():
    for cutout, frame in zip(cut_outs(CLIP, BrightnessDevice(), Matting(edges=False)), CLIP, strict=True):
        assert cutout.frame is frame


def test_the_decoders_memory_is_never_written():
    frames = [replace(frame, planes=tuple(plane.copy() for plane in frame.planes)) for frame in CLIP[:4]]
    for frame in frames:
        for plane in frame.planes:
            plane.flags.writeable = False
    assert len(list(cut_outs(frames, BrightnessDevice(), Matting()))) == 4


@pytest.mark.parametrize("size", [(2, 2), (8, 8), (16, 64), (64, 10)])
def test_tiny_frames(size):
    frames = [frame_at(pts, *size) for pts in range(4)]
    assert [cutout.matte.alpha.shape for cutout in cut_outs(frames, BrightnessDevice(), Matting())] == [size[::-1]] * 4


def test_a_real_subject_is_matted(shared_data):
    """With the real network: both variants, flipped and not, on frames whose masks are known."""
    folder = shared_data / "davis" / "dance-twirl"
    names = [path.stem for path in sorted((folder / "images").iterdir())[60:68]]
    frames = [replace(read_image(str(folder / "images" / f"{name}.jpg")), pts=pts) for pts, name in enumerate(names)]
    overlaps = []
    for name, cutout in zip(names, cut_outs(frames, Segmenter(variants="both").device, Matting()), strict=True):
        expected = read_image(str(folder / "masks" / f"{name}.png")).planes[0] > 127
        found = cutout.matte.as_float() > 0.5
        overlaps.append(np.count_nonzero(found & expected) / np.count_nonzero(found | expected))
    assert min(overlaps) > 0.85
