// What the kernels share. NVRTC compiles them as one text, after the constants of streamseg/matting/constants.py as
// #define lines (kernel_source in platform.py writes them). They need no header and use nothing but plain C++, apart
// from lane_sum, so that a compiler for the host can check their arithmetic (tests/cuda/host_kernels.py).

// The planes of a frame in device memory: Y, Cb, Cr and alpha (null where there is none), or G, B, R. Every field takes
// eight bytes; streamseg/device/cuda/buffers/planes.py writes it.
struct Frame {
    const void *plane[4];
    long long pitch[4];  // from row to row, in samples
    long long step[4];   // from sample to sample: 1, or 2 where Cb and Cr are interleaved (NV12, P010)
    long long wide;      // 0: 8-bit samples, 1: 16-bit samples
    long long shift;     // unused low bits of a sample: 6 in P010
    long long shift_x, shift_y;
    long long columns, rows;
    long long maximum;   // largest code value
};

__device__ inline int thread_column() { return blockIdx.x * blockDim.x + threadIdx.x; }
__device__ inline int thread_row() { return blockIdx.y * blockDim.y + threadIdx.y; }

// Whether a kernel has nothing to do: its flag in memory is 0. Without a flag (null) it has.
__device__ inline bool idle(const int *wanted) { return wanted && !*wanted; }

// Threads that share one piece of work: a warp, which is a row of a block. On the host threads run one after another,
// so there the first does all of it.
#ifdef __CUDACC__
constexpr int LANES = 32;
template <typename Number> __device__ inline Number lane_sum(Number value) {
    for (int distance = LANES / 2; distance; distance /= 2) value += __shfl_xor_sync(0xffffffff, value, distance);
    return value;
}
#else
constexpr int LANES = 1;
template <typename Number> __device__ inline Number lane_sum(Number value) { return value; }
#endif

__device__ inline int min_int(int a, int b) { return a < b ? a : b; }
__device__ inline int max_int(int a, int b) { return a > b ? a : b; }
__device__ inline int clamp_int(int value, int low, int high) { return max_int(low, min_int(value, high)); }
__device__ inline float clamp_float(float value, float low, float high) { return fminf(fmaxf(value, low), high); }

__device__ inline int read_sample(const void *samples, long long at, int wide) {
    return wide ? ((const unsigned short *)samples)[at] : ((const unsigned char *)samples)[at];
}

__device__ inline int read_code(const Frame *frame, int which, int x, int y) {
    const long long at = y * frame->pitch[which] + x * frame->step[which];
    return read_sample(frame->plane[which], at, (int)frame->wide) >> frame->shift;
}

__device__ inline void write_code(const Frame *frame, int which, int x, int y, int code) {
    const long long at = y * frame->pitch[which] + x * frame->step[which];
    if (!frame->wide)
        ((unsigned char *)frame->plane[which])[at] = (unsigned char)code;
    else
        ((unsigned short *)frame->plane[which])[at] = (unsigned short)(code << frame->shift);
}

__device__ inline int plane_columns(const Frame *frame, int which) {
    const int shift = which == 1 || which == 2 ? (int)frame->shift_x : 0;
    return (int)((frame->columns + (1 << shift) - 1) >> shift);
}

__device__ inline int plane_rows(const Frame *frame, int which) {
    const int shift = which == 1 || which == 2 ? (int)frame->shift_y : 0;
    return (int)((frame->rows + (1 << shift) - 1) >> shift);
}

// Largest code of a full-scale matte beside a frame.
__device__ inline int full_scale(const Frame *frame) { return frame->wide ? 65535 : 255; }

// A position along one axis, between two samples: the sample before it, the next one, and the fraction of the way.
struct Position {
    int low, next;
    float fraction;
};

// As streamseg.matting.arrays.sample: positions outside are moved to the border.
__device__ inline Position clamped(float position, int size) {
    const float inside = clamp_float(position, 0.0f, (float)(size - 1));
    const int low = (int)inside;
    return {low, min_int(low + 1, size - 1), inside - (float)low};
}

