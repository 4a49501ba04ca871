/* Images blurred without what holes in them show; reference: streamseg.matting.compositing.blur, whose docstrings name
 * the methods. */
#include "kernels.h"

enum { MAX_LEVELS = 32 };

/* Of a pyramid: an image and the weights of its samples. */
typedef struct {
    int rows, columns;
    float *image, *weight;
} Level;

/* Weights: 1 where a sample and its neighbours are background for certain. */
EXPORTED KERNEL int streamseg_background_weight(const float *alpha, int rows, int columns, float *restrict weight) {
    float *line = malloc(sizeof(float) * ((size_t)columns + 2));
    if (line == NULL) return NO_MEMORY;
    for (int y = 0; y < rows; y++) {
        const float *row = alpha + (size_t)y * columns;
        const float *above = y > 0 ? row - columns : row, *below = y < rows - 1 ? row + columns : row;
        for (int x = 0; x < columns; x++) line[x + 1] = max_float(max_float(above[x], row[x]), below[x]);
        line[0] = line[1];
        line[columns + 1] = line[columns];
        for (int x = 0; x < columns; x++) {
            float largest = max_float(max_float(line[x], line[x + 1]), line[x + 2]);
            weight[(size_t)y * columns + x] = clamp(0, 1 - largest / BACKGROUND_ALPHA, 1);
        }
    }
    free(line);
    return DONE;
}

INLINE int is_complete(const float *weight, size_t count) {
    int incomplete = 0;
    for (size_t k = 0; k < count; k++) incomplete |= weight[k] < 1;
    return !incomplete;
}

/* `sums` of the columns 2x and 2x + 1 of two rows, of values times weights and of weights; a last odd column counts
 * twice. Without values, of weights alone. */
INLINE void sum_blocks(const float *restrict values, const float *restrict weights, const float *restrict next_values,
                       const float *restrict next_weights, int columns, float *restrict sums,
                       float *restrict weight_sums) {
    for (int x = 0; x < columns / 2; x++) {
        int at = 2 * x;
        weight_sums[x] = (weights[at] + next_weights[at]) + (weights[at + 1] + next_weights[at + 1]);
        if (values)
            sums[x] = (values[at] * weights[at] + next_values[at] * next_weights[at]) +
                      (values[at + 1] * weights[at + 1] + next_values[at + 1] * next_weights[at + 1]);
    }
    if (columns % 2) {
        int last = columns - 1;
        weight_sums[last / 2] = 2 * (weights[last] + next_weights[last]);
        if (values)
            sums[last / 2] = 2 * (values[last] * weights[last] + next_values[last] * next_weights[last]);
    }
}

/* The next coarser level's weights. */
INLINE void pull_weight(const Level *fine, Level *coarse) {
    for (int y = 0; y < coarse->rows; y++) {
        const float *row = fine->weight + (size_t)(2 * y) * fine->columns;
        const float *next = 2 * y + 1 < fine->rows ? row + fine->columns : row;
        float *restrict sums = coarse->weight + (size_t)y * coarse->columns;
        sum_blocks(NULL, row, NULL, next, fine->columns, NULL, sums);
        for (int x = 0; x < coarse->columns; x++) sums[x] = min_float(0.5f * sums[x], 1);
    }
}

/* The next coarser level's image: weighted means. `line`: room for a row. */
INLINE void pull_image(const Level *fine, Level *coarse, float *restrict line) {
    for (int y = 0; y < coarse->rows; y++) {
        size_t first = (size_t)(2 * y) * fine->columns;
        size_t next = 2 * y + 1 < fine->rows ? first + (size_t)fine->columns : first;
        float *restrict sums = coarse->image + (size_t)y * coarse->columns;
        sum_blocks(fine->image + first, fine->weight + first, fine->image + next, fine->weight + next, fine->columns,
                   sums, line);
        for (int x = 0; x < coarse->columns; x++) sums[x] /= max_float(line[x], 4e-12f);
    }
}

/* The coarsest level: samples of low weight become the weighted mean of all. */
INLINE void fill_coarsest(Level *level) {
    size_t count = (size_t)level->rows * (size_t)level->columns;
    double sum = 0, plain = 0, weights = 0;
    for (size_t k = 0; k < count; k++) {
        sum += (double)level->image[k] * level->weight[k];
        plain += level->image[k];
        weights += level->weight[k];
    }
    float mean = (float)(weights > 0 ? sum / weights : plain / (double)count);
    for (size_t k = 0; k < count; k++)
        level->image[k] = level->image[k] * level->weight[k] + mean * (1 - level->weight[k]);
}

