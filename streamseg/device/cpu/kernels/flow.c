/* Optical flow by patches; twin: streamseg.matting.flow. */
#include "kernels.h"

#include <stddef.h>

enum { LEVELS = 4, SMALLEST_SIDE = 8, PATCH = 8, STRIDE = 4, PIXELS = PATCH * PATCH, STEPS = 4 };
/* Around a picture, its border repeated: a patch that has left the picture as far as it may still has all samples. */
enum { BEFORE = PATCH, AFTER = PATCH + 1 };
static const float DAMPING = 64, LONGEST_STEP = 2, SURE = 1;

/* A picture of one level with its border, as many samples in a row as `stride` says; `at` is its first pixel. */
typedef struct {
    float *memory, *at;
    int rows, columns, stride;
} Bordered;

typedef float Lanes[PATCH];

INLINE size_t bordered_size(int rows, int columns) {
    return (size_t)(rows + BEFORE + AFTER) * (size_t)(columns + BEFORE + AFTER);
}

INLINE Bordered bordered_in(float *memory, int rows, int columns) {
    int stride = columns + BEFORE + AFTER;
    Bordered picture = {memory, memory + (size_t)BEFORE * stride + BEFORE, rows, columns, stride};
    return picture;
}

INLINE void repeat_border(const float *restrict image, Bordered out) {
    for (int y = -BEFORE; y < out.rows + AFTER; y++) {
        const float *row = image + (size_t)larger(0, smaller(y, out.rows - 1)) * out.columns;
        float *to = out.at + (ptrdiff_t)y * out.stride;
        for (int x = -BEFORE; x < 0; x++) to[x] = row[0];
        memcpy(to, row, sizeof(float) * (size_t)out.columns);
        for (int x = out.columns; x < out.columns + AFTER; x++) to[x] = row[out.columns - 1];
    }
}

/* Central differences, zero on the border of the picture and outside. */
INLINE void slopes(Bordered image, Bordered across, Bordered down) {
    size_t size = bordered_size(image.rows, image.columns);
    memset(across.memory, 0, sizeof(float) * size);
    memset(down.memory, 0, sizeof(float) * size);
    for (int y = 0; y < image.rows; y++) {
        ptrdiff_t start = (ptrdiff_t)y * image.stride;
        const float *row = image.at + start, *above = row - image.stride, *below = row + image.stride;
        float *restrict to_right = across.at + start, *restrict to_below = down.at + start;
        float weight = y && y < image.rows - 1 ? 0.5f : 0;
        for (int x = 1; x < image.columns - 1; x++) to_right[x] = 0.5f * (row[x + 1] - row[x - 1]);
        for (int x = 0; x < image.columns; x++) to_below[x] = weight * (below[x] - above[x]);
    }
}

INLINE void halve(const float *restrict image, int rows, int columns, float *restrict out) {
    for (int y = 0; y < rows / 2; y++) {
        const float *upper = image + (size_t)2 * y * columns, *lower = upper + columns;
        for (int x = 0; x < columns / 2; x++)
            *out++ = 0.25f * (upper[2 * x] + upper[2 * x + 1] + lower[2 * x] + lower[2 * x + 1]);
    }
}

INLINE float sum_of(const Lanes lanes) {
    float sum = 0;
    for (int x = 0; x < PATCH; x++) sum += lanes[x];
    return sum;
}

/* How the patch at (x, y) of `here` differs from the one in `there` that lies `flow` away. */
INLINE void difference(Bordered here, Bordered there, int x, int y, const float flow[2], Lanes out[PATCH]) {
    float to_x = between(-PATCH, (float)x + flow[0], (float)there.columns);
    float to_y = between(-PATCH, (float)y + flow[1], (float)there.rows);
    int left = (int)(to_x + PATCH) - PATCH, top = (int)(to_y + PATCH) - PATCH;
    float right = to_x - (float)left, down = to_y - (float)top;
    Lanes between_columns[PATCH + 1];
    for (int v = 0; v <= PATCH; v++) {
        const float *row = there.at + (ptrdiff_t)(top + v) * there.stride + left;
        for (int u = 0; u < PATCH; u++) between_columns[v][u] = row[u] + right * (row[u + 1] - row[u]);
    }
    for (int v = 0; v < PATCH; v++) {
        const float *own = here.at + (ptrdiff_t)(y + v) * here.stride + x;
        const float *upper = between_columns[v], *lower = between_columns[v + 1];
        for (int u = 0; u < PATCH; u++) out[v][u] = upper[u] + down * (lower[u] - upper[u]) - own[u];
    }
}

