"""A 3×3 convolution of the network with what stands before and after it, in one kernel in Triton.

Before it: the coarser image upsampled to twice its size (bilinear, half-pixel centres) and the skip connection, along
the channels. After it: bias, ReLU, the residual, and max pooling. So none of that is written to memory and read again.
As an implicit matrix product: a row is a pixel of a tile, a column an output channel, and the sum runs over taps and
input channels, in float32.

Importing this module imports Triton, which comes with torch on Linux. With TRITON_INTERPRET=1 the kernel runs on a CPU.
"""

# The language of the kernels has no types of Python's.
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False
# mypy: disallow-untyped-decorators=False, disallow-untyped-calls=False

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

__all__ = ["convolve", "packed"]

# Pixels of a tile, down and across: a smaller one where an image has few of them.
_TILE, _SMALL_TILE, _SMALL_SIDE = (8, 16), (4, 8), 24
# Channels that are taken together: as many as fit into the shared memory of all generations, several steps ahead.
_MOST_INPUTS, _MOST_OUTPUTS = 32, 64
_LEAST = 16  # rows and columns of a product on tensor cores


@triton.jit
def _plain(image, first, v, u, inside, channels, rows, columns, count: tl.constexpr):
    """Float16 [pixels, channels] of an image [n, rows, columns, count]; zero outside."""
    at = ((first * rows + v) * columns + u) * count
    return tl.load(
        image + at[:, None] + channels[None, :], mask=inside[:, None] & (channels < count)[None, :], other=0.0
    )


@triton.jit
def _doubled(image, first, v, u, inside, channels, rows, columns, count: tl.constexpr):
    """The same of the image enlarged to twice its size; ``rows`` and ``columns`` are its own."""
    y = tl.maximum(0.5 * v.to(tl.float32) - 0.25, 0.0)
    x = tl.maximum(0.5 * u.to(tl.float32) - 0.25, 0.0)
    top, left = y.to(tl.int32), x.to(tl.int32)
    down, across = (y - top)[:, None], (x - left)[:, None]
    bottom, right = tl.minimum(top + 1, rows - 1), tl.minimum(left + 1, columns - 1)
    a = _plain(image, first, top, left, inside, channels, rows, columns, count).to(tl.float32)
    b = _plain(image, first, top, right, inside, channels, rows, columns, count).to(tl.float32)
    c = _plain(image, first, bottom, left, inside, channels, rows, columns, count).to(tl.float32)
    d = _plain(image, first, bottom, right, inside, channels, rows, columns, count).to(tl.float32)
    upper = (1.0 - across) * a + across * b
    lower = (1.0 - across) * c + across * d
    return ((1.0 - down) * upper + down * lower).to(tl.float16)


