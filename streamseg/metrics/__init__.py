"""Metrics of saliency maps and mattes: pure functions on arrays, and accumulators over images and frames.

    saliency.py     saliency maps against masks: MAE, precision–recall, maximum F
    boundary.py     boundaries against boundaries
    alpha.py        mattes against true alpha: MAD, MSE, Grad, Conn
    ghost.py        half transparent where there is no edge
    video.py        mattes over time: IoU, dtSSD, flicker
    correction.py   human correction efforts
    sod.py          all metrics of tables of salient object detection
    morphology.py   dilation, contours and connected components of masks
    arrays.py       types, checks and means

All use NumPy alone, except streamseg.metrics.sod, which calls PySODMetrics, and streamseg.metrics.correction, which
calls OpenCV and scikit-image (all of the extra ``evaluate``).
"""

from streamseg.metrics.alpha import AlphaScores, conn, grad, mad, mse
from streamseg.metrics.boundary import boundary_f, relaxed_boundary_f
from streamseg.metrics.ghost import ghost, ghost_of_matte
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
    "ghost",
    "ghost_of_matte",
    "grad",
    "iou",
    "mad",
    "mae",
    "mse",
    "relaxed_boundary_f",
    "warp",
]
