"""Shared by all metrics: types, checks, means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError

__all__ = ["Floats", "Mask", "Means", "check", "check_like", "worst_tenth"]

#: [rows, columns], float32 or float64.
Floats = NDArray[np.floating[Any]]
#: [rows, columns].
Mask = NDArray[np.bool_]


def check(image: NDArray[Any], name: str) -> None:
    """Raise InputError unless ``image`` is [rows, columns] of bool, or of floats in [0, 1]."""
    if image.ndim != 2 or image.size == 0 or (image.dtype.kind != "f" and image.dtype != np.bool_):
        raise InputError(f"{name} is {image.dtype} {image.shape}: expected floats or bool [rows, columns]")
    if image.dtype != np.bool_ and not (image.min() >= 0 and image.max() <= 1):
        raise InputError(f"{name} spans {image.min():g} to {image.max():g}: expected 0 to 1")


def check_like(prediction: NDArray[Any], truth: NDArray[Any]) -> None:
    """Raise InputError unless both pass ``check`` and have the same shape."""
    check(prediction, "prediction")
    check(truth, "truth")
    if prediction.shape != truth.shape:
        raise InputError(f"prediction is {prediction.shape}, truth {truth.shape}: expected the same shape")


def worst_tenth(values: Sequence[float]) -> float | None:
    """What one value in ten is below: the 10th percentile, interpolated linearly; None of no values."""
    return float(np.quantile(values, 0.1)) if values else None


class Means:
    """Means of several values by name; None is not counted."""

    def __init__(self, *names: str) -> None:
        self._values: dict[str, list[float]] = {name: [] for name in names}

    def add(self, **values: float | None) -> None:
        """Add one value under each name."""
        for name, value in values.items():
            if value is not None:
                self._values[name].append(value)

    def results(self) -> dict[str, float | None]:
        """The mean under each name; None where nothing was added."""
        return {name: float(np.mean(values)) if values else None for name, values in self._values.items()}
