"""Near subjects: those that fill much of the frame down to its lower border, as people in selfies and calls do.

A network sees subjects best at the size they had in its training. A person who fills the frame is larger than that at
the usual size of the input: body and hair are lost, a face is left. In a smaller input the same person is found. The
network for selfies (streamseg.network.selfie), which knows no other subjects, finds them too: its person map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamseg.matting.arrays import Image, resize
from streamseg.matting.constants import NOBODY_SHARE, SALIENCY_HIGH, SALIENCY_LOW
from streamseg.matting.mixing import mix
from streamseg.matting.tracking.inference import Inference, PersonMapUse
from streamseg.network.architecture import INPUT_SIZE

__all__ = ["INPUT_SIZES", "NEAR_INPUT_SIZE", "NearSubject", "SubjectFigures", "is_near", "seen_by_both"]

#: Side of the network's input for near subjects, in pixels.
NEAR_INPUT_SIZE = 224
#: The usual side first.
INPUT_SIZES = (INPUT_SIZE, NEAR_INPUT_SIZE)
# A near subject covers more than these parts of the frame and of its lower border.
_AREA, _BORDER = 0.25, 0.1
# Part of the rows that is the lower border.
_BORDER_ROWS = 0.01
# Both networks have found the same subject when this part of the smaller one is in both maps.
_SAME = 0.7
# Inferences from one choice to the next, at least.
_MOST_BETWEEN = 24


def is_near(foreground: NDArray[np.bool_]) -> bool:
    """Whether the subject of a frame is near; bool [rows, columns]."""
    last = foreground[-max(1, round(_BORDER_ROWS * len(foreground))) :]
    return bool(foreground.mean() > _AREA and last.mean() > _BORDER)


def seen_by_both(inference: Inference, saliency: Image, person_map: Image | None) -> Image:
    """The map of an inference together with the person map that it asked for.

    Args:
        saliency: float32 [rows, columns] in [0, 1].
        person_map: of the same part, float32 of any shape in [0, 1]; None without one.
    """
    if person_map is None or inference.person_map == "unused":
        return saliency
    if inference.person_map == "mix":
        return mix(saliency, person_map)
    return saliency if (person_map > 0.5).mean() > NOBODY_SHARE else np.zeros_like(saliency)


@dataclass
class SubjectFigures:
    """What a stream's subject was taken for.

    Attributes:
        inferences: of the network.
        near: those in the smaller input, or with the person map mixed in.
        people: those with the person map mixed in.
    """

    inferences: int = 0
    near: int = 0
    people: int = 0

    def count(self, inference: Inference) -> None:
        """Count an inference."""
        person = inference.person_map == "mix"
        self.inferences += 1
        self.near += person or inference.size == NEAR_INPUT_SIZE
        self.people += person

    def __str__(self) -> str:
        """For people: "", or what was near in how much of the time."""
        if not self.near:
            return ""
        what = "people near the camera" if 2 * self.people > self.near else "a near subject"
        return f"{what} in {100 * self.near / self.inferences:.0f} % of the inferences"


class NearSubject:
    """Whether a stream's subject is near, and what follows from it: found out now and then by seeing a frame twice.

    Args:
        subject: what is looked for, see streamseg.device.protocol.SUBJECTS.

    Attributes:
        small: whether the smaller input suits it: the subject is near, and as much or more of it is found there.
        person: whether it is a near person in the person map too.
    """

    def __init__(self, subject: str = "any") -> None:
        self._subject = subject
        self.small = self.person = False
        self._since_choice = 0

    def is_due(self, full_frame: bool, new_scene: bool) -> bool:
        """Whether the next inference is to be a choice: in a new scene, else on the full frame. Asked each time."""
        self._since_choice += 1
        return new_scene or (full_frame and self._since_choice > _MOST_BETWEEN)

    def choices(self, inference: Inference) -> tuple[Inference, Inference]:
        """The inferences of a choice, in the smaller input and the usual one, with a person map if it may count."""
        use: PersonMapUse = "unused" if self._subject == "any" else "mix"
        usual = inference._replace(size=None, person_map=use)
        return usual._replace(variant="full", size=NEAR_INPUT_SIZE), usual

    def choose(self, small: Image, usual: Image, person_map: Image | None) -> None:
        """Take in the maps of a choice, float32 in [0, 1], each of its own size; None without a person map."""
        self._since_choice = 0
        found, found_usually = _foreground(small), _foreground(usual)
        self.small = is_near(found) and bool(found.mean() >= found_usually.mean())
        self.person = (
            person_map is not None and is_near(person_map > 0.5) and _same(small if self.small else usual, person_map)
        )

    def seen(self, inference: Inference) -> Inference:
        """How the network sees what ``inference`` says, by what is known of the subject."""
        use: PersonMapUse = "mix" if self.person else "presence" if self._subject == "person" else "unused"
        if self.small:
            inference = inference._replace(variant="full", size=NEAR_INPUT_SIZE)
        return inference._replace(person_map=use)


def _foreground(saliency: Image) -> NDArray[np.bool_]:
    return np.asarray(saliency > (SALIENCY_LOW + SALIENCY_HIGH) / 2)


def _same(saliency: Image, person_map: Image) -> bool:
    ours, theirs = _foreground(saliency), resize(person_map, *saliency.shape) > 0.5
    return bool(np.count_nonzero(ours & theirs) > _SAME * min(np.count_nonzero(ours), np.count_nonzero(theirs)))
