"""Mixes the saliency map with the person map: that of a network which knows people near the camera.

Near people are what U²-Net† sees worst: where someone fills the image, it loses hair and bodies. The network for
selfies sees them, but loses what they hold, and everybody far away. Each pixel gets the mean of both maps, weighted by
how certain they are. The person map counts only where somebody is near, and is the salient subject.

The constants are those of the best of 192 rules on 99 close-ups of people, the 100 images that these were cut from
(DUTS-TE), 60 images of SOD and 64 frames of DAVIS-2016. How much such a choice is worth was measured by choosing on one
half of the images and checking on the other, both ways. The IoU of close-ups rises by 0.044 (95 % interval 0.027 to
0.063) to 0.913, where the saliency map alone was seen in 224 pixels for large subjects and in 320 for others; on the
other three sets it changes by 0.010 (-0.011 to 0.031), -0.001 (-0.014 to 0.012) and 0.000 (-0.001 to 0.000).
"""

from __future__ import annotations

import numpy as np

from streamseg.matting.arrays import Image, resize

__all__ = ["mix"]

#: Part of the frame that a person fills at which the person map begins to count, and counts in full.
_NEAR = (0.1, 0.2)
#: Part of the person that is salient too, likewise.
_SALIENT = (0.2, 0.5)
#: Weight of the person map where it finds more, relative to where it finds less: more is often a body that the
#: saliency map lost, less is often what somebody holds.
_RISING_WEIGHT = 1.5
#: Certainty of a pixel that is certain of nothing, so that weights are never zero.
_LEAST_CERTAINTY = 1e-3


def mix(saliency: Image, person: Image, covered: float = 1.0) -> Image:
    """The saliency map, with the person map mixed in where someone is near.

    Args:
        saliency: float32 [rows, columns] in [0, 1].
        person: how certainly each pixel belongs to a person, of the same part of the frame: float32 in [0, 1] at any
            size.
        covered: part of the frame that the maps show, in (0, 1].

    Returns:
        float32 [rows, columns] in [0, 1]; ``saliency`` itself where the person map does not count.
    """
    person = resize(person, *saliency.shape)
    weight = _trust(saliency, person, covered)
    if weight == 0:
        return saliency
    salient, personal = _certainty(saliency), _certainty(person)
    personal[person > saliency] *= np.float32(_RISING_WEIGHT)
    change = (person - saliency) * personal / (salient + personal)
    return np.asarray(saliency + np.float32(weight) * change, np.float32)


def _trust(saliency: Image, person: Image, covered: float) -> float:
    """How much the person map counts, in [0, 1]."""
    share = float((person > 0.5).mean()) * covered
    salient = float(np.minimum(saliency, person).sum()) / max(float(person.sum()), 1.0)
    return _ramp(share, *_NEAR) * _ramp(salient, *_SALIENT)


def _certainty(image: Image) -> Image:
    certainty: Image = np.square(2 * image - 1) + np.float32(_LEAST_CERTAINTY)
    return certainty


def _ramp(value: float, low: float, high: float) -> float:
    return min(max((value - low) / (high - low), 0.0), 1.0)
