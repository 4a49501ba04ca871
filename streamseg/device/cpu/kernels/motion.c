/* Optical flow and how far it explains the picture; twins: streamseg.matting.flow and streamseg.matting.motion. */
#include "kernels.h"

enum { LEVELS = 4, SMALLEST_SIDE = 8, STEPS = 2, WINDOW = 3, SMOOTHING = 2, AGREEMENT_WINDOW = 2 };
static const float DAMPING = 4, LONGEST_STEP = 2, NOISE = 6, GRADIENT = 0.25f;

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

INLINE void halve(const float *restrict image, int rows, int columns, float *restrict out) {
    for (int y = 0; y < rows / 2; y++) {
        const float *upper = image + (size_t)2 * y * columns, *lower = upper + columns;
        for (int x = 0; x < columns / 2; x++)
            *out++ = 0.25f * (upper[2 * x] + upper[2 * x + 1] + lower[2 * x] + lower[2 * x + 1]);
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

/* Arrays of one level; as large as its pictures, but for `line`. */
typedef struct {
    float *across, *down, *a, *b, *c, *left, *right, *line;
} Work;

/* The inverse of the matrix of mean products of slopes, damped: (a b; b c). */
INLINE void invert(Work w, int rows, int columns) {
    size_t size = (size_t)rows * columns;
    for (size_t i = 0; i < size; i++) w.left[i] = w.across[i] * w.across[i];
    box_mean(w.left, rows, columns, WINDOW, w.c, w.line);
    for (size_t i = 0; i < size; i++) w.left[i] = w.down[i] * w.down[i];
    box_mean(w.left, rows, columns, WINDOW, w.a, w.line);
    for (size_t i = 0; i < size; i++) w.left[i] = w.across[i] * w.down[i];
    box_mean(w.left, rows, columns, WINDOW, w.b, w.line);
    for (size_t i = 0; i < size; i++) {
        float xx = w.c[i] + DAMPING, yy = w.a[i] + DAMPING, xy = w.b[i];
        float scale = 1 / (xx * yy - xy * xy);
        w.a[i] = yy * scale, w.b[i] = -xy * scale, w.c[i] = xx * scale;
    }
}

/* One step of Gauss–Newton in every pixel. */
INLINE void step(const float *fixed, const float *moving, int rows, int columns, float *restrict flow, Work w) {
    size_t size = (size_t)rows * columns;
    float *restrict of_x = w.left, *restrict of_y = w.right;
    difference(fixed, moving, flow, rows, columns, of_x);
    /* The products take turns in two arrays, for box means are not in place. */
    for (size_t i = 0; i < size; i++) of_y[i] = w.down[i] * of_x[i], of_x[i] *= w.across[i];
    float *mean_x = w.right + size, *mean_y = mean_x + size;
    box_mean(of_x, rows, columns, WINDOW, mean_x, w.line);
    box_mean(of_y, rows, columns, WINDOW, mean_y, w.line);
    for (size_t i = 0; i < size; i++) {
        float x = w.a[i] * mean_x[i] + w.b[i] * mean_y[i], y = w.b[i] * mean_x[i] + w.c[i] * mean_y[i];
        mean_x[i] = flow[i] + between(-LONGEST_STEP, x, LONGEST_STEP);
        mean_y[i] = flow[size + i] + between(-LONGEST_STEP, y, LONGEST_STEP);
    }
    box_mean(mean_x, rows, columns, SMOOTHING, flow, w.line);
    box_mean(mean_y, rows, columns, SMOOTHING, flow + size, w.line);
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
    /* Two pyramids in less than three times a picture, the coarser flow in half of one, nine arrays and a line. */
    float *memory = malloc(sizeof(float) * (13 * size + (size_t)columns + 64));
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
    for (int level = levels - 1; level >= 0; level--) {
        int height = heights[level], width = widths[level];
        size_t count = (size_t)height * width;
        if (level == levels - 1) {
            memset(flow, 0, sizeof(float) * 2 * count);
        } else {
            memcpy(coarse, flow, sizeof(float) * 2 * heights[level + 1] * widths[level + 1]);
            doubled(coarse, heights[level + 1], widths[level + 1], height, width, flow);
        }
        float *at = free_space;
        Work w = {at, at + count, at + 2 * count, at + 3 * count, at + 4 * count, at + 5 * count, at + 6 * count,
                  at + 9 * count};
        gradients(fixed[level], height, width, w.across, w.down);
        invert(w, height, width);
        for (int k = 0; k < (level ? STEPS : 1); k++) step(fixed[level], moving[level], height, width, flow, w);
    }
    free(memory);
    return DONE;
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
