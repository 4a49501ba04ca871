/* Optical flow by dense inverse search; reference: streamseg.matting.motion.flow. */
#include "kernels.h"

#include <stddef.h>

enum { PIXELS = FLOW_PATCH * FLOW_PATCH };
/* Rows and columns around an image, copies of its border: a patch at the end of its range still has all samples. */
enum { BEFORE = FLOW_PATCH, AFTER = FLOW_PATCH + 1 };

/* An image of one level with its border; `at` is its first pixel, `stride` in samples. */
typedef struct {
    float *memory, *at;
    int rows, columns, stride;
} Bordered;

typedef float Lanes[FLOW_PATCH];

INLINE size_t bordered_size(int rows, int columns) {
    return (size_t)(rows + BEFORE + AFTER) * (size_t)(columns + BEFORE + AFTER);
}

INLINE Bordered bordered_in(float *memory, int rows, int columns) {
    int stride = columns + BEFORE + AFTER;
    Bordered image = {memory, memory + (size_t)BEFORE * stride + BEFORE, rows, columns, stride};
    return image;
}

INLINE void repeat_border(const float *restrict image, Bordered out) {
    for (int y = -BEFORE; y < out.rows + AFTER; y++) {
        const float *row = image + (size_t)max_int(0, min_int(y, out.rows - 1)) * out.columns;
        float *to = out.at + (ptrdiff_t)y * out.stride;
        for (int x = -BEFORE; x < 0; x++) to[x] = row[0];
        memcpy(to, row, sizeof(float) * (size_t)out.columns);
        for (int x = out.columns; x < out.columns + AFTER; x++) to[x] = row[out.columns - 1];
    }
}

/* Central differences, zero on the border of the image and outside. */
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
    for (int x = 0; x < FLOW_PATCH; x++) sum += lanes[x];
    return sum;
}

/* `there` at the patch (x, y) moved by `flow`, minus `here` at the patch. */
INLINE void difference(Bordered here, Bordered there, int x, int y, const float flow[2], Lanes out[FLOW_PATCH]) {
    float to_x = clamp(-FLOW_PATCH, (float)x + flow[0], (float)there.columns);
    float to_y = clamp(-FLOW_PATCH, (float)y + flow[1], (float)there.rows);
    int left = (int)(to_x + FLOW_PATCH) - FLOW_PATCH, top = (int)(to_y + FLOW_PATCH) - FLOW_PATCH;
    float right = to_x - (float)left, down = to_y - (float)top;
    Lanes between_columns[FLOW_PATCH + 1];
    for (int v = 0; v <= FLOW_PATCH; v++) {
        const float *row = there.at + (ptrdiff_t)(top + v) * there.stride + left;
        for (int u = 0; u < FLOW_PATCH; u++) between_columns[v][u] = row[u] + right * (row[u + 1] - row[u]);
    }
    for (int v = 0; v < FLOW_PATCH; v++) {
        const float *own = here.at + (ptrdiff_t)(y + v) * here.stride + x;
        const float *upper = between_columns[v], *lower = between_columns[v + 1];
        for (int u = 0; u < FLOW_PATCH; u++) out[v][u] = upper[u] + down * (lower[u] - upper[u]) - own[u];
    }
}

/* Sums over a patch. */
typedef struct {
    float plain, squared, across, down;
} Sums;

INLINE Sums sums_of(const Lanes *values, Bordered across, Bordered down, int x, int y) {
    Lanes plain = {0}, squared = {0}, by_across = {0}, by_down = {0};
    for (int v = 0; v < FLOW_PATCH; v++) {
        const float *to_right = across.at + (ptrdiff_t)(y + v) * across.stride + x;
        const float *to_below = down.at + (ptrdiff_t)(y + v) * down.stride + x;
        for (int u = 0; u < FLOW_PATCH; u++) {
            float value = values[v][u];
            plain[u] += value, squared[u] += value * value;
            by_across[u] += value * to_right[u], by_down[u] += value * to_below[u];
        }
    }
    Sums sums = {sum_of(plain), sum_of(squared), sum_of(by_across), sum_of(by_down)};
    return sums;
}

