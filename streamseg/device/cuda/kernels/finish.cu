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

// The pixels that share one chroma sample. `alpha` and `luma` have four values a row.
struct Block {
    int left, top, width, height;
    int alpha[16];
    int luma[16];
    int chroma[2];
};

// The block of chroma sample (x, y), without alpha.
__device__ inline Block read_block(const Frame *frame, int x, int y) {
    Block block;
    block.left = x << frame->shift_x;
    block.top = y << frame->shift_y;
    block.width = min_int(1 << frame->shift_x, (int)frame->columns - block.left);
    block.height = min_int(1 << frame->shift_y, (int)frame->rows - block.top);
    for (int v = 0; v < block.height; v++)
        for (int u = 0; u < block.width; u++)
            block.luma[4 * v + u] = read_code(frame, 0, block.left + u, block.top + v);
    for (int which = 1; which < 3; which++) block.chroma[which - 1] = read_code(frame, which, x, y);
    return block;
}

// The rounded mean of the block's alpha; a last odd row or column repeats.
__device__ inline int mean_alpha(const Block &block, const Frame *frame) {
    const int across = 1 << frame->shift_x, down = 1 << frame->shift_y, count = across * down;
    int total = 0;
    for (int v = 0; v < down; v++)
        for (int u = 0; u < across; u++)
            total += block.alpha[4 * min_int(v, block.height - 1) + min_int(u, block.width - 1)];
    return (total + count / 2) / count;
}

// The block of chroma sample (x, y) over the background; without one (null) as it is.
__device__ inline void write_block(const Block &block, const Frame *frame, const Frame *background, const Frame *out,
                                   int x, int y, int largest) {
    for (int v = 0; v < block.height; v++)
        for (int u = 0; u < block.width; u++) {
            const int i = 4 * v + u, at_x = block.left + u, at_y = block.top + v;
            const int behind = background ? read_code(background, 0, at_x, at_y) : 0;
            write_code(out, 0, at_x, at_y,
                       background ? blend(block.luma[i], behind, block.alpha[i], largest) : block.luma[i]);
        }
    const int alpha = mean_alpha(block, frame);
    for (int which = 1; which < 3; which++) {
        const int code = block.chroma[which - 1], behind = background ? read_code(background, which, x, y) : 0;
        write_code(out, which, x, y, background ? blend(code, behind, alpha, largest) : code);
    }
}

// A frame over a background. A thread does one block.
//   matte: [rows, columns], of the frame's size; uint8 or uint16 as the frame's samples, full scale
extern "C" __global__ void composite(const Frame *frame, const void *matte, const Frame *background, const Frame *out) {
    const int x = thread_column(), y = thread_row();
    if (x >= plane_columns(frame, 1) || y >= plane_rows(frame, 1)) return;
    Block block = read_block(frame, x, y);
    for (int v = 0; v < block.height; v++)
        for (int u = 0; u < block.width; u++) {
            const long long at = (block.top + v) * frame->columns + block.left + u;
            block.alpha[4 * v + u] = read_sample(matte, at, (int)frame->wide);
        }
    write_block(block, frame, background, out, x, y, full_scale(frame));
}

// round(code · to / from), exactly.
__device__ inline int rescale(int code, int from, int to) {
    return (int)((2ull * (unsigned)code * (unsigned)to + (unsigned)from) / (2ull * (unsigned)from));
}

// The block's matte as grey levels from `black` to `white`, and `neutral` in the chroma planes; −1: the level too.
__device__ inline void write_grey(const Block &block, const Frame *out, int x, int y, int largest, int black, int white,
                                  int neutral) {
    for (int v = 0; v < block.height; v++)
        for (int u = 0; u < block.width; u++) {
            const int code = black + rescale(block.alpha[4 * v + u], largest, white - black);
            for (int which = 0; which < (neutral < 0 ? 3 : 1); which++)
                write_code(out, which, block.left + u, block.top + v, code);
        }
    if (neutral < 0) return;
    write_code(out, 1, x, y, neutral);
    write_code(out, 2, x, y, neutral);
}