/* A row of it; `line`: the coarser level's, which has a sample more. */
INLINE void push_row(const float *restrict line, const Position *restrict positions, const float *restrict weight,
                     int columns, float *restrict image) {
    for (int x = 0; x < columns; x++)
        image[x] = image[x] * weight[x] + interpolate(line, positions[x]) * (1 - weight[x]);
}

/* Samples of low weight become those of the coarser level; `line`, `positions`: room for a row of each. */
INLINE void push(const Level *coarse, Level *fine, float *line, Position *positions) {
    for (int x = 0; x < fine->columns; x++) positions[x] = position_at(x, fine->columns, coarse->columns);
    for (int y = 0; y < fine->rows; y++) {
        Position down = position_at(y, fine->rows, coarse->rows);
        interpolate_rows(coarse->image, coarse->rows, coarse->columns, down, line);
        size_t row = (size_t)y * fine->columns;
        push_row(line, positions, fine->weight + row, fine->columns, fine->image + row);
    }
}

/* Sizes and weights of all levels, the first of which is there already, in `room`; gives how many there are. */
INLINE int build_levels(Level *levels, float *room) {
    int count = 1;
    for (;; count++) {
        Level *fine = levels + count - 1, *coarse = levels + count;
        size_t size = (size_t)fine->rows * (size_t)fine->columns;
        if (fine->rows <= 2 || fine->columns <= 2 || is_complete(fine->weight, size)) return count;
        coarse->rows = (fine->rows + 1) / 2;
        coarse->columns = (fine->columns + 1) / 2;
        size = (size_t)coarse->rows * (size_t)coarse->columns;
        coarse->image = room;
        coarse->weight = room + size;
        room += 2 * size;
        pull_weight(fine, coarse);
    }
}

INLINE void add_both(const float *restrict before, const float *restrict after, float weight, int count,
                     float *restrict sums) {
    for (int x = 0; x < count; x++) sums[x] += weight * (before[x] + after[x]);
}

/* Not inlined: GCC would take two taps at a time, but sample by sample. */
KERNEL static void add_scaled(const float *restrict values, float weight, int count, float *restrict sums) {
    for (int x = 0; x < count; x++) sums[x] += weight * values[x];
}

/* Separable; `kernel` [2·radius + 1] down and across, edges repeat. `line`: room for columns + 2·radius. */
INLINE void gaussian_blur(const float *image, int rows, int columns, const float *down, int radius_down,
                          const float *across, int radius_across, float *line, float *out) {
    float *middle = line + radius_across;
    for (int y = 0; y < rows; y++, out += columns) {
        memset(middle, 0, sizeof(float) * (size_t)columns);
        for (int tap = -radius_down; tap <= radius_down; tap++) {
            const float *row = image + (size_t)max_int(0, min_int(y + tap, rows - 1)) * columns;
            add_scaled(row, down[radius_down + tap], columns, middle);
        }
        for (int k = 1; k <= radius_across; k++) {
            middle[-k] = middle[0];
            middle[columns - 1 + k] = middle[columns - 1];
        }
        for (int x = 0; x < columns; x++) out[x] = across[radius_across] * middle[x];
        for (int tap = 1; tap <= radius_across; tap++)
            add_both(middle - tap, middle + tap, across[radius_across + tap], columns, out);
    }
}

/* Images [count, rows, columns], which are overwritten, with samples of low weight replaced by those around them, and
 * blurred by `down` [2·radius_down + 1] and `across`. */
EXPORTED KERNEL int streamseg_fill_and_blur(float *images, int count, int rows, int columns, float *weight,
                                            const float *down, int radius_down, const float *across, int radius_across,
                                            float *out) {
    size_t size = (size_t)rows * (size_t)columns, line = (size_t)columns + 2 * (size_t)radius_across + 1;
    /* A coarser level has at most 4/9 of the samples: half of three or more rows and columns, rounded up. So all of them
     * have at most 4/5 as many as the first, in images and in weights. */
    float *room = malloc(sizeof(float) * (2 * size + 64 + line) + sizeof(Position) * (size_t)columns);
    if (room == NULL) return NO_MEMORY;
    Position *positions = (Position *)(room + 2 * size + 64 + line);
    float *of_row = room + 2 * size + 64;
    Level levels[MAX_LEVELS] = {{rows, columns, images, weight}};
    int level_count = build_levels(levels, room);
    for (int image = 0; image < count; image++) {
        levels[0].image = images + (size_t)image * size;
        for (int k = 0; k < level_count - 1; k++) pull_image(levels + k, levels + k + 1, of_row);
        fill_coarsest(levels + level_count - 1);
        for (int k = level_count - 1; k > 0; k--) push(levels + k, levels + k - 1, of_row, positions);
        gaussian_blur(levels[0].image, rows, columns, down, radius_down, across, radius_across, of_row,
                      out + (size_t)image * size);
    }
    free(room);
    return DONE;
}
