// Ambiguous regions of a matte are decided; the reference is streamseg.matting.temporal.ambiguity. Grid: a thread a cell.
// Means are of the cells of a window that lie in the frame.

// 0 up to `low`, 1 from `high` on, in between in proportion.
__device__ inline float ramp(float value, float low, float high) {
    return clamp_float((value - low) * (1.0f / (high - low)), 0.0f, 1.0f);
}

// Alpha as it is shown, in [0, 1].
__device__ inline float shown(float alpha) { return ramp(alpha, ALPHA_LOW, ALPHA_HIGH); }

// The cells of a window around one that lie in the frame.
struct Window {
    int top, bottom, left, right;
};

__device__ inline Window window_around(int x, int y, int rows, int columns, int radius) {
    return {max_int(0, y - radius), min_int(rows - 1, y + radius), max_int(0, x - radius),
            min_int(columns - 1, x + radius)};
}

__device__ inline float cells_of(Window window) {
    return (float)((window.bottom - window.top + 1) * (window.right - window.left + 1));
}

// core: 0 to 1, more the more of the cells around are half transparent.
extern "C" __global__ void ambiguous_core(const float *alpha, int rows, int columns, float *core) {
    const int x = thread_column(), y = thread_row();
    if (x >= columns || y >= rows) return;
    const Window window = window_around(x, y, rows, columns, AMBIGUOUS_RADIUS);
    float half = 0.0f;
    for (int row = window.top; row <= window.bottom; row++)
        for (int column = window.left; column <= window.right; column++) {
            const float value = shown(alpha[(long long)row * columns + column]);
            half += value > AMBIGUOUS_LOW && value < AMBIGUOUS_HIGH ? 1.0f : 0.0f;
        }
    core[(long long)y * columns + x] = ramp(half / cells_of(window), AMBIGUOUS_SHARE, 1.0f);
}

// region: how far a cell belongs to an ambiguous region, 0 to 1.
extern "C" __global__ void ambiguous_region(const float *core, int rows, int columns, float *region) {
    const int x = thread_column(), y = thread_row();
    if (x >= columns || y >= rows) return;
    const Window window = window_around(x, y, rows, columns, AMBIGUOUS_RADIUS);
    float sum = 0.0f;
    for (int row = window.top; row <= window.bottom; row++)
        for (int column = window.left; column <= window.right; column++)
            sum += core[(long long)row * columns + column];
    region[(long long)y * columns + x] = ramp(sum / cells_of(window), 0.0f, AMBIGUOUS_CORE);
}

// sums: [2, rows, columns], over the row of a window of DECISION_RADIUS: the region, and what speaks for foreground.
//   previous: what was decided of the frame before, warped to this one; may be null
extern "C" __global__ void decision_sums(const float *alpha, const float *previous, const float *region, int rows,
                                         int columns, float *sums) {
    const int x = thread_column(), y = thread_row();
    if (x >= columns || y >= rows) return;
    const long long line = (long long)y * columns;
    const Window window = window_around(x, y, rows, columns, DECISION_RADIUS);
    float weight = 0.0f, total = 0.0f;
    for (int column = window.left; column <= window.right; column++) {
        const float history = previous ? DECISION_HYSTERESIS * (shown(previous[line + column]) - 0.5f) : 0.0f;
        weight += region[line + column];
        total += region[line + column] * (shown(alpha[line + column]) + history);
    }
    sums[line + x] = weight;
    sums[(long long)rows * columns + line + x] = total;
}

// The matte with its ambiguous regions decided; arguments as above.
extern "C" __global__ void decide(const float *alpha, const float *previous, const float *region, const float *sums,
                                  int rows, int columns, float *out) {
    const int x = thread_column(), y = thread_row();
    if (x >= columns || y >= rows) return;
    const long long at = (long long)y * columns + x;
    const Window window = window_around(x, y, rows, columns, DECISION_RADIUS);
    float weight = 0.0f, total = 0.0f;
    for (int row = window.top; row <= window.bottom; row++) {
        weight += sums[(long long)row * columns + x];
        total += sums[(long long)(rows + row) * columns + x];
    }
    const float mean = total / fmaxf(weight, 1e-6f * cells_of(window));
    float decided = clamp_float(0.5f + DECISION_GAIN * (mean - 0.5f), 0.0f, 1.0f);
    if (previous) {
        const float before = shown(previous[at]);
        decided = clamp_float(decided, before - DECISION_STEP, before + DECISION_STEP);
    }
    out[at] = alpha[at] + region[at] * (ALPHA_LOW + (ALPHA_HIGH - ALPHA_LOW) * decided - alpha[at]);
}
