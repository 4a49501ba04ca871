"""The options of ``streamseg quantize``, and what it does with them."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamseg.errors import MissingDependency, OptionError, WeightsError

if TYPE_CHECKING:
    from streamseg.network.quantised import QuantisedWeights
    from streamseg.network.weights import Weights

    from ..evaluate.report import Report
    from .calibration import Calibration

__all__ = ["add_quantize", "quantize_weights", "run_quantize"]

_SIZES = (192, 224, 256, 320)
# Of the images, so many find constants and factors, for which a few are enough.
_FEW = 32

_HELP = """\
    streamseg quantize runs/first/best.safetensors --images DATA/images
    streamseg video IN OUT --weights runs/first/best-int8.safetensors

The images are such as the network was trained on, never ones that it is scored on; 200 are enough. One in five of them
is held back, to measure on: how much the maps differ, and, with masks/ beside the folder images, IoU and MAE of both.
Needs torch (extra train).
"""


def add_quantize(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``streamseg quantize``."""
    parser.formatter_class, parser.epilog = argparse.RawDescriptionHelpFormatter, _HELP
    parser.add_argument("weights", metavar="WEIGHTS", help="u2netp in float32, as for --weights")
    parser.add_argument(
        "--images", type=Path, nargs="+", required=True, metavar="DIR", help="folders of images to calibrate with"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: WEIGHTS, its name followed by -int8")
    parser.add_argument(
        "--sizes",
        type=int,
        nargs="+",
        default=_SIZES,
        metavar="PIXELS",
        help="sides of the input; default: %(default)s",
    )
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    parser.add_argument("--json", action="store_true", help="print the figures in JSON")


def run_quantize(arguments: argparse.Namespace) -> int:
    """``streamseg quantize``: gives the exit status; raises as quantize_weights."""
    out = arguments.out or _default_output(arguments.weights)
    report = quantize_weights(
        arguments.weights, arguments.images, out, arguments.sizes, arguments.threads, arguments.overwrite
    )
    print(json.dumps(report.as_dict()) if arguments.json else report.table())
    return 0


def quantize_weights(
    weights: str,
    images: Sequence[Path],
    out: Path,
    sizes: Sequence[int] = _SIZES,
    threads: int | None = None,
    overwrite: bool = False,
) -> Report:
    """Write weights in 8-bit integers, and measure what was lost.

    Args:
        weights: a file of weights of U²-Net† in float32, or "tuned" or "published".
        images: folders of images to calibrate with, and to measure on.
        out: the .safetensors to write.
        sizes: sides of the input in pixels that activations are measured at; the result is for all of these.
        threads: CPU threads; None for as many as there are cores.
        overwrite: replace ``out``.

    Raises:
        OptionError: ``out`` is no .safetensors, or a size or ``threads`` is out of range.
        WeightsError: the weights cannot be read, or are not of U²-Net† in float32.
        InputError: there are too few images, or one does not decode.
        MissingDependency: torch is not installed.
        OutputError: ``out`` exists, or cannot be written.
    """
    from streamseg.media.writing.output_file import OutputFile

    _check(out, sizes, threads)
    floats = _float_weights(weights)
    _import_torch(threads)
    from .calibration import calibration_of
    from .losses import measure_losses

    calibration, file = calibration_of(images, sizes), OutputFile(out, overwrite)
    try:
        quantised = _quantised(floats, calibration)
        report = measure_losses(floats, quantised, calibration.held_back, sizes, threads)
        file.path.write_bytes(_encoded(quantised, weights, calibration))
    except BaseException:
        file.discard()
        raise
    file.commit()
    about = {"written": str(out), "calibration images": len(calibration.used), **report.about}
    return type(report)(report.labels, report.columns, report.rows, about)


def _check(out: Path, sizes: Sequence[int], threads: int | None) -> None:
    if out.suffix.lower() != ".safetensors":
        raise OptionError(f"{out}: expected a name that ends in .safetensors")
    if not sizes or min(sizes) < 32:
        raise OptionError(f"sizes {list(sizes)}: expected one or more, each 32 or more")
    if threads is not None and threads < 1:
        raise OptionError(f"threads {threads}: expected 1 or more")


def _default_output(weights: str) -> Path:
    path = _path_of(weights)
    name = f"{path.stem}-int8.safetensors"
    return path.with_name(name) if str(path) == weights else Path(name)


def _path_of(weights: str) -> Path:
    from streamseg.network.packaged import PACKAGED

    return PACKAGED[weights].path if weights in PACKAGED else Path(weights)


def _float_weights(name: str) -> Weights:
    from streamseg.network.packaged import is_packaged
    from streamseg.network.weights import load_weights, read_weights

    weights = load_weights(name) if is_packaged(name) else read_weights(name)
    if weights.model != "u2netp":
        raise WeightsError(f"{name}: holds {weights.model}: only u2netp is quantised")
    return weights


def _import_torch(threads: int | None) -> None:
    try:
        import torch
    except ImportError:
        raise MissingDependency('quantising needs torch: pip install "streamseg[train]"') from None
    if threads:
        torch.set_num_threads(threads)


def _quantised(floats: Weights, calibration: Calibration) -> QuantisedWeights:
    from .absorption import absorb
    from .factors import factorise
    from .integers import quantise
    from .ranges import measure_ranges

    few = list(calibration.inputs(_FEW))
    _say("1 of 4: constant parts of activations")
    tensors = absorb(dict(floats.tensors), measure_ranges(dict(floats.tensors), few, ["full"]))
    _say("2 of 4: factors of the lite variant")
    tensors = factorise(tensors, few)
    _say("3 of 4: ranges of activations")
    quantised = quantise(tensors, measure_ranges(tensors, calibration.inputs(), ["lite", "full"]))
    _say("4 of 4: what was lost")
    return quantised


def _say(text: str) -> None:
    print(f"streamseg: {text}", file=sys.stderr)


def _encoded(quantised: QuantisedWeights, source: str, calibration: Calibration) -> bytes:
    from safetensors import safe_open
    from safetensors.numpy import save

    metadata: dict[str, Any] = {}
    path = _path_of(source)
    if path.is_file() and path.suffix.lower() == ".safetensors":
        with safe_open(str(path), "numpy") as file:
            metadata = file.metadata() or {}
    digest = f", SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()}" if path.is_file() else ""
    sizes = " ".join(map(str, calibration.sizes))
    metadata |= {"format": "streamseg int8 1", "model": "u2netp", "quantised from": f"{path.name}{digest}"}
    metadata |= {"calibrated": f"{len(calibration.used)} images at {sizes}"}
    return bytes(save(dict(quantised.tensors), metadata))
