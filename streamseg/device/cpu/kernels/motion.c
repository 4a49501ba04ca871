/* How far a flow explains the picture, and the flow back; twin: streamseg.matting.motion. */
#include "kernels.h"

enum { AGREEMENT_WINDOW = 2 };
static const float NOISE = 6, GRADIENT = 0.25f;

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
