// The matte through time. Twins: streamseg.matting.steady and .boxes, whose docstrings name the methods; the constants
// are theirs.

// What was seen of one place of the frame, between the levels; (x, y) in parts of the frame.
__device__ inline float observed(const float *saliency, int side, float x, float y, const float *box, float low, float high,
                                 float substance) {
    const Place across = place((x - box[0]) / (box[2] - box[0]) * side - 0.5f, side);
    const Place down = place((y - box[1]) / (box[3] - box[1]) * side - 0.5f, side);
    const float scale = 1.0f / (high - low);
    const float *top = saliency + (long long)down.low * side, *bottom = saliency + (long long)down.next * side;
    const float left = between(bounded((top[across.low] - low) * scale, 0.0f, 1.0f),
                               bounded((bottom[across.low] - low) * scale, 0.0f, 1.0f), down.part);
    const float right = between(bounded((top[across.next] - low) * scale, 0.0f, 1.0f),
                                bounded((bottom[across.next] - low) * scale, 0.0f, 1.0f), down.part);
    return substance * between(left, right, across.part);
}

// The memory of the frame before, carried along the motion, and how what is seen now differs from it.
//   saliency: float32 [side, side] of the box; null if the network did not look
//   left … bottom: the box in pixels of the grid, and the same in parts of the frame, where the map of a mirrored look has
//   left and right exchanged
//   fresh: 1 if there is no memory, after a cut
//   out: [4, rows, columns]: carried alpha, its weight, the change where the network looked, and whether it did
extern "C" __global__ void carry(const float *alpha, const float *weight, const float *flow, const float *agreement,
                                 int motion_rows, int motion_columns, const float *saliency, int side, int left, int top,
                                 int right, int bottom, float box_left, float box_top, float box_right, float box_bottom,
                                 float substance, float low, float high, float most, int fresh, int rows, int columns,
                                 float *out) {
    const float forget = 0.8f;
    const int x = column(), y = row();
    if (x >= columns || y >= rows) return;
    const long long at = (long long)y * columns + x, size = (long long)rows * columns;
    float carried = 0.0f, worth = 0.0f;
    if (!fresh) {
        const Place down = resized(y, rows, motion_rows), across = resized(x, columns, motion_columns);
        const long long motion_size = (long long)motion_rows * motion_columns;
        const float u = x + fetch(flow, motion_columns, down, across) * ((float)columns / motion_columns);
        const float v = y + fetch(flow + motion_size, motion_columns, down, across) * ((float)rows / motion_rows);
        carried = warped(alpha, rows, columns, u, v);
        worth = warped(weight, rows, columns, u, v) * fetch(agreement, motion_columns, down, across);
        worth = fminf(worth, most);
    }
    float seen = 0.0f;
    const int inside = saliency && x >= left && x < right && y >= top && y < bottom;
    if (inside) {
        const float box[4] = {box_left, box_top, box_right, box_bottom};
        seen = observed(saliency, side, (x + 0.5f) / columns, (y + 0.5f) / rows, box, low, high, substance);
    } else if (saliency) {
        carried *= forget;
        worth *= forget;
    }
    out[at] = carried;
    out[size + at] = worth;
    out[2 * size + at] = inside ? seen - carried : 0.0f;
    out[3 * size + at] = inside ? 1.0f : 0.0f;
}

// What is remembered and what is seen, mixed; and the bounds of the subject: int32 [4]: top, bottom, left, right, both
// ends included, empty while top is above bottom.
//   looked: 1 if the network did
//   whole: 1 if it looked at the whole frame
//   tracked: see track
extern "C" __global__ void mix(const float *carried, const double *tracked, int looked, int whole, int fresh, int rows,
                               int columns, float *alpha, float *weight, int *bounds) {
    const float doubt = 4.0f, news = 0.7f, yield = 0.2f, subject = 0.3f;
    const int radius = 4;
    const int x = column(), y = row();
    if (x >= columns || y >= rows) return;
    const long long at = (long long)y * columns + x, size = (long long)rows * columns;
    float value = carried[at], worth = carried[size + at];
    if (fresh) {
        value += carried[2 * size + at];
        worth = carried[3 * size + at];
    } else if (looked && carried[3 * size + at] > 0.0f) {
        const float change = carried[2 * size + at];
        float belief = carried[3 * size + at];
        if (whole && tracked[4] > 0.0) {
            const double tiny = 1e-6;
            const int left = (int)floor(tracked[0] * columns + tiny), right = (int)ceil(tracked[2] * columns - tiny);
            const int top = (int)floor(tracked[1] * rows + tiny), bottom = (int)ceil(tracked[3] * rows - tiny);
            if (x >= left && x < right && y >= top && y < bottom) belief *= 0.5f;
        }
        float contradiction = 0.0f;
        for (int v = larger(y - radius, 0); v <= smaller(y + radius, rows - 1); v++)
            for (int u = larger(x - radius, 0); u <= smaller(x + radius, columns - 1); u++)
                contradiction += fabsf(carried[2 * size + (long long)v * columns + u]);
        contradiction *= 1.0f / ((2 * radius + 1) * (2 * radius + 1));
        belief /= 1.0f + doubt * contradiction;
        belief *= change > 0.0f ? news : 1.0f;
        worth += belief;
        value += change * (belief / (worth + 1e-6f));
        worth *= 1.0f - yield * contradiction;
    }
    alpha[at] = value;
    weight[at] = worth;
    if (value > subject) {
        atomicMin(bounds, y);
        atomicMax(bounds + 1, y);
        atomicMin(bounds + 2, x);
        atomicMax(bounds + 3, x);
    }
}