/* Aligns the patch at (x, y): Gauss–Newton from `flow`, which becomes the best position tried. */
INLINE void align_patch(Bordered here, Bordered there, Bordered across, Bordered down, int x, int y, float flow[2]) {
    Lanes values[FLOW_PATCH];
    for (int v = 0; v < FLOW_PATCH; v++)
        memcpy(values[v], across.at + (ptrdiff_t)(y + v) * across.stride + x, sizeof(Lanes));
    Sums right = sums_of(values, across, down, x, y);
    for (int v = 0; v < FLOW_PATCH; v++)
        memcpy(values[v], down.at + (ptrdiff_t)(y + v) * down.stride + x, sizeof(Lanes));
    Sums below = sums_of(values, across, down, x, y);
    float xx = right.squared - right.plain * right.plain / PIXELS + FLOW_DAMPING;
    float yy = below.squared - below.plain * below.plain / PIXELS + FLOW_DAMPING;
    float xy = right.down - right.plain * below.plain / PIXELS, scale = 1 / (xx * yy - xy * xy);
    float at[2] = {flow[0], flow[1]}, start[2] = {flow[0], flow[1]}, best = 0;
    for (int step = 0; step <= FLOW_STEPS; step++) {
        difference(here, there, x, y, at, values);
        Sums sums = sums_of(values, across, down, x, y);
        float error = sums.squared - sums.plain * sums.plain / PIXELS;
        if (!step || error < best) best = error, flow[0] = at[0], flow[1] = at[1];
        float mean = sums.plain / PIXELS;
        float by_x = sums.across - right.plain * mean, by_y = sums.down - below.plain * mean;
        float to_x = (yy * by_x - xy * by_y) * scale, to_y = (xx * by_y - xy * by_x) * scale;
        if (to_x * to_x + to_y * to_y < FLOW_SHORTEST_STEP * FLOW_SHORTEST_STEP) break;
        at[0] -= clamp(-FLOW_LONGEST_STEP, to_x, FLOW_LONGEST_STEP);
        at[1] -= clamp(-FLOW_LONGEST_STEP, to_y, FLOW_LONGEST_STEP);
        for (int axis = 0; axis < 2; axis++)
            at[axis] = clamp(start[axis] - FLOW_PATCH, at[axis], start[axis] + FLOW_PATCH);
    }
}

/* Adds a patch's flow to the weighted sums of its pixels; the weight is larger the better it explains a pixel. */
INLINE void add_patch(Bordered here, Bordered there, int x, int y, const float flow[2], Bordered sums[3]) {
    Lanes values[FLOW_PATCH];
    difference(here, there, x, y, flow, values);
    for (int v = 0; v < FLOW_PATCH; v++) {
        ptrdiff_t start = (ptrdiff_t)(y + v) * here.stride + x;
        float *restrict to_x = sums[0].at + start, *restrict to_y = sums[1].at + start;
        float *restrict weights = sums[2].at + start;
        for (int u = 0; u < FLOW_PATCH; u++) {
            float value = values[v][u], weight = 1 / max_float(FLOW_ERROR_FLOOR, value < 0 ? -value : value);
            to_x[u] += weight * flow[0], to_y[u] += weight * flow[1], weights[u] += weight;
        }
    }
}

/* Refines `flow` [2, rows, columns] on one level; `work`: room for seven bordered images. */
INLINE void refine_level(const float *fixed, const float *moving, int rows, int columns, float *flow, float *work) {
    size_t size = (size_t)rows * columns, bordered = bordered_size(rows, columns);
    Bordered buffers[7];
    for (int k = 0; k < 7; k++) buffers[k] = bordered_in(work + k * bordered, rows, columns);
    Bordered here = buffers[0], there = buffers[1], across = buffers[2], down = buffers[3];
    repeat_border(fixed, here);
    repeat_border(moving, there);
    slopes(here, across, down);
    memset(buffers[4].memory, 0, sizeof(float) * 3 * bordered);
    for (int y = -FLOW_STRIDE; y < rows; y += FLOW_STRIDE)
        for (int x = -FLOW_STRIDE; x < columns; x += FLOW_STRIDE) {
            int row = min_int(y + FLOW_STRIDE, rows - 1), column = min_int(x + FLOW_STRIDE, columns - 1);
            size_t middle = (size_t)row * columns + column;
            float own[2] = {flow[middle], flow[size + middle]};
            align_patch(here, there, across, down, x, y, own);
            add_patch(here, there, x, y, own, buffers + 4);
        }
    for (int y = 0; y < rows; y++)
        for (int x = 0; x < columns; x++) {
            ptrdiff_t at = (ptrdiff_t)y * here.stride + x;
            size_t pixel = (size_t)y * columns + x;
            flow[pixel] = buffers[4].at[at] / buffers[6].at[at];
            flow[size + pixel] = buffers[5].at[at] / buffers[6].at[at];
        }
}

/* The flow of images of half the size, nearest neighbour. */
INLINE void doubled(const float *restrict coarse, int coarse_rows, int coarse_columns, int rows, int columns,
                    float *restrict flow) {
    for (int axis = 0; axis < 2; axis++)
        for (int y = 0; y < rows; y++) {
            const float *row = coarse + ((size_t)axis * coarse_rows + min_int(y / 2, coarse_rows - 1)) * coarse_columns;
            for (int x = 0; x < columns; x++) *flow++ = 2 * row[min_int(x / 2, coarse_columns - 1)];
        }
}

/* `flow`: across and down, [2, rows, columns]. */
EXPORTED KERNEL int streamseg_flow(const float *here, const float *there, int rows, int columns, float *flow) {
    size_t size = (size_t)rows * columns;
    /* Two pyramids in less than one image, the coarser flow in half of one, and seven images with borders. */
    float *memory = malloc(sizeof(float) * (2 * size + 64 + 7 * bordered_size(rows, columns)));
    if (memory == NULL) return NO_MEMORY;
    const float *fixed[FLOW_LEVELS] = {here}, *moving[FLOW_LEVELS] = {there};
    int heights[FLOW_LEVELS] = {rows}, widths[FLOW_LEVELS] = {columns}, levels = 1;
    float *free_space = memory;
    while (levels < FLOW_LEVELS && min_int(heights[levels - 1], widths[levels - 1]) >= 2 * FLOW_SMALLEST_SIDE) {
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
