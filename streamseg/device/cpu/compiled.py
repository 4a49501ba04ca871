"""Small graphs compiled by OpenVINO for one core, that of the caller: one call without the interpreter's lock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from copy import copy
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.network.quiet_openvino import import_openvino

__all__ = ["Compiled", "Graphs"]

# More threads would compete with the network's, and so would a thread that is bound to a core.
_CONFIG: dict[str, Any] = {
    "INFERENCE_PRECISION_HINT": "f32",
    "NUM_STREAMS": 1,
    "INFERENCE_NUM_THREADS": 1,
    "ENABLE_CPU_PINNING": False,
}


class Compiled:
    """A function on arrays; threads take turns.

    Args:
        outputs: of the last nodes of the graph.
        inputs: its parameters, of static shapes.
    """

    def __init__(self, outputs: list[Any], inputs: list[Any]) -> None:
        openvino = import_openvino()
        self._tensor = openvino.Tensor
        self._shapes = [tuple(node.get_output_shape(0)) for node in inputs]
        model = openvino.Model(outputs, inputs, "small")
        self._turn = Lock()
        # What is in the request's places now.
        self._inputs: list[NDArray[Any] | None] = [None] * len(inputs)
        self._outputs: list[NDArray[Any] | None] = [None] * len(outputs)
        self._request = openvino.Core().compile_model(model, "CPU", _CONFIG).create_infer_request()

    def __call__(self, inputs: list[NDArray[Any]], outputs: list[NDArray[Any]]) -> None:
        """Compute ``outputs``, contiguous arrays, in place; shapes and types are the graph's.

        The arrays are held until others take their places.
        """
        # OpenVINO wraps only what it might write, though it reads these.
        usable = [np.require(array, requirements=["C", "W"]) for array in inputs]
        with self._turn:
            for place, (array, shape) in enumerate(zip(usable, self._shapes, strict=True)):
                if array is not self._inputs[place]:
                    self._request.set_input_tensor(place, self._tensor(array.reshape(shape), shared_memory=True))
                    self._inputs[place] = array
            for place, array in enumerate(outputs):
                if array is not self._outputs[place]:
                    self._request.set_output_tensor(place, self._tensor(array, shared_memory=True))
                    self._outputs[place] = array
            self._request.infer()


# Compiling takes as long as some frames in NumPy: a picture never gets there, a video after its first frames are out.
_FEW = 8


class Graphs:
    """Graphs by their sizes, each compiled once it has been asked for often enough; the count makes runs repeat.

    Args:
        make: compiles one for the sizes it is given.
    """

    def __init__(self, make: Callable[..., Compiled]) -> None:
        self._make, self._asked = make, Counter[tuple[int, ...]]()
        self._graphs: dict[tuple[int, ...], Compiled] = {}
        self._compiling = Lock()

    def another(self) -> Graphs:
        """With the same graphs, for another thread; it counts by itself, or runs would not repeat."""
        other = copy(self)
        other._asked = Counter()
        return other

    def __call__(self, *sizes: int) -> Compiled | None:
        """The graph for these sizes; None while it does not pay."""
        self._asked[sizes] += 1
        if self._asked[sizes] <= _FEW:
            return None
        with self._compiling:
            if sizes not in self._graphs:
                self._graphs[sizes] = self._make(*sizes)
        return self._graphs[sizes]
