// The matte through time. References: streamseg.matting.temporal.filter and .smoothing, streamseg.matting.tracking.roi,
// whose docstrings name the methods.

// Saliency in the range of the levels, stretched to [0, 1].
__device__ inline float levelled(float saliency) {
    return clamp_float((saliency - SALIENCY_LOW) * (1.0f / (SALIENCY_HIGH - SALIENCY_LOW)), 0.0f, 1.0f);
}

// Observed alpha at (x, y), in fractions of the frame, from the saliency map [side, side] of an ROI.
__device__ inline float observed_alpha(const float *saliency, int side, float x, float y, const float *roi,
                                       float content) {
    const Position across = clamped((x - roi[0]) / (roi[2] - roi[0]) * side - 0.5f, side);
    const Position down = clamped((y - roi[1]) / (roi[3] - roi[1]) * side - 0.5f, side);
    const float *top = saliency + (long long)down.low * side, *bottom = saliency + (long long)down.next * side;
    const float left = interpolate(levelled(top[across.low]), levelled(bottom[across.low]), down.fraction);
    const float right = interpolate(levelled(top[across.next]), levelled(bottom[across.next]), down.fraction);
    return content * interpolate(left, right, across.fraction);
}

// The value of another frame's matte at a cell of this one, and the confidence of the motion there.
struct Warped {
    float value, confidence;
};

// Where cell (x, y) of the matte grid was in the other frame, in cells, by a motion at another resolution.
struct Source {
    float x, y, confidence;
};

__device__ inline Source source_of(const float *flow, const float *confidence, int motion_rows, int motion_columns,
                                   int rows, int columns, int x, int y) {
    const long long motion_size = (long long)motion_rows * motion_columns;
    const Position down = resized(y, rows, motion_rows), across = resized(x, columns, motion_columns);
    const float u = x + bilinear(flow, motion_columns, down, across) * ((float)columns / motion_columns);
    const float v = y + bilinear(flow + motion_size, motion_columns, down, across) * ((float)rows / motion_rows);
    return {u, v, bilinear(confidence, motion_columns, down, across)};
}

__device__ inline Warped warp_by_motion(const float *other, const float *flow, const float *confidence, int motion_rows,
                                        int motion_columns, int rows, int columns, int x, int y) {
    const Source source = source_of(flow, confidence, motion_rows, motion_columns, rows, columns, x, y);
    return {warped(other, rows, columns, source.x, source.y), source.confidence};
}

// The filter's state predicted along the motion, and the residual of the observation.
//   alpha, weight: the state of the frame before, [rows, columns]
//   saliency: float32 [side, side] of the ROI; null if the network did not see the frame
//   left … bottom: the ROI in pixels of the grid; roi_left … roi_bottom: in fractions of the frame, left and right
//   exchanged if the inference was flipped
//   new_scene: 1 if there is no state before
//   out: [4, rows, columns]: predicted alpha, its weight, the residual where the network saw the frame, and whether it
//   did
extern "C" __global__ void predict(const float *alpha, const float *weight, const float *flow, const float *confidence,
                                   int motion_rows, int motion_columns, const float *saliency, int side, int left,
                                   int top, int right, int bottom, float roi_left, float roi_top, float roi_right,
                                   float roi_bottom, float content, float max_weight, int new_scene, int rows,
                                   int columns, float *out) {
    const int x = thread_column(), y = thread_row();
    if (x >= columns || y >= rows) return;
    const long long at = (long long)y * columns + x, size = (long long)rows * columns;
    float predicted = 0.0f, predicted_weight = 0.0f;
    if (!new_scene) {
        const Source source = source_of(flow, confidence, motion_rows, motion_columns, rows, columns, x, y);
        predicted = warped(alpha, rows, columns, source.x, source.y);
        predicted_weight = warped(weight, rows, columns, source.x, source.y) * source.confidence;
        predicted_weight = fminf(predicted_weight, max_weight);
    }
    float observed = 0.0f;
    const int inside = saliency && x >= left && x < right && y >= top && y < bottom;
    if (inside) {
        const float roi[4] = {roi_left, roi_top, roi_right, roi_bottom};
        observed = observed_alpha(saliency, side, (x + 0.5f) / columns, (y + 0.5f) / rows, roi, content);
    } else if (saliency) {
        predicted *= UNOBSERVED_DECAY;
        predicted_weight *= UNOBSERVED_DECAY;
    }
    out[at] = predicted;
    out[size + at] = predicted_weight;
    out[2 * size + at] = inside ? observed - predicted : 0.0f;
    out[3 * size + at] = inside ? 1.0f : 0.0f;
}

// Whether a cell of the grid lies in an ROI as track writes it.
__device__ inline bool in_roi(const double *roi, int rows, int columns, int x, int y) {
    const int left = (int)floor(roi[0] * columns + ROI_TOLERANCE), right = (int)ceil(roi[2] * columns - ROI_TOLERANCE);
    const int top = (int)floor(roi[1] * rows + ROI_TOLERANCE), bottom = (int)ceil(roi[3] * rows - ROI_TOLERANCE);
    return x >= left && x < right && y >= top && y < bottom;
}

