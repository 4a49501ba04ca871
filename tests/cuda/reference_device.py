"""The CPU device with a network in torch, to compare the GPU's with: needs no OpenVINO."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from streamseg.device.cpu.device import CPUDevice
from streamseg.media.pixels.scale import RGBScaler
from streamseg.network.architecture import MEAN, STD
from streamseg.network.selfie import SELFIE_SIZE
from streamseg.network.selfie_torch import SelfieModule


def bright(x: Tensor) -> Tensor:
    """A quick stand-in for the network: areas that are brighter than the mean."""
    luma = x.mean(1)
    return torch.sigmoid(2 * (luma - luma.mean((1, 2), keepdim=True)))


class ReferenceDevice(CPUDevice):
    """See above; the network is in float32.

    Args:
        network: from normalised RGB [1, 3, rows, columns] to saliency [1, rows, columns].
        sizes: of its input.
        subject: see streamseg.device.open_device; with any but "any" there is the selfie network, in torch too.

    Attributes:
        seen_at: sizes of the inputs that it has seen.
    """

    def __init__(self, network: Any, sizes: tuple[int, ...], subject: str = "any") -> None:
        self._network, self.sizes, self.seen_at, self.subject = network, sizes, [], subject
        self._selfie: Any = None if subject == "any" else SelfieModule()
        self._to_rgb = {size: RGBScaler(size, size) for size in {*sizes, SELFIE_SIZE}}

    def network(self, prepared: Any) -> Any:
        self.seen_at.append(len(prepared.rgb))
        normalised = torch.from_numpy(((prepared.rgb / 255 - MEAN) / STD).astype(np.float32))
        saliency = self._network(normalised[None].permute(0, 3, 1, 2))[0].numpy()
        person_map = None
        if prepared.for_selfie is not None:
            rgb = torch.from_numpy(prepared.for_selfie.copy()).permute(2, 0, 1)[None].float() / 255
            with torch.inference_mode():
                person_map = self._selfie(rgb)[0, 0].numpy()
        return saliency[:, ::-1] if prepared.inference.flipped else saliency, person_map

    def saliency(self, pending: Any) -> Any:
        return pending[0]

    def person_map(self, pending: Any) -> Any:
        return pending[1]
