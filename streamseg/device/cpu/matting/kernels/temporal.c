/* The temporal filter, smoothing and averaging of mattes; reference: streamseg.matting.temporal. */
#include "kernels.h"

#include <math.h>

/* A motion at its own resolution. */
typedef struct {
    const float *flow, *confidence;
    int rows, columns;
} Motion;

/* Sampling positions and confidence for a row of the matte grid, `columns` each; `lines`: three rows of the motion,
 * each with its last sample twice. */
typedef struct {
    int32_t *corner;
    float *right, *down, *confidence, *lines;
    Position *positions;
} Row;

INLINE size_t row_size(int columns, Motion motion) {
    return (size_t)columns * (4 * sizeof(float) + sizeof(Position)) + 3 * sizeof(float) * (size_t)(motion.columns + 1);
}

INLINE Row row_in(char *memory, int columns, Motion motion) {
    float *numbers = (float *)memory + columns;
    Row row = {(int32_t *)memory, numbers, numbers + columns, numbers + 2 * columns, numbers + 3 * columns, NULL};
    row.positions = (Position *)(row.lines + 3 * (motion.columns + 1));
    for (int x = 0; x < columns; x++) row.positions[x] = position_at(x, columns, motion.columns);
    return row;
}

/* The motion at row y. Gathers and arithmetic are loops of their own, so that the latter are vectorised. */
INLINE void motion_row(Motion motion, int y, int rows, int columns, Row row) {
    Position position = position_at(y, rows, motion.rows);
    int width = motion.columns;
    size_t size = (size_t)motion.rows * width;
    float *lines[3] = {row.lines, row.lines + width + 1, row.lines + 2 * (width + 1)};
    interpolate_rows(motion.flow, motion.rows, width, position, lines[0]);
    interpolate_rows(motion.flow + size, motion.rows, width, position, lines[1]);
    interpolate_rows(motion.confidence, motion.rows, width, position, lines[2]);
    float *restrict right = row.right, *restrict down = row.down, *restrict confidence = row.confidence;
    int32_t *restrict corner = row.corner;
    for (int x = 0; x < columns; x++) {
        right[x] = interpolate(lines[0], row.positions[x]);
        down[x] = interpolate(lines[1], row.positions[x]);
        confidence[x] = interpolate(lines[2], row.positions[x]);
    }
    float scale_x = (float)columns / (float)width, scale_y = (float)rows / (float)motion.rows;
    for (int x = 0; x < columns; x++) {
        BilinearPosition position =
            bilinear_position((float)x + scale_x * right[x], (float)y + scale_y * down[x], rows, columns);
        corner[x] = position.corner, right[x] = position.right, down[x] = position.down;
    }
}

INLINE float fetch(const float *plane, int columns, Row row, int x) {
    BilinearPosition position = {row.corner[x], row.right[x], row.down[x]};
    return sample_bilinear(plane, columns, position);
}

/* Cells of the grid. */
typedef struct {
    int top, bottom, left, right;
} Cells;

/* Corrects alpha and weight in `cells` by an observation; in `halved` (which may be empty) it has half its weight.
 * `work`: room for three times the cells and a row. Returns the innovation. */
INLINE float correct(float *alpha, float *weight, int columns, const float *observed, Cells cells, Cells halved,
                     float *work) {
    int rows = cells.bottom - cells.top, width = cells.right - cells.left;
    size_t size = (size_t)rows * width;
    float *residual = work, *absolute = work + size, *contradiction = work + 2 * size;
    double absolute_sum = 0, observed_sum = 0;
    for (int y = 0; y < rows; y++) {
        const float *restrict here = alpha + (size_t)(cells.top + y) * columns + cells.left;
        for (int x = 0; x < width; x++) {
            float by = observed[(size_t)y * width + x] - here[x];
            residual[(size_t)y * width + x] = by;
            absolute[(size_t)y * width + x] = by < 0 ? -by : by;
        }
    }
    for (size_t i = 0; i < size; i++) absolute_sum += absolute[i], observed_sum += observed[i];
    box_mean(absolute, rows, width, INNOVATION_RADIUS, contradiction, work + 3 * size);
    for (int y = 0; y < rows; y++) {
        int row = cells.top + y;
        float *restrict a = alpha + (size_t)row * columns + cells.left;
        float *restrict w = weight + (size_t)row * columns + cells.left;
        const float *by = residual + (size_t)y * width, *contradicting = contradiction + (size_t)y * width;
        int in_rows = row >= halved.top && row < halved.bottom;
        int from = in_rows ? halved.left - cells.left : width, to = in_rows ? halved.right - cells.left : width;
        for (int x = 0; x < width; x++) {
            float gain = (by[x] > 0 ? RISING_WEIGHT : 1) / (1 + INNOVATION_PENALTY * contradicting[x]);
            gain *= x >= from && x < to ? 0.5f : 1;
            float sum = w[x] + gain;
            a[x] += by[x] * gain / (sum + 1e-6f);
            w[x] = sum * (1 - CONTRADICTION_DECAY * contradicting[x]);
        }
    }
    return (float)(absolute_sum / (observed_sum > 1 ? observed_sum : 1));
}

/* state, out: alpha and its weight, [2, rows, columns]. observed: of `cells`, or NULL without an observation; then
 * `innovation` is not written. */
