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
