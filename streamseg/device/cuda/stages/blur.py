"""A frame's own background, blurred, on the GPU; the counterpart of streamseg.background.blur."""

from __future__ import annotations

import torch
from torch import Tensor

from streamseg.device.cuda.buffers.planes import DeviceFrame
from streamseg.device.cuda.platform import Platform, Stream
from streamseg.frame import PixelFormat
from streamseg.matting.compositing.blur import BlurSize, gaussian_kernel

__all__ = ["Blur"]


class Blur:
    """Cut-outs over their own blurred backgrounds, one at a time.

    All memory is fixed, and the work up to the composite, about fifty small kernels, is one graph. Memory is written
    and read on one stream only, so that nothing has to wait for events.

    Args:
        platform: of the device.
        stream: that all work goes to.
        pixel_format, width, height: of the frames.
        size: the low resolution and the standard deviation of the blur.
    """

    def __init__(
        self, platform: Platform, stream: Stream, pixel_format: PixelFormat, width: int, height: int, size: BlurSize
    ) -> None:
        self._platform, self._size = platform, size
        self._blocks = pixel_format.shapes(width, height)[1]
        #: The cut-out, to be written before ``composite``: planes, and the matte in full scale.
        self.cut = DeviceFrame.allocate(platform, pixel_format.opaque(), width, height, matte=True)
        self._full_scale = (1 << 8 * pixel_format.dtype.itemsize) - 1
        shape = size.rows, size.columns
        self._alpha, self._weight = (platform.empty(shape, torch.float32) for _ in range(2))
        self._any_background = platform.empty((1,), torch.int32)
        shapes = pixel_format.opaque().shapes(size.columns, size.rows)
        self._planes = [_PlaneBlur(platform, size, *shape) for shape in shapes]
        with platform.on(stream):
            self.cut.samples.zero_()
        self._graph = platform.capture(self._blur_planes, stream)

    def composite(self, out: Tensor) -> None:
        """Queue the frame in ``cut`` over its blurred background; ``out`` is a frame's descriptor."""
        self._graph()
        luma, cb, cr = self._planes
        blurred = luma.blurred, luma.rows, luma.columns, cb.blurred, cr.blurred, cb.rows, cb.columns
        self._platform.launch("composite_blurred", self._blocks[::-1], self.cut.descriptor, *blurred, out)

    def _blur_planes(self) -> None:
        launch, shape = self._platform.launch, (self._size.rows, self._size.columns)
        self._any_background.zero_()
        launch("downscale", shape[::-1], self.cut.descriptor, 3, 1 / self._full_scale, *shape, self._alpha)
        launch("background_weight", shape[::-1], self._alpha, *shape, self._weight, self._any_background)
        for which, plane in enumerate(self._planes):
            to = plane.rows, plane.columns
            launch("downscale", to[::-1], self.cut.descriptor, which, 1.0, *to, plane.image)
            launch("resize_weight", to[::-1], self._weight, self._any_background, *shape, *to, plane.weight)
            plane.blur()


class _PlaneBlur:
    """One plane at low resolution: its holes are filled from around them (pull-push), then it is blurred.

    Attributes:
        rows, columns: of the small plane.
        image, weight: float32 [rows, columns]: codes and their weights, to be written before ``blur``.
        blurred: float32 [rows, columns]: whole codes, written by ``blur``.
    """

    def __init__(self, platform: Platform, size: BlurSize, rows: int, columns: int) -> None:
        self.rows, self.columns, self._launch = rows, columns, platform.launch
        self._shapes = [(rows, columns)]
        while min(self._shapes[-1]) > 2:
            self._shapes.append((-(-self._shapes[-1][0] // 2), -(-self._shapes[-1][1] // 2)))
        images, weights = ([platform.empty(shape, torch.float32) for shape in self._shapes] for _ in range(2))
        self._images, self._weights = images, weights
        self.image, self.weight = self._images[0], self._weights[0]
        self._half_blurred, self.blurred = (platform.empty((rows, columns), torch.float32) for _ in range(2))
        # Chroma planes are smaller by their subsampling, and so is their blur.
        sigmas = size.sigma * rows / size.rows, size.sigma * columns / size.columns
        self._kernels = [platform.upload(torch.from_numpy(gaussian_kernel(sigma))) for sigma in sigmas]

    def blur(self) -> None:
        """Queue all of it."""
        self._fill_holes()
        self._blur_axis(self.image, 0, 0, self._half_blurred)
        self._blur_axis(self._half_blurred, 1, 1, self.blurred)

    def _fill_holes(self) -> None:
        images, weights, shapes = self._images, self._weights, self._shapes
        for level in range(1, len(shapes)):
            fine, to = shapes[level - 1], shapes[level]
            coarse = images[level], weights[level]
            self._launch("pull", to[::-1], images[level - 1], weights[level - 1], *fine, *to, *coarse)
        self._launch("fill_coarsest", (1, 1), images[-1], weights[-1], *shapes[-1])
        for level in range(len(shapes) - 2, -1, -1):
            target = weights[level], *shapes[level], images[level]
            self._launch("push", shapes[level][::-1], images[level + 1], *shapes[level + 1], *target)

    def _blur_axis(self, image: Tensor, axis: int, rounded: int, out: Tensor) -> None:
        shape, kernel = (self.rows, self.columns), self._kernels[axis]
        settings = kernel, kernel.numel() // 2, 1 - axis, rounded
        self._launch("gaussian_blur", shape[::-1], image, *shape, *settings, out)
