/* What the kernels share. All pictures are float planes of rows × columns without gaps unless said otherwise; twins in
 * NumPy are in streamseg/matting. */
#ifndef STREAMSEG_KERNELS_H
#define STREAMSEG_KERNELS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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

/* Compiled for several generations of processors, of which the loader takes the newest that fits. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__GLIBC__)
#if __GNUC__ >= 12
#define KERNEL __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define KERNEL __attribute__((target_clones("arch=haswell", "default")))
#endif
#else
#define KERNEL
#endif

/* Every kernel returns one of these. */
enum { DONE = 0, NO_MEMORY = 1 };

INLINE int smaller(int a, int b) { return a < b ? a : b; }
INLINE int larger(int a, int b) { return a > b ? a : b; }
INLINE float least(float a, float b) { return a < b ? a : b; }
INLINE float most(float a, float b) { return a > b ? a : b; }
INLINE float between(float low, float value, float high) { return least(most(value, low), high); }
/* To the nearest whole number; of values that are not negative. */
INLINE int nearest(float value) { return (int)(value + 0.5f); }

/* Rows and columns of a plane of 8- or 16-bit samples; `stride` in samples. */
typedef struct {
    const void *samples;
    int64_t stride;
    int32_t rows, columns;
} Plane;

INLINE const void *row_of(Plane plane, int y, int wide) {
    return (const char *)plane.samples + (size_t)(y * plane.stride) * (wide ? 2 : 1);
}

INLINE void put(void *row, int x, int code, int wide) {
    if (wide)
        ((uint16_t *)row)[x] = (uint16_t)code;
    else
        ((uint8_t *)row)[x] = (uint8_t)code;
}

/* Where a sample of one axis lies on another: so far behind the sample `first`, on the way to the next. */
typedef struct {
    int32_t first;
    float rest;
} Place;

/* Of `count` samples spread over `size` ones, edges on edges. */
INLINE Place spread(int index, int count, int size) {
    float at = between(0, (float)((index + 0.5) * ((double)size / count) - 0.5), (float)(size - 1));
    Place place = {(int32_t)at, at - (float)(int32_t)at};
    return place;
}

/* A row between two rows of a plane, and its last sample once more: every sample has a next one. */
INLINE void row_between(const float *plane, int rows, int columns, Place place, float *restrict out) {
    const float *upper = plane + (size_t)place.first * columns;
    const float *lower = plane + (size_t)smaller(place.first + 1, rows - 1) * columns;
    for (int x = 0; x < columns; x++) out[x] = upper[x] + place.rest * (lower[x] - upper[x]);
    out[columns] = out[columns - 1];
}

/* A sample of such a row. */
INLINE float in_row(const float *row, Place place) {
    const float *here = row + place.first;
    return here[0] + place.rest * (here[1] - here[0]);
}

/* Mean over the window of side 2·radius + 1; outside is zero. `line` holds columns + 2·radius. Not in place. */
INLINE void box_mean(const float *restrict in, int rows, int columns, int radius, float *restrict out,
                     float *restrict line) {
    float share = 1.0f / (float)((2 * radius + 1) * (2 * radius + 1));
    memset(line, 0, sizeof(float) * (size_t)(columns + 2 * radius));
    for (int y = 0; y < rows; y++) {
        float *restrict sums = line + radius;
        int top = larger(0, y - radius), bottom = smaller(rows - 1, y + radius);
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

/* Four neighbours of a place in a plane, and how far the place is from the first. */
typedef struct {
    int32_t corner;
    float right, down;
} Spot;

/* What points outside meets the border; rows and columns are 2 or more. */
INLINE Spot spot_at(float x, float y, int rows, int columns) {
    /* A hair less than the last sample, so that there is a next one. */
    const float hair = 1 - 6e-8f;
    x = between(0, x, (float)(columns - 1) * hair);
    y = between(0, y, (float)(rows - 1) * hair);
    int32_t left = (int32_t)x, top = (int32_t)y;
    Spot spot = {top * columns + left, x - (float)left, y - (float)top};
    return spot;
}

INLINE float fetched(const float *plane, int columns, Spot spot) {
    const float *here = plane + spot.corner;
    float upper = here[0] + spot.right * (here[1] - here[0]);
    float lower = here[columns] + spot.right * (here[columns + 1] - here[columns]);
    return upper + spot.down * (lower - upper);
}

#endif
