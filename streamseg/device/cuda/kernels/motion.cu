// Dense optical flow, how far it explains the picture, and the flow of a subject's contour. Twins: streamseg.matting.flow,
// .motion and .contour, whose docstrings name the methods; the constants are theirs.

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

// Side of a patch, and from one to the next, in pixels; steps of Gauss–Newton in each.
constexpr int PATCH = 8, STRIDE = 4, STEPS = 4;
constexpr float DAMPING = 64.0f, LONGEST_STEP = 2.0f, SURE = 1.0f;
constexpr int PIXELS = PATCH * PATCH, SHARE = PIXELS / LANES;

// Across and down, in pixels.
struct Flow {
    float x, y;
};

// A lane's part of the pixels of one patch: where they are, their codes and their slopes.
struct Share {
    int x[SHARE], y[SHARE];
    float codes[SHARE], across[SHARE], down[SHARE];
};

// Sums over a patch, the same in all of its lanes.
struct Sums {
    float plain, squared, across, down;
};

// How many patches begin at −STRIDE, 0, STRIDE, ...: every pixel is in 2×2 of them.
__device__ inline int patches_along(int size) { return (size + STRIDE - 1) / STRIDE + 1; }

// Of the patch at (left, top). Outside of the picture its border repeats, without slopes.
__device__ inline Share share_of(const float *fixed, int rows, int columns, int left, int top, int lane) {
    Share share;
    for (int k = 0; k < SHARE; k++) {
        const int pixel = k * LANES + lane, x = left + pixel % PATCH, y = top + pixel / PATCH;
        const int u = larger(0, smaller(x, columns - 1)), v = larger(0, smaller(y, rows - 1));
        const bool inside = u == x && v == y;
        share.x[k] = x;
        share.y[k] = y;
        share.codes[k] = fixed[(long long)v * columns + u];
        share.across[k] = inside ? slope_across(fixed, columns, u, v) : 0.0f;
        share.down[k] = inside ? slope_down(fixed, rows, columns, u, v) : 0.0f;
    }
    return share;
}

__device__ inline Sums sums_of(const float *values, const Share *share) {
    Sums sums = {0.0f, 0.0f, 0.0f, 0.0f};
    for (int k = 0; k < SHARE; k++) {
        sums.plain += values[k];
        sums.squared += values[k] * values[k];
        sums.across += values[k] * share->across[k];
        sums.down += values[k] * share->down[k];
    }
    return {lane_sum(sums.plain), lane_sum(sums.squared), lane_sum(sums.across), lane_sum(sums.down)};
}

// Sums over what a patch that has moved by `flow` finds there, less what it is.
__device__ inline Sums differences(const Share *share, const float *moving, int rows, int columns, Flow flow) {
    float values[SHARE];
    for (int k = 0; k < SHARE; k++)
        values[k] = warped(moving, rows, columns, share->x[k] + flow.x, share->y[k] + flow.y) - share->codes[k];
    return sums_of(values, share);
}

// Gauss–Newton from `start`; the best place that was tried.
__device__ inline Flow followed(const Share *share, const float *moving, int rows, int columns, Flow start) {
    const Sums right = sums_of(share->across, share), below = sums_of(share->down, share);
    const float xx = right.squared - right.plain * right.plain / PIXELS + DAMPING;
    const float yy = below.squared - below.plain * below.plain / PIXELS + DAMPING;
    const float xy = right.down - right.plain * below.plain / PIXELS, scale = 1.0f / (xx * yy - xy * xy);
    Flow at = start, best = start;
    float least = 0.0f;
    for (int step = 0; step <= STEPS; step++) {
        const Sums sums = differences(share, moving, rows, columns, at);
        const float mean = sums.plain / PIXELS, error = sums.squared - sums.plain * mean;
        if (!step || error < least) {
            least = error;
            best = at;
        }
        const float by_x = sums.across - right.plain * mean, by_y = sums.down - below.plain * mean;
        at.x -= bounded((yy * by_x - xy * by_y) * scale, -LONGEST_STEP, LONGEST_STEP);
        at.y -= bounded((xx * by_y - xy * by_x) * scale, -LONGEST_STEP, LONGEST_STEP);
        at.x = bounded(at.x, start.x - PATCH, start.x + PATCH);
        at.y = bounded(at.y, start.y - PATCH, start.y + PATCH);
    }
    return best;
}