EXPORTED KERNEL int streamseg_update(const float *state, int rows, int columns, const float *flow,
                                     const float *confidence, int motion_rows, int motion_columns, float max_weight,
                                     const float *observed, const int32_t *cells, const int32_t *halved, float *out,
                                     float *innovation) {
    Motion motion = {flow, confidence, motion_rows, motion_columns};
    size_t size = (size_t)rows * columns;
    char *memory = malloc(row_size(columns, motion) + sizeof(float) * (3 * size + (size_t)columns + 16));
    if (memory == NULL) return NO_MEMORY;
    Row row = row_in(memory, columns, motion);
    Cells roi = {0, 0, 0, 0}, half = {0, 0, 0, 0};
    if (observed != NULL) roi = (Cells){cells[0], cells[1], cells[2], cells[3]};
    if (halved != NULL) half = (Cells){halved[0], halved[1], halved[2], halved[3]};
    for (int y = 0; y < rows; y++) {
        float *restrict alpha = out + (size_t)y * columns, *restrict weight = out + size + (size_t)y * columns;
        motion_row(motion, y, rows, columns, row);
        for (int x = 0; x < columns; x++)
            alpha[x] = fetch(state, columns, row, x), weight[x] = fetch(state + size, columns, row, x);
        for (int x = 0; x < columns; x++) weight[x] = min_float(weight[x] * row.confidence[x], max_weight);
        if (observed == NULL) continue;
        int inside = y >= roi.top && y < roi.bottom;
        int from = inside ? roi.left : columns, to = inside ? roi.right : columns;
        for (int x = 0; x < columns; x++) {
            float kept = x >= from && x < to ? 1 : UNOBSERVED_DECAY;
            alpha[x] *= kept, weight[x] *= kept;
        }
    }
    float *work = (float *)(memory + row_size(columns, motion));
    if (observed != NULL) *innovation = correct(out, out + size, columns, observed, roi, half, work);
    free(memory);
    return DONE;
}

/* The matte of a frame moved towards `later`, the next frame's, by the confidence. */
EXPORTED KERNEL int streamseg_smooth(const float *alpha, const float *later, int rows, int columns, const float *flow,
                                     const float *confidence, int motion_rows, int motion_columns, float *out) {
    Motion motion = {flow, confidence, motion_rows, motion_columns};
    char *memory = malloc(row_size(columns, motion));
    if (memory == NULL) return NO_MEMORY;
    Row row = row_in(memory, columns, motion);
    for (int y = 0; y < rows; y++) {
        const float *own = alpha + (size_t)y * columns;
        float *restrict to = out + (size_t)y * columns;
        motion_row(motion, y, rows, columns, row);
        for (int x = 0; x < columns; x++) {
            float there = fetch(later, columns, row, x);
            to[x] = own[x] + row.confidence[x] * (there - own[x]);
        }
    }
    free(memory);
    return DONE;
}

/* Adds a neighbouring frame's matte, warped and clipped, to the sums of mattes and of weights; its weight is
 * NEIGHBOUR_WEIGHT times the square root of the confidence. */
EXPORTED KERNEL int streamseg_add_neighbour(const float *other, int rows, int columns, const float *flow,
                                            const float *confidence, int motion_rows, int motion_columns, float *total,
                                            float *weight) {
    Motion motion = {flow, confidence, motion_rows, motion_columns};
    char *memory = malloc(row_size(columns, motion));
    if (memory == NULL) return NO_MEMORY;
    Row row = row_in(memory, columns, motion);
    for (int y = 0; y < rows; y++) {
        float *restrict to = total + (size_t)y * columns, *restrict by = weight + (size_t)y * columns;
        motion_row(motion, y, rows, columns, row);
        float *restrict counts = row.confidence;
        for (int x = 0; x < columns; x++) counts[x] = NEIGHBOUR_WEIGHT * sqrtf(counts[x]);
        for (int x = 0; x < columns; x++) {
            to[x] += counts[x] * clamp(ALPHA_LOW, fetch(other, columns, row, x), ALPHA_HIGH);
            by[x] += counts[x];
        }
    }
    free(memory);
    return DONE;
}

/* A saliency map on cells of the grid: stretched between the levels, then sampled bilinearly at rows `down` and columns
 * `across`. */
EXPORTED KERNEL int streamseg_observe(const float *saliency, int rows, int columns, float content, const float *down,
                                      int count_down, const float *across, int count_across, float *out) {
    Position *positions = malloc(sizeof(Position) * (size_t)count_across + sizeof(float) * (size_t)(columns + 1));
    if (positions == NULL) return NO_MEMORY;
    float *line = (float *)(positions + count_across);
    for (int x = 0; x < count_across; x++) {
        float at = clamp(0, across[x], (float)(columns - 1));
        positions[x] = (Position){(int32_t)at, at - (float)(int32_t)at};
    }
    const float low = SALIENCY_LOW, slope = 1 / (SALIENCY_HIGH - SALIENCY_LOW);
    for (int y = 0; y < count_down; y++) {
        float at = clamp(0, down[y], (float)(rows - 1)), fraction = at - (float)(int32_t)at;
        const float *upper = saliency + (size_t)(int32_t)at * columns;
        const float *lower = saliency + (size_t)min_int((int32_t)at + 1, rows - 1) * columns;
        for (int x = 0; x < columns; x++) {
            float above = clamp(0, (upper[x] - low) * slope, 1), below = clamp(0, (lower[x] - low) * slope, 1);
            line[x] = content * (above + fraction * (below - above));
        }
        line[columns] = line[columns - 1];
        for (int x = 0; x < count_across; x++) *out++ = interpolate(line, positions[x]);
    }
    free(positions);
    return DONE;
}
