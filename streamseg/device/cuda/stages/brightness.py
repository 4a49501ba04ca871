"""Brightness that changes without motion, on the GPU; the counterpart of streamseg.matting.motion.brightness."""

from __future__ import annotations

import torch
from torch import Tensor

from streamseg.device.cuda.platform import Platform
from streamseg.matting.constants import BRIGHTNESS_BAND, BRIGHTNESS_STEPS

__all__ = ["Brightness"]

# Threads that compare one band: LANES of the kernels.
_LANES = 32


class Brightness:
    """Makes the image before as bright as an image, row by row, where it was not.

    All memory is fixed, and the host waits for nothing: what is to be done is decided on the GPU, and kernels that have
    nothing to do return at once. Work goes to the current stream.

    Args:
        platform: of the device.
        rows, columns: of the luma images.
    """

    def __init__(self, platform: Platform, rows: int, columns: int) -> None:
        self._platform, self._shape = platform, (rows, columns)
        self._bands, self._samples = rows // BRIGHTNESS_BAND, -(-columns // 2)
        empty = platform.empty
        self._ratios = empty((self._bands * BRIGHTNESS_BAND, self._samples), torch.float32)
        self._middles = empty((self._bands, 2), torch.float32)
        self._gains = empty((rows,), torch.float32)
        # Whether the ratios of a step are wanted, and its correction; the last one is of a step that is not there.
        self._flags = empty((2 * BRIGHTNESS_STEPS + 1,), torch.int32)
        self._black, self._known_black = empty((1,), torch.float32), -1.0

    def set_black(self, black: float) -> None:
        """Queue the code of black in the images to come, 0 or 16."""
        if black != self._known_black:
            self._known_black = black
            self._black.fill_(black)

    def compare(self, here: Tensor, there: Tensor) -> None:
        """Queue the question whether the brightness of ``there``, the image before, is to be measured."""
        self._flags.zero_()
        arguments = here, there, self._shape[1], self._bands, self._black, self._flags[0]
        self._platform.launch("compare_bands", (_LANES, self._bands), *arguments)

    def correct(self, step: int, here: Tensor, there: Tensor, flow: Tensor, out: Tensor) -> Tensor:
        """Queue a step: by what ``there`` has become brighter along the flow to ``here``, and ``there`` made so.

        Args:
            step: from 0 to BRIGHTNESS_STEPS − 1.
            flow: float32 [2, rows, columns] in pixels: of the step before, or without a correction.
            out: float32 [rows, columns], written if there is anything to correct.

        Returns:
            int32, 1 if ``out`` was written, else 0.
        """
        (rows, columns), bands, samples, launch = self._shape, self._bands, self._samples, self._platform.launch
        measured, correct, again = (self._flags[2 * step + k] for k in range(3))
        images, known = (here, there, flow, rows, columns, bands, samples), (self._black, measured)
        launch("brightness_ratios", (samples, bands * BRIGHTNESS_BAND), *images, *known, self._ratios)
        count = BRIGHTNESS_BAND * samples
        launch("middle_ratios", (count, bands), self._ratios, count, bands, measured, self._middles)
        launch("row_gains", (rows, 1), self._middles, bands, rows, measured, self._gains, correct, again)
        gained = there, self._gains, rows, columns, self._black, correct
        launch("apply_gains", (columns, rows), *gained, out)
        return correct
