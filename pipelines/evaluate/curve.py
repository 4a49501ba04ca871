"""The precision–recall curve as a PNG, drawn by matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streamseg.errors import MissingDependency, OptionError, OutputError
from streamseg.media.writing.output_file import OutputFile
from streamseg.metrics import PrecisionRecall

__all__ = ["CurveFile"]

_INCHES, _DPI = (5, 4.5), 150


class CurveFile:
    """A PNG to be written; whatever prevents that is raised here, before the work starts.

    Raises:
        OptionError: a name that does not end in .png.
        MissingDependency: matplotlib is not installed.
        OutputError: the file exists and ``overwrite`` is not set, or cannot be written.
    """

    def __init__(self, path: str, overwrite: bool) -> None:
        if Path(path).suffix.lower() != ".png":
            raise OptionError(f"{path}: expected a name that ends in .png")
        try:
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.figure import Figure
        except ImportError as error:
            raise MissingDependency('a curve needs matplotlib: pip install "streamseg[evaluate]"') from error
        self._figure = Figure(_INCHES, _DPI, layout="constrained")
        FigureCanvasAgg(self._figure)
        self._file = OutputFile(Path(path), overwrite)

    def write(self, curve: PrecisionRecall, title: str) -> None:
        """Draw the curve and give the file its name. Raises OutputError."""
        _draw(self._figure.add_subplot(), curve, title)
        try:
            self._figure.savefig(self._file.path, format="png")
        except OSError as error:
            self.discard()
            raise OutputError(f"{self._file.final}: cannot be written ({error.strerror})") from error
        self._file.commit()

    def discard(self) -> None:
        """Remove what there is of a file that was not written."""
        self._file.discard()


def _draw(axes: Any, curve: PrecisionRecall, title: str) -> None:
    axes.plot(curve.recall, curve.precision, label=f"{title}, maximum F {curve.maximum_f:.3f}")
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.01))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left")