/* Sums over a patch. */
typedef struct {
    float plain, squared, across, down;
} Sums;

INLINE Sums sums_of(const Lanes *values, Bordered across, Bordered down, int x, int y) {
    Lanes plain = {0}, squared = {0}, by_across = {0}, by_down = {0};
    for (int v = 0; v < PATCH; v++) {
        const float *to_right = across.at + (ptrdiff_t)(y + v) * across.stride + x;
        const float *to_below = down.at + (ptrdiff_t)(y + v) * down.stride + x;
        for (int u = 0; u < PATCH; u++) {
            float value = values[v][u];
            plain[u] += value, squared[u] += value * value;
            by_across[u] += value * to_right[u], by_down[u] += value * to_below[u];
        }
    }
    Sums sums = {sum_of(plain), sum_of(squared), sum_of(by_across), sum_of(by_down)};
    return sums;
}

/* The patch at (x, y): Gauss–Newton from `flow`, which becomes the best place that was tried. */
INLINE void follow_patch(Bordered here, Bordered there, Bordered across, Bordered down, int x, int y, float flow[2]) {
    Lanes values[PATCH];
    for (int v = 0; v < PATCH; v++)
        memcpy(values[v], across.at + (ptrdiff_t)(y + v) * across.stride + x, sizeof(Lanes));
    Sums right = sums_of(values, across, down, x, y);
    for (int v = 0; v < PATCH; v++)
        memcpy(values[v], down.at + (ptrdiff_t)(y + v) * down.stride + x, sizeof(Lanes));
    Sums below = sums_of(values, across, down, x, y);
    float xx = right.squared - right.plain * right.plain / PIXELS + DAMPING;
    float yy = below.squared - below.plain * below.plain / PIXELS + DAMPING;
    float xy = right.down - right.plain * below.plain / PIXELS, scale = 1 / (xx * yy - xy * xy);
    float at[2] = {flow[0], flow[1]}, start[2] = {flow[0], flow[1]}, best = 0;
    for (int step = 0; step <= STEPS; step++) {
        difference(here, there, x, y, at, values);
        Sums sums = sums_of(values, across, down, x, y);
        float error = sums.squared - sums.plain * sums.plain / PIXELS;
        if (!step || error < best) best = error, flow[0] = at[0], flow[1] = at[1];
        float mean = sums.plain / PIXELS;
        float by_x = sums.across - right.plain * mean, by_y = sums.down - below.plain * mean;
        at[0] -= between(-LONGEST_STEP, (yy * by_x - xy * by_y) * scale, LONGEST_STEP);
        at[1] -= between(-LONGEST_STEP, (xx * by_y - xy * by_x) * scale, LONGEST_STEP);
        for (int axis = 0; axis < 2; axis++) at[axis] = between(start[axis] - PATCH, at[axis], start[axis] + PATCH);
    }
}

/* Adds a patch's flow to the sums of flow and weight in its pixels, the more the better it explains them. */
INLINE void spread_patch(Bordered here, Bordered there, int x, int y, const float flow[2], Bordered sums[3]) {
    Lanes values[PATCH];
    difference(here, there, x, y, flow, values);
    for (int v = 0; v < PATCH; v++) {
        ptrdiff_t start = (ptrdiff_t)(y + v) * here.stride + x;
        float *restrict to_x = sums[0].at + start, *restrict to_y = sums[1].at + start, *restrict in_all = sums[2].at + start;
        for (int u = 0; u < PATCH; u++) {
            float value = values[v][u], weight = 1 / most(SURE, value < 0 ? -value : value);
            to_x[u] += weight * flow[0], to_y[u] += weight * flow[1], in_all[u] += weight;
        }
    }
}

