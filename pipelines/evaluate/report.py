"""Rows of figures, as a table for people and as JSON for scripts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Column", "Report", "mean_rows"]

Row = dict[str, Any]


class Column(NamedTuple):
    """One figure of every row: its key, its heading, and how many decimals to print."""

    key: str
    heading: str
    digits: int


@dataclass(frozen=True, slots=True)
class Report:
    """Rows of labelled figures.

    Attributes:
        labels: keys of the texts that name a row.
        columns: the figures of a row; a figure is None where it is not defined.
        rows: one mapping each, from the keys of labels and columns.
        about: what all rows have in common.
    """

    labels: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: list[Row]
    about: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**self.about, "rows": self.rows}

    def table(self) -> str:
        """For people."""
        cells = [[*self.labels, *(column.heading for column in self.columns)], *map(self._cells, self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(self._aligned(line, widths)).rstrip() for line in cells]
        return "\n".join([*(f"{name}: {value}" for name, value in self.about.items()), *lines])

    def _cells(self, row: Row) -> list[str]:
        figures = ((row[column.key], column.digits) for column in self.columns)
        return [
            *(str(row[label]) for label in self.labels),
            *("-" if value is None else f"{value:.{digits}f}" for value, digits in figures),
        ]

    def _aligned(self, line: list[str], widths: list[int]) -> list[str]:
        """Labels to the left, figures to the right."""
        return [
            cell.ljust(width) if index < len(self.labels) else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]


def mean_rows(rows: list[Row], by: str, over: str, columns: tuple[Column, ...]) -> list[Row]:
    """For each value of label ``by`` the means over its rows; label ``over`` is "mean" in them."""
    means = []
    for name in dict.fromkeys(row[by] for row in rows):
        group = [row for row in rows if row[by] == name]
        means.append({over: "mean", by: name, **{column.key: _mean(group, column.key) for column in columns}})
    return means


def _mean(rows: list[Row], key: str) -> float | None:
    values = [row[key] for row in rows if row[key] is not None]
    return float(np.mean(values)) if values else None
