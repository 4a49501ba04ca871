"""The network in torch, for inference: folded, in half precision but for two convolutions, only the fused map.

U²-Net†'s ``stage2d.rebnconv2d`` and ``stage2d.rebnconv1d`` add and cancel numbers in the hundreds; they are what makes
half precision fail, so they stay in float32 (without TF32, which has no more digits than half precision).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor

from streamseg.device.cpu.head import COARSE_CONTRAST
from streamseg.device.cuda.failures import clear_failures
from streamseg.device.cuda.platform import Platform, Stream
from streamseg.errors import OptionError
from streamseg.network.architecture import Convolution, Stage, convolutions, stage_layers
from streamseg.network.weights import Weights

__all__ = ["BATCHES", "SENSITIVE", "SIZE", "FusedNetwork", "Saliency"]

#: Convolutions that cannot bear low precision.
SENSITIVE = ("stage2d.rebnconv2d.conv_s1", "stage2d.rebnconv1d.conv_s1")
#: Side of the network's input and output in pixels.
SIZE = 320
# What torch and cuDNN say when they have no method for a convolution of this kind.
_NO_METHOD = ("unable to find an engine", "NOT_SUPPORTED", "not supported")
#: Pictures that are computed at a time.
BATCHES = (1, 2, 4, 8)


class FusedNetwork:
    """Normalised RGB in, fused map out: what U2Net.saliency gives, in as few operations as torch has for it.

    Args:
        weights: of either network.
        device: where it runs; a CPU too, for tests.
        dtype: of all convolutions but the sensitive ones: float16 on a card.
        detail: False leaves out the stage at full resolution, as streamseg.device.cpu.graph.build_model does.
    """

    def __init__(
        self, weights: Weights, device: torch.device, dtype: torch.dtype = torch.float16, detail: bool = True
    ) -> None:
        self.detail, self._dtype, self._net = detail, dtype, weights.architecture
        on_card = device.type == "cuda"
        self._unit, self._side = (_unit_on_card, _side_on_card) if on_card else (_unit_on_host, _side_on_host)
        tensors = {name: torch.from_numpy(values.copy()).to(device) for name, values in weights.tensors.items()}
        self._kernels: dict[str, tuple[Tensor, Tensor]] = {}
        for layer in convolutions(weights.architecture):
            if layer.norm is not None:
                of = torch.float32 if layer.name in SENSITIVE else dtype
                self._keep(layer.name, tensors[f"{layer.name}.weight"], tensors[f"{layer.name}.bias"], of)
        self._fold_head(tensors)

    def _keep(self, name: str, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> None:
        self._kernels[name] = (
            weight.to(dtype).contiguous(memory_format=torch.channels_last),
            bias.to(dtype),
        )

    def _fold_head(self, tensors: dict[str, Tensor]) -> None:
        """The 1×1 fusion scales each side's weights and biases; what is left of it is a sum and one bias."""
        fusion = tensors["outconv.weight"].reshape(-1)
        shares = fusion if self.detail else torch.cat((fusion[:1] * 0, (fusion[0] + fusion[1])[None], fusion[2:]))
        self._sides = [k for k in range(1, 7) if self.detail or k > 1]
        self._head_bias = tensors["outconv.bias"].clone()
        for k in self._sides:
            weight = tensors[f"side{k}.weight"] * shares[k - 1]
            self._keep(f"side{k}", weight, torch.zeros_like(tensors[f"side{k}.bias"]), self._dtype)
            self._head_bias += shares[k - 1] * tensors[f"side{k}.bias"]

    @torch.inference_mode()
    def __call__(self, x: Tensor) -> Tensor:
        """The fused map, float32 [batch, rows, columns] in [0, 1].

        Args:
            x: normalised RGB, float32 [batch, 3, rows, columns], its memory channels last.
        """
        features = self._features(x.to(self._dtype))
        total: Tensor | None = None
        for k in self._sides:
            side = self._side(features[k], self._kernels[f"side{k}"][0]).float()
            if side.shape[2:] != x.shape[2:]:
                side = F.interpolate(side, size=x.shape[2:], mode="bilinear", align_corners=False)
            total = side if total is None else total + side
        assert total is not None
        logits = total[:, 0] + self._head_bias
        return torch.sigmoid(logits if self.detail else logits * COARSE_CONTRAST)

    def _features(self, x: Tensor) -> dict[int, Tensor]:
        """Outputs of stages 1d … 5d and 6 by the number of their side; without detail there is no first."""
        down: list[Tensor] = []
        for stage in self._net.encoder:
            down.append(self._stage(stage, _pooled(down[-1]) if down else x))
        features = {6: down.pop()}
        for side in range(5, 0 if self.detail else 1, -1):
            stage = self._net.decoder[5 - side]
            features[side] = self._stage(stage, _joined(features[side + 1], down.pop()))
        return features

    def _stage(self, stage: Stage, x: Tensor) -> Tensor:
        """One RSU: down through its convolutions, up again through as many joined ones, plus its input's."""
        first, second, *layers = stage_layers(stage)
        skip = self._convolved(first, x)
        down = [self._convolved(second, skip)]
        for layer in layers[: stage.height - 2]:
            down.append(self._convolved(layer, _pooled(down[-1]) if stage.pooled else down[-1]))
        h = self._convolved(layers[stage.height - 2], down[-1])
        for layer in layers[stage.height - 1 :]:
            h = self._convolved(layer, _joined(h, down.pop()))
        return (h + skip).to(self._dtype)

    def _convolved(self, layer: Convolution, x: Tensor) -> Tensor:
        weight, bias = self._kernels[layer.name]
        return self._unit(x.to(weight.dtype), weight, bias, layer.padding, layer.dilation)


