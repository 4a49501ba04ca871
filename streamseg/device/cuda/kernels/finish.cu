// From a matte on the grid to the output frame. References: streamseg.matting.edges.colours and .refine,
// streamseg.matting.compositing.over and .outputs, whose docstrings name the methods.

// Alpha on the grid stretched from the limits to [0, 1].
__device__ inline float limited(float alpha) {
    const float low = ALPHA_LOW + ALPHA_TOLERANCE, high = ALPHA_HIGH - ALPHA_TOLERANCE;
    return clamp_float((alpha - low) * (1.0f / (high - low)), 0.0f, 1.0f);
}

// The local colour model around each pixel of half the grid.
//   alpha: [grid rows, grid_columns], before the limits
//   colours: [3, rows, columns] in [0, 1]
//   out: [EDGE_FIELDS, rows, columns]: difference (3), offset, scale, trust
extern "C" __global__ void local_colours(const float *alpha, int grid_columns, const float *colours, int radius,
                                         int rows, int columns, float *out) {
    const int x = thread_column(), y = thread_row();
    if (x >= columns || y >= rows) return;
    const long long at = (long long)y * columns + x, size = (long long)rows * columns;
    // Index 0 is the foreground, 1 the background.
    float total[2] = {0.0f, 0.0f}, power[2] = {0.0f, 0.0f}, mean[2][3] = {{0.0f, 0.0f, 0.0f}, {0.0f, 0.0f, 0.0f}};
    for (int v = max_int(y - radius, 0); v <= min_int(y + radius, rows - 1); v++)
        for (int u = max_int(x - radius, 0); u <= min_int(x + radius, columns - 1); u++) {
            const float *upper = alpha + (long long)2 * v * grid_columns + 2 * u, *lower = upper + grid_columns;
            const float halved =
                (limited(upper[0]) + limited(upper[1]) + limited(lower[0]) + limited(lower[1])) * 0.25f;
            const float *colour = colours + (long long)v * columns + u;
            const float *first = colour, *second = colour + size, *third = colour + 2 * size;
            const float squared = *first * *first + *second * *second + *third * *third;
            for (int side = 0; side < 2; side++) {
                const float membership = clamp_float(2.0f * (side ? 1.0f - halved : halved) - 1.0f, 0.0f, 1.0f);
                const float weight = membership * membership + EDGE_MIN_WEIGHT;
                total[side] += weight;
                power[side] += squared * weight;
                for (int channel = 0; channel < 3; channel++) mean[side][channel] += colour[channel * size] * weight;
            }
        }
    const float part = 1.0f / ((2 * radius + 1) * (2 * radius + 1));
    float spread[2], present[2];
    for (int side = 0; side < 2; side++) {
        float length = 0.0f;
        for (int channel = 0; channel < 3; channel++) {
            mean[side][channel] /= total[side];
            length += mean[side][channel] * mean[side][channel];
        }
        spread[side] = fmaxf(power[side] / total[side] - length, 0.0f);
        present[side] = total[side] * part / (total[side] * part + EDGE_FEW);
    }
    float squared = 0.0f, offset = 0.0f;
    for (int channel = 0; channel < 3; channel++) {
        const float difference = mean[0][channel] - mean[1][channel];
        out[channel * size + at] = difference;
        squared += difference * difference;
        offset += mean[1][channel] * difference;
    }
    const float trust = squared / (squared + EDGE_SPREAD_WEIGHT * (spread[0] + spread[1]) + EDGE_NOISE);
    out[3 * size + at] = offset;
    out[4 * size + at] = 1.0f / (squared + 1e-6f);
    out[5 * size + at] = trust * present[0] * present[1];
}

// round(foreground · alpha + background · (1 − alpha)), exactly.
__device__ inline int blend(int foreground, int background, int alpha, int largest) {
    const unsigned mixed = (unsigned)foreground * (unsigned)alpha + (unsigned)background * (unsigned)(largest - alpha);
    return (int)((mixed + (unsigned)(largest / 2)) / (unsigned)largest);
}

