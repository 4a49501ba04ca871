"""What a device does: the interface, and how to open one."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from streamseg.deprecation import old_variants
from streamseg.errors import DeviceError, MissingDependency, OptionError
from streamseg.frame import Frame, Matte, Plane
from streamseg.matting.tracking.inference import FULL_FRAME_INFERENCE, Inference
from streamseg.matting.tracking.near import INPUT_SIZES
from streamseg.network.architecture import Variant
from streamseg.network.quantised import QuantisedWeights
from streamseg.network.weights import Weights

__all__ = ["DEVICES", "SUBJECTS", "VARIANTS", "Device", "open_device"]

#: What open_device takes.
DEVICES = ("cpu", "cuda", "auto")
#: Variants of the network that a device can have ready: "lite" takes half the time of "full".
VARIANTS = ("full", "lite", "both")
#: What is looked for: "any", whatever stands out; "person", people, with the person map of the selfie network
#: for every frame; "auto", whatever stands out, with that map for near people.
SUBJECTS = ("auto", "person", "any")


class Device(Protocol):
    """The steps between a decoded frame and a composited one.

    The methods are called in this order for each frame, but each may be called from a thread of its own, for different
    frames at a time; what passes between ``prepare``, ``network`` and ``saliency`` is the device's own.
    A device serves one stream.

    Attributes:
        name: "cpu" or "cuda".
        sizes: of the network's input, as given to open_device.
        subject: likewise.
    """

    name: str
    sizes: tuple[int, ...]
    subject: str

    def prepare(self, frame: Frame, inference: Inference = FULL_FRAME_INFERENCE) -> Any:
        """The network's input, made from the frame's planes; the inference has one of ``sizes``."""
        ...

    def network(self, prepared: Any) -> Any:
        """Start the inference on a prepared frame, as soon as the network has room for it."""
        ...

    def saliency(self, pending: Any) -> NDArray[np.float32]:
        """Wait for the saliency map of a started inference: float32 [rows, columns] in [0, 1], of its ROI."""
        ...

    def person_map(self, pending: Any) -> NDArray[np.float32] | None:
        """Wait for the person map of the same part, float32 [256, 256] in [0, 1]; None if not asked for."""
        ...

    def composite(self, frame: Frame, matte: Matte, background: tuple[Plane, ...]) -> Frame:
        """The frame over background planes of its own size and format, in a new frame without alpha."""
        ...

    def another(self) -> Device:
        """A device for another stream with the same network: the streams share it, first come, first served."""
        ...


def open_device(
    name: str,
    weights: Weights | QuantisedWeights | None = None,
    threads: int | None = None,
    in_flight: int = 1,
    variants: str = "full",
    forms: str | None = None,
    sizes: Sequence[int] = INPUT_SIZES,
    subject: str = "any",
) -> Device:
    """The device called ``name``.

    Args:
        name: "cpu"; "cuda", the first NVIDIA GPU, which fails where there is none that will do; or "auto", that GPU or
            else the CPU, with the reason in the log (logger ``streamseg``).
        weights: in float32, or in 8-bit integers, which a GPU runs in half precision as all others; None for the
            packaged U²-Net†, in the precision that is fastest on the device.
        threads: CPU threads of the network; None for as many as there are cores.
        in_flight: inferences that run at a time: 1 for the lowest latency, more for throughput. A GPU needs no more
            than one.
        variants: of the network to have ready: "full", "lite" or "both" (then every Inference says which). A GPU with
            both runs the full one only.
        forms: deprecated name of ``variants``.
        sizes: sides of the network's square input to have ready, in pixels, each 32 or more; the first in ``variants``,
            the others in the full variant. Each takes the memory of a network more, but for the weights in integer
            kernels and on a GPU, which all sizes share.
        subject: one of SUBJECTS.

    Raises:
        OptionError: there is no such device, variant or subject, or a size is too small.
        MissingDependency: it needs something that is not installed.
        DeviceError: there is no GPU, or it cannot be used.
    """
    if name not in DEVICES:
        raise OptionError(f"device {name!r}: expected {', '.join(DEVICES)}")
    variants = old_variants(variants, forms)
    if variants not in VARIANTS:
        raise OptionError(f"variants {variants!r}: expected {', '.join(VARIANTS)}")
    if not sizes or not all(isinstance(size, int) and size >= 32 for size in sizes):
        raise OptionError(f"sizes {list(sizes)}: expected one whole number or more, each 32 or more")
    if subject not in SUBJECTS:
        raise OptionError(f"subject {subject!r}: expected {', '.join(SUBJECTS)}")
    if name != "cpu":
        try:
            return _open_gpu(weights, "lite" if variants == "lite" else "full", sizes, subject)
        except (DeviceError, MissingDependency) as error:
            if name == "cuda":
                raise
            logging.getLogger("streamseg").warning("streamseg: device auto: the CPU is used (%s)", error)
    from streamseg.device.cpu.device import CPUDevice

    return CPUDevice(weights, threads, in_flight, variants, sizes, subject)


def _open_gpu(
    weights: Weights | QuantisedWeights | None, variant: Variant, sizes: Sequence[int], subject: str
) -> Device:
    try:
        from streamseg.device.cuda.device import CUDADevice
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingDependency('the device cuda: torch is not installed; pip install "streamseg[cuda]"') from error
    return CUDADevice(weights, variant=variant, sizes=sizes, subject=subject)
