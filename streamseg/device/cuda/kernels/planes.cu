// From the planes of a frame to small images: the network's input, the luma that motion is estimated on, and the
// colours around the edges. References: tests/cuda/numpy_reference.py; the CPU device leaves the same to swscale.

// The ROI of one plane at an output pixel.
__device__ inline float roi_code(const Frame *frame, int which, int left, int top, int width, int height, int rows,
                                 int columns, int x, int y) {
    const int shift_x = which ? (int)frame->shift_x : 0, shift_y = which ? (int)frame->shift_y : 0;
    const Resampling roi = {(float)(left >> shift_x), (float)(top >> shift_y),
                            (float)((width + (1 << shift_x) - 1) >> shift_x),
                            (float)((height + (1 << shift_y) - 1) >> shift_y), columns, rows};
    return filtered(frame, which, roi, x, y);
}

// The network's input of one frame, float32 [rows, columns, 3], normalised RGB.
//   left … height: the ROI in pixels, its corner on a whole chroma sample
//   flipped: 1 for an input that is flipped left to right
//   matrix: float32 [3, 4]: R, G and B from the three codes and 1
extern "C" __global__ void prepare(const Frame *frame, int left, int top, int width, int height, int flipped,
                                   const float *matrix, int rows, int columns, float *out) {
    const int x = thread_column(), y = thread_row();
    if (x >= columns || y >= rows) return;
    const float mean[3] = IMAGENET_MEAN, deviation[3] = IMAGENET_STD;
    const int out_x = flipped ? columns - 1 - x : x;
    const float first = roi_code(frame, 0, left, top, width, height, rows, columns, x, y);
    const float second = roi_code(frame, 1, left, top, width, height, rows, columns, x, y);
    const float third = roi_code(frame, 2, left, top, width, height, rows, columns, x, y);
    for (int channel = 0; channel < 3; channel++) {
        const float *row = matrix + 4 * channel;
        const float value = clamp_float(row[0] * first + row[1] * second + row[2] * third + row[3], 0.0f, 1.0f);
        out[((long long)y * columns + out_x) * 3 + channel] = (value - mean[channel]) / deviation[channel];
    }
}

// One plane at low resolution, float32 [rows, columns]: codes, rounded, times `scale`.
extern "C" __global__ void downscale(const Frame *frame, int which, float scale, int rows, int columns, float *out) {
    const int x = thread_column(), y = thread_row();
    if (x >= columns || y >= rows) return;
    const float width = (float)plane_columns(frame, which), height = (float)plane_rows(frame, which);
    const Resampling to = {0.0f, 0.0f, width, height, columns, rows};
    out[(long long)y * columns + x] = rintf(filtered(frame, which, to, x, y)) * scale;
}

// The colours of a frame on a grid, float32 [3, rows, columns]: the pixel in the middle of each cell, times `scale`.
extern "C" __global__ void cell_colours(const Frame *frame, float scale, int rows, int columns, float *out) {
    const int x = thread_column(), y = thread_row();
    if (x >= columns || y >= rows) return;
    for (int which = 0; which < 3; which++) {
        const int width = plane_columns(frame, which), height = plane_rows(frame, which);
        const int u = (int)(((long long)x * width + width / 2) / columns);
        const int v = (int)(((long long)y * height + height / 2) / rows);
        out[((long long)which * rows + y) * columns + x] = read_code(frame, which, u, v) * scale;
    }
}

// A frame of the GPU's decoder (NV12, P010) into planar memory. A thread copies one chroma sample and its luma.
//   luma: [rows, luma_pitch] samples; chroma: [rows / 2, chroma_pitch], Cb and Cr interleaved
//   unused: low bits of a sample without a meaning: 6 in P010
extern "C" __global__ void unpack(const void *luma, int luma_pitch, const void *chroma, int chroma_pitch, int unused,
                                  const Frame *out) {
    const int x = thread_column(), y = thread_row();
    if (x >= plane_columns(out, 1) || y >= plane_rows(out, 1)) return;
    for (int v = 2 * y; v < min_int(2 * y + 2, (int)out->rows); v++)
        for (int u = 2 * x; u < min_int(2 * x + 2, (int)out->columns); u++)
            write_code(out, 0, u, v, read_sample(luma, (long long)v * luma_pitch + u, (int)out->wide) >> unused);
    for (int which = 0; which < 2; which++) {
        const long long at = (long long)y * chroma_pitch + 2 * x + which;
        write_code(out, 1 + which, x, y, read_sample(chroma, at, (int)out->wide) >> unused);
    }
}
