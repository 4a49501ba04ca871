"""Images and masks stay together whatever is done to them."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from streamseg.pipelines.train.augmentation import (  # noqa: E402
    Colours,
    Example,
    blend,
    close_up,
    crop_at_random,
    flip,
    loose,
    resize,
    subject_box,
)


@pytest.fixture
def person() -> Example:
    """A tall figure whose image is white exactly where its mask is."""
    mask = np.zeros((90, 70), np.uint8)
    mask[10:88, 25:45] = 255
    return Example(np.repeat(mask[..., None], 3, 2), mask)


@pytest.mark.parametrize("framing", [close_up, loose, lambda rng, example: crop_at_random(rng, example, 36)])
def test_framing_moves_image_and_mask_together(person: Example, framing) -> None:  # type: ignore[no-untyped-def]
    for seed in range(40):
        rng = np.random.default_rng(seed)
        rgb, mask = flip(rng, framing(rng, person), "horizontal")
        assert mask is not None and rgb.shape == (*mask.shape, 3) and mask.size > 0
        np.testing.assert_array_equal(rgb[..., 0], mask)


def test_a_close_up_shows_the_upper_part_and_lets_it_touch_the_borders(person: Example) -> None:
    crops = [close_up(np.random.default_rng(seed), person).mask for seed in range(60)]
    touching = [crop is not None and crop[-1].max() == 255 for crop in crops]
    assert np.mean(touching) > 0.5
    assert np.mean([crop.mean() / 255 for crop in crops if crop is not None]) > 1.2 * person.rgb.mean() / 255


def test_an_empty_mask_has_the_whole_image_for_its_subject() -> None:
    assert subject_box(np.zeros((5, 7), np.uint8)) == (0, 0, 7, 5)
    blank = Example(np.zeros((40, 60, 3), np.uint8), np.zeros((40, 60), np.uint8))
    assert close_up(np.random.default_rng(0), blank).rgb.size > 0


def test_flips_go_the_way_that_is_asked_for(person: Example) -> None:
    mask = np.arange(6, dtype=np.uint8).reshape(2, 3)
    example = Example(np.repeat(mask[..., None], 3, 2), mask)
    seen = {way: {flip(np.random.default_rng(k), example, way).mask.tobytes() for k in range(20)} for way in WAYS}
    assert seen["none"] == {mask.tobytes()}
    assert seen["horizontal"] == {mask.tobytes(), mask[:, ::-1].tobytes()}
    assert seen["vertical"] == {mask.tobytes(), mask[::-1].tobytes()}


WAYS = ("none", "horizontal", "vertical")


def test_a_cutout_keeps_its_own_pixels_and_the_background_its(person: Example) -> None:
    background = np.full((20, 30, 3), 90, np.uint8)
    mixed = [blend(np.random.default_rng(seed), person, background) for seed in range(10)]
    inside = person.mask == 255
    for rgb, mask in mixed:
        np.testing.assert_array_equal(mask, person.mask)
        assert (rgb[~inside] == 90).all()
    assert any((rgb[inside] == 255).all() for rgb, _ in mixed)


def test_a_square_of_the_same_size_is_left_alone(person: Example) -> None:
    square = resize(person, 48)
    assert square.rgb.shape == (48, 48, 3)
    assert resize(square, 48) is square


def test_colours_vary_with_the_seed_alone() -> None:
    pytest.importorskip("kornia")
    colours, image = Colours(), torch.rand(3, 40, 40)
    torch.manual_seed(5)
    first = [colours(image, seed) for seed in range(6)]
    torch.manual_seed(6)
    again = [colours(image, seed) for seed in range(6)]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert len({a.numpy().tobytes() for a in first}) == 6
    assert all(a.min() >= 0 and a.max() <= 1 for a in first)
