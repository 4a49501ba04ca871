"""From parsed options to a VideoJob."""

from __future__ import annotations

import argparse
from typing import Any

from streamseg.media.writing.target import Encoding

from ..stages.options import Matting
from ..video import VideoJob
from .subject import choice_of

__all__ = ["network_options", "video_job", "video_options"]


def video_job(arguments: argparse.Namespace, source: str, output: str) -> VideoJob:
    """The job that the options of add_video_options describe. Raises OptionError if they contradict each other."""
    return VideoJob(source, output, arguments.bg, **video_options(arguments))


def video_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The keyword arguments of a VideoJob, all but source, output and background."""
    return {
        "stream": arguments.stream,
        "start": arguments.start,
        "duration": arguments.duration,
        "audio": not arguments.no_audio,
        "encoding": Encoding(
            arguments.codec,
            arguments.crf,
            arguments.preset,
            pixel_format="source" if arguments.pixel_format == "source" else None,
        ),
        "overwrite": arguments.overwrite,
        "tolerant": arguments.tolerant,
        "hwaccel": arguments.hwaccel,
        "matting": Matting(
            arguments.steady,
            edges=arguments.edges == "on",
            speed=arguments.speed,
            auto_frame=arguments.auto_frame,
        ),
        **network_options(arguments),
    }


def network_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options of add_network, as keyword arguments of Segmenter and of jobs."""
    names = ("model", "weights", "precision", "threads", "device", "subject")
    options = {name: getattr(arguments, name) for name in names}
    return {**options, "subject": choice_of(arguments)} if hasattr(arguments, "subjects") else options
