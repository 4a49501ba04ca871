"""What all implementations of the network on a CPU share: images in flight, and the checks of inputs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from numbers import Integral
from threading import Lock
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import DeviceError, InputError, OptionError
from streamseg.runtime import FairLock, SameProcess, forget_in_children, never_destroy

__all__ = ["CPUNetwork", "PendingSaliency", "Request", "Requests", "check_threads"]


class Request(Protocol):
    """An inference request: runs one image at a time."""

    def start(self, image: NDArray[Any]) -> None:
        """Starts on a contiguous image, which must not change until the result is there."""
        ...

    def result(self) -> NDArray[np.float32]:
        """Waits for the saliency map: float32 [size, size] in [0, 1], owned by the caller."""
        ...


class Requests(NamedTuple):
    """What a network runs with.

    Attributes:
        images: a request for each image that can be in flight.
        normalised: makes a request that takes normalised images.
    """

    images: Sequence[Request]
    normalised: Callable[[], Request]


class PendingSaliency:
    """A saliency map that is being computed."""

    def __init__(self, request: Request, image: NDArray[Any]) -> None:
        self._request, self._lock = request, Lock()
        self._image: NDArray[Any] | None = np.ascontiguousarray(image)  # kept alive: it is read in place
        self._saliency: NDArray[np.float32] | None = None
        self._process = SameProcess("this saliency map", DeviceError)
        request.start(self._image)

    def result(self) -> NDArray[np.float32]:
        """Waits for the map: float32 [size, size] in [0, 1]. Any thread may call this, more than once.

        Raises:
            DeviceError: the process was forked after the image was started.
        """
        self._process.check()
        with self._lock:
            if self._saliency is None:
                self._saliency = self._request.result()
                self._image = None
            return self._saliency


class CPUNetwork:
    """Saliency of RGB images, normalised with the same scale for every image.

    Any number of threads may use it: they take turns. In a forked child it opens again at its first use.

    Args:
        size: side of the square input and output in pixels.
        open_requests: opens what it runs with.
    """

    def __init__(self, size: int, open_requests: Callable[[], Requests]) -> None:
        self.size = size
        self._open = open_requests
        self._opened: Requests | None = None
        self._reset()
        self._ready()
        forget_in_children(self)

    def _reset(self) -> None:
        self._lock = FairLock()
        self._requests: deque[Request] = deque()
        self._pending: deque[PendingSaliency] = deque()
        self._normalised: Request | None = None

    def forget_threads(self) -> None:
        for item in (self._opened, self._pending, self._normalised):
            never_destroy(item)
        self._opened = None
        self._reset()

    def _ready(self) -> Requests:
        if self._opened is None:
            self._opened = self._open()
            self._requests.extend(self._opened.images)
        return self._opened

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
        with self._lock:
            self._ready()
            if len(self._pending) == len(self._requests):
                self._pending.popleft().result()
            pending = PendingSaliency(self._requests[0], rgb)
            self._pending.append(pending)
            self._requests.rotate(-1)
            return pending

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
        with self._lock:
            if self._normalised is None:
                self._normalised = self._ready().normalised()
            return PendingSaliency(self._normalised, normalised).result()


def check_threads(threads: int | None, in_flight: int) -> None:
    """Raises OptionError if either is below 1 or no whole number."""
    numbers: tuple[Any, Any] = (1 if threads is None else threads, in_flight)
    if not all(isinstance(number, Integral) for number in numbers):
        raise OptionError(f"threads is {threads!r}, in_flight {in_flight!r}: expected whole numbers")
    if threads is not None and threads < 1:
        raise OptionError(f"threads is {threads}: expected 1 or more, or none for as many as there are cores")
    if in_flight < 1:
        raise OptionError(f"in_flight is {in_flight}: expected 1 or more")


def _check(image: NDArray[Any], shape: tuple[int, ...], dtype: type[np.generic]) -> None:
    if image.shape != shape or image.dtype != dtype:
        raise InputError(
            f"image is {image.dtype} {image.shape}: expected {np.dtype(dtype)} {shape}; resize and convert it first"
        )
