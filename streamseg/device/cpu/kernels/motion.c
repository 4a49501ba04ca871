/* How far a flow explains the picture, the flow back, and the flow of a subject's contour; twins:
 * streamseg.matting.motion and streamseg.matting.contour. */
#include "kernels.h"

enum { AGREEMENT_WINDOW = 2, REACH = 3, ROUNDS = 2 };
static const float NOISE = 6, GRADIENT = 0.25f, OWN = 0.05f;

/* Central differences, zero on the border. */
INLINE void gradients(const float *restrict image, int rows, int columns, float *restrict across, float *restrict down) {
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

/* `out` = `fixed` less what `moving` has along the flow. */
INLINE void difference(const float *fixed, const float *moving, const float *flow, int rows, int columns,
                       float *restrict out) {
    size_t size = (size_t)rows * columns;
    for (int y = 0; y < rows; y++)
        for (int x = 0; x < columns; x++) {
            size_t at = (size_t)y * columns + x;
            Spot spot = spot_at((float)x + flow[at], (float)y + flow[size + at], rows, columns);
            out[at] = fixed[at] - fetched(moving, columns, spot);
        }
}

/* e to the power of x, for x of 0 or less: 2^whole · 2^part, the latter by its series, to within 2e-7. */
INLINE float falling(float x) {
    float power = most(x * 1.442695041f, -126);
    int32_t whole = (int32_t)(power - 0.5f);
    float y = 0.6931471806f * (power - (float)whole);
    float series = 1 + y * (1 + y * (0.5f + y * (1.f / 6 + y * (1.f / 24 + y * (1.f / 120 + y * (1.f / 720))))));
    union {
        int32_t bits;
        float value;
    } scale = {.bits = (whole + 127) << 23};
    return series * scale.value;
}

EXPORTED KERNEL int streamseg_agreement(const float *here, const float *there, const float *flow, int rows, int columns,
                                        float *out) {
    size_t size = (size_t)rows * columns;
    float *memory = malloc(sizeof(float) * (4 * size + (size_t)columns + 16));
    if (memory == NULL) return NO_MEMORY;
    float *across = memory, *down = memory + size, *slope = memory + 2 * size, *error = memory + 3 * size;
    float *line = memory + 4 * size;
    gradients(here, rows, columns, across, down);
    for (size_t i = 0; i < size; i++) across[i] = across[i] * across[i] + down[i] * down[i];
    box_mean(across, rows, columns, AGREEMENT_WINDOW, slope, line);
    difference(here, there, flow, rows, columns, down);
    for (size_t i = 0; i < size; i++) down[i] *= down[i];
    box_mean(down, rows, columns, AGREEMENT_WINDOW, error, line);
    for (size_t i = 0; i < size; i++) out[i] = falling(error[i] / (-GRADIENT * slope[i] - NOISE * NOISE));
    free(memory);
    return DONE;
}

/* The flow back: what the flow is where it leads against itself, turned round. */
EXPORTED KERNEL int streamseg_reversed(const float *flow, int rows, int columns, float *out) {
    size_t size = (size_t)rows * columns;
    for (int y = 0; y < rows; y++)
        for (int x = 0; x < columns; x++) {
            size_t at = (size_t)y * columns + x;
            Spot spot = spot_at((float)x - flow[at], (float)y - flow[size + at], rows, columns);
            out[at] = -fetched(flow, columns, spot);
            out[size + at] = -fetched(flow + size, columns, spot);
        }
    return DONE;
}

/* `image` at another size; `line` holds columns + 1, `places` as many as there are columns in `out`. */
INLINE void resized(const float *image, int rows, int columns, int out_rows, int out_columns, float *restrict out,
                    float *restrict line, Place *places) {
    for (int x = 0; x < out_columns; x++) places[x] = spread(x, out_columns, columns);
    for (int y = 0; y < out_rows; y++) {
        row_between(image, rows, columns, spread(y, out_rows, rows), line);
        for (int x = 0; x < out_columns; x++) *out++ = in_row(line, places[x]);
    }
}

/* Where `alpha`, carried along the flow `by`, shows the subject, as far as the motion explains it. */
INLINE void subject_along(const float *alpha, const float *by, const float *agreement, int rows, int columns,
                          float *restrict out) {
    size_t size = (size_t)rows * columns;
    for (int y = 0; y < rows; y++)
        for (int x = 0; x < columns; x++) {
            size_t at = (size_t)y * columns + x;
            Spot spot = spot_at((float)x + by[at], (float)y + by[size + at], rows, columns);
            out[at] = agreement[at] * fetched(alpha, columns, spot);
        }
}

/* The flow as the subject has it, up to its contour and around it; out: [2, rows, columns]. */
EXPORTED KERNEL int streamseg_at_contours(const float *flow, const float *agreement, int rows, int columns,
                                          const float *alpha, int alpha_rows, int alpha_columns, float *out) {
    size_t size = (size_t)rows * columns, line_size = (size_t)larger(columns + 2 * REACH, alpha_columns + 1);
    float *memory = malloc(sizeof(float) * (5 * size + line_size) + sizeof(Place) * (size_t)columns);
    if (memory == NULL) return NO_MEMORY;
    float *small = memory, *weight = memory + size, *weighted = memory + 2 * size, *weights = memory + 3 * size;
    float *flows = memory + 4 * size, *line = memory + 5 * size;
    resized(alpha, alpha_rows, alpha_columns, rows, columns, small, line, (Place *)(line + line_size));
    memcpy(out, flow, sizeof(float) * 2 * size);
    for (int round = 0; round < ROUNDS; round++) {
        subject_along(small, out, agreement, rows, columns, weight);
        box_mean(weight, rows, columns, REACH, weights, line);
        for (int axis = 0; axis < 2; axis++) {
            const float *found = flow + axis * size;
            float *restrict to = out + axis * size;
            for (size_t i = 0; i < size; i++) weighted[i] = weight[i] * found[i];
            box_mean(weighted, rows, columns, REACH, flows, line);
            for (size_t i = 0; i < size; i++) to[i] = (flows[i] + OWN * found[i]) / (weights[i] + OWN);
        }
    }
    free(memory);
    return DONE;
}