// The pixels that share one chroma sample. Their codes are in no array: an array whose index is not known when the kernel
// is compiled lies in local memory, which is as far away as the frame itself.
struct Block {
    int left, top, width, height;
};

__device__ inline Block block_at(const Frame *frame, int x, int y) {
    const int left = x << frame->shift_x, top = y << frame->shift_y;
    return {left, top, min_int(1 << frame->shift_x, (int)frame->columns - left),
            min_int(1 << frame->shift_y, (int)frame->rows - top)};
}

// How often pixel (u, v) of a block counts in the mean of the block's alpha: a last odd row or column repeats.
__device__ inline int times_counted(const Block &block, const Frame *frame, int u, int v) {
    const int across = u == block.width - 1 ? (1 << frame->shift_x) - u : 1;
    return across * (v == block.height - 1 ? (1 << frame->shift_y) - v : 1);
}

// The rounded mean of a block's alpha from the sum over its pixels, each as often as it counts.
__device__ inline int mean_alpha(int total, const Frame *frame) {
    const int count = 1 << (frame->shift_x + frame->shift_y);
    return (total + count / 2) / count;
}

// A code of plane `which` over the background; without one (null) as it is.
__device__ inline void write_over(int code, const Frame *background, const Frame *out, int which, int x, int y,
                                  int alpha, int largest) {
    write_code(out, which, x, y,
               background ? blend(code, read_code(background, which, x, y), alpha, largest) : code);
}

// A frame over a background. A thread does one block.
//   matte: [rows, columns], of the frame's size; uint8 or uint16 as the frame's samples, full scale
extern "C" __global__ void composite(const Frame *frame, const void *matte, const Frame *background, const Frame *out) {
    const int x = thread_column(), y = thread_row();
    if (x >= plane_columns(frame, 1) || y >= plane_rows(frame, 1)) return;
    const Block block = block_at(frame, x, y);
    const int largest = full_scale(frame);
    int total = 0;
    for (int v = 0; v < block.height; v++)
        for (int u = 0; u < block.width; u++) {
            const int at_x = block.left + u, at_y = block.top + v;
            const int alpha = read_sample(matte, at_y * frame->columns + at_x, (int)frame->wide);
            total += alpha * times_counted(block, frame, u, v);
            write_over(read_code(frame, 0, at_x, at_y), background, out, 0, at_x, at_y, alpha, largest);
        }
    for (int which = 1; which < 3; which++)
        write_over(read_code(frame, which, x, y), background, out, which, x, y, mean_alpha(total, frame), largest);
}

// round(code · to / from), exactly.
__device__ inline int rescale(int code, int from, int to) {
    return (int)((2ull * (unsigned)code * (unsigned)to + (unsigned)from) / (2ull * (unsigned)from));
}

// A pixel's alpha as a grey level from `black` to `white`, in all planes if `neutral` is −1, else in luma.
__device__ inline void write_grey(int alpha, const Frame *out, int x, int y, int largest, int black, int white,
                                  int neutral) {
    const int code = black + rescale(alpha, largest, white - black);
    for (int which = 0; which < (neutral < 0 ? 3 : 1); which++) write_code(out, which, x, y, code);
}

// Alpha of a pixel of the frame, before it is refined: from the grid, in full scale.
__device__ inline int upsampled_alpha(const float *alpha, int grid_rows, int grid_columns, const Frame *frame, int x,
                                      int y, int largest) {
    const Position across = resized(x, (int)frame->columns, grid_columns);
    const Position down = resized(y, (int)frame->rows, grid_rows);
    const float *upper = alpha + (long long)down.low * grid_columns;
    const float *lower = alpha + (long long)down.next * grid_columns;
    const float left = interpolate(rintf(limited(upper[across.low]) * largest),
                                   rintf(limited(lower[across.low]) * largest), down.fraction);
    const float right = interpolate(rintf(limited(upper[across.next]) * largest),
                                    rintf(limited(lower[across.next]) * largest), down.fraction);
    return (int)rintf(interpolate(left, right, across.fraction));
}

// Alpha and codes of a pixel, refined by the local colour model where alpha is uncertain.
struct Pixel {
    int alpha, luma, cb, cr;
};

