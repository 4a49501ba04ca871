"""Segmenter: a frame in, its matte out, for programs with a loop of their own."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.deprecation import old_variants
from streamseg.device import Device, open_device
from streamseg.device.cpu.matting.backend import best_backend
from streamseg.device.cpu.quantised import packaged_quantised
from streamseg.errors import DeviceError, OptionError
from streamseg.frame import Frame, Matte
from streamseg.matting.choosing.choice import Subject, SubjectChoice
from streamseg.matting.edges.cutout import Cutout, EdgeRefiner
from streamseg.matting.motion.estimate import content, luma_base
from streamseg.matting.temporal.filter import grid_shape
from streamseg.matting.tracking.inference import FULL_FRAME_INFERENCE, Inference
from streamseg.matting.tracking.near import INPUT_SIZES, NEAR_INPUT_SIZE, NearSubject, seen_by_both
from streamseg.media.images import image_frame
from streamseg.network.packaged import TUNED, is_packaged
from streamseg.network.quantised import QuantisedWeights, is_quantised, read_quantised
from streamseg.network.weights import Weights, load_weights
from streamseg.runtime import SameProcess

from .stages.choosing import Seen, chosen_alpha
from .stages.options import device_for

__all__ = ["Segmenter", "weights_for"]


class Segmenter:
    """Finds the salient object in an image or frame and gives its matte.

        segmenter = Segmenter()
        matte = segmenter(rgb)          # uint8 [rows, columns, 3] → Matte
        alpha = matte.as_float()        # float32 [rows, columns] in [0, 1]

    One object serves any number of threads, such as those of a web server: the network takes one image at a time, first
    come, first served, on all its threads, and the rest is done side by side. In a forked child (gunicorn --preload,
    celery, multiprocessing) it opens the network again at its first use there, which takes up to two seconds, and the
    memory of another network. On a GPU a fork is an error: CUDA works in one process only.

    Args:
        model: "u2netp" (packaged) or "u2net" (needs ``weights``).
        weights: a file of weights, or the name of packaged ones: "published", the authors' own, or "tuned", which None
            is too; see streamseg.network.packaged.
        precision: "int8" (the packaged weights, and those of ``streamseg quantize``) or "float32"; None is "int8" where
            there is a choice. On a GPU the network runs in half precision, whatever this says.
        device: "cpu", "cuda" or "auto"; see streamseg.device.open_device.
        threads: CPU threads of the network; None for as many as there are cores.
        in_flight: inferences that may run at a time; more than one only helps callers of ``device``.
        variants: of the network, for callers of ``device``: "full", "lite" or "both"; see
            streamseg.device.open_device.
        edges: refine alpha in the frame's own detail where it is uncertain.
        input_size: side of the network's input in pixels, 32 or more; None for both 224 and 320, of which the smaller
            suits near subjects, see streamseg.matting.tracking.near.
        subject: what is looked for: "auto", "person" or "any", see streamseg.device.protocol.SUBJECTS. With ``weights``
            of your own "auto" is the same as "any". Or which of what is found: SubjectPoint and SubjectBox, one or
            several, or a SubjectChoice (streamseg.matting.choosing.choice); on the CPU only, which "auto" is then.
        forms: deprecated name of ``variants``.

    Raises:
        WeightsError: the weights cannot be used.
        OptionError: an unknown model, precision or device, int8 or a chosen subject on a GPU, or (``cut_out``) a point
            outside the image.
        MissingDependency, DeviceError: the GPU cannot be used, also because the process was forked since.
    """

    def __init__(
        self,
        *,
        model: str = "u2netp",
        weights: str | Path | None = None,
        precision: str | None = None,
        device: str = "cpu",
        threads: int | None = None,
        in_flight: int = 1,
        variants: str = "full",
        edges: bool = True,
        input_size: int | None = None,
        subject: Subject = "auto",
        forms: str | None = None,
    ) -> None:
        variants, choice = old_variants(variants, forms), SubjectChoice.of(subject)
        device, kind = device_for(choice, device), choice.kind
        if device == "cuda" and precision == "int8":
            raise OptionError("precision int8: the device cuda runs in half precision; leave it out")
        self._variants = variants
        self._options: dict[str, Any] = {
            "model": model,
            "weights": weights,
            "precision": precision,
            "device": device,
            "threads": threads,
            "in_flight": in_flight,
            "edges": edges,
            "input_size": input_size,
            "subject": subject,
        }
        sizes = INPUT_SIZES if input_size is None else (input_size,)
        # In half precision those in float32 lose less than those in 8 bits.
        stored = "float32" if device == "cuda" and is_packaged(weights) else precision
        opened = weights_for(model, weights, stored), threads, in_flight, variants
        if kind == "auto" and not is_packaged(weights):
            kind = "any"
        self.device = open_device(device, *opened, sizes=sizes, subject=kind)
        self._of_thread = threading.local()
        self._process = SameProcess("this Segmenter on a GPU", DeviceError)
        self._backend = best_backend()
        self._edges = EdgeRefiner(edges, self._backend)
        self._choice = None if choice.is_automatic else choice

    def with_variants(self, variants: str) -> Segmenter:
        """A Segmenter with the same options and those variants of the network; itself if it has them."""
        return self if variants == self._variants else Segmenter(**self._options, variants=variants)

    def __call__(self, image: Frame | NDArray[np.uint8]) -> Matte:
        """The matte of one image or frame, at its size.

        Args:
            image: a Frame, or sRGB uint8 [rows, columns, 3].

        Raises:
            InputError: an array of another shape or dtype.
        """
        frame = image if isinstance(image, Frame) else image_frame(image)
        return self.matte(frame)

    def matte(self, frame: Frame) -> Matte:
        """The matte of one frame, at its size. Any thread may call this."""
        return self.cut_out(frame).matte

    def cut_out(self, frame: Frame) -> Cutout:
        """The matte of one frame, and the frame with the foreground's own colours where alpha is uncertain."""
        device, shape = self._device(), grid_shape(frame.width, frame.height)
        factor = content(luma_base(frame, self._backend.downscale))

        def see(inference: Inference | None) -> Seen:
            """By an inference; None as is usual for an image."""
            if inference is None:
                saliency, inference = self._saliency(device, frame), FULL_FRAME_INFERENCE
            else:
                saliency = device.saliency(device.network(device.prepare(frame, inference)))
            return Seen(saliency, self._backend.observe(saliency, inference.roi, shape, factor), factor)

        if self._choice is None:
            alpha = see(None).observation.alpha
        else:
            alpha = chosen_alpha(self._choice, frame, see, self._backend)
        return self._edges(frame, self._backend.resolve(alpha))

    def _saliency(self, device: Device, frame: Frame) -> NDArray[np.float32]:
        near = NearSubject(device.subject)
        inferences = near.choices(FULL_FRAME_INFERENCE) if NEAR_INPUT_SIZE in device.sizes[1:] else (Inference(),)
        pending = [device.network(device.prepare(frame, inference)) for inference in inferences]
        maps = [device.saliency(each) for each in pending]
        person_map = device.person_map(pending[-1])
        if len(maps) > 1:
            near.choose(maps[0], maps[1], person_map)
        return seen_by_both(near.seen(FULL_FRAME_INFERENCE), maps[0 if near.small else -1], person_map)

    def _device(self) -> Device:
        """The device for this thread: a device serves one thread at each of its steps."""
        if self.device.name != "cpu":
            self._process.check()
        if not hasattr(self._of_thread, "device"):
            self._of_thread.device = self.device.another()
        device: Device = self._of_thread.device
        return device


def weights_for(model: str, weights: str | Path | None, precision: str | None) -> Weights | QuantisedWeights | None:
    """The weights, or None for "tuned" in 8 bits; arguments and errors as for Segmenter."""
    if not isinstance(model, str) or not isinstance(weights, (str, Path, type(None))):
        raise OptionError(f"model {model!r}, weights {weights!r}: expected u2netp or u2net, and a path or None")
    packaged = is_packaged(weights) and model == "u2netp"
    if precision not in (None, "int8", "float32"):
        raise OptionError(f"precision {precision!r}: expected int8 or float32")
    if weights is not None and not is_packaged(weights) and is_quantised(weights):
        if precision == "float32" or model != "u2netp":
            given = f"precision {precision}" if precision == "float32" else f"model {model}"
            raise OptionError(f"{given}: {weights} holds u2netp in 8-bit integers; leave it out")
        return read_quantised(weights)
    if precision == "int8" and not packaged:
        raise OptionError(
            "precision int8: these weights are in float32; leave it out, or make 8-bit ones with streamseg quantize"
        )
    if precision == "float32" or not packaged:
        return load_weights(weights, model)
    return None if weights in (None, TUNED) else packaged_quantised(str(weights))
