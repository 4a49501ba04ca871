/* What the kernels share. Images are float planes of rows × columns without gaps unless stated otherwise; the reference
 * implementations are in streamseg/matting. */
#ifndef STREAMSEG_KERNELS_H
#define STREAMSEG_KERNELS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "constants.h" /* written by setup.py */

#if defined(_WIN32)
#define EXPORTED __declspec(dllexport)
#else
#define EXPORTED __attribute__((visibility("default")))
#endif

#if defined(_MSC_VER)
#define INLINE static __forceinline
#define restrict __restrict
#else
#define INLINE static inline __attribute__((always_inline))
#endif

/* Compiled for two processor generations; the loader picks the newer one where the machine supports it. AVX-512
 * (x86-64-v4) makes the flow slower. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__GLIBC__)
#if __GNUC__ >= 12
#define KERNEL __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define KERNEL __attribute__((target_clones("arch=haswell", "default")))
#endif
#else
#define KERNEL
#endif

/* Every kernel returns one of these. */
enum { DONE = 0, NO_MEMORY = 1 };

INLINE int min_int(int a, int b) { return a < b ? a : b; }
INLINE int max_int(int a, int b) { return a > b ? a : b; }
INLINE float min_float(float a, float b) { return a < b ? a : b; }
INLINE float max_float(float a, float b) { return a > b ? a : b; }
INLINE float clamp(float low, float value, float high) { return min_float(max_float(value, low), high); }
/* Rounds values of 0 or more to the nearest integer. */
INLINE int round_positive(float value) { return (int)(value + 0.5f); }

/* Rows and columns of a plane of 8- or 16-bit samples; `stride` in samples. */
typedef struct {
    const void *samples;
    int64_t stride;
    int32_t rows, columns;
} Plane;

INLINE const void *row_of(Plane plane, int y, int is_16bit) {
    return (const char *)plane.samples + (size_t)(y * plane.stride) * (is_16bit ? 2 : 1);
}

INLINE void store_code(void *row, int x, int code, int is_16bit) {
    if (is_16bit)
        ((uint16_t *)row)[x] = (uint16_t)code;
    else
        ((uint8_t *)row)[x] = (uint8_t)code;
}

/* A position on an axis: the sample before it, and the fraction of the way to the next. */
typedef struct {
    int32_t first;
    float fraction;
} Position;

/* The position of sample `index` of `count` on an axis of `size` samples of the same extent: half-pixel centres. */
INLINE Position position_at(int index, int count, int size) {
    float at = clamp(0, (float)((index + 0.5) * ((double)size / count) - 0.5), (float)(size - 1));
    Position position = {(int32_t)at, at - (float)(int32_t)at};
    return position;
}

/* A row interpolated between two rows of a plane, its last sample repeated, so that every sample has a next one. */
INLINE void interpolate_rows(const float *plane, int rows, int columns, Position position, float *restrict out) {
    const float *upper = plane + (size_t)position.first * columns;
    const float *lower = plane + (size_t)min_int(position.first + 1, rows - 1) * columns;
    for (int x = 0; x < columns; x++) out[x] = upper[x] + position.fraction * (lower[x] - upper[x]);
    out[columns] = out[columns - 1];
}

/* A sample interpolated in such a row. */
INLINE float interpolate(const float *row, Position position) {
    const float *here = row + position.first;
    return here[0] + position.fraction * (here[1] - here[0]);
}

/* Mean over a window of side 2·radius + 1, zero outside. `line`: room for columns + 2·radius. Not in place. */
INLINE void box_mean(const float *restrict in, int rows, int columns, int radius, float *restrict out,
                     float *restrict line) {
    float share = 1.0f / (float)((2 * radius + 1) * (2 * radius + 1));
    memset(line, 0, sizeof(float) * (size_t)(columns + 2 * radius));
    for (int y = 0; y < rows; y++) {
        float *restrict sums = line + radius;
        int top = max_int(0, y - radius), bottom = min_int(rows - 1, y + radius);
        memcpy(sums, in + (size_t)top * columns, sizeof(float) * (size_t)columns);
        for (int row = top + 1; row <= bottom; row++)
            for (int x = 0; x < columns; x++) sums[x] += in[(size_t)row * columns + x];
        for (int x = 0; x < columns; x++) {
            float sum = 0;
            for (int k = 0; k <= 2 * radius; k++) sum += line[x + k];
            out[(size_t)y * columns + x] = share * sum;
        }
    }
}

/* The index of the upper left of four neighbours in a plane, and the fractions to the right and down. */
typedef struct {
    int32_t corner;
    float right, down;
} BilinearPosition;

/* Positions outside are moved to the border; rows and columns are 2 or more. */
INLINE BilinearPosition bilinear_position(float x, float y, int rows, int columns) {
    /* Just less than the last sample, so that there is a next one. */
    const float below_one = 1 - 6e-8f;
    x = clamp(0, x, (float)(columns - 1) * below_one);
    y = clamp(0, y, (float)(rows - 1) * below_one);
    int32_t left = (int32_t)x, top = (int32_t)y;
    BilinearPosition position = {top * columns + left, x - (float)left, y - (float)top};
    return position;
}

INLINE float sample_bilinear(const float *plane, int columns, BilinearPosition position) {
    const float *here = plane + position.corner;
    float upper = here[0] + position.right * (here[1] - here[0]);
    float lower = here[columns] + position.right * (here[columns + 1] - here[columns]);
    return upper + position.down * (lower - upper);
}

#endif