def _unit_on_card(x: Tensor, weight: Tensor, bias: Tensor, padding: int, dilation: int) -> Tensor:
    """Convolution, bias and ReLU by one call of cuDNN, or by three where it has no method for that."""
    both = [1, 1], [padding, padding], [dilation, dilation]
    try:
        return torch.cudnn_convolution_relu(x, weight, bias, *both, 1)
    except RuntimeError as error:
        if not any(word in str(error) for word in _NO_METHOD):
            raise
        return F.relu_(F.conv2d(x, weight, bias, padding=padding, dilation=dilation))


def _side_on_card(x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(x, weight, padding=1)


def _unit_on_host(x: Tensor, weight: Tensor, bias: Tensor, padding: int, dilation: int) -> Tensor:
    """As tensor cores do it: products of low precision summed in float32, the sum rounded."""
    summed = F.conv2d(x.float(), weight.float(), bias.float(), padding=padding, dilation=dilation)
    return F.relu_(summed).to(x.dtype)


def _side_on_host(x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(x.float(), weight.float(), padding=1).to(x.dtype)


def _pooled(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 2, 2, ceil_mode=True)


def _joined(x: Tensor, skip: Tensor) -> Tensor:
    if x.shape[2:] != skip.shape[2:]:
        x = F.interpolate(x, size=skip.shape[2:], mode="bilinear", align_corners=False)
    return torch.cat((x, skip.to(x.dtype)), 1)


class Saliency:
    """The network with its memory, each batch size captured in a graph of its own.

    Args:
        network: see FusedNetwork.
        platform: of the device it runs on.
        stream: that all its work goes to.
        most: pictures at a time, 1 to 8.

    Attributes:
        network: as given.
        inputs: float32 [most, 320, 320, 3], normalised RGB: write them on ``stream``, then ``run``.
        outputs: float32 [most, 320, 320] in [0, 1], written by ``run``.

    Raises:
        OptionError: ``most`` is out of range.
        DeviceOutOfMemory: the card has too little memory for it.
    """

    def __init__(self, network: FusedNetwork, platform: Platform, stream: Stream, most: int = 1) -> None:
        if not 1 <= most <= BATCHES[-1]:
            raise OptionError(f"a batch of {most}: expected 1 to {BATCHES[-1]}")
        self.network = network
        self._sizes = [size for size in BATCHES if size < most] + [most]
        self.inputs = platform.empty((most, SIZE, SIZE, 3), torch.float32)
        self.outputs = platform.empty((most, SIZE, SIZE), torch.float32)
        with platform.on(stream):
            self.inputs.zero_()
        self._runs: dict[int, Callable[[], None]] = {}
        with clear_failures("preparing the network"), exact_convolutions():
            for size in reversed(self._sizes):  # the largest first: the others fit into its memory
                self._runs[size] = platform.captured(partial(self._work, size), stream)

    def run(self, count: int) -> None:
        """Compute the first ``count`` maps, or some more; queued on the stream that is the thread's own."""
        self._runs[next(size for size in self._sizes if size >= count)]()

    def _work(self, size: int) -> None:
        with torch.inference_mode():
            self.outputs[:size].copy_(self.network(self.inputs[:size].permute(0, 3, 1, 2)))


def exact_convolutions() -> AbstractContextManager[None]:
    """Inside, float32 convolutions use all of their digits, and cuDNN tries which of its methods is fastest."""
    flags: AbstractContextManager[None] = torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False)
    return flags
