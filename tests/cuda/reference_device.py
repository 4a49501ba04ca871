"""The CPU device with a network in torch, to compare the GPU's with: needs no OpenVINO."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from streamseg.device.cpu.device import CPUDevice
from streamseg.media.pixels.scale import RGBScaler
from streamseg.network.architecture import MEAN, STD


def bright(x: Tensor) -> Tensor:
    """A quick stand-in for the network: areas that are brighter than the mean."""
    luma = x.mean(1)
    return torch.sigmoid(2 * (luma - luma.mean((1, 2), keepdim=True)))


class ReferenceDevice(CPUDevice):
    """See above; the network is in float32.

    Args:
        network: from normalised RGB [1, 3, rows, columns] to saliency [1, rows, columns].
        sizes: of its input.

    Attributes:
        seen_at: sizes of the inputs that it has seen.
    """

    def __init__(self, network: Any, sizes: tuple[int, ...]) -> None:
        self._network, self.sizes, self.seen_at, self.subject = network, sizes, [], "any"
        self._selfie = None
        self._to_rgb = {size: RGBScaler(size, size) for size in sizes}

    def network(self, prepared: Any) -> Any:
        self.seen_at.append(len(prepared.rgb))
        normalised = torch.from_numpy(((prepared.rgb / 255 - MEAN) / STD).astype(np.float32))
        saliency = self._network(normalised[None].permute(0, 3, 1, 2))[0].numpy()
        return saliency[:, ::-1] if prepared.inference.flipped else saliency

    def saliency(self, pending: Any) -> Any:
        return pending

    def person_map(self, pending: Any) -> None:
        return None
