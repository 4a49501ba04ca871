"""The metrics of tables of salient object detection, partly computed by PySODMetrics."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamseg.errors import MissingDependency
from streamseg.metrics.arrays import Floats, Mask, Means, check_like, worst_tenth
from streamseg.metrics.boundary import relaxed_boundary_f
from streamseg.metrics.correction import human_correction_efforts
from streamseg.metrics.saliency import PrecisionRecall, mae
from streamseg.metrics.video import iou

__all__ = ["SaliencyScores", "import_py_sod_metrics"]


def import_py_sod_metrics() -> Any:
    """PySODMetrics. It loads OpenCV: import it before PyAV (see streamseg.media.live.opencv).

    Raises:
        MissingDependency: it is not installed or cannot be loaded.
    """
    try:
        import py_sod_metrics
    except ModuleNotFoundError as error:
        raise MissingDependency('the metrics of images need PySODMetrics: pip install "streamseg[evaluate]"') from error
    except ImportError as error:
        raise MissingDependency(
            f'PySODMetrics cannot be loaded ({error}): pip install "streamseg[evaluate]"'
        ) from error
    return py_sod_metrics


class SaliencyScores:
    """Metrics of a set of saliency maps.

    MAE, both maxima of F (see PrecisionRecall), relaxed boundary F, HCE (relaxation 5, ε = 2) and IoU at .5, its mean
    and what one image in ten is below, are computed by streamseg. By PySODMetrics, with the settings of their papers:
    weighted F (Margolin et al. 2014, β² = 1), S-measure (Fan et al. 2017, α = .5), E-measure averaged over 256
    thresholds (Fan et al. 2018).

    Attributes:
        curve: the precision–recall curve of the set.

    Raises:
        MissingDependency: PySODMetrics is not installed.
    """

    def __init__(self) -> None:
        sod = import_py_sod_metrics()
        self.curve = PrecisionRecall()
        self._means, self._ious = Means("mae", "relaxed_boundary_f", "hce", "iou"), list[float]()
        self._weighted, self._structure, self._alignment = sod.WeightedFmeasure(), sod.Smeasure(), sod.Emeasure()

    def add(self, saliency: Floats, mask: Mask) -> None:
        """Add an image.

        Args:
            saliency: floats [rows, columns] in [0, 1]; not normalised to its own range.
            mask: bool [rows, columns].

        Raises:
            InputError: other shapes, types or values.
        """
        check_like(saliency, mask)
        self._ious.append(iou(saliency, mask))
        self._means.add(
            mae=mae(saliency, mask),
            relaxed_boundary_f=relaxed_boundary_f(saliency, mask),
            hce=human_correction_efforts(saliency, mask),
            iou=self._ious[-1],
        )
        self.curve.add(saliency, mask)
        doubles = saliency.astype(np.float64)
        for measure in (self._weighted, self._structure, self._alignment):
            measure.step(doubles, mask, normalize=False)

    def results(self) -> dict[str, float | None]:
        """Of the set, by name: hce in clicks, all others in [0, 1].

        The others are mae, maximum_f, maximum_mean_f, weighted_f, s_measure, e_measure, relaxed_boundary_f, iou and
        worst_tenth_iou.
        """
        means = self._means.results()
        if means["mae"] is None:
            return dict.fromkeys(_ORDER)
        values = {
            **means,
            "maximum_f": self.curve.maximum_f,
            "maximum_mean_f": self.curve.maximum_mean_f,
            "weighted_f": float(self._weighted.get_results()["wfm"]),
            "s_measure": float(self._structure.get_results()["sm"]),
            "e_measure": float(np.mean(self._alignment.get_results()["em"]["curve"])),
            "worst_tenth_iou": worst_tenth(self._ious),
        }
        return {name: values[name] for name in _ORDER}


_ORDER = (
    "mae",
    "maximum_f",
    "maximum_mean_f",
    "weighted_f",
    "s_measure",
    "e_measure",
    "relaxed_boundary_f",
    "hce",
    "iou",
    "worst_tenth_iou",
)
