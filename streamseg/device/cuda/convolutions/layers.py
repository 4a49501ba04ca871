"""Layers of the network as a whole: a convolution with the operations around it, by torch or by Triton."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import torch
from torch import Tensor

from streamseg.device.cuda.convolutions.choice import MethodChoice

__all__ = ["Layers", "Result"]

#: The output of a layer, and its maxima over 2×2 pixels where they are wanted.
Result = tuple[Tensor, Tensor | None]

_TORCH, _TRITON = "torch", "triton"


class Layers:
    """Runs layers in the way that was chosen for their kind: by torch, unless Triton was measured to be faster.

    Nothing is measured before somebody asks for it, see ``measuring``: compiling a kernel for each kind takes long.
    Without Triton all is left to torch.

    Args:
        choice: the methods by kind.
    """

    def __init__(self, choice: MethodChoice) -> None:
        self._choice = choice
        self._measure: Callable[[Callable[[], object]], float] | None = None
        self._packed: dict[int, tuple[Tensor, Tensor]] = {}

    @contextmanager
    def measuring(self, measure: Callable[[Callable[[], object]], float]) -> Iterator[None]:
        """Inside, layers of kinds that have not been chosen are measured in both ways; ``measure`` gives seconds."""
        self._measure = measure
        try:
            yield
        finally:
            self._measure = None

    def run(
        self,
        by_torch: Callable[[], Result],
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        dilation: int,
        skip: Tensor | None,
        residual: Tensor | None,
        pooled: bool,
    ) -> Result:
        """A layer: see streamseg.device.cuda.convolutions.triton_kernels.convolve; ``weight`` as torch has it."""
        triton = _triton_version()
        if triton is None or not _suits(x, weight, skip, residual):
            return by_torch()

        def by_triton() -> Result:
            from streamseg.device.cuda.convolutions.triton_kernels import convolve

            return convolve(x, self._pack(weight), bias, dilation, skip, residual, pooled)

        shapes = (None if each is None else tuple(each.shape) for each in (x, weight, skip, residual))
        kind = f"layer, Triton {triton}: {' '.join(map(str, shapes))} d{dilation}{' pooled' * pooled}"
        method = self._choice.get(kind)
        if method is None and self._measure is not None:
            methods = {_TORCH: by_torch, _TRITON: by_triton}
            method = min(methods, key={name: self._measure(work) for name, work in methods.items()}.__getitem__)
            self._choice.set(kind, method)
        return by_triton() if method == _TRITON else by_torch()

    def _pack(self, weight: Tensor) -> Tensor:
        """The weights as the kernel reads them. The weights are kept too, so that nothing else gets their address."""
        from streamseg.device.cuda.convolutions.triton_kernels import packed

        key = weight.data_ptr()
        if key not in self._packed:
            self._packed[key] = weight, packed(weight)
        return self._packed[key][1]


def _suits(x: Tensor, weight: Tensor, skip: Tensor | None, residual: Tensor | None) -> bool:
    """Whether the kernel can do it: half precision, channels last, and a coarser image of exactly half the size."""
    images = [each for each in (x, skip, residual) if each is not None]
    if not all(each.dtype == torch.float16 for each in (*images, weight)) or weight.shape[2:] != (3, 3):
        return False
    if not all(each.is_contiguous(memory_format=torch.channels_last) for each in images):
        return False
    return skip is None or skip.shape[2:] in (x.shape[2:], (2 * x.shape[2], 2 * x.shape[3]))


@cache
def _triton_version() -> str | None:
    """None without Triton. What is fastest depends on it."""
    try:
        return version("triton")
    except PackageNotFoundError:
        return None
