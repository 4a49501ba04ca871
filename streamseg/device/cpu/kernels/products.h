/* Convolutions of 3×3 on 8-bit integers for x86 processors with AVX2 but without VNNI.
 *
 * Winograd's F(4×4, 3×3) (Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks", section 4.2) makes 16
 * outputs with 36 multiplications instead of 144. These processors multiply integers of 16 bits as fast as those of 8,
 * and in 16 bits nothing is rounded: the transformed signals stay within ±25500, the transformed weights, made whole by
 * factors, within ±18288. Sums of 32 bits may pass their limits on the way, but come back: the last ones, 576 times
 * the plain convolution, fit for the weights that are packed (see streamseg.device.cpu.packing), and are exact.
 *
 * Pixels are [rows + 2, columns + 2, channels] with a border of zeros. */
#ifndef STREAMSEG_PRODUCTS_H
#define STREAMSEG_PRODUCTS_H

#include <immintrin.h>

#include "kernels.h"

#define AVX2 __attribute__((target("avx2,fma")))
#define AVX2_INLINE static inline __attribute__((always_inline, target("avx2,fma")))

/* Places (tiles of 4×4 pixels, or pixels) that are done at a time, rows of a product in registers, channels that are
 * made at a time, and inputs of a place at most. */
enum { BLOCK = 24, TILE = 4, SEEN = 6, POSITIONS = SEEN * SEEN, HELD = 6, LANES = 16, MOST_INPUTS = 128 };

/* From position to position; the space between keeps them in different lines of the first cache. */
enum { SUMS_APART = BLOCK * LANES + 16, SPACE = 32 };

typedef int16_t Samples __attribute__((vector_size(32), may_alias));   /* 16 channels */
typedef int16_t Quartet __attribute__((vector_size(8), may_alias));    /* the 4 of a picture */
typedef uint32_t Sums __attribute__((vector_size(32), may_alias));     /* half of 16 channels; these may wrap around */

/* Of a thread. */
typedef struct {
    int16_t inputs[POSITIONS * (BLOCK * MOST_INPUTS + SPACE)]; /* [positions, places, channels] */
    uint32_t sums[POSITIONS * SUMS_APART];                     /* [positions, places, lanes] */
} Workspace;

/* sums [rows, LANES] = inputs [rows, 2·pairs] · weights [pairs, LANES, 2] */
AVX2_INLINE void products_of(const int rows, const int16_t *inputs, int stride, const int16_t *weights, int pairs,
                             uint32_t *sums) {
    __m256i low[HELD], high[HELD];
    for (int row = 0; row < rows; row++) low[row] = high[row] = _mm256_setzero_si256();
    for (int pair = 0; pair < pairs; pair++) {
        __m256i first = _mm256_load_si256((const __m256i *)(weights + 2 * LANES * pair));
        __m256i second = _mm256_load_si256((const __m256i *)(weights + 2 * LANES * pair + LANES));
        for (int row = 0; row < rows; row++) {
            int32_t two;
            memcpy(&two, inputs + (size_t)row * (size_t)stride + 2 * pair, sizeof two);
            __m256i both = _mm256_set1_epi32(two);
            low[row] = _mm256_add_epi32(low[row], _mm256_madd_epi16(both, first));
            high[row] = _mm256_add_epi32(high[row], _mm256_madd_epi16(both, second));
        }
    }
    for (int row = 0; row < rows; row++) {
        _mm256_store_si256((__m256i *)(sums + row * LANES), low[row]);
        _mm256_store_si256((__m256i *)(sums + row * LANES + LANES / 2), high[row]);
    }
}

AVX2 static void products(int rows, const int16_t *inputs, int stride, const int16_t *weights, int pairs,
                          uint32_t *sums) {
    for (; rows >= HELD; rows -= HELD, inputs += (size_t)HELD * (size_t)stride, sums += HELD * LANES)
        products_of(HELD, inputs, stride, weights, pairs, sums);
    for (; rows > 0; rows--, inputs += stride, sums += LANES) products_of(1, inputs, stride, weights, pairs, sums);
}

/* Bᵀ of the method: six of `t` from six of `d`. */
#define TRANSFORM(t, d)                                          \
    do {                                                         \
        __typeof__((d)[0]) even = (d)[4] - (d)[2], odd = (d)[3] - (d)[1]; \
        (t)[0] = 4 * ((d)[0] - (d)[2]) + even;                   \
        (t)[1] = ((d)[4] + (d)[3]) - 4 * ((d)[1] + (d)[2]);      \
        (t)[2] = ((d)[4] - (d)[3]) + 4 * ((d)[1] - (d)[2]);      \
        (t)[3] = even + 2 * odd;                                 \
        (t)[4] = even - 2 * odd;                                 \
        (t)[5] = ((d)[5] - (d)[3]) - 4 * odd;                    \
    } while (0)

AVX2_INLINE Samples widened(const uint8_t *samples) {
    return (Samples)_mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)samples));
}

