"""A frame's own background, blurred, on the card; what streamseg.background.blur does on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor

from streamseg.background.blur import SmallBlur, gaussian_shares
from streamseg.device.cuda.pictures import DevicePicture
from streamseg.device.cuda.platform import Platform, Stream
from streamseg.frame import PixelFormat

__all__ = ["Blur"]


class Blur:
    """Cut-outs over their own blurred backgrounds, one at a time.

    All memory is fixed and the work up to the composite one graph: there are some fifty small kernels to it. It is
    written and read on one stream only, so that nothing has to wait for anything.

    Args:
        platform: of the device.
        stream: that all work goes to.
        pixel_format, width, height: of the frames.
        small: how it is done.
    """

    def __init__(
        self, platform: Platform, stream: Stream, pixel_format: PixelFormat, width: int, height: int, small: SmallBlur
    ) -> None:
        self._platform, self._small = platform, small
        self._blocks = pixel_format.shapes(width, height)[1]
        #: The cut-out to be written before ``over``: planes, and the matte in full scale.
        self.cut = DevicePicture.allocate(platform, pixel_format.opaque(), width, height, matte=True)
        self._full_scale = (1 << 8 * pixel_format.dtype.itemsize) - 1
        size = small.rows, small.columns
        self._alpha, self._evidence = (platform.empty(size, torch.float32) for _ in range(2))
        self._seen = platform.empty((1,), torch.int32)
        shapes = pixel_format.opaque().shapes(small.columns, small.rows)
        self._planes = [_PlaneBlur(platform, small, *shape) for shape in shapes]
        with platform.on(stream):
            self.cut.samples.zero_()
        self._graph = platform.captured(self._work, stream)

    def over(self, out: Tensor) -> None:
        """Queue the frame in ``cut`` over its blurred background; ``out`` is a picture's descriptor."""
        self._graph()
        luma, first, second = self._planes
        around = luma.blurred, luma.rows, luma.columns, first.blurred, second.blurred, first.rows, first.columns
        self._platform.launch("over_blur", self._blocks[::-1], self.cut.descriptor, *around, out)

    def _work(self) -> None:
        launch, of = self._platform.launch, (self._small.rows, self._small.columns)
        self._seen.zero_()
        launch("shrink", of[::-1], self.cut.descriptor, 3, 1 / self._full_scale, *of, self._alpha)
        launch("evidence", of[::-1], self._alpha, *of, self._evidence, self._seen)
        for which, plane in enumerate(self._planes):
            to = plane.rows, plane.columns
            launch("shrink", to[::-1], self.cut.descriptor, which, 1.0, *to, plane.image)
            launch("weigh", to[::-1], self._evidence, self._seen, *of, *to, plane.weight)
            plane.work()


class _PlaneBlur:
    """One small plane: its holes filled from what is known around them, then blurred.

    Attributes:
        rows, columns: of the small plane.
        image, weight: float32 [rows, columns]: codes and how much they count, to be written before ``work``.
        blurred: float32 [rows, columns]: whole codes, written by ``work``.
    """

    def __init__(self, platform: Platform, small: SmallBlur, rows: int, columns: int) -> None:
        self.rows, self.columns, self._launch = rows, columns, platform.launch
        self._sizes = [(rows, columns)]
        while min(self._sizes[-1]) > 2:
            self._sizes.append((-(-self._sizes[-1][0] // 2), -(-self._sizes[-1][1] // 2)))
        self._images, self._weights = ([platform.empty(size, torch.float32) for size in self._sizes] for _ in range(2))
        self.image, self.weight = self._images[0], self._weights[0]
        self._half, self.blurred = (platform.empty((rows, columns), torch.float32) for _ in range(2))
        # Chroma planes are smaller by their subsampling, and so is their blur.
        sigmas = small.sigma * rows / small.rows, small.sigma * columns / small.columns
        self._shares = [platform.upload(torch.from_numpy(gaussian_shares(sigma))) for sigma in sigmas]

    def work(self) -> None:
        """Queue all of it."""
        images, weights, sizes = self._images, self._weights, self._sizes
        for level in range(1, len(sizes)):
            of, to = sizes[level - 1], sizes[level]
            coarse = images[level], weights[level]
            self._launch("pull", to[::-1], images[level - 1], weights[level - 1], *of, *to, *coarse)
        self._launch("level_out", (1, 1), images[-1], weights[-1], *sizes[-1])
        for level in range(len(sizes) - 2, -1, -1):
            fine = weights[level], *sizes[level], images[level]
            self._launch("push", sizes[level][::-1], images[level + 1], *sizes[level + 1], *fine)
        self._blur(self.image, 0, 0, self._half)
        self._blur(self._half, 1, 1, self.blurred)

    def _blur(self, image: Tensor, axis: int, whole: int, out: Tensor) -> None:
        size, shares = (self.rows, self.columns), self._shares[axis]
        self._launch("gauss", size[::-1], image, *size, shares, shares.numel() // 2, 1 - axis, whole, out)
