"""The parts of streamseg assembled: one file per line of production, and the command."""

from streamseg.pipelines.image import process_image
from streamseg.pipelines.segmenter import Segmenter
from streamseg.pipelines.video import Summary, VideoJob, process_video

__all__ = ["Segmenter", "Summary", "VideoJob", "process_image", "process_video"]
