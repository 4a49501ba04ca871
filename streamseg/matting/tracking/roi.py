"""The region of interest (ROI): the part of the frame around the subject that the network sees next."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np

from streamseg.matting.arrays import Image
from streamseg.matting.constants import (
    ROI_GROW,
    ROI_MARGIN,
    ROI_SHRINK,
    ROI_SMALLEST,
    ROI_TOLERANCE,
    SUBJECT_ALPHA,
    UNEXPLAINED_CONFIDENCE,
)

__all__ = ["FULL_FRAME", "ROI", "motion_outside", "subject_roi", "track", "unexplained_fraction"]

# ROIs are aligned to this many pixels: a whole number of chroma samples in every format.
_ALIGNMENT = 4


@dataclass(frozen=True, slots=True)
class ROI:
    """A part of a frame: its sides as fractions of the frame's width and height, from left and top, in [0, 1]."""

    left: float
    top: float
    right: float
    bottom: float

    def pixels(self, width: int, height: int) -> tuple[int, int, int, int]:
        """The pixels it touches in an image of that size: first column, first row, and the ends (exclusive)."""
        return (
            int(np.floor(self.left * width + ROI_TOLERANCE)),
            int(np.floor(self.top * height + ROI_TOLERANCE)),
            int(np.ceil(self.right * width - ROI_TOLERANCE)),
            int(np.ceil(self.bottom * height - ROI_TOLERANCE)),
        )

    def aligned(self, width: int, height: int) -> ROI:
        """The smallest ROI around this one whose sides lie on every fourth pixel, or on the frame's border."""
        left, top, right, bottom = self.pixels(width, height)
        right, bottom = min(width, right + -right % _ALIGNMENT), min(height, bottom + -bottom % _ALIGNMENT)
        left, top = left // _ALIGNMENT * _ALIGNMENT, top // _ALIGNMENT * _ALIGNMENT
        return ROI(left / width, top / height, right / width, bottom / height)


FULL_FRAME = ROI(0.0, 0.0, 1.0, 1.0)


def subject_roi(alpha: Image) -> ROI | None:
    """The subject's ROI in a matte, margin included; None where nothing is large enough to be tracked.

    Args:
        alpha: float32 [rows, columns] in [0, 1].
    """
    subject = alpha > SUBJECT_ALPHA
    rows, columns = np.flatnonzero(subject.any(axis=1)), np.flatnonzero(subject.any(axis=0))
    if not len(rows):
        return None
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    longer = max(bottom - top, right - left)
    height, width = alpha.shape
    if longer < ROI_SMALLEST * max(height, width):
        return None
    margin = ROI_MARGIN * longer
    return _clipped(
        (left - margin) / width, (top - margin) / height, (right + margin) / width, (bottom + margin) / height
    )


def _clipped(left: float, top: float, right: float, bottom: float) -> ROI:
    return ROI(max(0.0, float(left)), max(0.0, float(top)), min(1.0, float(right)), min(1.0, float(bottom)))


def track(previous: ROI | None, subject: ROI | None) -> ROI | None:
    """The ROI after ``previous`` when the subject is in ``subject``: fast to grow, slow to shrink.

    An ROI that jumps makes saliency maps that jump.
    """
    if previous is None or subject is None:
        return subject
    sides = []
    for side, (old, new) in enumerate(zip(astuple(previous), astuple(subject), strict=True)):
        outwards = new < old if side < 2 else new > old
        sides.append(old + (ROI_GROW if outwards else ROI_SHRINK) * (new - old))
    return ROI(*sides)


def motion_outside(confidence: Image, roi: ROI) -> float:
    """The fraction of the frame that lies outside ``roi`` and changed in a way the flow does not explain.

    Args:
        confidence: of the flow, float32 [rows, columns] in [0, 1], see Motion.
    """
    rows, columns = confidence.shape
    left, top, right, bottom = roi.pixels(columns, rows)
    changed = confidence < UNEXPLAINED_CONFIDENCE
    inside = int(np.count_nonzero(changed[top:bottom, left:right]))
    return (int(np.count_nonzero(changed)) - inside) / changed.size


def unexplained_fraction(confidence: Image) -> float:
    """The fraction of the frame that changed in a way the flow does not explain; argument as for motion_outside."""
    return int(np.count_nonzero(confidence < UNEXPLAINED_CONFIDENCE)) / confidence.size