// Where each patch goes, [2, patches down, patches across], from the flow in its middle. LANES threads follow one.
extern "C" __global__ void follow_patches(const float *fixed, const float *moving, const float *flow, int rows,
                                          int columns, float *out) {
    const int x = column() / LANES, y = row(), lane = column() % LANES;
    const int across = patches_along(columns), down = patches_along(rows);
    if (x >= across || y >= down) return;
    const long long middle = (long long)smaller(y * STRIDE, rows - 1) * columns + smaller(x * STRIDE, columns - 1);
    const Flow start = {flow[middle], flow[(long long)rows * columns + middle]};
    const Share share = share_of(fixed, rows, columns, (x - 1) * STRIDE, (y - 1) * STRIDE, lane);
    const Flow found = followed(&share, moving, rows, columns, start);
    if (lane) return;
    const long long at = (long long)y * across + x;
    out[at] = found.x;
    out[(long long)down * across + at] = found.y;
}

// The flow of each pixel, [2, rows, columns]: the mean over its patches, of each the more the better it explains the
// pixel.
extern "C" __global__ void spread_patches(const float *fixed, const float *moving, const float *patches, int rows,
                                          int columns, float *out) {
    const int x = column(), y = row();
    if (x >= columns || y >= rows) return;
    const long long at = (long long)y * columns + x, size = (long long)rows * columns;
    const int across = patches_along(columns);
    const long long count = (long long)patches_along(rows) * across;
    float to_x = 0.0f, to_y = 0.0f, weights = 0.0f;
    for (int v = y / STRIDE; v <= y / STRIDE + 1; v++)
        for (int u = x / STRIDE; u <= x / STRIDE + 1; u++) {
            const long long patch = (long long)v * across + u;
            const Flow flow = {patches[patch], patches[count + patch]};
            const float difference = warped(moving, rows, columns, x + flow.x, y + flow.y) - fixed[at];
            const float weight = 1.0f / fmaxf(SURE, fabsf(difference));
            to_x += weight * flow.x;
            to_y += weight * flow.y;
            weights += weight;
        }
    out[at] = to_x / weights;
    out[size + at] = to_y / weights;
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

// A matte at the size of the motion, [rows, columns].
extern "C" __global__ void resize_matte(const float *alpha, int alpha_rows, int alpha_columns, int rows, int columns,
                                        float *out) {
    const int x = column(), y = row();
    if (x >= columns || y >= rows) return;
    const Place down = resized(y, rows, alpha_rows), across = resized(x, columns, alpha_columns);
    out[(long long)y * columns + x] = fetch(alpha, alpha_columns, down, across);
}

// Where that matte, carried along the flow, shows the subject, as far as the motion explains it: [rows, columns].
extern "C" __global__ void weigh_subject(const float *alpha, const float *flow, const float *agreement, int rows,
                                         int columns, float *out) {
    const int x = column(), y = row();
    if (x >= columns || y >= rows) return;
    const long long at = (long long)y * columns + x, size = (long long)rows * columns;
    out[at] = agreement[at] * warped(alpha, rows, columns, x + flow[at], y + flow[size + at]);
}

// The flow as the subject has it, up to its contour and around it: [2, rows, columns].
extern "C" __global__ void lead(const float *weight, const float *flow, int rows, int columns, float *out) {
    const int reach = 3;
    const float own = 0.05f, share = 1.0f / ((2 * reach + 1) * (2 * reach + 1));
    const int x = column(), y = row();
    if (x >= columns || y >= rows) return;
    const long long at = (long long)y * columns + x, size = (long long)rows * columns;
    float weights = 0.0f, across = 0.0f, down = 0.0f;
    for (int v = larger(y - reach, 0); v <= smaller(y + reach, rows - 1); v++)
        for (int u = larger(x - reach, 0); u <= smaller(x + reach, columns - 1); u++) {
            const long long there = (long long)v * columns + u;
            weights += weight[there];
            across += weight[there] * flow[there];
            down += weight[there] * flow[size + there];
        }
    out[at] = (share * across + own * flow[at]) / (share * weights + own);
    out[size + at] = (share * down + own * flow[size + at]) / (share * weights + own);
}
