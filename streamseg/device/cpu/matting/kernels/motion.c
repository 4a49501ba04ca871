/* Confidence of a flow, its reversal, and the motion of the foreground layer; reference:
 * streamseg.matting.motion.estimate and streamseg.matting.motion.layers. */
#include "kernels.h"

/* Central differences, zero on the border. */
INLINE void gradients(const float *restrict image, int rows, int columns, float *restrict across,
                      float *restrict down) {
    for (int y = 0; y < rows; y++) {
        const float *row = image + (size_t)y * columns;
        const float *above = y ? row - columns : row, *below = y < rows - 1 ? row + columns : row;
        float weight = y && y < rows - 1 ? 0.5f : 0;
        float *to_right = across + (size_t)y * columns, *to_below = down + (size_t)y * columns;
        to_right[0] = to_right[columns - 1] = 0;
        for (int x = 1; x < columns - 1; x++) to_right[x] = 0.5f * (row[x + 1] - row[x - 1]);
        for (int x = 0; x < columns; x++) to_below[x] = weight * (below[x] - above[x]);
    }
}

/* `out` = `fixed` minus `moving` warped by the flow. */
INLINE void difference(const float *fixed, const float *moving, const float *flow, int rows, int columns,
                       float *restrict out) {
    size_t size = (size_t)rows * columns;
    for (int y = 0; y < rows; y++)
        for (int x = 0; x < columns; x++) {
            size_t at = (size_t)y * columns + x;
            BilinearPosition position =
                bilinear_position((float)x + flow[at], (float)y + flow[size + at], rows, columns);
            out[at] = fixed[at] - sample_bilinear(moving, columns, position);
        }
}

/* exp(x) for x of 0 or less: 2^whole · 2^fraction, the latter by its Taylor series, to within 2e-7. */
INLINE float exp_negative(float x) {
    float power = max_float(x * 1.442695041f, -126);
    int32_t whole = (int32_t)(power - 0.5f);
    float y = 0.6931471806f * (power - (float)whole);
    float series = 1 + y * (1 + y * (0.5f + y * (1.f / 6 + y * (1.f / 24 + y * (1.f / 120 + y * (1.f / 720))))));
    union {
        int32_t bits;
        float value;
    } scale = {.bits = (whole + 127) << 23};
    return series * scale.value;
}

EXPORTED KERNEL int streamseg_flow_confidence(const float *here, const float *there, const float *flow, int rows,
                                              int columns, float *out) {
    size_t size = (size_t)rows * columns;
    float *memory = malloc(sizeof(float) * (4 * size + (size_t)columns + 16));
    if (memory == NULL) return NO_MEMORY;
    float *across = memory, *down = memory + size, *slope = memory + 2 * size, *error = memory + 3 * size;
    float *line = memory + 4 * size;
    gradients(here, rows, columns, across, down);
    for (size_t i = 0; i < size; i++) across[i] = across[i] * across[i] + down[i] * down[i];
    box_mean(across, rows, columns, CONFIDENCE_RADIUS, slope, line);
    difference(here, there, flow, rows, columns, down);
    for (size_t i = 0; i < size; i++) down[i] *= down[i];
    box_mean(down, rows, columns, CONFIDENCE_RADIUS, error, line);
    for (size_t i = 0; i < size; i++)
        out[i] = exp_negative(error[i] / (-CONFIDENCE_GRADIENT * slope[i] - CONFIDENCE_NOISE * CONFIDENCE_NOISE));
    free(memory);
    return DONE;
}

/* The reverse flow: the negated flow, warped by itself. */
EXPORTED KERNEL int streamseg_reverse_flow(const float *flow, int rows, int columns, float *out) {
    size_t size = (size_t)rows * columns;
    for (int y = 0; y < rows; y++)
        for (int x = 0; x < columns; x++) {
            size_t at = (size_t)y * columns + x;
            BilinearPosition position =
                bilinear_position((float)x - flow[at], (float)y - flow[size + at], rows, columns);
            out[at] = -sample_bilinear(flow, columns, position);
            out[size + at] = -sample_bilinear(flow + size, columns, position);
        }
    return DONE;
}

/* `image` at another size, bilinear; `line`: room for columns + 1, `positions` for out_columns. */
INLINE void resized(const float *image, int rows, int columns, int out_rows, int out_columns, float *restrict out,
                    float *restrict line, Position *positions) {
    for (int x = 0; x < out_columns; x++) positions[x] = position_at(x, out_columns, columns);
    for (int y = 0; y < out_rows; y++) {
        interpolate_rows(image, rows, columns, position_at(y, out_rows, rows), line);
        for (int x = 0; x < out_columns; x++) *out++ = interpolate(line, positions[x]);
    }
}

/* `alpha` warped by the flow `by`, times the confidence. */
INLINE void foreground_weight(const float *alpha, const float *by, const float *confidence, int rows, int columns,
                          float *restrict out) {
    size_t size = (size_t)rows * columns;
    for (int y = 0; y < rows; y++)
        for (int x = 0; x < columns; x++) {
            size_t at = (size_t)y * columns + x;
            BilinearPosition position = bilinear_position((float)x + by[at], (float)y + by[size + at], rows, columns);
            out[at] = confidence[at] * sample_bilinear(alpha, columns, position);
        }
}

/* The flow of the foreground layer up to its contour and around it; out: [2, rows, columns]. */
EXPORTED KERNEL int streamseg_layer_motion(const float *flow, const float *confidence, int rows, int columns,
                                          const float *alpha, int alpha_rows, int alpha_columns, float *out) {
    size_t size = (size_t)rows * columns, line_size = (size_t)max_int(columns + 2 * LAYER_RADIUS, alpha_columns + 1);
    float *memory = malloc(sizeof(float) * (5 * size + line_size) + sizeof(Position) * (size_t)columns);
    if (memory == NULL) return NO_MEMORY;
    float *small = memory, *weight = memory + size, *weighted = memory + 2 * size, *weights = memory + 3 * size;
    float *flows = memory + 4 * size, *line = memory + 5 * size;
    resized(alpha, alpha_rows, alpha_columns, rows, columns, small, line, (Position *)(line + line_size));
    memcpy(out, flow, sizeof(float) * 2 * size);
    for (int iteration = 0; iteration < LAYER_ITERATIONS; iteration++) {
        foreground_weight(small, out, confidence, rows, columns, weight);
        box_mean(weight, rows, columns, LAYER_RADIUS, weights, line);
        for (int axis = 0; axis < 2; axis++) {
            const float *found = flow + axis * size;
            float *restrict to = out + axis * size;
            for (size_t i = 0; i < size; i++) weighted[i] = weight[i] * found[i];
            box_mean(weighted, rows, columns, LAYER_RADIUS, flows, line);
            for (size_t i = 0; i < size; i++)
                to[i] = (flows[i] + LAYER_OWN_WEIGHT * found[i]) / (weights[i] + LAYER_OWN_WEIGHT);
        }
    }
    free(memory);
    return DONE;
}
