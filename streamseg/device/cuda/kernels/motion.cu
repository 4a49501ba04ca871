// Dense optical flow, its confidence, and the motion of the foreground layer. References: the modules flow, estimate
// and layers of streamseg.matting.motion, whose docstrings name the methods. What may be done again has a flag, `wanted`.

// The mean of each block of 2×2.
extern "C" __global__ void halve(const float *image, int columns, int half_rows, int half_columns,
                                 const int *wanted, float *out) {
    const int x = thread_column(), y = thread_row();
    if (idle(wanted) || x >= half_columns || y >= half_rows) return;
    const float *upper = image + (long long)2 * y * columns + 2 * x, *lower = upper + columns;
    out[(long long)y * half_columns + x] = (upper[0] + upper[1] + lower[0] + lower[1]) * 0.25f;
}

// Pixels of a column that one thread of moments adds up.
constexpr int PIECE = 8;

// Adds up one piece of a column of an image, and of its squares; nothing where it begins outside.
__device__ inline void add_piece(const float *image, int rows, int columns, int x, int piece, double *value,
                                 double *square) {
    if (x >= columns) return;
    for (int y = piece * PIECE; y < min_int((piece + 1) * PIECE, rows); y++) {
        const double code = image[(long long)y * columns + x];
        *value += code;
        *square += code * code;
    }
}

// The sum over a warp, added to one in memory.
__device__ inline void add_lanes(double value, double *sum) {
    const double total = lane_sum(value);
    if (thread_column() % LANES == 0) atomicAdd(sum, total);
}

// Sums over an image and over its third halving, float64 [5]: values, squared values, both of the halving, confidence.
// A thread adds up PIECE pixels of one column; no thread leaves early, because a warp adds up its threads' sums.
extern "C" __global__ void moments(const float *image, int rows, int columns, const float *coarse, int coarse_rows,
                                   int coarse_columns, const float *confidence, double *sums) {
    const int x = thread_column(), piece = thread_row();
    double parts[5] = {0.0, 0.0, 0.0, 0.0, 0.0}, unused = 0.0;
    add_piece(image, rows, columns, x, piece, parts, parts + 1);
    add_piece(coarse, coarse_rows, coarse_columns, x, piece, parts + 2, parts + 3);
    add_piece(confidence, rows, columns, x, piece, parts + 4, &unused);
    for (int k = 0; k < 5; k++) add_lanes(parts[k], sums + k);
}

// Flow [2, rows, columns] for an image of twice the size, nearest neighbour; an odd last row or column repeats.
extern "C" __global__ void double_flow(const float *flow, int rows, int columns, int new_rows, int new_columns,
                                       const int *wanted, float *out) {
    const int x = thread_column(), y = thread_row();
    if (idle(wanted) || x >= new_columns || y >= new_rows) return;
    const long long at = (long long)y * new_columns + x, size = (long long)new_rows * new_columns;
    const long long from = (long long)min_int(y / 2, rows - 1) * columns + min_int(x / 2, columns - 1);
    out[at] = 2.0f * flow[from];
    out[size + at] = 2.0f * flow[(long long)rows * columns + from];
}

// Pixels of a patch, and how many of them one lane has.
constexpr int PATCH_PIXELS = FLOW_PATCH * FLOW_PATCH, LANE_PIXELS = PATCH_PIXELS / LANES;

// Across and down, in pixels.
struct Flow {
    float x, y;
};

// The pixels of a patch that one lane has: positions, codes and gradients.
struct PatchPixels {
    int x[LANE_PIXELS], y[LANE_PIXELS];
    float codes[LANE_PIXELS], gradient_x[LANE_PIXELS], gradient_y[LANE_PIXELS];
};

// Sums over a patch, the same in all of its lanes: of values, of their squares, and of values times gradients.
struct PatchSums {
    float plain, squared, by_x, by_y;
};

// How many patches begin at −FLOW_STRIDE, 0, FLOW_STRIDE, …: every pixel is in 2×2 of them.
__device__ inline int patches_along(int size) { return (size + FLOW_STRIDE - 1) / FLOW_STRIDE + 1; }

// One lane's pixels of the patch at (left, top). Outside the image its border repeats, without gradients.
__device__ inline PatchPixels patch_pixels(const float *fixed, int rows, int columns, int left, int top, int lane) {
    PatchPixels pixels;
    for (int k = 0; k < LANE_PIXELS; k++) {
        const int pixel = k * LANES + lane, x = left + pixel % FLOW_PATCH, y = top + pixel / FLOW_PATCH;
        const int u = clamp_int(x, 0, columns - 1), v = clamp_int(y, 0, rows - 1);
        const bool inside = u == x && v == y;
        pixels.x[k] = x;
        pixels.y[k] = y;
        pixels.codes[k] = fixed[(long long)v * columns + u];
        pixels.gradient_x[k] = inside ? gradient_x(fixed, columns, u, v) : 0.0f;
        pixels.gradient_y[k] = inside ? gradient_y(fixed, rows, columns, u, v) : 0.0f;
    }
    return pixels;
}