__device__ inline int moved(float own, float difference, float share, float maximum) {
    return (int)rintf(clamp_float(own + difference * share, 0.0f, 1.0f) * maximum);
}

__device__ inline Pixel refined(Pixel pixel, const float *colours, int rows, int columns, const Frame *frame, int x,
                                int y, int largest) {
    const Position across = resized(x, (int)frame->columns, columns), down = resized(y, (int)frame->rows, rows);
    const long long size = (long long)rows * columns;
    float field[EDGE_FIELDS];
    for (int k = 0; k < EDGE_FIELDS; k++) field[k] = bilinear(colours + k * size, columns, down, across);
    const float maximum = (float)frame->maximum;
    const float luma = pixel.luma / maximum, cb = pixel.cb / maximum, cr = pixel.cr / maximum;
    const float coarse = (float)pixel.alpha / largest;
    const float along = luma * field[0] + cb * field[1] + cr * field[2] - field[3];
    const float projected = clamp_float(along * field[4], 0.0f, 1.0f);
    const float alpha = coarse + (projected - coarse) * field[5], share = (1.0f - alpha) * field[5];
    return {(int)rintf(alpha * largest), moved(luma, field[0], share, maximum), moved(cb, field[1], share, maximum),
            moved(cr, field[2], share, maximum)};
}

// Upsamples the matte from the grid, refines it where it is uncertain and composites, all in one pass. A thread does
// one block.
//   alpha: [grid_rows, grid_columns], before the limits
//   colours: the local colour model, [EDGE_FIELDS, colour_rows, colour_columns]; null leaves the edges as they are
//   background: null writes the frame itself, with the foreground's own colours at its edges
//   out: where it has an alpha plane, the matte is written there, up to `opaque`
//   black, white, neutral: see write_grey, and `neutral` goes to the chroma planes; with white 0 the frame is written,
//   not its matte
extern "C" __global__ void finish(const Frame *frame, const float *alpha, int grid_rows, int grid_columns,
                                  const float *colours, int colour_rows, int colour_columns, const Frame *background,
                                  const Frame *out, int opaque, int black, int white, int neutral) {
    const int x = thread_column(), y = thread_row();
    if (x >= plane_columns(frame, 1) || y >= plane_rows(frame, 1)) return;
    const Block block = block_at(frame, x, y);
    const int largest = full_scale(frame), own_cb = read_code(frame, 1, x, y), own_cr = read_code(frame, 2, x, y);
    int total = 0, cb = own_cb, cr = own_cr;
    for (int v = 0; v < block.height; v++)
        for (int u = 0; u < block.width; u++) {
            const int at_x = block.left + u, at_y = block.top + v;
            Pixel pixel = {upsampled_alpha(alpha, grid_rows, grid_columns, frame, at_x, at_y, largest),
                           read_code(frame, 0, at_x, at_y), own_cb, own_cr};
            if (colours && pixel.alpha > UNCERTAIN_LOW * largest && pixel.alpha < UNCERTAIN_HIGH * largest) {
                pixel = refined(pixel, colours, colour_rows, colour_columns, frame, at_x, at_y, largest);
                cb = pixel.cb;
                cr = pixel.cr;
            }
            if (frame->plane[3])
                pixel.alpha = (int)rintf(pixel.alpha * (read_code(frame, 3, at_x, at_y) / (float)frame->maximum));
            total += pixel.alpha * times_counted(block, frame, u, v);
            if (out->plane[3]) write_code(out, 3, at_x, at_y, rescale(pixel.alpha, largest, opaque));
            if (white)
                write_grey(pixel.alpha, out, at_x, at_y, largest, black, white, neutral);
            else
                write_over(pixel.luma, background, out, 0, at_x, at_y, pixel.alpha, largest);
        }
    if (white) {
        if (neutral < 0) return;
        write_code(out, 1, x, y, neutral);
        write_code(out, 2, x, y, neutral);
        return;
    }
    const int mean = mean_alpha(total, frame);
    write_over(cb, background, out, 1, x, y, mean, largest);
    write_over(cr, background, out, 2, x, y, mean, largest);
}