// The crop that follows the subject: float64 [5]: left, top, right and bottom in parts of the frame, and 1 if there is a
// subject. One thread; makes the bounds empty again for the next frame.
//   fresh: 1 if nothing was tracked before, after a cut
extern "C" __global__ void track(int *bounds, int fresh, int rows, int columns, double *tracked) {
    const double margin_part = 0.25, smallest = 0.03, grow = 0.5, shrink_part = 0.2;
    if (column() || row()) return;
    const int top = bounds[0], bottom = bounds[1] + 1, left = bounds[2], right = bounds[3] + 1;
    bounds[0] = bounds[2] = 1 << 30;
    bounds[1] = bounds[3] = -1;
    const int longer = larger(bottom - top, right - left);
    if (longer <= 0 || longer < smallest * larger(rows, columns)) {
        tracked[4] = 0.0;
        return;
    }
    const double margin = margin_part * longer;
    const double box[4] = {fmax(0.0, (left - margin) / columns), fmax(0.0, (top - margin) / rows),
                           fmin(1.0, (right + margin) / columns), fmin(1.0, (bottom + margin) / rows)};
    const int follows = !fresh && tracked[4] > 0.0;
    for (int side = 0; side < 4; side++) {
        const int outwards = side < 2 ? box[side] < tracked[side] : box[side] > tracked[side];
        tracked[side] = follows ? tracked[side] + (outwards ? grow : shrink_part) * (box[side] - tracked[side]) : box[side];
    }
    tracked[4] = 1.0;
}

// A value of another frame's matte at a place of this one, and how far the motion explains it.
struct Carried {
    float value, agreement;
};

__device__ inline Carried carried_from(const float *other, const float *flow, const float *agreement, int motion_rows,
                                       int motion_columns, int rows, int columns, int x, int y) {
    const long long motion_size = (long long)motion_rows * motion_columns;
    const Place down = resized(y, rows, motion_rows), across = resized(x, columns, motion_columns);
    const float u = x + fetch(flow, motion_columns, down, across) * ((float)columns / motion_columns);
    const float v = y + fetch(flow + motion_size, motion_columns, down, across) * ((float)rows / motion_rows);
    const Carried carried = {warped(other, rows, columns, u, v), fetch(agreement, motion_columns, down, across)};
    return carried;
}

// The matte of a frame in the light of the next one's.
extern "C" __global__ void settle(const float *alpha, const float *later, const float *flow, const float *agreement,
                                  int motion_rows, int motion_columns, int rows, int columns, float *out) {
    const int x = column(), y = row();
    if (x >= columns || y >= rows) return;
    const long long at = (long long)y * columns + x;
    const Carried there = carried_from(later, flow, agreement, motion_rows, motion_columns, rows, columns, x, y);
    out[at] = alpha[at] + (there.value - alpha[at]) * there.agreement;
}

// Its mean with those of the frames beside it, all of them cut to [low, high].
//   before, after: their mattes, either may be null; each followed by the motion from it; they weigh `worth` times the
//   square root of its agreement
extern "C" __global__ void even(const float *alpha, const float *before, const float *flow, const float *agreement,
                                const float *after, const float *back_flow, const float *back_agreement,
                                int motion_rows, int motion_columns, int rows, int columns, float low, float high,
                                float worth, float *out) {
    const int x = column(), y = row();
    if (x >= columns || y >= rows) return;
    const long long at = (long long)y * columns + x;
    float total = bounded(alpha[at], low, high), weight = 1.0f;
    if (before) {
        const Carried there = carried_from(before, flow, agreement, motion_rows, motion_columns, rows, columns, x, y);
        const float counts = worth * sqrtf(there.agreement);
        total += bounded(there.value, low, high) * counts;
        weight += counts;
    }
    if (after) {
        const Carried there =
            carried_from(after, back_flow, back_agreement, motion_rows, motion_columns, rows, columns, x, y);
        const float counts = worth * sqrtf(there.agreement);
        total += bounded(there.value, low, high) * counts;
        weight += counts;
    }
    out[at] = total / weight;
}