__device__ inline PatchSums patch_sums(const float *values, const PatchPixels *pixels) {
    PatchSums sums = {0.0f, 0.0f, 0.0f, 0.0f};
    for (int k = 0; k < LANE_PIXELS; k++) {
        sums.plain += values[k];
        sums.squared += values[k] * values[k];
        sums.by_x += values[k] * pixels->gradient_x[k];
        sums.by_y += values[k] * pixels->gradient_y[k];
    }
    return {lane_sum(sums.plain), lane_sum(sums.squared), lane_sum(sums.by_x), lane_sum(sums.by_y)};
}

// Sums over the other image at a patch moved by `flow`, minus the patch.
__device__ inline PatchSums difference_sums(const PatchPixels *pixels, const float *moving, int rows, int columns,
                                            Flow flow) {
    float values[LANE_PIXELS];
    for (int k = 0; k < LANE_PIXELS; k++)
        values[k] = warped(moving, rows, columns, pixels->x[k] + flow.x, pixels->y[k] + flow.y) - pixels->codes[k];
    return patch_sums(values, pixels);
}

// Gauss–Newton from `start`; returns the best of the flows tried.
__device__ inline Flow align_patch(const PatchPixels *pixels, const float *moving, int rows, int columns, Flow start) {
    const PatchSums x = patch_sums(pixels->gradient_x, pixels), y = patch_sums(pixels->gradient_y, pixels);
    const float xx = x.squared - x.plain * x.plain / PATCH_PIXELS + FLOW_DAMPING;
    const float yy = y.squared - y.plain * y.plain / PATCH_PIXELS + FLOW_DAMPING;
    const float xy = x.by_y - x.plain * y.plain / PATCH_PIXELS, scale = 1.0f / (xx * yy - xy * xy);
    Flow flow = start, best = start;
    float least = 0.0f;
    for (int step = 0; step <= FLOW_STEPS; step++) {
        const PatchSums sums = difference_sums(pixels, moving, rows, columns, flow);
        const float mean = sums.plain / PATCH_PIXELS, error = sums.squared - sums.plain * mean;
        if (!step || error < least) {
            least = error;
            best = flow;
        }
        const float by_x = sums.by_x - x.plain * mean, by_y = sums.by_y - y.plain * mean;
        const float to_x = (yy * by_x - xy * by_y) * scale, to_y = (xx * by_y - xy * by_x) * scale;
        if (to_x * to_x + to_y * to_y < FLOW_SHORTEST_STEP * FLOW_SHORTEST_STEP) break;
        flow.x -= clamp_float(to_x, -FLOW_LONGEST_STEP, FLOW_LONGEST_STEP);
        flow.y -= clamp_float(to_y, -FLOW_LONGEST_STEP, FLOW_LONGEST_STEP);
        flow.x = clamp_float(flow.x, start.x - FLOW_PATCH, start.x + FLOW_PATCH);
        flow.y = clamp_float(flow.y, start.y - FLOW_PATCH, start.y + FLOW_PATCH);
    }
    return best;
}

// The flow of each patch, [2, patches down, patches across], from the flow in its middle. LANES threads align one.
extern "C" __global__ void align_patches(const float *fixed, const float *moving, const float *flow, int rows,
                                         int columns, const int *wanted, float *out) {
    const int x = thread_column() / LANES, y = thread_row(), lane = thread_column() % LANES;
    const int across = patches_along(columns), down = patches_along(rows);
    if (idle(wanted) || x >= across || y >= down) return;
    const long long middle =
        (long long)min_int(y * FLOW_STRIDE, rows - 1) * columns + min_int(x * FLOW_STRIDE, columns - 1);
    const Flow start = {flow[middle], flow[(long long)rows * columns + middle]};
    const PatchPixels pixels = patch_pixels(fixed, rows, columns, (x - 1) * FLOW_STRIDE, (y - 1) * FLOW_STRIDE, lane);
    const Flow found = align_patch(&pixels, moving, rows, columns, start);
    if (lane) return;
    const long long at = (long long)y * across + x;
    out[at] = found.x;
    out[(long long)down * across + at] = found.y;
}

// The flow of each pixel, [2, rows, columns]: the mean over its patches, weighted by how well they explain the pixel.
extern "C" __global__ void densify(const float *fixed, const float *moving, const float *patches, int rows, int columns,
                                   const int *wanted, float *out) {
    const int x = thread_column(), y = thread_row();
    if (idle(wanted) || x >= columns || y >= rows) return;
    const long long at = (long long)y * columns + x, size = (long long)rows * columns;
    const int across = patches_along(columns);
    const long long count = (long long)patches_along(rows) * across;
    float flow_x = 0.0f, flow_y = 0.0f, weights = 0.0f;
    for (int v = y / FLOW_STRIDE; v <= y / FLOW_STRIDE + 1; v++)
        for (int u = x / FLOW_STRIDE; u <= x / FLOW_STRIDE + 1; u++) {
            const long long patch = (long long)v * across + u;
            const Flow flow = {patches[patch], patches[count + patch]};
            const float difference = warped(moving, rows, columns, x + flow.x, y + flow.y) - fixed[at];
            const float weight = 1.0f / fmaxf(FLOW_ERROR_FLOOR, fabsf(difference));
            flow_x += weight * flow.x;
            flow_y += weight * flow.y;
            weights += weight;
        }
    out[at] = flow_x / weights;
    out[size + at] = flow_y / weights;
}

