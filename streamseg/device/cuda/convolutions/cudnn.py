"""The methods of cuDNN for a convolution, its bias and ReLU, and which of them is used.

A method has a form: "fused", all in one call, which cuDNN refuses for some kinds of convolutions; "plain", in three; or
"bare", a convolution without bias and ReLU. And it is an engine of cuDNN: the one that cuDNN's heuristics name, or,
"searched", the one that was fastest when cuDNN tried all it has, which takes it a good part of a second for each kind.

torch remembers an engine by thread and for as long as the process lives, and gives no name to it that could be kept.
What is kept is therefore whether the search gains anything: where it does not, the next process does without.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from time import perf_counter

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor

from streamseg.device.cuda.convolutions.choice import MethodChoice

__all__ = ["Convolutions", "exact_convolutions"]

# Messages of torch and cuDNN when they have no method for a convolution of this kind.
_NO_METHOD = ("unable to find an engine", "NOT_SUPPORTED", "not supported")
_SEARCHED = " searched"
# A method that must be searched for at each start has to be faster than one that need not be, by this factor.
_GAIN = 1.03

Measure = Callable[[Callable[[], object]], float]


def exact_convolutions(search: bool = True, tf32: bool = False) -> AbstractContextManager[None]:
    """Inside, float32 convolutions keep all of their digits, and cuDNN measures which of its engines is fastest.

    Args:
        search: False for the engine that its heuristics name.
        tf32: let float32 convolutions round to ten bits.
    """
    flags: AbstractContextManager[None] = torch.backends.cudnn.flags(enabled=True, benchmark=search, allow_tf32=tf32)
    return flags


class Convolutions:
    """Convolutions of the network, each by the method that was chosen for its kind.

    What has not been chosen is measured, if there is a way to. Else the engine is searched for, in the form "fused"
    where cuDNN does not refuse it. Either way cuDNN waits, and that ends a capture with an error: whoever captures runs
    the same convolutions once before, in the same thread.

    Args:
        choice: the methods by kind.
        measure: seconds of a piece of work on the GPU.
    """

    def __init__(self, choice: MethodChoice | None = None, measure: Measure | None = None) -> None:
        self._choice, self._measure = choice or MethodChoice(), measure
        # Kinds that cuDNN has refused as fused ones.
        self._refused: set[str] = set()
        # Graphs name this memory, so a buffer that has become too small is kept.
        self._zeros: list[Tensor] = []

    def relu(self, x: Tensor, weight: Tensor, bias: Tensor, padding: int, dilation: int) -> Tensor:
        """relu(convolution + bias), of the dtype of ``x``."""
        return self._run(x, weight, dilation, self._forms(x, weight, bias, padding, dilation))

    def bare(self, x: Tensor, weight: Tensor) -> Tensor:
        """A convolution without bias, padded by 1."""
        return self._run(x, weight, 1, {"bare": lambda: F.conv2d(x, weight, padding=1)})

    def _forms(
        self, x: Tensor, weight: Tensor, bias: Tensor, padding: int, dilation: int
    ) -> dict[str, Callable[[], Tensor]]:
        return {
            "fused": lambda: self.fused(x, weight, bias, padding, dilation),
            "plain": lambda: F.relu_(F.conv2d(x, weight, bias, padding=padding, dilation=dilation)),
        }

    def _run(self, x: Tensor, weight: Tensor, dilation: int, forms: Mapping[str, Callable[[], Tensor]]) -> Tensor:
        kind = _kind(x, weight, dilation, *forms)
        method = self._choice.get(kind)
        if method is None and self._measure is not None:
            method = self._measured(kind, x.dtype, forms, self._measure)
        form, searched = (method or "").removesuffix(_SEARCHED), method is not None and method.endswith(_SEARCHED)
        if form in forms:
            done = self._asked(kind, form, forms[form], _flags(searched, x.dtype))
            if done is not None:
                return done
        return self._unchosen(kind, forms)

    def _unchosen(self, kind: str, forms: Mapping[str, Callable[[], Tensor]]) -> Tensor:
        """In the first form that is not refused."""
        for form, work in forms.items():
            done = self._asked(kind, form, work, exact_convolutions())
            if done is not None:
                return done
        raise RuntimeError(f"cuDNN has no method for a convolution: {kind}")

    def _asked(
        self, kind: str, form: str, work: Callable[[], Tensor], flags: AbstractContextManager[None]
    ) -> Tensor | None:
        """None if cuDNN refuses: it is asked for a kind in the form "fused" until it does so once."""
        if form == "fused" and kind in self._refused:
            return None
        try:
            with flags:
                return work()
        except RuntimeError as error:
            if form != "fused" or not any(message in str(error) for message in _NO_METHOD):
                raise
            self._refused.add(kind)
            return None

    def _measured(
        self, kind: str, dtype: torch.dtype, forms: Mapping[str, Callable[[], Tensor]], measure: Measure
    ) -> str:
        """Choose a method: first the form, by the engines of the heuristics, then whether its engine is searched for.

        In float32 torch keeps the first engine that it was given, so there only searched ones are compared; their kinds
        are few.
        """
        started = perf_counter()
        searches = (False, True) if dtype == torch.float16 else (True,)
        times: dict[tuple[str, bool], float] = {}
        for search in searches:
            tried = forms if not times else [min(times, key=times.__getitem__)[0]]
            for form in tried:
                if self._asked(kind, form, forms[form], _flags(search, dtype)) is not None:
                    with _flags(search, dtype):
                        times[form, search] = measure(forms[form])
        form, search = min(times, key=lambda each: times[each] * (_GAIN if each[1] else 1))
        self._choice.set(kind, method := form + _SEARCHED * search)
        self._choice.seconds += perf_counter() - started
        return method

    def fused(self, x: Tensor, weight: Tensor, bias: Tensor, padding: int, dilation: int) -> Tensor:
        """In one call; raises RuntimeError where cuDNN has no method for it.

        cuDNN computes relu(convolution + alpha·z + bias). ``torch.cudnn_convolution_relu`` gives it alpha 0 and, as z,
        its own output before anything is written there. A method that multiplies turns a NaN or an infinity in that
        memory into NaN. So it gets a z of zeros.
        """
        count, _, rows, columns = x.shape
        outputs, _, down, across = weight.shape
        shape = (
            count,
            rows + 2 * padding - dilation * (down - 1),
            columns + 2 * padding - dilation * (across - 1),
            outputs,
        )
        z = self._zero(shape, x).permute(0, 3, 1, 2)
        both = [1, 1], [padding, padding], [dilation, dilation]
        return torch.cudnn_convolution_add_relu(x, weight, z, 0, bias, *both, 1)

    def _zero(self, shape: tuple[int, ...], x: Tensor) -> Tensor:
        """Zeros of a shape, of the dtype and on the device of ``x``: part of one buffer for all layers."""
        count = torch.Size(shape).numel()
        for zeros in self._zeros:
            if zeros.dtype == x.dtype and zeros.numel() >= count:
                return zeros[:count].view(shape)
        self._zeros.append(torch.zeros(count, dtype=x.dtype, device=x.device))
        return self._zeros[-1].view(shape)


def _kind(x: Tensor, weight: Tensor, dilation: int, first_form: str, *_: str) -> str:
    """All that cuDNN's choice depends on: shapes, dilation, dtype, and what is done besides the convolution."""
    shapes = (" ".join("x".join(map(str, tensor.shape)) for tensor in (x, weight)),)
    return " ".join((*shapes, f"d{dilation}", str(x.dtype).removeprefix("torch."), first_form))


def _flags(search: bool, dtype: torch.dtype) -> AbstractContextManager[None]:
    """TF32 means nothing to half precision, but torch remembers one engine with it and one without.

    So in half precision it stands for "searched", and both can be measured in one process.
    """
    return exact_convolutions(search, tf32=search and dtype == torch.float16)
