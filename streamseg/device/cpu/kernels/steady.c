/* Mattes carried along the motion and mixed with what is seen; twins: streamseg.matting.carry and
 * streamseg.matting.steady. */
#include "kernels.h"

#include <math.h>

enum { CONTRADICTION_WINDOW = 4 };
static const float DOUBT = 4, NEWS = 0.7f, YIELD = 0.2f, FORGET = 0.8f;

/* A motion found on a grid of its own. */
typedef struct {
    const float *flow, *agreement;
    int rows, columns;
} Motion;

/* Where a row of the finer grid comes from, `columns` each; `lines` are three rows of the motion, each with its last
 * sample twice. */
typedef struct {
    int32_t *corner;
    float *right, *down, *agreement, *lines;
    Place *places;
} Row;

INLINE size_t row_size(int columns, Motion motion) {
    return (size_t)columns * (4 * sizeof(float) + sizeof(Place)) + 3 * sizeof(float) * (size_t)(motion.columns + 1);
}

INLINE Row row_in(char *memory, int columns, Motion motion) {
    float *numbers = (float *)memory + columns;
    Row row = {(int32_t *)memory, numbers, numbers + columns, numbers + 2 * columns, numbers + 3 * columns, NULL};
    row.places = (Place *)(row.lines + 3 * (motion.columns + 1));
    for (int x = 0; x < columns; x++) row.places[x] = spread(x, columns, motion.columns);
    return row;
}

/* The motion to row y. What needs single values and what does not are loops of their own: the latter are fast. */
INLINE void follow_row(Motion motion, int y, int rows, int columns, Row row) {
    Place place = spread(y, rows, motion.rows);
    int wide = motion.columns;
    size_t size = (size_t)motion.rows * wide;
    float *lines[3] = {row.lines, row.lines + wide + 1, row.lines + 2 * (wide + 1)};
    row_between(motion.flow, motion.rows, wide, place, lines[0]);
    row_between(motion.flow + size, motion.rows, wide, place, lines[1]);
    row_between(motion.agreement, motion.rows, wide, place, lines[2]);
    float *restrict right = row.right, *restrict down = row.down, *restrict agreement = row.agreement;
    int32_t *restrict corner = row.corner;
    for (int x = 0; x < columns; x++) {
        right[x] = in_row(lines[0], row.places[x]);
        down[x] = in_row(lines[1], row.places[x]);
        agreement[x] = in_row(lines[2], row.places[x]);
    }
    float scale_x = (float)columns / (float)wide, scale_y = (float)rows / (float)motion.rows;
    for (int x = 0; x < columns; x++) {
        Spot spot = spot_at((float)x + scale_x * right[x], (float)y + scale_y * down[x], rows, columns);
        corner[x] = spot.corner, right[x] = spot.right, down[x] = spot.down;
    }
}

INLINE float fetch(const float *plane, int columns, Row row, int x) {
    Spot spot = {row.corner[x], row.right[x], row.down[x]};
    return fetched(plane, columns, spot);
}

/* Where the network looked: cells of the grid. */
typedef struct {
    int top, bottom, left, right;
} Cells;

/* What was seen in `cells`, mixed into them; in `coarse` (which may be empty) it counts half. `work` holds three times
 * the cells and a line. Gives the surprise. */
INLINE float see(float *alpha, float *weight, int columns, const float *seen, Cells cells, Cells coarse, float *work) {
    int rows = cells.bottom - cells.top, wide = cells.right - cells.left;
    size_t size = (size_t)rows * wide;
    float *change = work, *size_of_change = work + size, *contradiction = work + 2 * size;
    double changed = 0, in_all = 0;
    for (int y = 0; y < rows; y++) {
        const float *restrict here = alpha + (size_t)(cells.top + y) * columns + cells.left;
        for (int x = 0; x < wide; x++) {
            float by = seen[(size_t)y * wide + x] - here[x];
            change[(size_t)y * wide + x] = by;
            size_of_change[(size_t)y * wide + x] = by < 0 ? -by : by;
        }
    }
    for (size_t i = 0; i < size; i++) changed += size_of_change[i], in_all += seen[i];
    box_mean(size_of_change, rows, wide, CONTRADICTION_WINDOW, contradiction, work + 3 * size);
    for (int y = 0; y < rows; y++) {
        int row = cells.top + y;
        float *restrict a = alpha + (size_t)row * columns + cells.left;
        float *restrict w = weight + (size_t)row * columns + cells.left;
        const float *by = change + (size_t)y * wide, *against = contradiction + (size_t)y * wide;
        int halved = row >= coarse.top && row < coarse.bottom;
        int from = halved ? coarse.left - cells.left : wide, to = halved ? coarse.right - cells.left : wide;
        for (int x = 0; x < wide; x++) {
            float belief = (by[x] > 0 ? NEWS : 1) / (1 + DOUBT * against[x]);
            belief *= x >= from && x < to ? 0.5f : 1;
            float sum = w[x] + belief;
            a[x] += by[x] * belief / (sum + 1e-6f);
            w[x] = sum * (1 - YIELD * against[x]);
        }
    }
    return (float)(changed / (in_all > 1 ? in_all : 1));
}

/* state, out: the matte and its weight, [2, rows, columns]. seen: of `cells`, or NULL if nobody looked; then `surprise`
 * stays as it is. */
