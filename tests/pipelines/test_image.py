"""One image in, one image out."""

from __future__ import annotations

import json

import av
import numpy as np
import pytest
from streamseg.pipelines import Segmenter, process_image

from streamseg.errors import InputError, OptionError, OutputError
from streamseg.media.images import encode_image


@pytest.fixture(scope="module")
def portrait(tmp_path_factory, sample_clip, frames_of):
    path = tmp_path_factory.mktemp("images") / "portrait.png"
    path.write_bytes(encode_image(frames_of(sample_clip)[0].reformat(format="rgb24"), ".png"))
    return path


def pixels(path, frames_of):
    return frames_of(path)[0].to_ndarray()


def test_a_png_becomes_a_cut_out_with_its_own_colours(tmp_path, portrait, frames_of):
    process_image(portrait, tmp_path / "out.png")
    before, after = pixels(portrait, frames_of), pixels(tmp_path / "out.png", frames_of)
    assert after.shape == (*before.shape[:2], 4)
    alpha = Segmenter()(before).alpha
    assert np.array_equal(after[..., 3], alpha)
    for certain in (alpha == 0, alpha == 255):  # from the edges the old background's colour is removed
        assert certain.any() and np.array_equal(after[certain][:, :3], before[certain])


def test_without_edges_all_colours_are_the_images_own(tmp_path, portrait, frames_of):
    process_image(portrait, tmp_path / "out.png", edges=False)
    assert np.array_equal(pixels(tmp_path / "out.png", frames_of)[..., :3], pixels(portrait, frames_of))


def test_a_colour_behind_the_subject(tmp_path, portrait, frames_of):
    process_image(portrait, tmp_path / "out.png", "#0000ff")
    before, after = pixels(portrait, frames_of), pixels(tmp_path / "out.png", frames_of)
    alpha = Segmenter()(before).alpha
    assert np.array_equal(after[alpha == 255], before[alpha == 255])
    assert (after[alpha == 0] == (0, 0, 255)).all()


def test_a_jpeg_gets_a_blurred_background(tmp_path, portrait, frames_of):
    process_image(portrait, tmp_path / "out.jpg")
    frame = frames_of(tmp_path / "out.jpg")[0]
    before, after = pixels(portrait, frames_of).astype(int), frame.to_ndarray(format="rgb24").astype(int)
    alpha = Segmenter()(before.astype(np.uint8)).alpha
    assert np.abs(after - before)[alpha == 255].mean() < 4
    detail = [np.abs(np.diff(image[..., 1], axis=1))[(alpha[:, 1:] == 0)].mean() for image in (before, after)]
    assert detail[1] < 0.5 * detail[0]


def test_sixteen_bits_are_kept(tmp_path, portrait, frames_of):
    deep = tmp_path / "deep.png"
    deep.write_bytes(encode_image(frames_of(portrait)[0].reformat(format="rgb48be"), ".png"))
    process_image(deep, tmp_path / "out.png")
    assert frames_of(tmp_path / "out.png")[0].format.name == "rgba64be"


def test_wrong_requests_leave_nothing_behind(tmp_path, portrait):
    with pytest.raises(OptionError, match="JPEG cannot hold transparency"):
        process_image(portrait, tmp_path / "out.jpg", "transparent")
    with pytest.raises(OptionError, match=r"expected \.png"):
        process_image(portrait, tmp_path / "out.gif")
    with pytest.raises(InputError, match="no such file"):
        process_image(tmp_path / "none.png", tmp_path / "out.png")
    with pytest.raises(InputError, match="cannot be opened"):
        process_image(__file__, tmp_path / "out.png")
    (tmp_path / "taken.png").write_text("precious")
    with pytest.raises(OutputError, match="--overwrite"):
        process_image(portrait, tmp_path / "taken.png")
    assert [path.name for path in tmp_path.iterdir()] == ["taken.png"]


def test_a_file_that_is_no_image_is_named(tmp_path):
    (tmp_path / "empty.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"empty\.png"):
        process_image(tmp_path / "empty.png", tmp_path / "out.png")


def test_a_jpeg_is_one_for_other_programs(tmp_path, portrait):
    process_image(portrait, tmp_path / "out.jpg", "white")
    with av.open(str(tmp_path / "out.jpg")) as container:
        assert container.streams.video[0].codec_context.name == "mjpeg"


@pytest.mark.parametrize("background", [5, ["red"], np.zeros((4, 4, 3), np.uint8)])
def test_a_background_that_is_none_is_our_own_error(tmp_path, portrait, background):
    with pytest.raises(OptionError, match="expected a path"):
        process_image(portrait, tmp_path / "out.png", background)
    with pytest.raises(OptionError, match="output is NoneType"):
        process_image(portrait, None)
    assert list(tmp_path.iterdir()) == []


def test_a_path_is_a_background(tmp_path, portrait):
    process_image(portrait, tmp_path / "out.png", portrait)
    assert (tmp_path / "out.png").stat().st_size > 0


def test_a_damaged_image_is_named_as_such_in_the_json_too(tmp_path, portrait, streamseg):
    (tmp_path / "cut.png").write_bytes(portrait.read_bytes()[:-5000])
    done = streamseg("image", tmp_path / "cut.png", tmp_path / "out.png", "--json")
    assert done.returncode == 0 and "cut.png: the image is damaged" in done.stderr and (tmp_path / "out.png").exists()
    assert any("cut.png: the image is damaged" in each for each in json.loads(done.stdout)["warnings"])