AVX2_INLINE void column_of(const uint8_t *at, size_t row, Samples *column) {
    Samples d[SEEN];
    for (int k = 0; k < SEEN; k++) d[k] = widened(at + (size_t)k * row);
    TRANSFORM(column, d);
}

/* BᵀdB of `tiles` neighbours in a row, 16 channels of each; `at`: the first pixel that is seen. `to`: of the first
 * position; `stride` from tile to tile, `apart` from position to position. */
AVX2 static void see_tiles(const uint8_t *at, int channels, size_t row, int tiles, int16_t *to, int stride,
                           size_t apart) {
    Samples columns[SEEN][SEEN];
    for (int k = 0; k < 2; k++) column_of(at + k * channels, row, columns[k]);
    for (int tile = 0; tile < tiles; tile++, at += TILE * channels, to += stride) {
        for (int k = 2; k < SEEN; k++) column_of(at + k * channels, row, columns[k]);
        for (int down = 0; down < SEEN; down++) {
            Samples d[SEEN], t[SEEN];
            for (int k = 0; k < SEEN; k++) d[k] = columns[k][down];
            TRANSFORM(t, d);
            for (int k = 0; k < SEEN; k++)
                _mm256_store_si256((__m256i *)(to + (size_t)(SEEN * down + k) * apart), (__m256i)t[k]);
            columns[0][down] = d[4];
            columns[1][down] = d[5];
        }
    }
}

/* The same of a picture of four channels in 16 bits. */
AVX2 static void see_picture(const int16_t *at, size_t row, int tiles, int16_t *to, int stride, size_t apart) {
    for (int tile = 0; tile < tiles; tile++, at += TILE * 4, to += stride) {
        Quartet columns[SEEN][SEEN];
        for (int across = 0; across < SEEN; across++) {
            Quartet d[SEEN];
            for (int down = 0; down < SEEN; down++) memcpy(d + down, at + (size_t)down * row + 4 * across, sizeof *d);
            TRANSFORM(columns[across], d);
        }
        for (int down = 0; down < SEEN; down++) {
            Quartet d[SEEN], t[SEEN];
            for (int k = 0; k < SEEN; k++) d[k] = columns[k][down];
            TRANSFORM(t, d);
            for (int k = 0; k < SEEN; k++) memcpy(to + (size_t)(SEEN * down + k) * apart, t + k, sizeof *t);
        }
    }
}

/* Aᵀ of the method, with the factors that made weights whole: four of `y` from six of `m`. */
#define RESTORE(y, m)                                                    \
    do {                                                                 \
        Sums sum = (m)[1] + (m)[2], difference = (m)[1] - (m)[2];        \
        Sums outer = (m)[3] + (m)[4], slope = (m)[3] - (m)[4];           \
        (y)[0] = (m)[0] + sum + outer;                                   \
        (y)[1] = difference + 2 * slope;                                 \
        (y)[2] = sum + 4 * outer;                                        \
        (y)[3] = difference + 2 * (4 * slope + (m)[5]);                  \
    } while (0)

/* AᵀmA: the sums of the 16 pixels of a tile, 8 channels of each. */
AVX2_INLINE void restore_tile(const uint32_t *sums, Sums pixels[TILE][TILE]) {
    Sums columns[SEEN][TILE];
    for (int across = 0; across < SEEN; across++) {
        Sums m[SEEN];
        for (int down = 0; down < SEEN; down++)
            m[down] = *(const Sums *)(sums + (size_t)(SEEN * down + across) * SUMS_APART);
        RESTORE(columns[across], m);
    }
    for (int down = 0; down < TILE; down++) {
        Sums m[SEEN];
        for (int k = 0; k < SEEN; k++) m[k] = columns[k][down];
        RESTORE(pixels[down], m);
    }
}

/* What follows the sums of 16 channels: out = sum·scale + bias, rounded. Their order is that in which two registers
 * are packed, 0–3 8–11 4–7 12–15. */
typedef struct {
    __m256 scale[2], bias[2];
} Ending;

AVX2_INLINE Ending ending_of(const float *scale, const float *bias) {
    Ending ending;
    for (int half = 0; half < 2; half++) {
        ending.scale[half] = _mm256_loadu_ps(scale + 8 * half);
        ending.bias[half] = _mm256_loadu_ps(bias + 8 * half);
    }
    return ending;
}

/* A pixel in 16 bits. */
AVX2_INLINE __m256i ended(Sums low, Sums high, const Ending *ending) {
    __m256 first = _mm256_cvtepi32_ps((__m256i)low), second = _mm256_cvtepi32_ps((__m256i)high);
    return _mm256_packs_epi32(_mm256_cvtps_epi32(_mm256_fmadd_ps(first, ending->scale[0], ending->bias[0])),
                              _mm256_cvtps_epi32(_mm256_fmadd_ps(second, ending->scale[1], ending->bias[1])));
}

/* Two pixels of 16 channels, one in each half. */
AVX2_INLINE __m256i packed_pair(__m256i left, __m256i right) {
    return _mm256_permute4x64_epi64(_mm256_packus_epi16(left, right), 0xD8);
}

#endif
