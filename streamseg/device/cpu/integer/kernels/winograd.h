/* The transforms of Winograd's F(4×4, 3×3) on integers, for x86 processors with AVX2 and without VNNI.
 *
 * F(4×4, 3×3) (Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks", section 4.2) makes 16 outputs
 * with 36 multiplications instead of 144. These processors multiply 16-bit integers as fast as 8-bit ones, and in 16
 * bits nothing is rounded: transformed inputs stay within ±25500, transformed weights, multiplied by integers that make
 * their fractions whole, within ±18288. Sums of 32 bits may wrap around on the way; the final ones, 576 times those of
 * the plain convolution, fit (streamseg.device.cpu.integer.packing checks the weights) and are therefore exact. */
#ifndef STREAMSEG_WINOGRAD_H
#define STREAMSEG_WINOGRAD_H

#include "step.h"

/* Bᵀ: six of `t` from six of `d`. */
#define INPUT_TRANSFORM(t, d)                                             \
    do {                                                                  \
        __typeof__((d)[0]) even = (d)[4] - (d)[2], odd = (d)[3] - (d)[1]; \
        (t)[0] = 4 * ((d)[0] - (d)[2]) + even;                            \
        (t)[1] = ((d)[4] + (d)[3]) - 4 * ((d)[1] + (d)[2]);               \
        (t)[2] = ((d)[4] - (d)[3]) + 4 * ((d)[1] - (d)[2]);               \
        (t)[3] = even + 2 * odd;                                          \
        (t)[4] = even - 2 * odd;                                          \
        (t)[5] = ((d)[5] - (d)[3]) - 4 * odd;                             \
    } while (0)

AVX2_INLINE void transform_column(const uint8_t *top, size_t row, Int16x16 *column) {
    Int16x16 d[INPUT_TILE];
    for (int k = 0; k < INPUT_TILE; k++) d[k] = widen(top + (size_t)k * row);
    INPUT_TRANSFORM(column, d);
}

/* BᵀdB of neighbouring tiles in a row, 16 channels of each.
 *
 * `corner`: upper left pixel of the first input tile, in a map of `channels` and `row` samples a row. `out`: values of
 * the first position; `stride` from tile to tile, `position_stride` from position to position. */
AVX2 static void transform_tiles(const uint8_t *corner, int channels, size_t row, int tiles, int16_t *out, int stride,
                                 size_t position_stride) {
    Int16x16 columns[INPUT_TILE][INPUT_TILE];
    for (int k = 0; k < 2; k++) transform_column(corner + k * channels, row, columns[k]);
    for (int tile = 0; tile < tiles; tile++, corner += TILE * channels, out += stride) {
        for (int k = 2; k < INPUT_TILE; k++) transform_column(corner + k * channels, row, columns[k]);
        for (int down = 0; down < INPUT_TILE; down++) {
            Int16x16 d[INPUT_TILE], t[INPUT_TILE];
            for (int k = 0; k < INPUT_TILE; k++) d[k] = columns[k][down];
            INPUT_TRANSFORM(t, d);
            for (int k = 0; k < INPUT_TILE; k++)
                _mm256_store_si256((__m256i *)(out + (size_t)(INPUT_TILE * down + k) * position_stride), (__m256i)t[k]);
            columns[0][down] = d[4]; /* the next tile overlaps by two columns */
            columns[1][down] = d[5];
        }
    }
}

/* The same of the image, which has four channels in 16 bits. */
AVX2 static void transform_image_tiles(const int16_t *corner, size_t row, int tiles, int16_t *out, int stride,
                                       size_t position_stride) {
    for (int tile = 0; tile < tiles; tile++, corner += TILE * 4, out += stride) {
        Int16x4 columns[INPUT_TILE][INPUT_TILE];
        for (int across = 0; across < INPUT_TILE; across++) {
            Int16x4 d[INPUT_TILE];
            for (int down = 0; down < INPUT_TILE; down++)
                memcpy(d + down, corner + (size_t)down * row + 4 * across, sizeof *d);
            INPUT_TRANSFORM(columns[across], d);
        }
        for (int down = 0; down < INPUT_TILE; down++) {
            Int16x4 d[INPUT_TILE], t[INPUT_TILE];
            for (int k = 0; k < INPUT_TILE; k++) d[k] = columns[k][down];
            INPUT_TRANSFORM(t, d);
            for (int k = 0; k < INPUT_TILE; k++)
                memcpy(out + (size_t)(INPUT_TILE * down + k) * position_stride, t + k, sizeof *t);
        }
    }
}

/* Aᵀ, its last column doubled as the last row of G was halved: four of `y` from six of `m`. */
#define OUTPUT_TRANSFORM(y, m)                                        \
    do {                                                              \
        UInt32x8 sum = (m)[1] + (m)[2], difference = (m)[1] - (m)[2]; \
        UInt32x8 outer = (m)[3] + (m)[4], slope = (m)[3] - (m)[4];    \
        (y)[0] = (m)[0] + sum + outer;                                \
        (y)[1] = difference + 2 * slope;                              \
        (y)[2] = sum + 4 * outer;                                     \
        (y)[3] = difference + 2 * (4 * slope + (m)[5]);               \
    } while (0)

/* AᵀmA: the sums of the 16 pixels of a tile, 8 channels of each. */
AVX2_INLINE void transform_output(const uint32_t *sums, UInt32x8 pixels[TILE][TILE]) {
    UInt32x8 columns[INPUT_TILE][TILE];
    for (int across = 0; across < INPUT_TILE; across++) {
        UInt32x8 m[INPUT_TILE];
        for (int down = 0; down < INPUT_TILE; down++)
            m[down] = *(const UInt32x8 *)(sums + (size_t)(INPUT_TILE * down + across) * SUM_STRIDE);
        OUTPUT_TRANSFORM(columns[across], m);
    }
    for (int down = 0; down < TILE; down++) {
        UInt32x8 m[INPUT_TILE];
        for (int k = 0; k < INPUT_TILE; k++) m[k] = columns[k][down];
        OUTPUT_TRANSFORM(pixels[down], m);
    }
}

#endif