// Upsamples the matte from the grid, refines it where it is uncertain and composites, all in one pass. A thread does
// one block.
//   alpha: [grid_rows, grid_columns], before the limits
//   colours: the local colour model, [EDGE_FIELDS, colour_rows, colour_columns]; null leaves the edges as they are
//   background: null writes the frame itself, with the foreground's own colours at its edges
//   out: where it has an alpha plane, the matte is written there, up to `opaque`
//   black, white, neutral: see write_grey; with white 0 the frame is written, not its matte
extern "C" __global__ void finish(const Frame *frame, const float *alpha, int grid_rows, int grid_columns,
                                  const float *colours, int colour_rows, int colour_columns, const Frame *background,
                                  const Frame *out, int opaque, int black, int white, int neutral) {
    const int x = thread_column(), y = thread_row();
    if (x >= plane_columns(frame, 1) || y >= plane_rows(frame, 1)) return;
    Block block = read_block(frame, x, y);
    const int largest = full_scale(frame);
    const float maximum = (float)frame->maximum;
    const int chroma[2] = {block.chroma[0], block.chroma[1]};
    for (int v = 0; v < block.height; v++)
        for (int u = 0; u < block.width; u++) {
            const int at_x = block.left + u, at_y = block.top + v, i = 4 * v + u;
            const Position across = resized(at_x, (int)frame->columns, grid_columns);
            const Position down = resized(at_y, (int)frame->rows, grid_rows);
            const float *upper = alpha + (long long)down.low * grid_columns;
            const float *lower = alpha + (long long)down.next * grid_columns;
            const float left = interpolate(rintf(limited(upper[across.low]) * largest),
                                           rintf(limited(lower[across.low]) * largest), down.fraction);
            const float right = interpolate(rintf(limited(upper[across.next]) * largest),
                                            rintf(limited(lower[across.next]) * largest), down.fraction);
            int code = (int)rintf(interpolate(left, right, across.fraction));
            if (colours && code > UNCERTAIN_LOW * largest && code < UNCERTAIN_HIGH * largest) {
                const Position cell_x = resized(at_x, (int)frame->columns, colour_columns);
                const Position cell_y = resized(at_y, (int)frame->rows, colour_rows);
                const long long size = (long long)colour_rows * colour_columns;
                float field[EDGE_FIELDS];
                for (int k = 0; k < EDGE_FIELDS; k++)
                    field[k] = bilinear(colours + k * size, colour_columns, cell_y, cell_x);
                const float own[3] = {block.luma[i] / maximum, chroma[0] / maximum, chroma[1] / maximum};
                const float coarse = (float)code / largest;
                const float projected = clamp_float(
                    (own[0] * field[0] + own[1] * field[1] + own[2] * field[2] - field[3]) * field[4], 0.0f, 1.0f);
                const float refined = coarse + (projected - coarse) * field[5], share = (1.0f - refined) * field[5];
                code = (int)rintf(refined * largest);
                block.luma[i] = (int)rintf(clamp_float(own[0] + field[0] * share, 0.0f, 1.0f) * maximum);
                for (int k = 0; k < 2; k++)
                    block.chroma[k] = (int)rintf(clamp_float(own[k + 1] + field[k + 1] * share, 0.0f, 1.0f) * maximum);
            }
            if (frame->plane[3]) code = (int)rintf(code * (read_code(frame, 3, at_x, at_y) / maximum));
            block.alpha[i] = code;
            if (out->plane[3]) write_code(out, 3, at_x, at_y, rescale(code, largest, opaque));
        }
    if (white)
        write_grey(block, out, x, y, largest, black, white, neutral);
    else
        write_block(block, frame, background, out, x, y, largest);
}
