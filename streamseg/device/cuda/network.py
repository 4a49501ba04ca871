"""The network in torch, for inference: head folded, in half precision but for two convolutions, only the fused map.

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

from streamseg.device.cuda.convolutions import FusedConvolutions
from streamseg.device.cuda.failures import clear_failures
from streamseg.device.cuda.platform import Platform, Stream
from streamseg.errors import OptionError
from streamseg.network.architecture import INPUT_SIZE, Convolution, Stage, Variant, convolutions, stage_layers
from streamseg.network.head import LITE_CONTRAST
from streamseg.network.weights import Weights

__all__ = ["BATCHES", "SENSITIVE", "CapturedNetwork", "FusedNetwork", "exact_convolutions"]

#: Convolutions that need float32.
SENSITIVE = ("stage2d.rebnconv2d.conv_s1", "stage2d.rebnconv1d.conv_s1")
#: Batch sizes that are captured, up to the largest.
BATCHES = (1, 2, 4, 8)


class FusedNetwork:
    """Normalised RGB to fused map: the same as U2Net.saliency, in as few operations as torch has for it.

    Args:
        weights: of either network.
        device: where it runs; also a CPU, for tests.
        dtype: of all convolutions but the sensitive ones: float16 on a GPU.
        variant: "lite" leaves out the decoder stage at full resolution, as
            streamseg.device.cpu.openvino.graph.build_model does.
    """

    def __init__(
        self,
        weights: Weights,
        device: torch.device,
        dtype: torch.dtype = torch.float16,
        variant: Variant = "full",
    ) -> None:
        self.variant, self._dtype, self._net = variant, dtype, weights.architecture
        on_gpu = device.type == "cuda"
        self._conv_relu = FusedConvolutions() if on_gpu else _conv_relu_on_host
        self._side_conv = _side_conv_on_gpu if on_gpu else _side_conv_on_host
        tensors = {name: torch.from_numpy(values.copy()).to(device) for name, values in weights.tensors.items()}
        self._kernels: dict[str, tuple[Tensor, Tensor]] = {}
        for layer in convolutions(weights.architecture):
            if layer.norm is not None:
                precision = torch.float32 if layer.name in SENSITIVE else dtype
                self._store(layer.name, tensors[f"{layer.name}.weight"], tensors[f"{layer.name}.bias"], precision)
        self._fold_head(tensors)

    @property
    def _full(self) -> bool:
        return self.variant == "full"

    def _store(self, name: str, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> None:
        self._kernels[name] = (
            weight.to(dtype).contiguous(memory_format=torch.channels_last),
            bias.to(dtype),
        )

    def _fold_head(self, tensors: dict[str, Tensor]) -> None:
        """The 1×1 fusion scales each side's weights and biases; what remains of it is a sum and one bias."""
        fusion = tensors["outconv.weight"].reshape(-1)
        factors = fusion if self._full else torch.cat((fusion[:1] * 0, (fusion[0] + fusion[1])[None], fusion[2:]))
        self._sides = [k for k in range(1, 7) if self._full or k > 1]
        self._head_bias = tensors["outconv.bias"].clone()
        for k in self._sides:
            weight = tensors[f"side{k}.weight"] * factors[k - 1]
            self._store(f"side{k}", weight, torch.zeros_like(tensors[f"side{k}.bias"]), self._dtype)
            self._head_bias += factors[k - 1] * tensors[f"side{k}.bias"]

    @torch.inference_mode()
    def __call__(self, x: Tensor) -> Tensor:
        """The fused map, float32 [batch, rows, columns] in [0, 1].

        Args:
            x: normalised RGB, float32 [batch, 3, rows, columns], channels last in memory.
        """
        features = self._features(x.to(self._dtype))
        total: Tensor | None = None
        for k in self._sides:
            side = self._side_conv(features[k], self._kernels[f"side{k}"][0]).float()
            if side.shape[2:] != x.shape[2:]:
                side = F.interpolate(side, size=x.shape[2:], mode="bilinear", align_corners=False)
            total = side if total is None else total + side
        assert total is not None
        logits = total[:, 0] + self._head_bias
        return torch.sigmoid(logits if self._full else logits * LITE_CONTRAST)

    def _features(self, x: Tensor) -> dict[int, Tensor]:
        """Outputs of stages 1d … 5d and 6 by the number of their side; the lite variant has no side 1."""
        down: list[Tensor] = []
        for stage in self._net.encoder:
            down.append(self._stage(stage, _pool(down[-1]) if down else x))
        features = {6: down.pop()}
        for side in range(5, 0 if self._full else 1, -1):
            stage = self._net.decoder[5 - side]
            features[side] = self._stage(stage, _concatenate(features[side + 1], down.pop()))
        return features

    def _stage(self, stage: Stage, x: Tensor) -> Tensor:
        """One RSU: its encoder, its decoder with skip connections, and the residual."""
        first, second, *layers = stage_layers(stage)
        residual = self._convolve(first, x)
        down = [self._convolve(second, residual)]
        for layer in layers[: stage.height - 2]:
            down.append(self._convolve(layer, _pool(down[-1]) if stage.pooled else down[-1]))
        h = self._convolve(layers[stage.height - 2], down[-1])
        for layer in layers[stage.height - 1 :]:
            h = self._convolve(layer, _concatenate(h, down.pop()))
        return (h + residual).to(self._dtype)

    def _convolve(self, layer: Convolution, x: Tensor) -> Tensor:
        weight, bias = self._kernels[layer.name]
        return self._conv_relu(x.to(weight.dtype), weight, bias, layer.padding, layer.dilation)