// The state corrected by the observation; and the bounds of the subject, int32 [4]: top, bottom, left, right, both ends
// included, empty while top is below bottom.
//   predicted: from predict
//   roi: of the frame before, see track
//   observed: 1 if the network saw the frame; full_frame: 1 if it saw all of it
extern "C" __global__ void update(const float *predicted, const double *roi, int observed, int full_frame,
                                  int new_scene, int rows, int columns, float *alpha, float *weight, int *bounds) {
    const int x = thread_column(), y = thread_row();
    if (x >= columns || y >= rows) return;
    const long long at = (long long)y * columns + x, size = (long long)rows * columns;
    float value = predicted[at], value_weight = predicted[size + at];
    if (new_scene) {
        value += predicted[2 * size + at];
        value_weight = predicted[3 * size + at];
    } else if (observed && predicted[3 * size + at] > 0.0f) {
        const float residual = predicted[2 * size + at];
        float gain = predicted[3 * size + at];
        if (full_frame && roi[4] > 0.0 && in_roi(roi, rows, columns, x, y)) gain *= 0.5f;
        float contradiction = 0.0f;
        for (int v = max_int(y - INNOVATION_RADIUS, 0); v <= min_int(y + INNOVATION_RADIUS, rows - 1); v++)
            for (int u = max_int(x - INNOVATION_RADIUS, 0); u <= min_int(x + INNOVATION_RADIUS, columns - 1); u++)
                contradiction += fabsf(predicted[2 * size + (long long)v * columns + u]);
        contradiction *= 1.0f / ((2 * INNOVATION_RADIUS + 1) * (2 * INNOVATION_RADIUS + 1));
        gain /= 1.0f + INNOVATION_PENALTY * contradiction;
        gain *= residual > 0.0f ? RISING_WEIGHT : 1.0f;
        value_weight += gain;
        value += residual * (gain / (value_weight + 1e-6f));
        value_weight *= 1.0f - CONTRADICTION_DECAY * contradiction;
    }
    alpha[at] = value;
    weight[at] = value_weight;
    if (value > SUBJECT_ALPHA) {
        atomicMin(bounds, y);
        atomicMax(bounds + 1, y);
        atomicMin(bounds + 2, x);
        atomicMax(bounds + 3, x);
    }
}

// The subject's ROI after a frame: float64 [5]: left, top, right and bottom in fractions of the frame, and 1 if there
// is a subject. One thread; it also empties the bounds for the next frame.
//   new_scene: 1 if nothing was tracked before
extern "C" __global__ void track(int *bounds, int new_scene, int rows, int columns, double *roi) {
    if (thread_column() || thread_row()) return;
    const int top = bounds[0], bottom = bounds[1] + 1, left = bounds[2], right = bounds[3] + 1;
    bounds[0] = bounds[2] = 1 << 30;
    bounds[1] = bounds[3] = -1;
    const int longer = max_int(bottom - top, right - left);
    if (longer <= 0 || longer < ROI_SMALLEST * max_int(rows, columns)) {
        roi[4] = 0.0;
        return;
    }
    const double margin = ROI_MARGIN * longer;
    const double subject[4] = {fmax(0.0, (left - margin) / columns), fmax(0.0, (top - margin) / rows),
                               fmin(1.0, (right + margin) / columns), fmin(1.0, (bottom + margin) / rows)};
    const int tracked = !new_scene && roi[4] > 0.0;
    for (int side = 0; side < 4; side++) {
        const int outwards = side < 2 ? subject[side] < roi[side] : subject[side] > roi[side];
        const double speed = outwards ? ROI_GROW : ROI_SHRINK;
        roi[side] = tracked ? roi[side] + speed * (subject[side] - roi[side]) : subject[side];
    }
    roi[4] = 1.0;
}

// The matte of a frame moved towards that of the next one.
//   later: the next frame's matte, followed by the motion to this frame from the next
extern "C" __global__ void smooth(const float *alpha, const float *later, const float *flow, const float *confidence,
                                  int motion_rows, int motion_columns, int rows, int columns, float *out) {
    const int x = thread_column(), y = thread_row();
    if (x >= columns || y >= rows) return;
    const long long at = (long long)y * columns + x;
    const Warped next = warp_by_motion(later, flow, confidence, motion_rows, motion_columns, rows, columns, x, y);
    out[at] = alpha[at] + (next.value - alpha[at]) * next.confidence;
}

struct Mean {
    float total, weight;
};

__device__ inline void add(Mean *mean, Warped neighbour) {
    const float weight = NEIGHBOUR_WEIGHT * sqrtf(neighbour.confidence);
    mean->total += clamp_float(neighbour.value, ALPHA_LOW, ALPHA_HIGH) * weight;
    mean->weight += weight;
}

// The weighted mean of a frame's matte and its neighbours', all of them clipped to the limits.
//   before, after: the neighbours' mattes, either may be null; each followed by the motion to this frame from it
extern "C" __global__ void average(const float *alpha, const float *before, const float *flow, const float *confidence,
                                   const float *after, const float *backward_flow, const float *backward_confidence,
                                   int motion_rows, int motion_columns, int rows, int columns, float *out) {
    const int x = thread_column(), y = thread_row();
    if (x >= columns || y >= rows) return;
    const long long at = (long long)y * columns + x;
    Mean mean = {clamp_float(alpha[at], ALPHA_LOW, ALPHA_HIGH), 1.0f};
    if (before)
        add(&mean, warp_by_motion(before, flow, confidence, motion_rows, motion_columns, rows, columns, x, y));
    if (after)
        add(&mean, warp_by_motion(after, backward_flow, backward_confidence, motion_rows, motion_columns, rows, columns,
                                  x, y));
    out[at] = mean.total / mean.weight;
}
