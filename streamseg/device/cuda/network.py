"""The network in torch, for inference: head folded, in half precision but for two convolutions, only the fused map.

U²-Net†'s ``stage2d.rebnconv2d`` and ``stage2d.rebnconv1d`` add and cancel numbers in the hundreds; they are what makes
half precision fail, so they stay in float32 (without TF32, which has no more digits than half precision).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor

from streamseg.device.cuda.convolutions.choice import MethodChoice, method_choice
from streamseg.device.cuda.convolutions.cudnn import Convolutions
from streamseg.device.cuda.convolutions.layers import Layers, Result
from streamseg.device.cuda.convolutions.pooling import MaxPooling, max_pool
from streamseg.device.cuda.failures import clear_failures
from streamseg.device.cuda.platform import Platform, Stream
from streamseg.errors import OptionError
from streamseg.network.architecture import INPUT_SIZE, Convolution, Stage, Variant, convolutions, stage_layers
from streamseg.network.head import LITE_CONTRAST
from streamseg.network.weights import Weights

__all__ = ["BATCHES", "SENSITIVE", "CapturedNetwork", "FusedNetwork"]

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
        platform: of ``device``, for kernels of our own and for the fastest methods; without one torch does what it does
            by default.
    """

    def __init__(
        self,
        weights: Weights,
        device: torch.device,
        dtype: torch.dtype = torch.float16,
        variant: Variant = "full",
        platform: Platform | None = None,
    ) -> None:
        self.variant, self._dtype, self._net = variant, dtype, weights.architecture
        self._convolutions = _OnHost() if device.type != "cuda" else _convolutions(platform)
        self._pool = max_pool if platform is None else MaxPooling(platform.launch)
        #: How each layer is computed: see ``Layers.measuring``.
        self.layers = Layers(MethodChoice() if platform is None else method_choice(platform.identity))
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
            side = self._convolutions.bare(features[k], self._kernels[f"side{k}"][0]).float()
            if side.shape[2:] != x.shape[2:]:
                side = F.interpolate(side, size=x.shape[2:], mode="bilinear", align_corners=False)
            total = side if total is None else total + side
        assert total is not None
        logits = total[:, 0] + self._head_bias
        return torch.sigmoid(logits if self._full else logits * LITE_CONTRAST)

    def _features(self, x: Tensor) -> dict[int, Tensor]:
        """Outputs of stages 1d … 5d and 6 by the number of their side; the lite variant has no side 1."""
        down: list[Tensor] = []
        *stages, last = self._net.encoder
        for stage in stages:
            out, pooled = self._stage(stage, x, pooled=True)
            assert pooled is not None
            down.append(out)
            x = pooled
        features = {6: self._stage(last, x)[0]}
        for side in range(5, 0 if self._full else 1, -1):
            features[side], _ = self._stage(self._net.decoder[5 - side], features[side + 1], down.pop())
        return features

    def _stage(self, stage: Stage, x: Tensor, skip: Tensor | None = None, pooled: bool = False) -> Result:
        """One RSU: its encoder, its decoder with skip connections, and the residual."""
        first, second, *layers = stage_layers(stage)
        residual, _ = self._layer(first, x, skip)
        deepest = layers[stage.height - 2]
        down: list[Tensor] = []
        h = residual
        for layer in (second, *layers[: stage.height - 2]):
            pools = stage.pooled and layer is not layers[stage.height - 3]
            out, maxima = self._layer(layer, h, pooled=pools)
            down.append(out)
            h = out if maxima is None else maxima
        h, _ = self._layer(deepest, h)
        *decoder, last = layers[stage.height - 1 :]
        for layer in decoder:
            h, _ = self._layer(layer, h, down.pop())
        return self._layer(last, h, down.pop(), residual, pooled)

    def _layer(
        self,
        layer: Convolution,
        x: Tensor,
        skip: Tensor | None = None,
        residual: Tensor | None = None,
        pooled: bool = False,
    ) -> Result:
        """A convolution of ``x``, at the size of ``skip`` and with its channels, plus ``residual``; see Layers.run."""
        weight, bias = self._kernels[layer.name]

        def by_torch() -> Result:
            joined = x if skip is None else _concatenate(x, skip)
            h = self._convolutions.relu(joined.to(weight.dtype), weight, bias, layer.padding, layer.dilation)
            if residual is not None:
                h = (h + residual).to(self._dtype)
            return h, self._pool(h) if pooled else None

        return self.layers.run(by_torch, x, weight, bias, layer.dilation, skip, residual, pooled)


