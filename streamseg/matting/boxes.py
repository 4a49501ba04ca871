"""Where the network looks next: the tracked crop."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np

from streamseg.matting.arrays import Image

__all__ = ["WHOLE", "Box", "follow", "stir_outside", "subject_box", "unexplained"]

_SUBJECT = 0.3
# Of the longer side of the subject, on every side.
_MARGIN = 0.25
# A subject smaller than this part of the frame's longer side is not followed.
_SMALLEST = 0.03
# How much of the way to the new box a side goes in a frame, outwards and inwards: a crop that jumps makes maps that do.
_GROW, _SHRINK = 0.5, 0.2
_STEP = 4  # a whole number of chroma samples in every format
_TINY = 1e-6
# Below this agreement the motion does not explain what is there.
_EXPLAINED = 0.25


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a frame. Sides are parts of its width and height, from its left and top, in [0, 1]."""

    left: float
    top: float
    right: float
    bottom: float

    def pixels(self, width: int, height: int) -> tuple[int, int, int, int]:
        """First column and row touched, and the columns and rows after the last, in a picture of that size."""
        return (
            int(np.floor(self.left * width + _TINY)),
            int(np.floor(self.top * height + _TINY)),
            int(np.ceil(self.right * width - _TINY)),
            int(np.ceil(self.bottom * height - _TINY)),
        )

    def snapped(self, width: int, height: int) -> Box:
        """The smallest box around this one whose sides lie on every fourth pixel, or on the frame's own sides."""
        left, top, right, bottom = self.pixels(width, height)
        right, bottom = min(width, right + -right % _STEP), min(height, bottom + -bottom % _STEP)
        return Box(left // _STEP * _STEP / width, top // _STEP * _STEP / height, right / width, bottom / height)


WHOLE = Box(0.0, 0.0, 1.0, 1.0)


def subject_box(alpha: Image) -> Box | None:
    """The subject's box in a matte, float32 [rows, columns], margin included; None where there is none to follow."""
    subject = alpha > _SUBJECT
    rows, columns = np.flatnonzero(subject.any(axis=1)), np.flatnonzero(subject.any(axis=0))
    if not len(rows):
        return None
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    longer = max(bottom - top, right - left)
    height, width = alpha.shape
    if longer < _SMALLEST * max(height, width):
        return None
    margin = _MARGIN * longer
    return _inside(
        (left - margin) / width, (top - margin) / height, (right + margin) / width, (bottom + margin) / height
    )


def _inside(left: float, top: float, right: float, bottom: float) -> Box:
    return Box(max(0.0, float(left)), max(0.0, float(top)), min(1.0, float(right)), min(1.0, float(bottom)))


def follow(before: Box | None, subject: Box | None) -> Box | None:
    """The crop after ``before`` when the subject is in ``subject``: quick to grow, slow to shrink."""
    if before is None or subject is None:
        return subject
    old, new = astuple(before), astuple(subject)
    sides = []
    for place, (was, is_) in enumerate(zip(old, new, strict=True)):
        outwards = is_ < was if place < 2 else is_ > was
        sides.append(was + (_GROW if outwards else _SHRINK) * (is_ - was))
    return Box(*sides)


def stir_outside(agreement: Image, box: Box) -> float:
    """The part of the frame that changed outside of ``box`` in a way the flow does not explain: somebody entering."""
    rows, columns = agreement.shape
    left, top, right, bottom = box.pixels(columns, rows)
    changed = agreement < _EXPLAINED
    inside = int(np.count_nonzero(changed[top:bottom, left:right]))
    return (int(np.count_nonzero(changed)) - inside) / changed.size


def unexplained(agreement: Image) -> float:
    """The part of the frame that changed in a way the flow does not explain."""
    return int(np.count_nonzero(agreement < _EXPLAINED)) / agreement.size