@triton.jit
def _convolve(
    x, skip, weight, bias, residual, out, pooled,
    rows, columns, x_rows, x_columns,
    x_count: tl.constexpr, skip_count: tl.constexpr, outputs: tl.constexpr, dilation: tl.constexpr,
    is_doubled: tl.constexpr, has_residual: tl.constexpr, is_pooled: tl.constexpr,
    tile_rows: tl.constexpr, tile_columns: tl.constexpr, block_in: tl.constexpr, block_out: tl.constexpr,
):  # fmt: skip
    """One tile of one image, ``block_out`` of its output channels."""
    across, down = tl.cdiv(columns, tile_columns), tl.cdiv(rows, tile_rows)
    tile = tl.program_id(0)
    first = tile // (across * down)
    top, left = tile // across % down * tile_rows, tile % across * tile_columns
    pixel = tl.arange(0, tile_rows * tile_columns)
    y, u0 = top + pixel // tile_columns, left + pixel % tile_columns
    channel = tl.program_id(1) * block_out + tl.arange(0, block_out)
    kept = channel < outputs
    total = tl.zeros((tile_rows * tile_columns, block_out), tl.float32)
    for tap in range(9):  # unrolled it would be nine times the code, and take as long to compile
        v, u = y + (tap // 3 - 1) * dilation, u0 + (tap % 3 - 1) * dilation
        inside = (v >= 0) & (v < rows) & (u >= 0) & (u < columns)
        taps = weight + tap * (x_count + skip_count) * outputs + channel[None, :]
        for start in range(0, x_count, block_in):
            channels = start + tl.arange(0, block_in)
            if is_doubled:
                values = _doubled(x, first, v, u, inside, channels, x_rows, x_columns, x_count)
            else:
                values = _plain(x, first, v, u, inside, channels, rows, columns, x_count)
            mask = (channels < x_count)[:, None] & kept[None, :]
            total += tl.dot(values, tl.load(taps + channels[:, None] * outputs, mask=mask, other=0.0))
        for start in range(0, skip_count, block_in):
            channels = start + tl.arange(0, block_in)
            values = _plain(skip, first, v, u, inside, channels, rows, columns, skip_count)
            mask = (channels < skip_count)[:, None] & kept[None, :]
            total += tl.dot(values, tl.load(taps + (x_count + channels)[:, None] * outputs, mask=mask, other=0.0))
    total += tl.load(bias + channel, mask=kept, other=0.0).to(tl.float32)[None, :]
    result = tl.maximum(total, 0.0).to(tl.float16)
    inside = (y < rows) & (u0 < columns)
    at = ((first * rows + y) * columns + u0)[:, None] * outputs + channel[None, :]
    mask = inside[:, None] & kept[None, :]
    if has_residual:
        result = (result.to(tl.float32) + tl.load(residual + at, mask=mask, other=0.0).to(tl.float32)).to(tl.float16)
    tl.store(out + at, result, mask=mask)
    if is_pooled:
        # Nothing is negative, so zero stands for what is outside.
        result = tl.where(mask, result, 0.0).to(tl.float16)
        blocks = tl.reshape(result, (tile_rows // 2, 2, tile_columns // 2, 2, block_out))
        largest = tl.max(tl.max(blocks, axis=3), axis=1)
        largest = tl.reshape(largest, (tile_rows * tile_columns // 4, block_out))
        block = tl.arange(0, tile_rows * tile_columns // 4)
        v, u = top // 2 + block // (tile_columns // 2), left // 2 + block % (tile_columns // 2)
        half_rows, half_columns = (rows + 1) // 2, (columns + 1) // 2
        at = ((first * half_rows + v) * half_columns + u)[:, None] * outputs + channel[None, :]
        tl.store(pooled + at, largest, mask=((v < half_rows) & (u < half_columns))[:, None] & kept[None, :])


def packed(weight: Tensor) -> Tensor:
    """Weights [outputs, inputs, 3, 3] in the order in which the kernel reads them: [9, inputs, outputs]."""
    return weight.permute(2, 3, 1, 0).reshape(9, weight.shape[1], weight.shape[0]).contiguous()


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    dilation: int,
    skip: Tensor | None = None,
    residual: Tensor | None = None,
    pooled: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """relu(convolution + bias) + residual, and its maxima over 2×2 pixels.

    Args:
        x: float16 [n, channels, rows, columns], channels last in memory, as all images here; with a ``skip`` of twice
            its size it is enlarged to that first.
        weight: float16, see ``packed``; padded by ``dilation``.
        bias: float16 [outputs].
        skip: more input channels, after those of ``x``.
        residual: of the size of the output.
        pooled: whether the maxima are wanted; an odd last row or column makes blocks of its own.

    Returns:
        The result, and the maxima or None.
    """
    count, x_count, x_rows, x_columns = x.shape
    rows, columns = x.shape[2:] if skip is None else skip.shape[2:]
    outputs, inputs = weight.shape[2], weight.shape[1]
    tile = _SMALL_TILE if max(rows, columns) <= _SMALL_SIDE else _TILE
    out = _image(x, count, outputs, rows, columns)
    maxima = _image(x, count, outputs, -(-rows // 2), -(-columns // 2)) if pooled else None
    block_out = _block(outputs, _MOST_OUTPUTS)
    grid = (count * -(-rows // tile[0]) * -(-columns // tile[1]), -(-outputs // block_out))
    _convolve[grid](
        *(x, x if skip is None else skip, weight, bias, x if residual is None else residual),
        *(out, out if maxima is None else maxima, rows, columns, x_rows, x_columns),
        x_count=x_count,
        skip_count=inputs - x_count,
        outputs=outputs,
        dilation=dilation,
        is_doubled=(x_rows, x_columns) != (rows, columns),
        has_residual=residual is not None,
        is_pooled=pooled,
        tile_rows=tile[0],
        tile_columns=tile[1],
        block_in=_block(x_count, _MOST_INPUTS),
        block_out=block_out,
    )
    return out, maxima


def _block(channels: int, most: int) -> int:
    """How many channels are taken together: a power of two."""
    return min(most, max(_LEAST, 1 << (channels - 1).bit_length()))


def _image(x: Tensor, *shape: int) -> Tensor:
    return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
