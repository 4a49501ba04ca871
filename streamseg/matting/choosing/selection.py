"""The chosen subject from frame to frame: which part of what the network finds is kept.

Two maps on a coarse grid are carried along the motion as the matte is: what belongs to the subject, and what else was
found. Each new map of the network is split into connected regions. A region that overlaps one of the two belongs to it
as a whole; one that overlaps both, as where two people touch, is divided by what is nearest and by its colours. A
subject that has disappeared is found again by its colours, as is what comes out from behind it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamseg.matting.arrays import Image
from streamseg.matting.choosing.appearance import Appearance
from streamseg.matting.choosing.partition import distance, firm, partition
from streamseg.matting.choosing.parts import parts_across_a_gap
from streamseg.matting.choosing.regions import Regions, connected_regions
from streamseg.matting.motion.estimate import Motion
from streamseg.matting.motion.warp import warp_by_motion
from streamseg.matting.temporal.filter import Observation

__all__ = ["SELECTION_SIZE", "SubjectSelection"]

_Mask = NDArray[np.bool_]

#: Longer side of the selection's grid in cells.
SELECTION_SIZE = 256
# Alpha from which on a cell is found.
_FOUND = 0.4
# Half of the gap in cells that parts of one region may leave between them.
_GAP = 1
# Parts of a region that overlap one of the maps: from the first on the region belongs to it, below the second it has
# nothing to do with it.
_MOST, _LITTLE = 0.7, 0.1
# A region that overlaps the subject alone, and is not larger than so many times its usual size, is the subject.
_PLAUSIBLE = 2.0
# What the maps lose with an observation that does not find them: in colours of the subject, in others, and unseen.
_HELD, _FADED, _UNSEEN = 0.9, 0.8, 0.98
# What an observation adds to the map of all else.
_STRANGER = 0.3
# How far the subject grows with an observation into what nothing is known of, as a part of its extent.
_REACH = 0.1
# The subject is lost below this part of its usual size, and found again from this part on.
_LOST, _FOUND_AGAIN = 0.1, 0.15
# Part of its usual size that a whole region has at least to be taken for it; the inverse is the most that it has, and
# not so much of it may be something else.
_WHOLE = 0.5
# Part of its usual likeness to itself that what is found again has at least.
_ALIKE = 0.6
# Up to the first a cell of a kept region is new to the map; up to the second its colour is one of others.
_NEW, _UNLIKE = 0.2, 0.2
# Certainty that having been there, nearness alone, and a colour alone may reach.
_PLACE, _NEARNESS, _COLOUR = 0.94, 0.8, 0.98
# Part of the subject's usual size and likeness that an observation replaces.
_RATE = 0.1
# A separate subject has at least this part of the largest one's area.
_SEPARATE = 0.05


class SubjectSelection:
    """What is kept of each observation of one stream; all maps are on a grid of one shape, SELECTION_SIZE at most.

    Args:
        chosen: whether only what was marked is kept; else all but what was marked to be removed.
        count: how many separate subjects stay, the largest; None for all. Without marks.

    Attributes:
        lost: whether there is no subject at the moment.
    """

    def __init__(self, chosen: bool, count: int | None = None) -> None:
        self._only = chosen or count is not None
        self._count = count
        self.lost = True
        self._marked = False
        self._maps: Image | None = None  # [2, rows, columns]: kept, removed
        self._subject, self._others, self._background = Appearance(), Appearance(), Appearance()
        self._size = self._likeness = 0.0

    @property
    def is_active(self) -> bool:
        """Whether anything is removed from now on."""
        return self._marked or self._count is not None

    def mark(self, kept: Image, removed: Image, found: Image, bins: NDArray[np.int32]) -> _Mask:
        """Take in marks.

        Args:
            kept, removed: what was found at them, float32 [rows, columns] in [0, 1].
            found: all that was found in the frame, likewise.
            bins: of its colours, see streamseg.matting.choosing.appearance.

        Returns:
            What else of ``found`` is kept, as other parts of the same subject, bool [rows, columns].
        """
        before = np.zeros((2, *found.shape), np.float32) if self._maps is None else self._maps
        self._marked = True
        own = np.maximum(before[0], kept) * (1 - removed)
        other = np.maximum(before[1], removed) * (1 - kept)
        if self._only:
            other = np.maximum(other, found * (own < 0.5))
            parts = parts_across_a_gap(own, other * (removed < 0.5), bins)
            own, other = np.where(parts, other, own), np.where(parts, np.float32(0), other)
        else:
            own = np.maximum(own, found * (other < 0.5))
            parts = np.zeros(found.shape, np.bool_)
        self._maps = np.stack([own, other])
        self._remember(bins, own, other, found, np.ones(found.shape, np.bool_))
        return parts

    def advance(self, motion: Motion | None) -> None:
        """Go on to the next frame: ``motion`` to it, None in a new scene."""
        if motion is None:
            self._maps, self.lost = None, True
        elif self._maps is not None:
            self._maps, _ = warp_by_motion(self._maps, motion)

    def keep(self, seen: Observation, bins: NDArray[np.int32]) -> Image | None:
        """Which part of an observation of the frame belongs to the subject.

        Args:
            seen: what was found, on this grid.
            bins: of the frame's colours, see streamseg.matting.choosing.appearance.

        Returns:
            float32 [rows, columns] in [0, 1], to be multiplied with the observation; None where everything is kept.
        """
        if not self.is_active:
            return None
        alpha, inside = np.zeros(seen.shape, np.float32), np.zeros(seen.shape, np.bool_)
        alpha[seen.cells], inside[seen.cells] = seen.alpha, True
        if self._maps is None:
            self._maps = np.zeros((2, *seen.shape), np.float32)
        regions = connected_regions(alpha > _FOUND, _GAP)
        if self._marked and self._only and self.lost:
            self._find(regions, bins)
        kept = self._divided(regions, bins)
        if self._count is not None:
            kept = self._counted(regions, kept)
        found = regions.labels > 0
        membership = firm(found & kept, found & ~kept, not self._only)
        self._update(alpha, membership, inside, bins)
        return membership

    def _divided(self, regions: Regions, bins: NDArray[np.int32]) -> _Mask:
        """Which cells of the regions are kept."""
        assert self._maps is not None
        own, other = self._maps
        area = np.maximum(1, regions.sums())
        ours, theirs = regions.sums(own) / area, regions.sums(other) / area
        kept = theirs < _LITTLE
        if self._only:
            kept &= (ours > _MOST) | ((ours > _LITTLE) & (area < _PLAUSIBLE * self._size))
        removed = ours < _LITTLE if self._only else (theirs > _MOST) & (ours < _LITTLE)
        disputed = ~(kept | removed)
        disputed[0] = kept[0] = False
        if self._only and self._subject.known and self._others.known:
            # Beside the one that has most of the subject, a region that has parts of both is one of them as a whole.
            alike = self._subject.against([self._others], bins)
            apart = disputed & (np.arange(len(area)) != np.argmax(ours * area))
            kept |= apart & (regions.sums(alike) / area > 0.5)
            disputed &= ~apart
        cells: _Mask = kept[regions.labels]
        if self._only and self._subject.known and self._others.known:
            # Somebody who comes out from behind the subject is new there, and known by other colours.
            cells &= (own > _NEW) | (alike > _UNLIKE)
        if disputed.any():
            within = disputed[regions.labels]
            cells = np.where(within, self._cut(within, bins), cells)
        return cells

    def _cut(self, within: _Mask, bins: NDArray[np.int32]) -> _Mask:
        """Divide cells between the maps, by nearness and by colours; what is far from both stays out."""
        assert self._maps is not None
        own, other = self._maps
        ours, theirs = within & (own > 0.5) & (own > other), within & (other > 0.5) & (other >= own)
        if self._only and self._subject.known:
            extent = float(np.sqrt(max(1.0, self._size)))
            theirs |= within & (distance(ours) > max(2.0, _REACH * extent))
        share = partition(ours, theirs, not self._only)
        if self._subject.known and self._others.known:
            place = np.where(ours | theirs, np.float32(_PLACE), np.float32(_NEARNESS))
            share = np.clip(share, 1 - place, place)
            colour = np.clip(self._subject.against([self._others], bins), 1 - _COLOUR, _COLOUR)
            return np.asarray(share * colour > (1 - share) * (1 - colour))
        return np.asarray(share > 0.5)

    def _counted(self, regions: Regions, kept: _Mask) -> _Mask:
        """The largest ones of what is kept, and others where there are too few."""
        assert self._count is not None
        area = regions.sums()
        ours = regions.sums(kept.astype(np.float32))
        area[0] = ours[0] = 0
        order = [int(each) for each in np.argsort(-ours) if ours[each] > _SEPARATE * ours.max()][: self._count]
        others = [int(each) for each in np.argsort(-area) if each not in order and area[each] > _SEPARATE * area.max()]
        order += others[: self._count - len(order)]
        chosen = np.zeros(regions.count + 1, np.bool_)
        chosen[order] = True
        return np.asarray((kept | (ours < 1)[regions.labels]) & chosen[regions.labels])

    def _find(self, regions: Regions, bins: NDArray[np.int32]) -> None:
        """Look for the lost subject among the regions, by its colours: as a whole region, else as a part of one."""
        assert self._maps is not None
        if not self._subject.known or not self._likeness:
            return
        likeness = self._subject.against([self._others, self._background], bins)
        alike = connected_regions((regions.labels > 0) & (likeness > 0.5))
        for parts, smallest in ((regions, _WHOLE), (alike, _FOUND_AGAIN)):
            area = np.maximum(1, parts.sums())
            mean, theirs = parts.sums(likeness) / area, parts.sums(self._maps[1])
            good = (area > smallest * self._size) & (area < self._size / _WHOLE) & (mean > _ALIKE * self._likeness)
            good &= (theirs < _WHOLE * area) | ((parts is regions) & (theirs < _WHOLE * theirs.sum()))
            good[0] = False
            if good.any():
                found = parts.labels == int(np.argmax(np.where(good, mean, 0)))
                self._maps = np.stack([np.maximum(self._maps[0], found), self._maps[1] * ~found])
                return

    def _update(self, alpha: Image, membership: Image, inside: _Mask, bins: NDArray[np.int32]) -> None:
        assert self._maps is not None
        own, other = self._maps
        ours, theirs = alpha * membership, alpha * (1 - membership)
        if self._marked and self._subject.known:
            alike = self._subject.against([self._others, self._background], bins) > 0.5
            held = np.where(alike, np.float32(_HELD), np.float32(_FADED)) * (theirs < 0.5)
        else:
            held = np.full(alpha.shape, _FADED, np.float32)
        own = np.where(inside, np.maximum(ours, own * held), own * np.float32(_UNSEEN))
        stranger = np.minimum(theirs, other + np.float32(_STRANGER))
        kept_out = np.maximum(stranger, other * np.float32(_FADED)) * (ours < 0.5)
        other = np.where(inside, kept_out, other * np.float32(_UNSEEN))
        self._maps = np.stack([own, other])
        self._remember(bins, ours, theirs, alpha, inside)

    def _remember(self, bins: NDArray[np.int32], ours: Image, theirs: Image, alpha: Image, inside: _Mask) -> None:
        """Take in the colours of a frame, and whether the subject is still there."""
        assert self._maps is not None
        size = float((ours > 0.5).sum())
        self.lost = size < max(1.0, _LOST * self._size)
        if not self.lost and size > 0.5 * self._size:
            self._subject.add(bins, (ours > 0.8).astype(np.float32))
            self._background.add(bins, (inside & (alpha < 0.1) & (self._maps[0] < 0.1)).astype(np.float32))
            likeness = self._subject.against([self._others, self._background], bins)
            mean = float((likeness * ours).sum() / max(1.0, float(ours.sum())))
            rate = _RATE if self._size else 1.0
            self._size += rate * (size - self._size)
            self._likeness += rate * (mean - self._likeness)
        self._others.add(bins, ((theirs > 0.6) & (self._maps[1] > 0.5)).astype(np.float32))
