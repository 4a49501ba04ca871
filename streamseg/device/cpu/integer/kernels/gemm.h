/* Matrix products of 16-bit integers, and what turns their sums into 8-bit activations again. */
#ifndef STREAMSEG_GEMM_H
#define STREAMSEG_GEMM_H

#include "step.h"

/* Rows of a product whose sums are kept in registers: 12 of the 16. */
enum { GEMM_ROWS = 6 };

/* sums [rows, LANES] = inputs [rows, 2·pairs] · weights [pairs, LANES, 2]; `stride` from row to row of the inputs */
AVX2_INLINE void gemm_rows(const int rows, const int16_t *inputs, int stride, const int16_t *weights, int pairs,
                           uint32_t *sums) {
    __m256i low[GEMM_ROWS], high[GEMM_ROWS];
    for (int row = 0; row < rows; row++) low[row] = high[row] = _mm256_setzero_si256();
    for (int pair = 0; pair < pairs; pair++) {
        __m256i low_weights = _mm256_load_si256((const __m256i *)(weights + 2 * LANES * pair));
        __m256i high_weights = _mm256_load_si256((const __m256i *)(weights + 2 * LANES * pair + LANES));
        for (int row = 0; row < rows; row++) {
            int32_t two;
            memcpy(&two, inputs + (size_t)row * (size_t)stride + 2 * pair, sizeof two);
            __m256i broadcast = _mm256_set1_epi32(two);
            low[row] = _mm256_add_epi32(low[row], _mm256_madd_epi16(broadcast, low_weights));
            high[row] = _mm256_add_epi32(high[row], _mm256_madd_epi16(broadcast, high_weights));
        }
    }
    for (int row = 0; row < rows; row++) {
        _mm256_store_si256((__m256i *)(sums + row * LANES), low[row]);
        _mm256_store_si256((__m256i *)(sums + row * LANES + LANES / 2), high[row]);
    }
}

/* The same for any number of rows. */
AVX2 static void gemm(int rows, const int16_t *inputs, int stride, const int16_t *weights, int pairs, uint32_t *sums) {
    for (; rows >= GEMM_ROWS; rows -= GEMM_ROWS) {
        gemm_rows(GEMM_ROWS, inputs, stride, weights, pairs, sums);
        inputs += (size_t)GEMM_ROWS * (size_t)stride;
        sums += GEMM_ROWS * LANES;
    }
    for (; rows > 0; rows--, inputs += stride, sums += LANES) gemm_rows(1, inputs, stride, weights, pairs, sums);
}

/* From sums to activations in units of 1/255, 16 channels at a time: sum·scale + bias, rounded. Channels are in the
 * order in which the instruction packs two registers into one: 0–3 8–11 4–7 12–15. */
typedef struct {
    __m256 scale[2], bias[2];
} Requantisation;

AVX2_INLINE Requantisation load_requantisation(const float *scale, const float *bias) {
    Requantisation loaded;
    for (int half = 0; half < 2; half++) {
        loaded.scale[half] = _mm256_loadu_ps(scale + 8 * half);
        loaded.bias[half] = _mm256_loadu_ps(bias + 8 * half);
    }
    return loaded;
}

/* A pixel of 16 channels, saturated to int16. */
AVX2_INLINE __m256i requantise(UInt32x8 low, UInt32x8 high, const Requantisation *by) {
    __m256 first = _mm256_cvtepi32_ps((__m256i)low), second = _mm256_cvtepi32_ps((__m256i)high);
    return _mm256_packs_epi32(_mm256_cvtps_epi32(_mm256_fmadd_ps(first, by->scale[0], by->bias[0])),
                              _mm256_cvtps_epi32(_mm256_fmadd_ps(second, by->scale[1], by->bias[1])));
}

#endif
