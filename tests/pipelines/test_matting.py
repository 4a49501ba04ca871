"""Frames in, cut-outs out, with a network that sees what is bright."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from streamseg.pipelines import Segmenter
from streamseg.pipelines.matting import SPEEDS, Matting, cut_outs, matting_stages

from streamseg.errors import OptionError, StageError
from streamseg.frame import Frame, PixelFormat
from streamseg.media.pictures import read_picture
from streamseg.media.scale import PlaneScaler
from streamseg.runtime import Runner


class Bright:
    """A device for which bright things are salient; remembers which frames it saw."""

    name = "cpu"

    def __init__(self):
        self.times = []

    def prepare(self, frame, look):
        self.times.append(frame.pts)
        left, top, right, bottom = look.box.pixels(frame.width, frame.height)
        bright = frame.planes[0][top:bottom, left:right] > 0.72 * frame.format.maximum
        return PlaneScaler()(np.where(bright, 255, 0).astype(np.uint8), 64, 64).astype(np.float32) / 255

    def network(self, prepared):
        return prepared

    def saliency(self, begun):
        return begun


def texture(rows, columns):
    rng = np.random.default_rng(1)
    x, y = np.arange(columns), np.arange(rows)[:, None]
    total = np.zeros((rows, columns))
    for length, angle, phase in zip(np.geomspace(10, 150, 40), *rng.uniform(0, 2 * np.pi, (2, 40)), strict=True):
        total += length**0.5 * np.cos((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / length + phase)
    return total / total.std()


def truth(pts, width, height):
    """A ball that goes to the right."""
    x, y = np.arange(width) - 0.3 * width - 3 * pts, (np.arange(height) - 0.5 * height)[:, None]
    return np.clip(0.2 * min(width, height) - np.hypot(x, y), 0, 1)


def picture(pts, width=240, height=160, name="yuv420p"):
    form = PixelFormat.parse(name)
    alpha, behind = truth(pts, width, height), np.clip(0.35 + 0.08 * texture(height, width), 0.1, 0.6)
    planes = [np.full(shape, form.maximum // 2, form.dtype) for shape in form.shapes(width, height)]
    planes[0] = np.rint((alpha * 0.85 + (1 - alpha) * behind) * form.maximum).astype(form.dtype)
    return Frame(tuple(planes), form, pts, Fraction(1, 25))


CLIP = [picture(pts) for pts in range(10)]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"steady": -0.1}, "steady -0.1: expected 0"),
        ({"steady": 1.5}, "steady 1.5: expected 0"),
        ({"steady": float("nan")}, "steady nan: expected 0"),
        ({"look_ahead": -1}, "look_ahead -1: expected 0 or more"),
        ({"speed": "warp"}, "speed 'warp': expected best, balanced, live, fast"),
    ],
)
def test_options_out_of_range_are_refused_in_one_line(options, message):
    with pytest.raises(OptionError, match=message):
        Matting(**options)


@pytest.mark.parametrize("options", [{"steady": 0}, {"steady": 1}, {"look_ahead": 0}, {"edges": False}])
def test_one_cut_out_for_each_frame(options):
    cuts = list(cut_outs(CLIP, Bright(), Matting(**options)))
    assert [cut.frame.pts for cut in cuts] == list(range(10))
    for pts, cut in enumerate(cuts):
        expected = truth(pts, 240, 160) > 0.5
        found = cut.matte.as_float() > 0.5
        assert np.count_nonzero(found & expected) > 0.85 * np.count_nonzero(found | expected)


@pytest.mark.parametrize(
    "speed, looks",
    [("best", [*range(12)]), ("balanced", [0, 2, 4, 6, 8, 10]), ("live", [0, 3, 6, 9]), ("fast", [0, 3, 6, 10])],
)
@pytest.mark.parametrize("lag", [0, 2])
def test_speeds_spare_the_network_frames_and_fast_more_where_it_sees_nothing_new(speed, looks, lag):
    device, clip = Bright(), [picture(pts) for pts in range(12)]
    assert len(list(cut_outs(clip, device, Matting(speed=speed), lag))) == 12
    assert device.times == looks


def test_speeds_that_spare_the_network_load_its_coarse_form_alone():
    assert [Matting(speed=speed).forms for speed in SPEEDS] == ["both", "both", "coarse", "coarse"]


@pytest.mark.parametrize(
    "matting, lag, read",
    [
        (Matting(look_ahead=0), 0, 1),
        (Matting(look_ahead=2), 0, 3),
        (Matting(steady=0, look_ahead=2), 0, 1),
        (Matting(look_ahead=2), 3, 6),
    ],
)
def test_no_more_frames_are_held_back_than_asked_for(matting, lag, read):
    """Live pictures must not wait: without the future the first comes out before the second is read."""
    taken = []

    def source():
        for frame in CLIP:
            taken.append(frame.pts)
            yield frame

    stream = cut_outs(source(), Bright(), matting, lag)
    for expected in range(3):
        assert next(stream).frame.pts == expected
        assert len(taken) == read + expected


@pytest.mark.parametrize("lag", [0, 3])
def test_with_threads_the_cut_outs_are_the_same(lag):
    plain = list(cut_outs(CLIP, Bright(), Matting(), lag))
    threaded = list(Runner(CLIP, matting_stages(Bright(), Matting(), lag)))
    assert len(threaded) == len(plain) == 10
    for first, second in zip(plain, threaded, strict=True):
        assert np.array_equal(first.matte.alpha, second.matte.alpha)
        for one, other in zip(first.frame.planes, second.frame.planes, strict=True):
            assert np.array_equal(one, other)


@pytest.mark.parametrize("good", [0, 1, 4, 9])
def test_frames_before_the_damage_all_come_out(good):
    def source():
        yield from CLIP[:good]
        raise OSError("torn")

    got = []
    with pytest.raises(StageError, match="source: torn"):
        for cut in Runner(source(), matting_stages(Bright(), Matting(), 3)):
            got.append(cut.frame.pts)
    assert got == list(range(good))


def test_a_failing_network_is_named():
    class Broken(Bright):
        def saliency(self, begun):
            raise RuntimeError("no memory")

    with pytest.raises(StageError, match="network: no memory"):
        list(Runner(CLIP, matting_stages(Broken(), Matting(), 2)))


def test_no_frames_give_no_cut_outs():
    assert list(cut_outs([], Bright(), Matting(), 3)) == []


@pytest.mark.parametrize(
    "size, name",
    [((160, 240), "yuv420p"), ((241, 161), "yuv420p10le"), ((720, 404), "yuv422p"), ((200, 120), "gbrp")],
)
def test_mattes_have_the_frames_size_and_depth(size, name):
    frames = [picture(pts, *size, name) for pts in range(4)]
    for pts, cut in enumerate(cut_outs(frames, Bright(), Matting())):
        assert cut.matte.alpha.shape == size[::-1]
        assert cut.matte.alpha.dtype == (np.uint8 if cut.frame.format.depth == 8 else np.uint16)
        assert cut.frame.format == frames[pts].format
        assert np.abs(cut.matte.as_float() - truth(pts, *size)).mean() < 0.02


def test_without_edges_frames_go_through_untouched():
    for cut, frame in zip(cut_outs(CLIP, Bright(), Matting(edges=False)), CLIP, strict=True):
        assert cut.frame is frame


def test_the_decoders_memory_is_not_written():
    frames = [replace(frame, planes=tuple(plane.copy() for plane in frame.planes)) for frame in CLIP[:4]]
    for frame in frames:
        for plane in frame.planes:
            plane.flags.writeable = False
    assert len(list(cut_outs(frames, Bright(), Matting()))) == 4


@pytest.mark.parametrize("size", [(2, 2), (8, 8), (16, 64), (64, 10)])
def test_tiny_frames_go_through(size):
    frames = [picture(pts, *size) for pts in range(4)]
    assert [cut.matte.alpha.shape for cut in cut_outs(frames, Bright(), Matting())] == [size[::-1]] * 4


def test_a_real_dancer_is_kept(shared_data):
    """The network itself, both forms of it, mirrored and not, on frames whose mattes are known."""
    folder = shared_data / "davis" / "dance-twirl"
    names = [path.stem for path in sorted((folder / "images").iterdir())[60:68]]
    frames = [replace(read_picture(str(folder / "images" / f"{name}.jpg")), pts=pts) for pts, name in enumerate(names)]
    overlaps = []
    for name, cut in zip(names, cut_outs(frames, Segmenter(forms="both").device, Matting()), strict=True):
        expected = read_picture(str(folder / "masks" / f"{name}.png")).planes[0] > 127
        found = cut.matte.as_float() > 0.5
        overlaps.append(np.count_nonzero(found & expected) / np.count_nonzero(found | expected))
    assert min(overlaps) > 0.85
