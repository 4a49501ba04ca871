"""What all implementations of the network on a CPU share: images in flight, and the checks of inputs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import cached_property
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError, OptionError

__all__ = ["CPUNetwork", "PendingSaliency", "Request", "check_threads"]


class Request(Protocol):
    """An inference request: runs one image at a time."""

    def start(self, image: NDArray[Any]) -> None:
        """Starts on a contiguous image, which must not change until the result is there."""
        ...

    def result(self) -> NDArray[np.float32]:
        """Waits for the saliency map: float32 [size, size] in [0, 1], owned by the caller."""
        ...


class PendingSaliency:
    """A saliency map that is being computed."""

    def __init__(self, request: Request, image: NDArray[Any]) -> None:
        self._request, self._lock = request, Lock()
        self._image: NDArray[Any] | None = np.ascontiguousarray(image)  # kept alive: it is read in place
        self._saliency: NDArray[np.float32] | None = None
        request.start(self._image)

    def result(self) -> NDArray[np.float32]:
        """Waits for the map: float32 [size, size] in [0, 1]. Any thread may call this, more than once."""
        with self._lock:
            if self._saliency is None:
                self._saliency = self._request.result()
                self._image = None
            return self._saliency


class CPUNetwork:
    """Saliency of RGB images, normalised with the same scale for every image. Start images from one thread only.

    Args:
        size: side of the square input and output in pixels.
        requests: one for each image that can be in flight.
        normalised: makes a request that takes normalised images.
    """

    def __init__(self, size: int, requests: Sequence[Request], normalised: Callable[[], Request]) -> None:
        self.size = size
        self._requests = deque(requests)
        self._make_normalised = normalised
        self._pending: deque[PendingSaliency] = deque()

    def __call__(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The fused saliency map of an image.

        Args:
            rgb: uint8 RGB [size, size, 3].

        Returns:
            float32 [size, size] in [0, 1], owned by the caller.

        Raises:
            InputError: ``rgb`` has another shape or type.
        """
        return self.start(rgb).result()

    def start(self, rgb: NDArray[np.uint8]) -> PendingSaliency:
        """Starts on an image, as soon as a request is free; arguments and errors as for a call.

        It waits for the network only, not for anyone to fetch results.
        """
        _check(rgb, (self.size, self.size, 3), np.uint8)
        if len(self._pending) == len(self._requests):
            self._pending.popleft().result()
        self._pending.append(PendingSaliency(self._requests[0], rgb))
        self._requests.rotate(-1)
        return self._pending[-1]

    def saliency(self, normalised: NDArray[np.float32]) -> NDArray[np.float32]:
        """The fused saliency map of an image that is normalised already, as for the published evaluation.

        Args:
            normalised: float32 RGB [3, size, size], less the ImageNet mean and divided by the standard deviation.

        Returns:
            float32 [size, size] in [0, 1], owned by the caller.

        Raises:
            InputError: ``normalised`` has another shape or type.
        """
        _check(normalised, (3, self.size, self.size), np.float32)
        return PendingSaliency(self._normalised_request, normalised).result()

    @cached_property
    def _normalised_request(self) -> Request:
        return self._make_normalised()


def check_threads(threads: int | None, in_flight: int) -> None:
    """Raises OptionError if either is below 1."""
    if threads is not None and threads < 1:
        raise OptionError(f"threads is {threads}: expected 1 or more, or none for as many as there are cores")
    if in_flight < 1:
        raise OptionError(f"in_flight is {in_flight}: expected 1 or more")


def _check(image: NDArray[Any], shape: tuple[int, ...], dtype: type[np.generic]) -> None:
    if image.shape != shape or image.dtype != dtype:
        raise InputError(
            f"image is {image.dtype} {image.shape}: expected {np.dtype(dtype)} {shape}; resize and convert it first"
        )
