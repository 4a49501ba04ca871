"""Backgrounds: each gives the planes that stand behind a frame."""

from streamseg.background.base import Background, Still
from streamseg.background.blur import BlurredBackground
from streamseg.background.choose import open_background
from streamseg.background.video import VideoBackground

__all__ = ["Background", "BlurredBackground", "Still", "VideoBackground", "open_background"]