def _convolutions(platform: Platform | None) -> Convolutions:
    if platform is None:
        return Convolutions()
    return Convolutions(method_choice(platform.identity), platform.seconds)


class _OnHost:
    """As tensor cores compute it: products of low precision summed in float32, the sum rounded."""

    def relu(self, x: Tensor, weight: Tensor, bias: Tensor, padding: int, dilation: int) -> Tensor:
        summed = F.conv2d(x.float(), weight.float(), bias.float(), padding=padding, dilation=dilation)
        return F.relu_(summed).to(x.dtype)

    def bare(self, x: Tensor, weight: Tensor) -> Tensor:
        return F.conv2d(x.float(), weight.float(), padding=1).to(x.dtype)


def _concatenate(x: Tensor, skip: Tensor) -> Tensor:
    """``x``, upsampled to the size of ``skip``, and ``skip``, along their channels."""
    if x.shape[2:] != skip.shape[2:]:
        x = F.interpolate(x, size=skip.shape[2:], mode="bilinear", align_corners=False)
    return torch.cat((x, skip.to(x.dtype)), 1)


class CapturedNetwork:
    """The network with fixed memory, captured in one CUDA graph for each batch size.

    Args:
        network: a FusedNetwork or SelfieNetwork: from float32 [batch, 3, size, size] to [batch, size, size].
        platform: of the device it runs on.
        stream: that all its work goes to.
        max_batch: see ``allow``.
        size: side of the network's square input and output in pixels.

    Attributes:
        network: as given.
        inputs: float32 [8, size, size, 3], normalised RGB: write them on ``stream``, then ``run``.
        outputs: float32 [8, size, size] in [0, 1], written by ``run``.

    Raises:
        OptionError: ``max_batch`` is out of range.
        DeviceOutOfMemory: there is too little GPU memory.
    """

    def __init__(
        self,
        network: Callable[[Tensor], Tensor],
        platform: Platform,
        stream: Stream,
        max_batch: int = 1,
        size: int = INPUT_SIZE,
    ) -> None:
        self.network, self._platform, self._stream = network, platform, stream
        self._graphs: dict[int, Callable[[], None]] = {}
        self.inputs = platform.empty((BATCHES[-1], size, size, 3), torch.float32)
        self.outputs = platform.empty((BATCHES[-1], size, size), torch.float32)
        with platform.on(stream):
            self.inputs.zero_()
        self.allow(max_batch)

    def allow(self, max_batch: int) -> None:
        """Capture what is not yet captured for batches of up to ``max_batch`` maps, 1 to 8.

        Nothing else may use ``inputs`` and ``outputs`` meanwhile. Raises as the constructor does.
        """
        if not 1 <= max_batch <= BATCHES[-1]:
            raise OptionError(f"batch {max_batch}: expected 1 to {BATCHES[-1]}")
        missing = {batch for batch in BATCHES if batch < max_batch} | {max_batch}
        with clear_failures("preparing the network"):
            for batch in sorted(
                missing - self._graphs.keys(), reverse=True
            ):  # the others fit into the largest's memory
                self._graphs[batch] = self._platform.capture(partial(self._compute, batch), self._stream)

    def run(self, count: int) -> None:
        """Queue the first ``count`` maps, or some more, on ``stream``, which must be this thread's current stream."""
        self._graphs[min(batch for batch in self._graphs if batch >= count)]()

    def _compute(self, batch: int) -> None:
        with torch.inference_mode():
            self.outputs[:batch].copy_(self.network(self.inputs[:batch].permute(0, 3, 1, 2)))
