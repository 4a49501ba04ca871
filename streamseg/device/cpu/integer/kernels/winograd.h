/* The transforms of Winograd's F(4×4, 3×3) on integers, for x86 processors with AVX2.
 *
 * F(4×4, 3×3) (Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks", section 4.2) makes 16 outputs
 * with 36 multiplications instead of 144. They multiply 16-bit integers as fast as 8-bit ones, or half as fast with
 * VNNI, and in 16 bits nothing is rounded: transformed inputs stay within ±25500, transformed weights, multiplied by integers that make
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

/* BᵀdB of neighbouring tiles in a row, as many channels of each as `Vector` has values.
 *
 * `corner`: upper left pixel of the first input tile, in a map of `channels` and `row` samples a row. `out`: values of
 * the first position; `stride` from tile to tile, `position_stride` from position to position. */
#define TRANSFORM_TILES(name, target, inlined, Vector, widened)                                                       \
    inlined void name##_column(const uint8_t *top, size_t row, Vector *column) {                                      \
        Vector d[INPUT_TILE];                                                                                         \
        for (int k = 0; k < INPUT_TILE; k++) d[k] = widened(top + (size_t)k * row);                                   \
        INPUT_TRANSFORM(column, d);                                                                                   \
    }                                                                                                                 \
                                                                                                                      \
    target static void name(const uint8_t *corner, int channels, size_t row, int tiles, int16_t *out, int stride,     \
                            size_t position_stride) {                                                                 \
        Vector columns[INPUT_TILE][INPUT_TILE];                                                                       \
        for (int k = 0; k < 2; k++) name##_column(corner + k * channels, row, columns[k]);                            \
        for (int tile = 0; tile < tiles; tile++, corner += TILE * channels, out += stride) {                          \
            for (int k = 2; k < INPUT_TILE; k++) name##_column(corner + k * channels, row, columns[k]);               \
            for (int down = 0; down < INPUT_TILE; down++) {                                                           \
                Vector d[INPUT_TILE], t[INPUT_TILE];                                                                  \
                for (int k = 0; k < INPUT_TILE; k++) d[k] = columns[k][down];                                         \
                INPUT_TRANSFORM(t, d);                                                                                \
                for (int k = 0; k < INPUT_TILE; k++)                                                                  \
                    *(Vector *)(out + (size_t)(INPUT_TILE * down + k) * position_stride) = t[k];                      \
                columns[0][down] = d[4]; /* the next tile overlaps by two columns */                                  \
                columns[1][down] = d[5];                                                                              \
            }                                                                                                         \
        }                                                                                                             \
    }

TRANSFORM_TILES(transform_tiles, AVX2, AVX2_INLINE, Int16x16, widen)
#ifdef NEW_INSTRUCTIONS
TRANSFORM_TILES(transform_tiles_avx512, AVX512, AVX512_INLINE, Int16x32, widen_32)
#endif

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
        __typeof__((m)[0]) sum = (m)[1] + (m)[2], difference = (m)[1] - (m)[2]; \
        __typeof__((m)[0]) outer = (m)[3] + (m)[4], slope = (m)[3] - (m)[4];    \
        (y)[0] = (m)[0] + sum + outer;                                \
        (y)[1] = difference + 2 * slope;                              \
        (y)[2] = sum + 4 * outer;                                     \
        (y)[3] = difference + 2 * (4 * slope + (m)[5]);               \
    } while (0)

/* AᵀmA: the sums of the 16 pixels of a tile, as many channels of each as `Vector` has values. */
#define TRANSFORM_OUTPUT(name, inlined, Vector)                                                \
    inlined void name(const uint32_t *sums, Vector pixels[TILE][TILE]) {                       \
        Vector columns[INPUT_TILE][TILE];                                                      \
        for (int across = 0; across < INPUT_TILE; across++) {                                  \
            Vector m[INPUT_TILE];                                                              \
            for (int down = 0; down < INPUT_TILE; down++)                                      \
                m[down] = *(const Vector *)(sums + (INPUT_TILE * down + across) * SUM_STRIDE); \
            OUTPUT_TRANSFORM(columns[across], m);                                              \
        }                                                                                      \
        for (int down = 0; down < TILE; down++) {                                              \
            Vector m[INPUT_TILE];                                                              \
            for (int k = 0; k < INPUT_TILE; k++) m[k] = columns[k][down];                      \
            OUTPUT_TRANSFORM(pixels[down], m);                                                 \
        }                                                                                      \
    }

TRANSFORM_OUTPUT(transform_output, AVX2_INLINE, UInt32x8)
#ifdef NEW_INSTRUCTIONS
TRANSFORM_OUTPUT(transform_output_avx512, AVX512_INLINE, UInt32x16)
#endif

#endif
