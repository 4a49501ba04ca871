// What the kernels share. They are compiled by NVRTC as one text and need no header; only what plain C++ knows too is
// used besides, lane_sum apart, so that a compiler for the host can check their arithmetic (tests/cuda/host_kernels.py).

// The planes of a picture in device memory: Y, Cb, Cr and alpha (null where there is none), or G, B, R. Every field
// takes eight bytes; streamseg/device/cuda/pictures.py writes it.
struct Picture {
    const void *plane[4];
    long long pitch[4];  // from row to row, in samples
    long long step[4];   // from sample to sample: 1, or 2 where Cb and Cr lie in turns (NV12, P010)
    long long deep;      // 0: samples of 8 bits, 1: of 16
    long long shift;     // unused low bits of a sample: 6 in P010
    long long shift_x, shift_y;
    long long columns, rows;
    long long maximum;   // largest code value
};

__device__ inline int column() { return blockIdx.x * blockDim.x + threadIdx.x; }
__device__ inline int row() { return blockIdx.y * blockDim.y + threadIdx.y; }

// Neighbours in a row of threads that share one piece of work: a warp, which is a row of a block. On the host threads
// run one after another, so there the first does all of it.
#ifdef __CUDACC__
constexpr int LANES = 32;
__device__ inline float lane_sum(float value) {
    for (int apart = LANES / 2; apart; apart /= 2) value += __shfl_xor_sync(0xffffffff, value, apart);
    return value;
}
#else
constexpr int LANES = 1;
__device__ inline float lane_sum(float value) { return value; }
#endif

__device__ inline int smaller(int a, int b) { return a < b ? a : b; }
__device__ inline int larger(int a, int b) { return a > b ? a : b; }
__device__ inline float bounded(float value, float low, float high) { return fminf(fmaxf(value, low), high); }

__device__ inline int sample_at(const void *samples, long long at, int deep) {
    return deep ? ((const unsigned short *)samples)[at] : ((const unsigned char *)samples)[at];
}

__device__ inline int code_at(const Picture *picture, int which, int x, int y) {
    const long long at = y * picture->pitch[which] + x * picture->step[which];
    return sample_at(picture->plane[which], at, (int)picture->deep) >> picture->shift;
}

__device__ inline void put_code(const Picture *picture, int which, int x, int y, int code) {
    const long long at = y * picture->pitch[which] + x * picture->step[which];
    if (!picture->deep)
        ((unsigned char *)picture->plane[which])[at] = (unsigned char)code;
    else
        ((unsigned short *)picture->plane[which])[at] = (unsigned short)(code << picture->shift);
}

__device__ inline int plane_columns(const Picture *picture, int which) {
    const int shift = which == 1 || which == 2 ? (int)picture->shift_x : 0;
    return (int)((picture->columns + (1 << shift) - 1) >> shift);
}

__device__ inline int plane_rows(const Picture *picture, int which) {
    const int shift = which == 1 || which == 2 ? (int)picture->shift_y : 0;
    return (int)((picture->rows + (1 << shift) - 1) >> shift);
}

// A place between two samples of a line: the sample before it, and the way to the next one.
struct Place {
    int low, next;
    float part;
};

// As streamseg.matting.arrays.sample has it: outside of the line its ends repeat.
__device__ inline Place place(float position, int size) {
    const float inside = bounded(position, 0.0f, (float)(size - 1));
    const int low = (int)inside;
    return {low, smaller(low + 1, size - 1), inside - (float)low};
}

// Of a line of `size` samples, where sample `at` of a line of `count` lies that covers the same way.
__device__ inline Place resized(int at, int count, int size) {
    return place((float)((at + 0.5) * ((double)size / count) - 0.5), size);
}

__device__ inline float between(float a, float b, float part) { return a + part * (b - a); }

__device__ inline float fetch(const float *image, int columns, Place y, Place x) {
    const float *top = image + (long long)y.low * columns, *bottom = image + (long long)y.next * columns;
    const float left = between(top[x.low], bottom[x.low], y.part);
    return between(left, between(top[x.next], bottom[x.next], y.part), x.part);
}

// `image` at (x, y), bilinearly; what points outside meets the border.
__device__ inline float warped(const float *image, int rows, int columns, float x, float y) {
    return fetch(image, columns, place(y, rows), place(x, columns));
}

// Central differences, zero on the border.
__device__ inline float slope_across(const float *image, int columns, int x, int y) {
    if (x == 0 || x == columns - 1) return 0.0f;
    const float *line = image + (long long)y * columns;
    return 0.5f * (line[x + 1] - line[x - 1]);
}

__device__ inline float slope_down(const float *image, int rows, int columns, int x, int y) {
    if (y == 0 || y == rows - 1) return 0.0f;
    const float *here = image + (long long)y * columns + x;
    return 0.5f * (here[columns] - here[-columns]);
}

// The mean of a square window of side 2·radius + 1; outside of the image is zero. The images are small enough to stay
// in the first-level cache, so the window is read from there rather than staged in shared memory.
__device__ inline float window_mean(const float *image, int rows, int columns, int x, int y, int radius) {
    const int left = larger(x - radius, 0), right = smaller(x + radius, columns - 1);
    const int bottom = smaller(y + radius, rows - 1);
    float total = 0.0f;
    for (int v = larger(y - radius, 0); v <= bottom; v++)
        for (int u = left; u <= right; u++) total += image[(long long)v * columns + u];
    const int side = 2 * radius + 1;
    return total * (1.0f / (side * side));
}

// A plane of codes seen through a triangle over the output pixel (at_x, at_y): bilinear where it grows, antialiased
// where it shrinks. The part of the plane that is stretched begins at (left, top) and is width × height.
struct Stretch {
    float left, top, width, height;
    int columns, rows;  // of the output
};

__device__ inline float seen_through(const Picture *picture, int which, Stretch to, int at_x, int at_y) {
    const float step_x = to.width / to.columns, step_y = to.height / to.rows;
    const float x = (at_x + 0.5f) * step_x - 0.5f, y = (at_y + 0.5f) * step_y - 0.5f;
    const float reach_x = fmaxf(step_x, 1.0f), reach_y = fmaxf(step_y, 1.0f);
    const int first_x = larger((int)ceilf(x - reach_x), 0), last_x = smaller((int)floorf(x + reach_x), (int)to.width - 1);
    const int first_y = larger((int)ceilf(y - reach_y), 0), last_y = smaller((int)floorf(y + reach_y), (int)to.height - 1);
    float total = 0.0f, weights = 0.0f;
    for (int v = first_y; v <= last_y; v++) {
        const float weight_y = 1.0f - fabsf(v - y) / reach_y;
        for (int u = first_x; u <= last_x; u++) {
            const float weight = weight_y * (1.0f - fabsf(u - x) / reach_x);
            total += weight * code_at(picture, which, (int)to.left + u, (int)to.top + v);
            weights += weight;
        }
    }
    return total / weights;
}
