"""The network for selfies on a GPU: the person map, and what it changes in a saliency map."""

from __future__ import annotations

import torch
from torch import Tensor

from streamseg.device.cuda.convolutions.cudnn import exact_convolutions
from streamseg.device.cuda.platform import Platform
from streamseg.matting.tracking.inference import Inference
from streamseg.network.architecture import MEAN, STD
from streamseg.network.selfie import SELFIE_SIZE
from streamseg.network.selfie_torch import SelfieModule

__all__ = ["PersonMixer", "SelfieNetwork"]

# Pixels of a column that one thread counts: PIECE of the kernels.
_PIECE = 8


class SelfieNetwork:
    """Normalised RGB to person map, in float32, from the packaged weights.

    Args:
        device: where it runs; also a CPU, for tests.

    Raises:
        WeightsError: the packaged weights are missing or were altered.
    """

    def __init__(self, device: torch.device) -> None:
        self._module = SelfieModule().to(device).eval()
        self._mean, self._std = (torch.tensor(values).reshape(1, 3, 1, 1).to(device) for values in (MEAN, STD))

    @torch.inference_mode()
    def __call__(self, x: Tensor) -> Tensor:
        """How certainly each pixel belongs to a person, float32 [batch, 256, 256] in [0, 1].

        Args:
            x: RGB, less the ImageNet mean and divided by the deviation, float32 [batch, 3, 256, 256].
        """
        with exact_convolutions(search=False):
            maps: Tensor = self._module(x * self._std + self._mean)
        return maps[:, 0]


class PersonMixer:
    """What streamseg.matting.tracking.near.seen_by_both does, on the GPU.

    Args:
        platform: of the device.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._count = platform.empty((1,), torch.float64)

    def __call__(self, inference: Inference, saliency: Tensor, person_map: Tensor) -> None:
        """Queue what an inference asks of the person map; ``saliency`` is overwritten.

        Args:
            saliency: float32 [size, size] in [0, 1], flipped if the inference is.
            person_map: float32 [256, 256] in [0, 1], not flipped.
        """
        if inference.person_map == "unused":
            return
        launch, side, count = self._platform.launch, len(saliency), None
        if inference.person_map == "presence":
            count = self._count
            count.zero_()
            launch("count_person", (SELFIE_SIZE, -(-SELFIE_SIZE // _PIECE)), person_map, SELFIE_SIZE, count)
        arguments = person_map, SELFIE_SIZE, int(inference.flipped), count
        launch("add_person", (side, side), saliency, side, *arguments)
