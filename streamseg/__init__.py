"""streamseg puts a new background behind the person in a video.

The parts live here; assembled they are in streamseg.pipelines:

    from streamseg.pipelines import Segmenter, process_image, process_video

Importing streamseg loads neither torch, CuPy, OpenVINO nor OpenCV.
"""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("streamseg")
