"""Mixes the saliency map with the person map: that of a network which knows people near the camera.

Near people are what U²-Net† sees worst: where someone fills the image, it loses hair and bodies. The network for
selfies sees them, but loses what they hold, and everybody far away. Each pixel gets the mean of both maps, weighted by
how certain they are. Where that is done says streamseg.matting.tracking.near.
"""

from __future__ import annotations

import numpy as np

from streamseg.matting.arrays import Image, resize
from streamseg.matting.constants import LEAST_CERTAINTY, PERSON_WEIGHT

__all__ = ["mix"]


def mix(saliency: Image, person: Image) -> Image:
    """The mean of both maps, weighted by their certainty, the squared distance from one half.

    Args:
        saliency: float32 [rows, columns] in [0, 1].
        person: how certainly each pixel belongs to a person, of the same part of the frame: float32 in [0, 1] at any
            size.

    Returns:
        float32 [rows, columns] in [0, 1].
    """
    person = np.clip(resize(person, *saliency.shape), 0, 1)
    salient, personal = _certainty(saliency), _certainty(person) * np.float32(PERSON_WEIGHT)
    return np.asarray(saliency + (person - saliency) * (personal / (salient + personal)), np.float32)


def _certainty(image: Image) -> Image:
    certainty: Image = np.square(2 * image - 1) + np.float32(LEAST_CERTAINTY)
    return certainty