// The motion in the other direction: −flow, fetched along −flow.
extern "C" __global__ void reverse_flow(const float *flow, int rows, int columns, float *out) {
    const int x = thread_column(), y = thread_row();
    if (x >= columns || y >= rows) return;
    const long long at = (long long)y * columns + x, size = (long long)rows * columns;
    const float u = x - flow[at], v = y - flow[size + at];
    out[at] = -warped(flow, rows, columns, u, v);
    out[size + at] = -warped(flow + size, rows, columns, u, v);
}

// Squared error of the image warped by the flow, and squared gradient: [2, rows, columns].
extern "C" __global__ void flow_errors(const float *here, const float *there, const float *flow, int rows, int columns,
                                       const int *wanted, float *out) {
    const int x = thread_column(), y = thread_row();
    if (idle(wanted) || x >= columns || y >= rows) return;
    const long long at = (long long)y * columns + x, size = (long long)rows * columns;
    const float difference = warped(there, rows, columns, x + flow[at], y + flow[size + at]) - here[at];
    const float slope_x = gradient_x(here, columns, x, y), slope_y = gradient_y(here, rows, columns, x, y);
    out[at] = difference * difference;
    out[size + at] = slope_x * slope_x + slope_y * slope_y;
}

// Confidence of the flow in [0, 1], [rows, columns], and a mask of where the flow explains nothing: 1, else 0.
//   errors: from flow_errors
extern "C" __global__ void flow_confidence(const float *errors, int rows, int columns, const int *wanted,
                                           float *out, unsigned char *unexplained) {
    const int x = thread_column(), y = thread_row();
    if (idle(wanted) || x >= columns || y >= rows) return;
    const long long at = (long long)y * columns + x;
    const float error = window_mean(errors, rows, columns, x, y, CONFIDENCE_RADIUS);
    const float slope = window_mean(errors + (long long)rows * columns, rows, columns, x, y, CONFIDENCE_RADIUS);
    const float confidence = expf(-error / (CONFIDENCE_GRADIENT * slope + CONFIDENCE_NOISE * CONFIDENCE_NOISE));
    out[at] = confidence;
    unexplained[at] = confidence < UNEXPLAINED_CONFIDENCE;
}

// A matte at the resolution of the motion, [rows, columns].
extern "C" __global__ void resize_matte(const float *alpha, int alpha_rows, int alpha_columns, int rows, int columns,
                                        float *out) {
    const int x = thread_column(), y = thread_row();
    if (x >= columns || y >= rows) return;
    const Position down = resized(y, rows, alpha_rows), across = resized(x, columns, alpha_columns);
    out[(long long)y * columns + x] = bilinear(alpha, alpha_columns, down, across);
}

// Weight of a pixel in layer_flow, [rows, columns]: the matte warped by the flow, times the confidence.
extern "C" __global__ void layer_weight(const float *alpha, const float *flow, const float *confidence, int rows,
                                        int columns, float *out) {
    const int x = thread_column(), y = thread_row();
    if (x >= columns || y >= rows) return;
    const long long at = (long long)y * columns + x, size = (long long)rows * columns;
    out[at] = confidence[at] * warped(alpha, rows, columns, x + flow[at], y + flow[size + at]);
}

// The flow of the foreground layer, up to its contour and around it: [2, rows, columns].
extern "C" __global__ void layer_flow(const float *weight, const float *flow, int rows, int columns, float *out) {
    const float part = 1.0f / ((2 * LAYER_RADIUS + 1) * (2 * LAYER_RADIUS + 1)), own = LAYER_OWN_WEIGHT;
    const int x = thread_column(), y = thread_row();
    if (x >= columns || y >= rows) return;
    const long long at = (long long)y * columns + x, size = (long long)rows * columns;
    float weights = 0.0f, flow_x = 0.0f, flow_y = 0.0f;
    for (int v = max_int(y - LAYER_RADIUS, 0); v <= min_int(y + LAYER_RADIUS, rows - 1); v++)
        for (int u = max_int(x - LAYER_RADIUS, 0); u <= min_int(x + LAYER_RADIUS, columns - 1); u++) {
            const long long other = (long long)v * columns + u;
            weights += weight[other];
            flow_x += weight[other] * flow[other];
            flow_y += weight[other] * flow[size + other];
        }
    out[at] = (part * flow_x + own * flow[at]) / (part * weights + own);
    out[size + at] = (part * flow_y + own * flow[size + at]) / (part * weights + own);
}
