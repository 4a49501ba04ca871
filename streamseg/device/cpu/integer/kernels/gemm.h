/* Matrix products of 16-bit integers, and what turns their sums into 8-bit activations again. */
#ifndef STREAMSEG_GEMM_H
#define STREAMSEG_GEMM_H

#include "step.h"

/* sums [rows, LANES] = inputs [rows, 2·pairs] · weights [pairs, LANES, 2]; `stride` from row to row of the inputs.
 *
 * One for each set of instructions, which do the same: a whole number of blocks of rows whose sums are kept in
 * registers, and the rows that are left one by one. */
#define GEMM(name, target, rows_at_a_time)                                                                     \
    target static void name(int rows, const int16_t *inputs, int stride, const int16_t *weights, int pairs,    \
                            uint32_t *sums) {                                                                  \
        for (; rows >= rows_at_a_time; rows -= rows_at_a_time) {                                               \
            name##_rows(rows_at_a_time, inputs, stride, weights, pairs, sums);                                 \
            inputs += (size_t)rows_at_a_time * (size_t)stride;                                                 \
            sums += rows_at_a_time * LANES;                                                                    \
        }                                                                                                      \
        for (; rows > 0; rows--, inputs += stride, sums += LANES)                                              \
            name##_rows(1, inputs, stride, weights, pairs, sums);                                              \
    }

/* Two neighbouring inputs of a row. */
INLINE int32_t input_pair(const int16_t *inputs, int row, int stride, int pair) {
    int32_t two;
    memcpy(&two, inputs + (size_t)row * (size_t)stride + 2 * pair, sizeof two);
    return two;
}

/* Sums in 12 of the 16 registers. */
#define GEMM_256(name, inlined, multiply_add)                                                                       \
    inlined void name##_rows(const int rows, const int16_t *inputs, int stride, const int16_t *weights, int pairs,  \
                             uint32_t *sums) {                                                                      \
        __m256i low[6], high[6];                                                                                    \
        for (int row = 0; row < rows; row++) low[row] = high[row] = _mm256_setzero_si256();                         \
        for (int pair = 0; pair < pairs; pair++) {                                                                  \
            __m256i low_weights = _mm256_load_si256((const __m256i *)(weights + 2 * LANES * pair));                 \
            __m256i high_weights = _mm256_load_si256((const __m256i *)(weights + 2 * LANES * pair + LANES));        \
            for (int row = 0; row < rows; row++) {                                                                  \
                __m256i broadcast = _mm256_set1_epi32(input_pair(inputs, row, stride, pair));                       \
                low[row] = multiply_add(low[row], broadcast, low_weights);                                          \
                high[row] = multiply_add(high[row], broadcast, high_weights);                                       \
            }                                                                                                       \
        }                                                                                                           \
        for (int row = 0; row < rows; row++) {                                                                      \
            _mm256_store_si256((__m256i *)(sums + row * LANES), low[row]);                                          \
            _mm256_store_si256((__m256i *)(sums + row * LANES + LANES / 2), high[row]);                             \
        }                                                                                                           \
    }

#define MADD_AND_ADD(sum, a, b) _mm256_add_epi32(sum, _mm256_madd_epi16(a, b))
GEMM_256(gemm_avx2, AVX2_INLINE, MADD_AND_ADD)
GEMM(gemm_avx2, AVX2, 6)

#ifdef NEW_INSTRUCTIONS
GEMM_256(gemm_avx_vnni, AVX_VNNI_INLINE, _mm256_dpwssd_avx_epi32)
GEMM(gemm_avx_vnni, AVX_VNNI, 6)

AVX512_INLINE void gemm_avx512_vnni_rows(const int rows, const int16_t *inputs, int stride, const int16_t *weights,
                                         int pairs, uint32_t *sums) {
    __m512i sum[12];
    for (int row = 0; row < rows; row++) sum[row] = _mm512_setzero_si512();
    for (int pair = 0; pair < pairs; pair++) {
        __m512i of_pair = _mm512_load_si512(weights + 2 * LANES * pair);
        for (int row = 0; row < rows; row++)
            sum[row] = _mm512_dpwssd_epi32(sum[row], of_pair, _mm512_set1_epi32(input_pair(inputs, row, stride, pair)));
    }
    for (int row = 0; row < rows; row++) _mm512_storeu_si512(sums + row * LANES, sum[row]);
}
GEMM(gemm_avx512_vnni, AVX512, 12)
#endif

/* The same by the best of these. */
INLINE void gemm(enum Instructions instructions, int rows, const int16_t *inputs, int stride, const int16_t *weights,
                 int pairs, uint32_t *sums) {
#ifdef NEW_INSTRUCTIONS
    if (instructions >= WITH_AVX512_VNNI) return gemm_avx512_vnni(rows, inputs, stride, weights, pairs, sums);
    if (instructions == WITH_AVX_VNNI) return gemm_avx_vnni(rows, inputs, stride, weights, pairs, sums);
#endif
    (void)instructions;
    gemm_avx2(rows, inputs, stride, weights, pairs, sums);
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

#ifdef NEW_INSTRUCTIONS
/* The same of a pixel, not saturated: int32. */
AVX512_INLINE __m512i activations(__m512i sums, __m512 scale, __m512 bias) {
    return _mm512_cvtps_epi32(_mm512_fmadd_ps(_mm512_cvtepi32_ps(sums), scale, bias));
}

/* The order in which pack_bytes puts groups of four bytes; `lanes`: whether channels are in the order of lanes. */
AVX512_INLINE __m512i byte_order(const int lanes) {
    return lanes ? _mm512_setr_epi32(0, 8, 4, 12, 1, 9, 5, 13, 2, 10, 6, 14, 3, 11, 7, 15)
                 : _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
}

/* Four times LANES activations, saturated to bytes. */
AVX512_INLINE __m512i pack_bytes(__m512i order, __m512i a, __m512i b, __m512i c, __m512i d) {
    __m512i packed = _mm512_packus_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
    return _mm512_permutexvar_epi32(order, packed);
}
#endif

#endif
