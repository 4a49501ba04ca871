"""When, where and how the network looks."""

from __future__ import annotations

from typing import NamedTuple

from streamseg.matting.arrays import Image
from streamseg.matting.boxes import WHOLE, Box, stir_outside, unexplained

__all__ = ["WHOLE_LOOK", "Look", "Looks", "usual_forms"]

# Looks between two at the whole frame, at most; and at least, however much moves outside of the crop.
_MOST, _FEWEST = 12, 4
# The part of the frame that moves outside of the crop before the whole is looked at.
_STIR = 0.02
# A look that changes less than this part of what is seen has told nothing new.
_NEWS = 0.045
# The part of the frame that the motion may leave unexplained in a calm scene.
_CALM = 0.005


class Look(NamedTuple):
    """How the network looks at a frame.

    Attributes:
        box: the part of the frame that it sees.
        mirrored: it sees left and right exchanged; its map is exchanged back.
        fine: it looks in its fine form, where the device has two.
    """

    box: Box = WHOLE
    mirrored: bool = False
    fine: bool = True


WHOLE_LOOK = Look()


class Looks:
    """The schedule of one stream.

    Looks differ from one to the next where a memory mixes them: every other one is mirrored, so that errors that depend
    on the side cancel out (the mean over mirrored pictures of Krizhevsky et al. 2012, ImageNet Classification with
    Deep Convolutional Neural Networks, section 4.1, spread over time), and few of them are in the fine form.

    Args:
        every: the network sees every so manyth frame.
        fine: every so manyth look is by the network's fine form, and so are the first in a scene and those at the whole
            frame that come between looks at the subject; 0: only these; None: not even these.
        calm: frames more that may pass while looks tell nothing new and the motion explains the picture.

    Attributes:
        every: as above; may be changed between two frames.
    """

    def __init__(self, every: int = 1, fine: int | None = 1, calm: int = 0) -> None:
        self.every, self._fine, self._calm = every, fine, calm
        self._looks = self._since_look = self._since_whole = self._more = 0

    def skips(self, new_scene: bool, agreement: Image | None = None) -> bool:
        """Whether the network does not look at the next frame, whose matte is carried from the one before.

        Args:
            agreement: of the motion to it from the frame before, see Motion; needed where ``saw`` is called.
        """
        self._since_look += 1
        if self._more and (new_scene or agreement is None or unexplained(agreement) > _CALM):
            self._more = 0
        if not new_scene and self._since_look < self.every + self._more:
            return True
        self._since_look = 0
        return False

    def saw(self, surprise: float) -> None:
        """What a look was worth, see Memory: the next ones come later while there is little in them."""
        self._more = min(self._more + 1, self._calm) if surprise < _NEWS else 0

    def next(self, size: tuple[int, int], agreement: Image | None, tracked: Box | None, mixed: bool) -> Look:
        """The look at a frame that is not skipped.

        Args:
            size: its width and height.
            agreement: of the motion to it from the frame before, see Motion; None in a new scene.
            tracked: where the subject was last; None if there is none, or it is of another scene.
            mixed: whether there is a memory to mix looks in; else all looks are of one kind.
        """
        again = agreement is None or (tracked is not None and self._is_due(agreement, tracked))
        box = WHOLE if again or tracked is None else tracked.snapped(*size)
        self._since_whole = 0 if box == WHOLE else self._since_whole + 1
        fine = _is_fine(self._fine, self._looks, again) if mixed else bool(self._fine)
        look = Look(box, mixed and self._looks % 2 == 1, fine)
        self._looks += 1
        return look

    def _is_due(self, agreement: Image, tracked: Box) -> bool:
        """Whether the whole frame is to be seen: on schedule, and sooner when something stirs outside of the crop."""
        stirred = stir_outside(agreement, tracked) > _STIR
        return self._since_whole >= (_FEWEST if stirred else _MOST)


def _is_fine(fine: int | None, number: int, again: bool) -> bool:
    return fine is not None and (again or (fine > 0 and number % fine == 0))


def usual_forms(fine: int | None, count: int) -> list[bool]:
    """Which of the first ``count`` looks are fine where nothing stirs outside of the crop; ``fine``: see Looks."""
    return [_is_fine(fine, number, number % (_MOST + 1) == 0) for number in range(count)]
