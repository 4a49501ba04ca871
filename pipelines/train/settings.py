"""What a training run is asked for, and what of it must stay the same when the run is resumed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from streamseg.errors import OptionError
from streamseg.network.architecture import architecture

__all__ = ["FROM_SCRATCH", "FROM_WEIGHTS", "Folder", "Settings", "field_names"]


Flip = Literal["horizontal", "vertical", "none"]
Precision = Literal["auto", "float32", "bfloat16"]

#: Section 4.2 of the paper: resized to 320, flipped upside down, cropped to 288; Adam at 1e-3; 600,000 steps of 12.
FROM_SCRATCH: dict[str, Any] = {
    "sizes": (288,),
    "batch": 12,
    "rate": 1e-3,
    "steps": 600_000,
    "average": 0.0,
    "augment": False,
    "flip": "vertical",
    "warmup": 0,
}
#: Weights that are taken further: small steps, several sizes, images as cameras give them.
FROM_WEIGHTS: dict[str, Any] = {
    "sizes": (160, 192, 224, 256, 320),
    "batch": 8,
    "rate": 3e-5,  # with batches of 8, 1e-4 and above lost in the first steps what the weights knew
    "steps": 10_000,
    "average": 0.999,
    "augment": True,
    "flip": "horizontal",
    "warmup": 50,
}

# What may change between a run and its continuation without changing the curve.
_FREE = ("steps", "save_every", "validate", "validate_sizes", "validate_every", "device", "workers", "threads")
_SMALLEST = 32


@dataclass(frozen=True)
class Folder:
    """A folder to learn from.

    Attributes:
        path: of the folder.
        weight: how often it is drawn from, relative to the others, whatever its size; above 0.
    """

    path: Path
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.weight < float("inf"):
            raise OptionError(f"{self.path}: weight is {self.weight:g}, expected a number above 0")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A training run; checked on construction.

    Attributes:
        model: ``u2netp`` or ``u2net``.
        init: weights to begin with, "published", or None to begin from random ones.
        pairs: folders with images/ and masks/, taken as they are framed.
        people: the same, cropped to close-ups of what the mask marks.
        composite: share of the draws from ``people`` that are cut out and laid over one of ``backgrounds``; 0 to 1.
        cutouts: folders of images with alpha, laid over ``backgrounds``.
        backgrounds: folders of images to lay people and cutouts over.
        empty: folders of images without a subject: their mask is empty.
        unlabelled: folders of images whose maps come from ``teacher``.
        teacher: weights, "published", or a folder of maps with the names of the images.
        sizes: sides of the network's square input, in pixels; each step draws one.
        steps: optimiser steps in all.
        batch: images a step in each process.
        micro_batch: images at once: smaller pieces need less memory; 0 for the whole batch.
        rate: learning rate of Adam.
        warmup: steps over which the rate rises to ``rate``.
        cosine: whether the rate falls to 0 along half a cosine by the last step.
        average: decay of the running average of the weights, in [0, 1); 0 for none.
        augment: whether colour, light, blur, noise and compression vary.
        flip: which way half of the images are flipped.
        seed: of everything that is drawn.
        validate: folders with images/ and masks/ to measure on; never learnt from.
        validate_sizes: sides of the input that is measured at, in pixels; () for the smallest and largest of ``sizes``.
        validate_every: steps between two validations.
        save_every: steps between two checkpoints.
        precision: of the convolutions; auto is bfloat16 on a GPU that has it.
        device: ``cpu``, ``cuda`` or ``auto``.
        workers: processes that read images; 0 reads in between the steps.
        threads: of the CPU; 0 for torch's own choice.

    Raises:
        OptionError: a value out of range, or options that contradict each other.
    """

    model: str = "u2netp"
    init: str | None = None
    pairs: tuple[Folder, ...] = ()
    people: tuple[Folder, ...] = ()
    composite: float = 0.0
    cutouts: tuple[Folder, ...] = ()
    backgrounds: tuple[Path, ...] = ()
    empty: tuple[Folder, ...] = ()
    unlabelled: tuple[Folder, ...] = ()
    teacher: str | None = None
    sizes: tuple[int, ...]
    steps: int
    batch: int
    micro_batch: int = 0
    rate: float
    warmup: int
    cosine: bool = False
    average: float
    augment: bool
    flip: Flip
    seed: int = 0
    validate: tuple[Path, ...] = ()
    validate_sizes: tuple[int, ...] = ()
    validate_every: int = 1000
    save_every: int = 100
    precision: Precision = "auto"
    device: str = "auto"
    workers: int = 0
    threads: int = 0

    def __post_init__(self) -> None:
        architecture(self.model)
        self._check_numbers()
        if not (self.pairs or self.people or self.cutouts or self.unlabelled):
            raise OptionError("nothing to learn from: give --pairs, --people, --cutouts or --unlabelled")
        if (self.cutouts or self.composite) and not self.backgrounds:
            raise OptionError("--cutouts and --composite need images to lay people over: give --backgrounds")
        if self.composite and not self.people:
            raise OptionError("--composite is a share of --people, and none are given")
        names = [folder.resolve().name for folder in self.validate]
        for name in names:
            if names.count(name) > 1:
                raise OptionError(f"--validate: two folders are called {name}, by which sets are known: rename one")
        if bool(self.unlabelled) != bool(self.teacher):
            raise OptionError("--unlabelled and --teacher belong together: one gives images, the other their maps")

    def _check_numbers(self) -> None:
        for name in ("steps", "batch", "validate_every", "save_every"):
            _check(name, getattr(self, name), 1, None)
        for name in ("micro_batch", "warmup", "workers", "threads", "seed"):
            _check(name, getattr(self, name), 0, None)
        for size in (*self.sizes, *self.validate_sizes):
            _check("sizes", size, _SMALLEST, None)
        _check("composite", self.composite, 0, 1)
        if not self.sizes:
            raise OptionError("--sizes: give at least one")
        if not 0 <= self.average < 1:
            raise OptionError(f"--average {self.average:g}: expected 0 or more, and below 1")
        if not 0 < self.rate < 1:
            raise OptionError(f"--rate {self.rate:g}: expected a number between 0 and 1")
        if self.micro_batch and self.batch % self.micro_batch:
            raise OptionError(f"--micro-batch {self.micro_batch}: does not divide the batch of {self.batch}")

    @property
    def from_scratch(self) -> bool:
        """Whether the run begins with random weights."""
        return self.init is None

    @property
    def measured_sizes(self) -> tuple[int, ...]:
        """Sides of the input that validation measures at, in pixels."""
        return self.validate_sizes or tuple(sorted({min(self.sizes), max(self.sizes)}))

    def as_dict(self) -> dict[str, Any]:
        """All settings as JSON has them."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain

    def fixed(self) -> dict[str, Any]:
        """What a resumed run must have in common with its beginning."""
        free = {*_FREE} - ({"steps"} if self.cosine else set())
        return {name: value for name, value in self.as_dict().items() if name not in free}

    def check_same(self, before: dict[str, Any], processes: tuple[int, int]) -> None:
        """Raise OptionError where ``before``, the ``fixed`` of a checkpoint, or its number of processes differs."""
        now = self.fixed()
        different = sorted(name for name in now.keys() | before.keys() if now.get(name) != before.get(name))
        if different:
            names = ", ".join(f"--{name.replace('_', '-')}" for name in different)
            raise OptionError(f"the run to be resumed had other values of {names}: give the same ones")
        if processes[0] != processes[1]:
            raise OptionError(f"the run to be resumed had {processes[0]} processes, this one has {processes[1]}")


def field_names() -> set[str]:
    """Names of all settings."""
    return {field.name for field in fields(Settings)}


def _check(name: str, value: float, low: float, high: float | None) -> None:
    if value < low or (high is not None and value > high):
        wanted = f"{low:g} or more" if high is None else f"{low:g} to {high:g}"
        raise OptionError(f"--{name.replace('_', '-')} {value:g}: expected {wanted}")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