/* `flow` [2, rows, columns] of one level, better; `work` holds seven bordered pictures. */
INLINE void refine_level(const float *fixed, const float *moving, int rows, int columns, float *flow, float *work) {
    size_t size = (size_t)rows * columns, whole = bordered_size(rows, columns);
    Bordered picture[7];
    for (int k = 0; k < 7; k++) picture[k] = bordered_in(work + k * whole, rows, columns);
    Bordered here = picture[0], there = picture[1], across = picture[2], down = picture[3];
    repeat_border(fixed, here);
    repeat_border(moving, there);
    slopes(here, across, down);
    memset(picture[4].memory, 0, sizeof(float) * 3 * whole);
    for (int y = -STRIDE; y < rows; y += STRIDE)
        for (int x = -STRIDE; x < columns; x += STRIDE) {
            size_t middle = (size_t)smaller(y + STRIDE, rows - 1) * columns + smaller(x + STRIDE, columns - 1);
            float own[2] = {flow[middle], flow[size + middle]};
            follow_patch(here, there, across, down, x, y, own);
            spread_patch(here, there, x, y, own, picture + 4);
        }
    for (int y = 0; y < rows; y++)
        for (int x = 0; x < columns; x++) {
            ptrdiff_t at = (ptrdiff_t)y * here.stride + x;
            size_t pixel = (size_t)y * columns + x;
            flow[pixel] = picture[4].at[at] / picture[6].at[at];
            flow[size + pixel] = picture[5].at[at] / picture[6].at[at];
        }
}

/* The flow of pictures of half the size, by blocks. */
INLINE void doubled(const float *restrict coarse, int coarse_rows, int coarse_columns, int rows, int columns,
                    float *restrict flow) {
    for (int axis = 0; axis < 2; axis++)
        for (int y = 0; y < rows; y++) {
            const float *row = coarse + ((size_t)axis * coarse_rows + smaller(y / 2, coarse_rows - 1)) * coarse_columns;
            for (int x = 0; x < columns; x++) *flow++ = 2 * row[smaller(x / 2, coarse_columns - 1)];
        }
}

/* `flow`: across and down, [2, rows, columns]. */
EXPORTED KERNEL int streamseg_flow(const float *here, const float *there, int rows, int columns, float *flow) {
    size_t size = (size_t)rows * columns;
    /* Two pyramids in less than a picture, the coarser flow in half of one, and seven pictures with borders. */
    float *memory = malloc(sizeof(float) * (2 * size + 64 + 7 * bordered_size(rows, columns)));
    if (memory == NULL) return NO_MEMORY;
    const float *fixed[LEVELS] = {here}, *moving[LEVELS] = {there};
    int heights[LEVELS] = {rows}, widths[LEVELS] = {columns}, levels = 1;
    float *free_space = memory;
    while (levels < LEVELS && smaller(heights[levels - 1], widths[levels - 1]) >= 2 * SMALLEST_SIDE) {
        int above = levels - 1, height = heights[above] / 2, width = widths[above] / 2;
        float *pair[2] = {free_space, free_space + (size_t)height * width};
        halve(fixed[above], heights[above], widths[above], pair[0]);
        halve(moving[above], heights[above], widths[above], pair[1]);
        fixed[levels] = pair[0], moving[levels] = pair[1], heights[levels] = height, widths[levels++] = width;
        free_space = pair[1] + (size_t)height * width;
    }
    float *coarse = free_space;
    free_space += 2 * (size_t)((rows + 1) / 2) * ((columns + 1) / 2);
    memset(flow, 0, sizeof(float) * 2 * (size_t)heights[levels - 1] * widths[levels - 1]);
    for (int level = levels - 1; level >= 0; level--) {
        int height = heights[level], width = widths[level];
        if (level < levels - 1) {
            memcpy(coarse, flow, sizeof(float) * 2 * heights[level + 1] * widths[level + 1]);
            doubled(coarse, heights[level + 1], widths[level + 1], height, width, flow);
        }
        refine_level(fixed[level], moving[level], height, width, flow, free_space);
    }
    free(memory);
    return DONE;
}
