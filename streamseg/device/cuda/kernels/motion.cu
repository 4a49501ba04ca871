// Dense optical flow and how far it explains the picture. Twins: streamseg.matting.flow and .motion, whose docstrings
// name the methods; the constants are theirs.

// The mean of each block of 2×2.
extern "C" __global__ void halve(const float *image, int columns, int half_rows, int half_columns, float *out) {
    const int x = column(), y = row();
    if (x >= half_columns || y >= half_rows) return;
    const float *upper = image + (long long)2 * y * columns + 2 * x, *lower = upper + columns;
    out[(long long)y * half_columns + x] = (upper[0] + upper[1] + lower[0] + lower[1]) * 0.25f;
}

// Sums over a picture and over its third halving: float64 [5]: values, their squares, both of the halving, agreement.
// A thread adds up one column.
extern "C" __global__ void moments(const float *picture, int rows, int columns, const float *coarse, int coarse_rows,
                                   int coarse_columns, const float *agreement, double *sums) {
    const int x = column();
    if (x >= columns || row()) return;
    double value = 0.0, square = 0.0, agreed = 0.0;
    for (int y = 0; y < rows; y++) {
        const double code = picture[(long long)y * columns + x];
        value += code;
        square += code * code;
        agreed += agreement[(long long)y * columns + x];
    }
    atomicAdd(sums, value);
    atomicAdd(sums + 1, square);
    atomicAdd(sums + 4, agreed);
    if (x >= coarse_columns) return;
    value = square = 0.0;
    for (int y = 0; y < coarse_rows; y++) {
        const double code = coarse[(long long)y * coarse_columns + x];
        value += code;
        square += code * code;
    }
    atomicAdd(sums + 2, value);
    atomicAdd(sums + 3, square);
}

// Flow [2, rows, columns] for a picture of twice the size, by blocks; a last odd row or column repeats.
extern "C" __global__ void double_flow(const float *flow, int rows, int columns, int new_rows, int new_columns, float *out) {
    const int x = column(), y = row();
    if (x >= new_columns || y >= new_rows) return;
    const long long at = (long long)y * new_columns + x, size = (long long)new_rows * new_columns;
    const long long from = (long long)smaller(y / 2, rows - 1) * columns + smaller(x / 2, columns - 1);
    out[at] = 2.0f * flow[from];
    out[size + at] = 2.0f * flow[(long long)rows * columns + from];
}

// The structure tensor around each pixel, [3, rows, columns]: xx, yy and xy of the gradients, damped.
extern "C" __global__ void structure(const float *fixed, int rows, int columns, float *out) {
    const int radius = 3;
    const float damping = 4.0f;
    const int x = column(), y = row();
    if (x >= columns || y >= rows) return;
    float xx = 0.0f, yy = 0.0f, xy = 0.0f;
    for (int v = larger(y - radius, 0); v <= smaller(y + radius, rows - 1); v++)
        for (int u = larger(x - radius, 0); u <= smaller(x + radius, columns - 1); u++) {
            const float across = slope_across(fixed, columns, u, v), down = slope_down(fixed, rows, columns, u, v);
            xx += across * across;
            yy += down * down;
            xy += across * down;
        }
    const float part = 1.0f / ((2 * radius + 1) * (2 * radius + 1));
    const long long at = (long long)y * columns + x, size = (long long)rows * columns;
    out[at] = xx * part + damping;
    out[size + at] = yy * part + damping;
    out[2 * size + at] = xy * part;
}

// What the flow does not explain, times the gradients: [2, rows, columns].
extern "C" __global__ void residual(const float *fixed, const float *moving, const float *flow, int rows, int columns,
                                    float *out) {
    const int x = column(), y = row();
    if (x >= columns || y >= rows) return;
    const long long at = (long long)y * columns + x, size = (long long)rows * columns;
    const float difference = fixed[at] - warped(moving, rows, columns, x + flow[at], y + flow[size + at]);
    out[at] = slope_across(fixed, columns, x, y) * difference;
    out[size + at] = slope_down(fixed, rows, columns, x, y) * difference;
}

// One step of Gauss–Newton in every pixel: flow plus what the residual asks for, not yet smoothed.
extern "C" __global__ void solve(const float *residuals, const float *tensor, const float *flow, int rows, int columns,
                                 float *out) {
    const int radius = 3;
    const float longest = 2.0f;
    const int x = column(), y = row();
    if (x >= columns || y >= rows) return;
    const long long at = (long long)y * columns + x, size = (long long)rows * columns;
    const float across = window_mean(residuals, rows, columns, x, y, radius);
    const float down = window_mean(residuals + size, rows, columns, x, y, radius);
    const float xx = tensor[at], yy = tensor[size + at], xy = tensor[2 * size + at];
    const float inverse = 1.0f / (xx * yy - xy * xy);
    out[at] = flow[at] + bounded((yy * across - xy * down) * inverse, -longest, longest);
    out[size + at] = flow[size + at] + bounded((xx * down - xy * across) * inverse, -longest, longest);
}

extern "C" __global__ void smooth(const float *flow, int rows, int columns, float *out) {
    const int radius = 2;
    const int x = column(), y = row();
    if (x >= columns || y >= rows) return;
    const long long at = (long long)y * columns + x, size = (long long)rows * columns;
    out[at] = window_mean(flow, rows, columns, x, y, radius);
    out[size + at] = window_mean(flow + size, rows, columns, x, y, radius);
}

// −flow fetched along −flow: the motion the other way.
extern "C" __global__ void invert(const float *flow, int rows, int columns, float *out) {
    const int x = column(), y = row();
    if (x >= columns || y >= rows) return;
    const long long at = (long long)y * columns + x, size = (long long)rows * columns;
    const float u = x - flow[at], v = y - flow[size + at];
    out[at] = -warped(flow, rows, columns, u, v);
    out[size + at] = -warped(flow + size, rows, columns, u, v);
}

// Squares of what the flow does not explain and of the gradient: [2, rows, columns].
extern "C" __global__ void mismatch(const float *here, const float *there, const float *flow, int rows, int columns,
                                    float *out) {
    const int x = column(), y = row();
    if (x >= columns || y >= rows) return;
    const long long at = (long long)y * columns + x, size = (long long)rows * columns;
    const float difference = warped(there, rows, columns, x + flow[at], y + flow[size + at]) - here[at];
    const float across = slope_across(here, columns, x, y), down = slope_down(here, rows, columns, x, y);
    out[at] = difference * difference;
    out[size + at] = across * across + down * down;
}

// Agreement in [0, 1], [rows, columns], and where it is so low that the flow explains nothing, as 0 or 1.
extern "C" __global__ void agree(const float *mismatches, int rows, int columns, float *out, unsigned char *unexplained) {
    const int radius = 2;
    const float gradient = 0.25f, noise = 36.0f, low = 0.25f;
    const int x = column(), y = row();
    if (x >= columns || y >= rows) return;
    const long long at = (long long)y * columns + x;
    const float error = window_mean(mismatches, rows, columns, x, y, radius);
    const float slope = window_mean(mismatches + (long long)rows * columns, rows, columns, x, y, radius);
    const float agreement = expf(-error / (gradient * slope + noise));
    out[at] = agreement;
    unexplained[at] = agreement < low;
}