def _side_conv_on_gpu(x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(x, weight, padding=1)


def _conv_relu_on_host(x: Tensor, weight: Tensor, bias: Tensor, padding: int, dilation: int) -> Tensor:
    """As tensor cores compute it: products of low precision summed in float32, the sum rounded."""
    summed = F.conv2d(x.float(), weight.float(), bias.float(), padding=padding, dilation=dilation)
    return F.relu_(summed).to(x.dtype)


def _side_conv_on_host(x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(x.float(), weight.float(), padding=1).to(x.dtype)


def _pool(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 2, 2, ceil_mode=True)


def _concatenate(x: Tensor, skip: Tensor) -> Tensor:
    """``x``, upsampled to the size of ``skip``, and ``skip``, along their channels."""
    if x.shape[2:] != skip.shape[2:]:
        x = F.interpolate(x, size=skip.shape[2:], mode="bilinear", align_corners=False)
    return torch.cat((x, skip.to(x.dtype)), 1)


class CapturedNetwork:
    """The network with fixed memory, captured in one CUDA graph for each batch size.

    Args:
        network: see FusedNetwork.
        platform: of the device it runs on.
        stream: that all its work goes to.
        max_batch: largest batch size, 1 to 8.
        size: side of the network's square input and output in pixels.

    Attributes:
        network: as given.
        inputs: float32 [max_batch, size, size, 3], normalised RGB: write them on ``stream``, then ``run``.
        outputs: float32 [max_batch, size, size] in [0, 1], written by ``run``.

    Raises:
        OptionError: ``max_batch`` is out of range.
        DeviceOutOfMemory: there is too little GPU memory.
    """

    def __init__(
        self,
        network: FusedNetwork,
        platform: Platform,
        stream: Stream,
        max_batch: int = 1,
        size: int = INPUT_SIZE,
    ) -> None:
        if not 1 <= max_batch <= BATCHES[-1]:
            raise OptionError(f"batch {max_batch}: expected 1 to {BATCHES[-1]}")
        self.network = network
        self._batches = [batch for batch in BATCHES if batch < max_batch] + [max_batch]
        self.inputs = platform.empty((max_batch, size, size, 3), torch.float32)
        self.outputs = platform.empty((max_batch, size, size), torch.float32)
        with platform.on(stream):
            self.inputs.zero_()
        self._graphs: dict[int, Callable[[], None]] = {}
        with clear_failures("preparing the network"), exact_convolutions():
            for batch in reversed(self._batches):  # the largest first: the others fit into its memory
                self._graphs[batch] = platform.capture(partial(self._compute, batch), stream)

    def run(self, count: int) -> None:
        """Queue the first ``count`` maps, or some more, on the current stream of this thread."""
        self._graphs[next(batch for batch in self._batches if batch >= count)]()

    def _compute(self, batch: int) -> None:
        with torch.inference_mode():
            self.outputs[:batch].copy_(self.network(self.inputs[:batch].permute(0, 3, 1, 2)))


def exact_convolutions() -> AbstractContextManager[None]:
    """Inside, float32 convolutions keep all of their digits, and cuDNN measures which of its methods is fastest."""
    flags: AbstractContextManager[None] = torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False)
    return flags