EXPORTED KERNEL int streamseg_mix(const float *state, int rows, int columns, const float *flow, const float *agreement,
                                  int motion_rows, int motion_columns, float heaviest, const float *seen,
                                  const int32_t *cells, const int32_t *coarse, float *out, float *surprise) {
    Motion motion = {flow, agreement, motion_rows, motion_columns};
    size_t size = (size_t)rows * columns;
    char *memory = malloc(row_size(columns, motion) + sizeof(float) * (3 * size + (size_t)columns + 16));
    if (memory == NULL) return NO_MEMORY;
    Row row = row_in(memory, columns, motion);
    Cells box = {0, 0, 0, 0}, half = {0, 0, 0, 0};
    if (seen != NULL) box = (Cells){cells[0], cells[1], cells[2], cells[3]};
    if (coarse != NULL) half = (Cells){coarse[0], coarse[1], coarse[2], coarse[3]};
    for (int y = 0; y < rows; y++) {
        float *restrict alpha = out + (size_t)y * columns, *restrict weight = out + size + (size_t)y * columns;
        follow_row(motion, y, rows, columns, row);
        for (int x = 0; x < columns; x++)
            alpha[x] = fetch(state, columns, row, x), weight[x] = fetch(state + size, columns, row, x);
        for (int x = 0; x < columns; x++) weight[x] = least(weight[x] * row.agreement[x], heaviest);
        if (seen == NULL) continue;
        int inside = y >= box.top && y < box.bottom;
        int from = inside ? box.left : columns, to = inside ? box.right : columns;
        for (int x = 0; x < columns; x++) {
            float kept = x >= from && x < to ? 1 : FORGET;
            alpha[x] *= kept, weight[x] *= kept;
        }
    }
    float *work = (float *)(memory + row_size(columns, motion));
    if (seen != NULL) *surprise = see(out, out + size, columns, seen, box, half, work);
    free(memory);
    return DONE;
}

/* The matte of a frame in the light of `later`, the next one's. */
EXPORTED KERNEL int streamseg_settle(const float *alpha, const float *later, int rows, int columns, const float *flow,
                                     const float *agreement, int motion_rows, int motion_columns, float *out) {
    Motion motion = {flow, agreement, motion_rows, motion_columns};
    char *memory = malloc(row_size(columns, motion));
    if (memory == NULL) return NO_MEMORY;
    Row row = row_in(memory, columns, motion);
    for (int y = 0; y < rows; y++) {
        const float *own = alpha + (size_t)y * columns;
        float *restrict to = out + (size_t)y * columns;
        follow_row(motion, y, rows, columns, row);
        for (int x = 0; x < columns; x++) {
            float there = fetch(later, columns, row, x);
            to[x] = own[x] + row.agreement[x] * (there - own[x]);
        }
    }
    free(memory);
    return DONE;
}

/* The matte of a frame beside this one, carried to it and cut to [low, high], joins the sums of mattes and of their
 * weights; it weighs `worth` times the square root of the agreement. */
EXPORTED KERNEL int streamseg_add_carried(const float *other, int rows, int columns, const float *flow,
                                          const float *agreement, int motion_rows, int motion_columns, float low,
                                          float high, float worth, float *total, float *weight) {
    Motion motion = {flow, agreement, motion_rows, motion_columns};
    char *memory = malloc(row_size(columns, motion));
    if (memory == NULL) return NO_MEMORY;
    Row row = row_in(memory, columns, motion);
    for (int y = 0; y < rows; y++) {
        float *restrict to = total + (size_t)y * columns, *restrict by = weight + (size_t)y * columns;
        follow_row(motion, y, rows, columns, row);
        float *restrict counts = row.agreement;
        for (int x = 0; x < columns; x++) counts[x] = worth * sqrtf(counts[x]);
        for (int x = 0; x < columns; x++) {
            to[x] += counts[x] * between(low, fetch(other, columns, row, x), high);
            by[x] += counts[x];
        }
    }
    free(memory);
    return DONE;
}

/* A map on cells of the grid: levels stretched, then bilinear samples where rows `down` and columns `across` cross. */
EXPORTED KERNEL int streamseg_observe(const float *saliency, int rows, int columns, float low, float high,
                                      float substance, const float *down, int count_down, const float *across,
                                      int count_across, float *out) {
    Place *places = malloc(sizeof(Place) * (size_t)count_across + sizeof(float) * (size_t)(columns + 1));
    if (places == NULL) return NO_MEMORY;
    float *line = (float *)(places + count_across);
    for (int x = 0; x < count_across; x++) {
        float at = between(0, across[x], (float)(columns - 1));
        places[x] = (Place){(int32_t)at, at - (float)(int32_t)at};
    }
    float slope = 1 / (high - low);
    for (int y = 0; y < count_down; y++) {
        float at = between(0, down[y], (float)(rows - 1)), rest = at - (float)(int32_t)at;
        const float *upper = saliency + (size_t)(int32_t)at * columns;
        const float *lower = saliency + (size_t)smaller((int32_t)at + 1, rows - 1) * columns;
        for (int x = 0; x < columns; x++) {
            float above = between(0, (upper[x] - low) * slope, 1), below = between(0, (lower[x] - low) * slope, 1);
            line[x] = substance * (above + rest * (below - above));
        }
        line[columns] = line[columns - 1];
        for (int x = 0; x < count_across; x++) *out++ = in_row(line, places[x]);
    }
    free(places);
    return DONE;
}
