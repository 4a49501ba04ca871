"""Batches follow from the seed and the step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from streamseg.pipelines.train.batches import Batches, batches_from  # noqa: E402
from streamseg.pipelines.train.settings import FROM_WEIGHTS, Folder, Settings  # noqa: E402
from streamseg.pipelines.train.sources import open_sources  # noqa: E402

from streamseg.errors import InputError  # noqa: E402


@pytest.fixture
def settings(discs: Path) -> Settings:
    schedule = {**FROM_WEIGHTS, "sizes": (32, 48), "batch": 4, "steps": 6, "augment": False}
    return Settings(people=(Folder(discs),), pairs=(Folder(discs, 0.5),), empty=(Folder(discs / "images"),), **schedule)


def test_two_processes_have_the_halves_of_one_batch(settings: Settings) -> None:
    whole, half = Batches(settings, open_sources(settings)), replace(settings, batch=2)
    parts = [Batches(half, open_sources(half), rank, 2) for rank in range(2)]
    for step in range(3):
        joined = torch.cat([part[step].images for part in parts])
        assert torch.equal(joined, whole[step].images)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_that_goes_on_sees_the_batches_that_it_would_have_seen(settings: Settings, workers: int) -> None:
    batches = Batches(settings, open_sources(settings))
    late = list(batches_from(batches, 3, workers))
    assert len(late) == 3
    assert all(torch.equal(batch.masks, batches[step].masks) for step, batch in enumerate(late, 3))


def test_every_size_and_every_folder_is_drawn(settings: Settings) -> None:
    batches = Batches(settings, open_sources(settings))
    drawn = [batches[step] for step in range(12)]
    assert {batch.images.shape[-1] for batch in drawn} == {32, 48}
    empty = torch.cat([batch.masks.flatten(1).amax(1) == 0 for batch in drawn])
    assert 0 < empty.float().mean() < 0.8


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_image_is_named_in_one_line(settings: Settings, tmp_path: Path, write_pairs, workers) -> None:  # type: ignore[no-untyped-def]
    folder = write_pairs(tmp_path / "damaged")
    for path in (folder / "images").iterdir():
        path.write_bytes(b"nothing")
    broken = replace(settings, pairs=(Folder(folder),), people=(), empty=())
    with pytest.raises(InputError, match=r"^\S+/damaged/images/\d.png: is no image that decodes$"):
        next(batches_from(Batches(broken, open_sources(broken)), 0, workers))


def test_a_mask_without_a_image_is_named(settings: Settings, tmp_path: Path, write_pairs) -> None:  # type: ignore[no-untyped-def]
    folder = write_pairs(tmp_path / "odd")
    (folder / "images" / "2.png").unlink()
    with pytest.raises(InputError, match=r"masks/2.png: nothing of that name in"):
        open_sources(replace(settings, pairs=(Folder(folder),)))


def test_maps_of_a_teacher_come_from_a_folder(settings: Settings, discs: Path) -> None:
    taught = {"pairs": (), "people": (), "empty": (), "unlabelled": (Folder(discs / "images"),)}
    from_files = replace(settings, **taught, teacher=str(discs / "masks"))
    batch = Batches(from_files, open_sources(from_files))[0]
    assert batch.labelled.all() and batch.masks.max() == 1
    by_weights = replace(settings, **taught, teacher="published")
    assert not Batches(by_weights, open_sources(by_weights))[0].labelled.any()


def test_cutouts_and_people_are_laid_over_backgrounds(settings: Settings, discs: Path, tmp_path: Path) -> None:
    for name, colour in (("cutouts", (200, 0, 0, 255)), ("backgrounds", (0, 0, 200))):
        (tmp_path / name).mkdir()
        example = np.full((40, 30, len(colour)), colour, np.uint8)
        if name == "cutouts":
            example[:, 15:, 3] = 0
        write_png(tmp_path / name / "0.png", example)
    laid = replace(
        settings,
        cutouts=(Folder(tmp_path / "cutouts"),),
        backgrounds=(tmp_path / "backgrounds",),
        composite=1.0,
        pairs=(),
        empty=(),
    )
    seen = [Batches(laid, open_sources(laid))[step] for step in range(3)]
    images, masks = (torch.cat([part.flatten(2) for part in parts], 2) for parts in _columns(seen))
    outside = images.movedim(1, -1)[masks[:, 0] == 0]
    assert len(outside) > 100
    torch.testing.assert_close(outside, torch.tensor([0, 0, 200 / 255]).expand_as(outside))


def _columns(batches):  # type: ignore[no-untyped-def]
    return [batch.images for batch in batches], [batch.masks for batch in batches]


def write_png(path: Path, array: np.ndarray) -> None:
    kind = {3: "rgb24", 4: "rgba"}[array.shape[2]]
    codec: Any = av.CodecContext.create("png", "w")
    codec.height, codec.width, codec.pix_fmt, codec.time_base = *array.shape[:2], kind, 1
    frame = av.VideoFrame.from_ndarray(array, format=kind)
    frame.pts = 0
    path.write_bytes(b"".join(bytes(packet) for packet in (*codec.encode(frame), *codec.encode(None))))
