// From the planes of a frame to small pictures: what the network sees, what motion is found on, and the colours around
// the edges. Twins: tests/cuda/twins.py; the CPU device has swscale do the same.

// The network's input of one frame, float32 [rows, columns, 3], normalised RGB.
//   left … height: the part of the frame it sees, in pixels, its corner on a whole chroma sample
//   mirrored: 1 if it sees left and right exchanged
//   colour: float32 [3, 4]: R, G and B from the three codes and 1
//   mean, deviation: of the ImageNet, as network/architecture.py has them
extern "C" __global__ void prepare(const Picture *picture, int left, int top, int width, int height, int mirrored,
                                   const float *colour, int rows, int columns, float *out) {
    const int x = column(), y = row();
    if (x >= columns || y >= rows) return;
    const float mean[3] = {0.485f, 0.456f, 0.406f}, deviation[3] = {0.229f, 0.224f, 0.225f};
    const int to = mirrored ? columns - 1 - x : x;
    float code[3];
    for (int which = 0; which < 3; which++) {
        const int across = which ? (int)picture->shift_x : 0, down = which ? (int)picture->shift_y : 0;
        const Stretch part = {(float)(left >> across), (float)(top >> down), (float)((width + (1 << across) - 1) >> across),
                            (float)((height + (1 << down) - 1) >> down), columns, rows};
        code[which] = seen_through(picture, which, part, x, y);
    }
    for (int channel = 0; channel < 3; channel++) {
        const float *of = colour + 4 * channel;
        const float value = bounded(of[0] * code[0] + of[1] * code[1] + of[2] * code[2] + of[3], 0.0f, 1.0f);
        out[((long long)y * columns + to) * 3 + channel] = (value - mean[channel]) / deviation[channel];
    }
}

// One plane, small, float32 [rows, columns]: codes, rounded, times `scale`.
extern "C" __global__ void shrink(const Picture *picture, int which, float scale, int rows, int columns, float *out) {
    const int x = column(), y = row();
    if (x >= columns || y >= rows) return;
    const Stretch to = {0.0f, 0.0f, (float)plane_columns(picture, which), (float)plane_rows(picture, which), columns, rows};
    out[(long long)y * columns + x] = rintf(seen_through(picture, which, to, x, y)) * scale;
}

// The colours of a frame on a grid, float32 [3, rows, columns]: a pixel from the middle of each cell, times `scale`.
extern "C" __global__ void cells(const Picture *picture, float scale, int rows, int columns, float *out) {
    const int x = column(), y = row();
    if (x >= columns || y >= rows) return;
    for (int which = 0; which < 3; which++) {
        const int wide = plane_columns(picture, which), high = plane_rows(picture, which);
        const int u = (int)(((long long)x * wide + wide / 2) / columns), v = (int)(((long long)y * high + high / 2) / rows);
        out[((long long)which * rows + y) * columns + x] = code_at(picture, which, u, v) * scale;
    }
}

// A picture of the card's decoder (NV12, P010) into planes of our own. A thread does one chroma sample and its luma.
//   luma: [rows, luma_pitch] samples; turns: [rows / 2, turns_pitch], Cb and Cr in turns
//   unused: low bits of a sample without a meaning: 6 in P010
extern "C" __global__ void unpack(const void *luma, int luma_pitch, const void *turns, int turns_pitch, int unused,
                                  const Picture *out) {
    const int x = column(), y = row();
    if (x >= plane_columns(out, 1) || y >= plane_rows(out, 1)) return;
    for (int v = 2 * y; v < smaller(2 * y + 2, (int)out->rows); v++)
        for (int u = 2 * x; u < smaller(2 * x + 2, (int)out->columns); u++)
            put_code(out, 0, u, v, sample_at(luma, (long long)v * luma_pitch + u, (int)out->deep) >> unused);
    for (int which = 0; which < 2; which++) {
        const long long at = (long long)y * turns_pitch + 2 * x + which;
        put_code(out, 1 + which, x, y, sample_at(turns, at, (int)out->deep) >> unused);
    }
}
