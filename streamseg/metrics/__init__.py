"""How good saliency maps and mattes are: pure functions on arrays, and accumulators over images and frames.

NumPy alone, but for streamseg.metrics.sod, which calls PySODMetrics (extra ``evaluate``) when it is used.
"""

from streamseg.metrics.alpha import AlphaScores, conn, grad, mad, mse
from streamseg.metrics.boundary import boundary_f, relaxed_boundary_f
from streamseg.metrics.saliency import PrecisionRecall, f_measure, mae
from streamseg.metrics.video import Flicker, VideoScores, dtssd, flicker, iou, warp

__all__ = [
    "AlphaScores",
    "Flicker",
    "PrecisionRecall",
    "VideoScores",
    "boundary_f",
    "conn",
    "dtssd",
    "f_measure",
    "flicker",
    "grad",
    "iou",
    "mad",
    "mae",
    "mse",
    "relaxed_boundary_f",
    "warp",
]
