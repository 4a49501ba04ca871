/* Ambiguous regions of a matte are decided; reference: streamseg.matting.temporal.ambiguity. */
#include "kernels.h"

/* Sums of `width` neighbours, to the right of each of `columns` samples, by sums of 1, 2, 4, … of them. `line` has
 * columns + width − 1 samples, and is not kept. */
INLINE void neighbour_sums(float *restrict line, int columns, int width, float *restrict out) {
    int done = 0, length = columns + width - 1;
    memset(out, 0, sizeof(float) * (size_t)columns);
    for (int part = 1; part <= width; part *= 2) {
        if (width & part) {
            for (int x = 0; x < columns; x++) out[x] += line[x + done];
            done += part;
        }
        length -= part;
        for (int x = 0; x < length; x++) line[x] += line[x + part];
    }
}

/* Means of the cells of windows of side 2·radius + 1 that lie in the frame. `lines`: room for 2·columns + 2·radius. Not
 * in place. */
INLINE void window_mean(const float *restrict in, int rows, int columns, int radius, float *restrict out,
                        float *restrict lines) {
    float *restrict sums = lines, *restrict line = lines + columns;
    memset(sums, 0, sizeof(float) * (size_t)columns);
    for (int y = 0; y < min_int(radius, rows); y++)
        for (int x = 0; x < columns; x++) sums[x] += in[(size_t)y * columns + x];
    for (int y = 0; y < rows; y++) {
        if (y + radius < rows)
            for (int x = 0; x < columns; x++) sums[x] += in[(size_t)(y + radius) * columns + x];
        if (y > radius)
            for (int x = 0; x < columns; x++) sums[x] -= in[(size_t)(y - radius - 1) * columns + x];
        memset(line, 0, sizeof(float) * (size_t)(columns + 2 * radius));
        memcpy(line + radius, sums, sizeof(float) * (size_t)columns);
        float *to = out + (size_t)y * columns;
        neighbour_sums(line, columns, 2 * radius + 1, to);
        int height = min_int(y + radius, rows - 1) - max_int(y - radius, 0) + 1;
        for (int x = 0; x < columns; x++)
            to[x] /= (float)(height * (min_int(x + radius, columns - 1) - max_int(x - radius, 0) + 1));
    }
}

INLINE float ramp(float value, float low, float high) { return clamp(0, (value - low) * (1 / (high - low)), 1); }

INLINE float shown(float alpha) { return ramp(alpha, ALPHA_LOW, ALPHA_HIGH); }

INLINE size_t lines_size(int columns) {
    return 2 * (size_t)(columns + max_int(AMBIGUOUS_RADIUS, DECISION_RADIUS));
}

/* region: how far each cell belongs to an ambiguous region, 0 to 1. `found` is 0, and `region` not written, where none
 * does. */
EXPORTED KERNEL int streamseg_ambiguous(const float *restrict alpha, int rows, int columns, float *restrict region,
                                        int32_t *found) {
    size_t size = (size_t)rows * columns;
    float *memory = malloc(sizeof(float) * (2 * size + lines_size(columns)));
    if (memory == NULL) return NO_MEMORY;
    float *half = memory, *means = memory + size, *lines = memory + 2 * size;
    for (size_t i = 0; i < size; i++) {
        float value = shown(alpha[i]);
        half[i] = (float)((value > AMBIGUOUS_LOW) & (value < AMBIGUOUS_HIGH));
    }
    window_mean(half, rows, columns, AMBIGUOUS_RADIUS, means, lines);
    int any = 0;
    for (size_t i = 0; i < size; i++) any |= means[i] > AMBIGUOUS_SHARE;
    *found = any;
    if (any) {
        for (size_t i = 0; i < size; i++) half[i] = ramp(means[i], AMBIGUOUS_SHARE, 1);
        window_mean(half, rows, columns, AMBIGUOUS_RADIUS, region, lines);
        for (size_t i = 0; i < size; i++) region[i] = ramp(region[i], 0, AMBIGUOUS_CORE);
    }
    free(memory);
    return DONE;
}

/* previous: of the frame before, warped to this one, or NULL. */
EXPORTED KERNEL int streamseg_decide(const float *restrict alpha, const float *restrict previous,
                                     const float *restrict region, int rows, int columns, float *restrict out) {
    size_t size = (size_t)rows * columns;
    float *memory = malloc(sizeof(float) * (3 * size + lines_size(columns)));
    if (memory == NULL) return NO_MEMORY;
    float *values = memory, *means = memory + size, *weights = memory + 2 * size, *lines = memory + 3 * size;
    /* Without a frame before, nothing limits the change. */
    const float *restrict before = previous == NULL ? alpha : previous;
    float hysteresis = previous == NULL ? 0 : DECISION_HYSTERESIS, step = previous == NULL ? 1 : DECISION_STEP;
    for (size_t i = 0; i < size; i++)
        values[i] = region[i] * (shown(alpha[i]) + hysteresis * (shown(before[i]) - 0.5f));
    window_mean(values, rows, columns, DECISION_RADIUS, means, lines);
    window_mean(region, rows, columns, DECISION_RADIUS, weights, lines);
    for (size_t i = 0; i < size; i++) {
        float mean = means[i] / max_float(weights[i], 1e-6f), was = shown(before[i]);
        float decided = clamp(0, 0.5f + DECISION_GAIN * (mean - 0.5f), 1);
        float changed = clamp(was - step, decided, was + step);
        out[i] = alpha[i] + region[i] * (ALPHA_LOW + (ALPHA_HIGH - ALPHA_LOW) * changed - alpha[i]);
    }
    free(memory);
    return DONE;
}
