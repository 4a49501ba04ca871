/* Ambiguous regions of a matte are decided; reference: streamseg.matting.temporal.ambiguity. */
#include "kernels.h"

/* Means of the cells of windows of side 2·radius + 1 that lie in the frame, by running sums. `line`: room for `columns`.
 * Not in place. */
INLINE void window_mean(const float *restrict in, int rows, int columns, int radius, float *restrict out,
                        float *restrict line) {
    memset(line, 0, sizeof(float) * (size_t)columns);
    for (int y = 0; y < min_int(radius, rows); y++)
        for (int x = 0; x < columns; x++) line[x] += in[(size_t)y * columns + x];
    for (int y = 0; y < rows; y++) {
        if (y + radius < rows)
            for (int x = 0; x < columns; x++) line[x] += in[(size_t)(y + radius) * columns + x];
        if (y > radius)
            for (int x = 0; x < columns; x++) line[x] -= in[(size_t)(y - radius - 1) * columns + x];
        float sum = 0, *to = out + (size_t)y * columns;
        int height = min_int(y + radius, rows - 1) - max_int(y - radius, 0) + 1;
        for (int x = 0; x < min_int(radius, columns); x++) sum += line[x];
        for (int x = 0; x < columns; x++) {
            if (x + radius < columns) sum += line[x + radius];
            if (x > radius) sum -= line[x - radius - 1];
            to[x] = sum / (float)(height * (min_int(x + radius, columns - 1) - max_int(x - radius, 0) + 1));
        }
    }
}

INLINE float ramp(float value, float low, float high) { return clamp(0, (value - low) * (1 / (high - low)), 1); }

INLINE float shown(float alpha) { return ramp(alpha, ALPHA_LOW, ALPHA_HIGH); }

/* region: how far each cell belongs to an ambiguous region, 0 to 1. Returns whether any does. `means`, `line`: room for
 * a plane and a row. */
INLINE int find_regions(const float *restrict alpha, int rows, int columns, float *restrict region,
                        float *restrict means, float *restrict line) {
    size_t size = (size_t)rows * columns;
    int found = 0;
    for (size_t i = 0; i < size; i++) {
        float value = shown(alpha[i]);
        region[i] = value > AMBIGUOUS_LOW && value < AMBIGUOUS_HIGH ? 1 : 0;
    }
    window_mean(region, rows, columns, AMBIGUOUS_RADIUS, means, line);
    for (size_t i = 0; i < size; i++) {
        region[i] = ramp(means[i], AMBIGUOUS_SHARE, 1);
        found |= region[i] > 0;
    }
    if (!found) return 0;
    window_mean(region, rows, columns, AMBIGUOUS_RADIUS, means, line);
    for (size_t i = 0; i < size; i++) region[i] = ramp(means[i], 0, AMBIGUOUS_CORE);
    return 1;
}

/* previous: of the frame before, warped to this one, or NULL. `found` is 0, and `out` not written, where nothing is
 * ambiguous. */
EXPORTED KERNEL int streamseg_resolve(const float *restrict alpha, const float *restrict previous, int rows,
                                      int columns, float *restrict out, int32_t *found) {
    size_t size = (size_t)rows * columns;
    float *memory = malloc(sizeof(float) * (4 * size + (size_t)columns));
    if (memory == NULL) return NO_MEMORY;
    float *region = memory, *weights = memory + size, *values = memory + 2 * size, *means = memory + 3 * size;
    float *line = memory + 4 * size;
    *found = find_regions(alpha, rows, columns, region, weights, line);
    if (*found) {
        window_mean(region, rows, columns, DECISION_RADIUS, weights, line);
        for (size_t i = 0; i < size; i++) {
            float history = previous == NULL ? 0 : DECISION_HYSTERESIS * (shown(previous[i]) - 0.5f);
            values[i] = region[i] * (shown(alpha[i]) + history);
        }
        window_mean(values, rows, columns, DECISION_RADIUS, means, line);
        for (size_t i = 0; i < size; i++) {
            float mean = means[i] / max_float(weights[i], 1e-6f);
            float decided = clamp(0, 0.5f + DECISION_GAIN * (mean - 0.5f), 1);
            if (previous != NULL) {
                float before = shown(previous[i]);
                decided = clamp(before - DECISION_STEP, decided, before + DECISION_STEP);
            }
            float resolved = ALPHA_LOW + (ALPHA_HIGH - ALPHA_LOW) * decided;
            out[i] = alpha[i] + region[i] * (resolved - alpha[i]);
        }
    }
    free(memory);
    return DONE;
}