// Where sample `at` of `count` lies among `size` samples over the same extent: (at + ½) · size / count − ½, in whole
// numbers as far as they go. Double precision would be 64 times slower than float on most GPUs. 2 · count · size must be
// less than 2³¹.
__device__ inline Position resized(int at, int count, int size) {
    const int scaled = (2 * at + 1) * size - count, unit = 2 * count;
    if (scaled <= 0) return {0, min_int(1, size - 1), 0.0f};
    const int low = min_int(scaled / unit, size - 1);
    const float fraction = low == size - 1 ? 0.0f : (float)(scaled - low * unit) / (float)unit;
    return {low, min_int(low + 1, size - 1), fraction};
}

__device__ inline float interpolate(float a, float b, float fraction) { return a + fraction * (b - a); }

__device__ inline float bilinear(const float *image, int columns, Position y, Position x) {
    const float *top = image + (long long)y.low * columns, *bottom = image + (long long)y.next * columns;
    const float left = interpolate(top[x.low], bottom[x.low], y.fraction);
    return interpolate(left, interpolate(top[x.next], bottom[x.next], y.fraction), x.fraction);
}

// `image` at (x, y), bilinearly; positions outside are moved to the border.
__device__ inline float warped(const float *image, int rows, int columns, float x, float y) {
    return bilinear(image, columns, clamped(y, rows), clamped(x, columns));
}

// Central differences, zero on the border.
__device__ inline float gradient_x(const float *image, int columns, int x, int y) {
    if (x == 0 || x == columns - 1) return 0.0f;
    const float *line = image + (long long)y * columns;
    return 0.5f * (line[x + 1] - line[x - 1]);
}

__device__ inline float gradient_y(const float *image, int rows, int columns, int x, int y) {
    if (y == 0 || y == rows - 1) return 0.0f;
    const float *here = image + (long long)y * columns + x;
    return 0.5f * (here[columns] - here[-columns]);
}

// The mean of a square window of side 2·radius + 1, zero outside the image. The images are small enough to stay in the
// first-level cache, so the window is read from there rather than staged in shared memory.
__device__ inline float window_mean(const float *image, int rows, int columns, int x, int y, int radius) {
    const int left = max_int(x - radius, 0), right = min_int(x + radius, columns - 1);
    const int bottom = min_int(y + radius, rows - 1);
    float total = 0.0f;
    for (int v = max_int(y - radius, 0); v <= bottom; v++)
        for (int u = left; u <= right; u++) total += image[(long long)v * columns + u];
    const int side = 2 * radius + 1;
    return total * (1.0f / (side * side));
}

// Resampling of a part of a plane, width × height samples from (left, top), to columns × rows pixels.
struct Resampling {
    float left, top, width, height;
    int columns, rows;  // of the output
};

// One output pixel, (at_x, at_y), through a triangle filter: bilinear where it enlarges, antialiased where it reduces.
__device__ inline float filtered(const Frame *frame, int which, Resampling to, int at_x, int at_y) {
    const float step_x = to.width / to.columns, step_y = to.height / to.rows;
    const float x = (at_x + 0.5f) * step_x - 0.5f, y = (at_y + 0.5f) * step_y - 0.5f;
    const float reach_x = fmaxf(step_x, 1.0f), reach_y = fmaxf(step_y, 1.0f);
    const int first_x = max_int((int)ceilf(x - reach_x), 0), first_y = max_int((int)ceilf(y - reach_y), 0);
    const int last_x = min_int((int)floorf(x + reach_x), (int)to.width - 1);
    const int last_y = min_int((int)floorf(y + reach_y), (int)to.height - 1);
    float total = 0.0f, weights = 0.0f;
    for (int v = first_y; v <= last_y; v++) {
        const float weight_y = 1.0f - fabsf(v - y) / reach_y;
        for (int u = first_x; u <= last_x; u++) {
            const float weight = weight_y * (1.0f - fabsf(u - x) / reach_x);
            total += weight * read_code(frame, which, (int)to.left + u, (int)to.top + v);
            weights += weight;
        }
    }
    return total / weights;
}
