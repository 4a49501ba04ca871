"""Imports OpenCV, which only windows need."""

from __future__ import annotations

import sys
from typing import Any

from streamseg.errors import MissingDependency

__all__ = ["import_cv2"]


def import_cv2() -> Any:
    """The module cv2.

    Call it before PyAV is imported: the wheels of both bundle X11 libraries under the same names, and with those of
    PyAV loaded first a window of OpenCV hangs (OpenCV 5.0 and PyAV 18.1 on Linux).

    Raises:
        MissingDependency: it is not installed, cannot be loaded, or PyAV was imported first; the message says what to
            do.
    """
    if sys.platform.startswith("linux") and "av" in sys.modules and "cv2" not in sys.modules:
        raise MissingDependency("OpenCV's window hangs if PyAV is imported before OpenCV: import cv2 first")
    try:
        import cv2
    except ModuleNotFoundError as error:
        raise MissingDependency('a window needs OpenCV: pip install "streamseg[window]"') from error
    except ImportError as error:
        raise MissingDependency(
            f"OpenCV cannot be loaded ({error}); on Debian and Ubuntu: apt-get install libgl1 libglib2.0-0"
        ) from error
    return cv2
