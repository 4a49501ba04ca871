"""Automatic framing as a stage: cut-outs that show the subject larger, in the upper part of the frame."""

from __future__ import annotations

from streamseg.frame import Matte
from streamseg.matting.edges.cutout import Cutout
from streamseg.matting.tracking.framing import Framing, placement
from streamseg.matting.tracking.roi import FULL_FRAME
from streamseg.media.pixels.zoom import zoom, zoom_plane

__all__ = ["AutoFramer"]

# The subject is looked for in every n-th row and column of the matte.
_STRIDE = 8


class AutoFramer:
    """Cutout → Cutout of the part of the frame around the subject, at the frame's size; for frames in order.

    Attributes:
        view: that part of the last frame.
    """

    def __init__(self) -> None:
        self._framing = Framing()
        self.view = FULL_FRAME

    def __call__(self, cutout: Cutout, new_scene: bool) -> Cutout:
        """Frame the subject.

        Args:
            new_scene: the frame begins a scene: the view need not follow from those before.
        """
        frame, matte = cutout
        solid = matte.alpha[::_STRIDE, ::_STRIDE] > matte.maximum // 2
        self.view = view = self._framing(placement(solid), float(frame.pts * frame.time_base), new_scene)
        if view == FULL_FRAME:
            return cutout
        part = (view.left, view.top, view.right, view.bottom)
        return Cutout(zoom(frame, part), Matte(zoom_plane(matte.alpha, part)))
