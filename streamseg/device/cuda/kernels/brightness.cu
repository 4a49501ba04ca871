// Brightness that changes from frame to frame without any motion. Reference: streamseg.matting.motion.brightness and
// its use in streamseg.pipelines.stages.motion. What has to be done is decided here, in flags in memory, so that the host
// need not wait for it: a kernel whose flag is 0 does nothing.

// The code that counts as no light in ratios, so that they are not of noise.
__device__ inline float no_light(const float *black) { return *black - BRIGHTNESS_DARK; }

// Sets `flag`, which is 0, to 1 if the mean of any band of rows has changed. LANES threads do one band.
extern "C" __global__ void compare_bands(const float *here, const float *there, int columns, int bands,
                                         const float *black, int *flag) {
    const int band = thread_row(), lane = thread_column() % LANES;
    if (thread_column() / LANES || band >= bands) return;
    const long long first = (long long)band * BRIGHTNESS_BAND * columns;
    float now = 0.0f, before = 0.0f;
    for (int pixel = lane; pixel < BRIGHTNESS_BAND * columns; pixel += LANES) {
        now += here[first + pixel];
        before += there[first + pixel];
    }
    now = lane_sum(now) / (BRIGHTNESS_BAND * columns) - no_light(black);
    before = lane_sum(before) / (BRIGHTNESS_BAND * columns) - no_light(black);
    if (!lane && fabsf(now - before) > BRIGHTNESS_SMALLEST * fabsf(before)) *flag = 1;
}

// By what every second pixel of the bands has become brighter along the flow: [bands · BRIGHTNESS_BAND, samples].
extern "C" __global__ void brightness_ratios(const float *here, const float *there, const float *flow, int rows,
                                             int columns, int bands, int samples, const float *black,
                                             const int *wanted, float *out) {
    const int x = 2 * thread_column(), y = thread_row();
    if (idle(wanted) || x >= columns || y >= bands * BRIGHTNESS_BAND) return;
    const long long at = (long long)y * columns + x, size = (long long)rows * columns;
    const float before = warped(there, rows, columns, x + flow[at], y + flow[size + at]);
    out[(long long)y * samples + x / 2] =
        fmaxf(here[at] - no_light(black), 1.0f) / fmaxf(before - no_light(black), 1.0f);
}

// The two middle ratios of each band, [bands, 2]: those whose rank among the `count` ratios of a band is in the middle.
// A thread ranks one ratio; equal ones may write the same value.
extern "C" __global__ void middle_ratios(const float *ratios, int count, int bands, const int *wanted, float *out) {
    const int x = thread_column(), band = thread_row();
    if (idle(wanted) || x >= count || band >= bands) return;
    const float *those = ratios + (long long)band * count, own = those[x];
    int lower = 0, not_higher = 0;
    for (int other = 0; other < count; other++) {
        lower += those[other] < own;
        not_higher += those[other] <= own;
    }
    for (int side = 0; side < 2; side++) {
        const int middle = (count - 1 + side) / 2;
        if (lower <= middle && middle < not_higher) out[2 * band + side] = own;
    }
}

__device__ inline float band_gain(const float *middles, int band) {
    const float median = 0.5f * (middles[2 * band] + middles[2 * band + 1]);
    return clamp_float(median, 1.0f / BRIGHTNESS_LARGEST, BRIGHTNESS_LARGEST);
}

// The gain of each row, [rows], between those of the bands. `correct` and `again` are 0 before.
//   wanted: of the ratios
//   correct: set to 1 if any band has changed; again: if a row has changed by so much that the flow was wrong
extern "C" __global__ void row_gains(const float *middles, int bands, int rows, const int *wanted, float *out,
                                     int *correct, int *again) {
    const int y = thread_column();
    if (idle(wanted) || thread_row() || y >= rows) return;
    const float band = (y + 0.5f) / BRIGHTNESS_BAND - 0.5f;
    const Position at = clamped(band, bands);
    const float gain = interpolate(band_gain(middles, at.low), band_gain(middles, at.next), at.fraction);
    out[y] = gain;
    if (fabsf(band_gain(middles, min_int(y / BRIGHTNESS_BAND, bands - 1)) - 1.0f) > BRIGHTNESS_SMALLEST) *correct = 1;
    if (fabsf(gain - 1.0f) >= BRIGHTNESS_LARGE) *again = 1;
}

// An image with each row brighter by its gain.
extern "C" __global__ void apply_gains(const float *image, const float *gains, int rows, int columns,
                                       const float *black, const int *wanted, float *out) {
    const int x = thread_column(), y = thread_row();
    if (idle(wanted) || x >= columns || y >= rows) return;
    const long long at = (long long)y * columns + x;
    out[at] = (image[at] - *black) * gains[y] + *black;
}
