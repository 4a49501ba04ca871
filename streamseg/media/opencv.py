"""Loading OpenCV, which only a window needs."""

from __future__ import annotations

import sys
from typing import Any

from streamseg.errors import MissingDependency

__all__ = ["import_cv2"]


def import_cv2() -> Any:
    """OpenCV.

    Load it before PyAV: the wheels of both bundle parts of X11 under the same names, and with PyAV's parts
    loaded first a window of OpenCV (5.0, PyAV 18.1, on Linux) spins for ever.

    Raises:
        MissingDependency: it cannot be loaded, or not any more; the message says what to do.
    """
    if sys.platform.startswith("linux") and "av" in sys.modules and "cv2" not in sys.modules:
        raise MissingDependency("OpenCV's window hangs when PyAV was loaded before it: import cv2 first")
    try:
        import cv2
    except ModuleNotFoundError as error:
        raise MissingDependency('a window needs OpenCV: pip install "streamseg[window]"') from error
    except ImportError as error:
        raise MissingDependency(
            f"OpenCV cannot be loaded ({error}); on Debian and Ubuntu: apt-get install libgl1 libglib2.0-0"
        ) from error
    return cv2
