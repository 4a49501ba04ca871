"""Backgrounds: each gives the planes that a frame is composited over.

base.py     the interface, and StillBackground, which never changes
blur.py     BlurredBackground: the frame's own background, blurred
video.py    VideoBackground: a video, looped
fit.py      cover fit: crop and scale an image to a frame's shape
choose.py   from the value of ``--bg`` to a background
"""

from streamseg.background.base import Background, StillBackground
from streamseg.background.blur import BlurredBackground
from streamseg.background.choose import open_background
from streamseg.background.video import VideoBackground

__all__ = ["Background", "BlurredBackground", "StillBackground", "VideoBackground", "open_background"]
