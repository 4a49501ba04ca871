"""How good are saliency maps and mattes: ``streamseg evaluate``.

    images.py         images with masks, as in tables of salient object detection and of dichotomous segmentation
    video.py          sequences with a mask for each frame
    alpha.py          a clip with an alpha channel, over other backgrounds
    ghosts.py         clips without ground truth
    peers.py          other programs' maps, as files
    methods.py        what is compared: from frames to cut-outs
    ground_truth.py   folders of images and masks
    backgrounds.py    the backgrounds of a clip with alpha
    curve.py          the precision-recall curve as a PNG
    report.py         figures as a table and for JSON
    progress.py       a progress bar

From Python: ``from streamseg.pipelines.evaluate import evaluate_alpha, evaluate_dis, evaluate_ghosts, evaluate_images,
evaluate_video``
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .alpha import evaluate_alpha
    from .ghosts import evaluate_ghosts
    from .images import evaluate_dis, evaluate_images
    from .video import evaluate_video

__all__ = ["evaluate_alpha", "evaluate_dis", "evaluate_ghosts", "evaluate_images", "evaluate_video"]

# Imported on first use, see streamseg.pipelines.
_HOMES = {
    "evaluate_alpha": ".alpha",
    "evaluate_dis": ".images",
    "evaluate_ghosts": ".ghosts",
    "evaluate_images": ".images",
    "evaluate_video": ".video",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
