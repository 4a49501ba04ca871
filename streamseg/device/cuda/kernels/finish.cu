// From a matte on the grid to the frame over its new background. Twins: streamseg.matting.sharp, .edges and .composite,
// whose docstrings name the methods; the constants are theirs.

// Alpha on the grid, between the levels below which it is clear and above which it is solid.
__device__ inline float levelled(float alpha) {
    const float clear = 0.10001f, solid = 0.94999f;
    return bounded((alpha - clear) * (1.0f / (solid - clear)), 0.0f, 1.0f);
}

// The colours around each pixel of half the grid.
//   alpha: [grid_rows, grid_columns], not yet levelled
//   colours: [3, rows, columns] in [0, 1]
//   out: [6, rows, columns]: difference (3), offset, scale, trust
extern "C" __global__ void surroundings(const float *alpha, int grid_columns, const float *colours, int radius, int rows,
                                        int columns, float *out) {
    const float none = 1e-4f, few = 0.01f, spread_weight = 8.0f, noise = 0.005f;
    const int x = column(), y = row();
    if (x >= columns || y >= rows) return;
    const long long at = (long long)y * columns + x, size = (long long)rows * columns;
    float total[2] = {0.0f, 0.0f}, power[2] = {0.0f, 0.0f}, mean[2][3] = {{0.0f, 0.0f, 0.0f}, {0.0f, 0.0f, 0.0f}};
    for (int v = larger(y - radius, 0); v <= smaller(y + radius, rows - 1); v++)
        for (int u = larger(x - radius, 0); u <= smaller(x + radius, columns - 1); u++) {
            const float *upper = alpha + (long long)2 * v * grid_columns + 2 * u, *lower = upper + grid_columns;
            const float own =
                (levelled(upper[0]) + levelled(upper[1]) + levelled(lower[0]) + levelled(lower[1])) * 0.25f;
            const float *colour = colours + (long long)v * columns + u;
            const float squared = colour[0] * colour[0] + colour[size] * colour[size] + colour[2 * size] * colour[2 * size];
            for (int side = 0; side < 2; side++) {
                const float sure = bounded(2.0f * (side ? 1.0f - own : own) - 1.0f, 0.0f, 1.0f);
                const float weight = sure * sure + none;
                total[side] += weight;
                power[side] += squared * weight;
                for (int channel = 0; channel < 3; channel++) mean[side][channel] += colour[channel * size] * weight;
            }
        }
    const float part = 1.0f / ((2 * radius + 1) * (2 * radius + 1));
    float spread[2], there[2];
    for (int side = 0; side < 2; side++) {
        float length = 0.0f;
        for (int channel = 0; channel < 3; channel++) {
            mean[side][channel] /= total[side];
            length += mean[side][channel] * mean[side][channel];
        }
        spread[side] = fmaxf(power[side] / total[side] - length, 0.0f);
        there[side] = total[side] * part / (total[side] * part + few);
    }
    float squared = 0.0f, offset = 0.0f;
    for (int channel = 0; channel < 3; channel++) {
        const float difference = mean[0][channel] - mean[1][channel];
        out[channel * size + at] = difference;
        squared += difference * difference;
        offset += mean[1][channel] * difference;
    }
    const float trust = squared / (squared + spread_weight * (spread[0] + spread[1]) + noise);
    out[3 * size + at] = offset;
    out[4 * size + at] = 1.0f / (squared + 1e-6f);
    out[5 * size + at] = trust * there[0] * there[1];
}

// round(foreground · alpha + background · (1 − alpha)), exactly.
__device__ inline int blended(int foreground, int background, int alpha, int largest) {
    const unsigned mixed = (unsigned)foreground * (unsigned)alpha + (unsigned)background * (unsigned)(largest - alpha);
    return (int)((mixed + (unsigned)(largest / 2)) / (unsigned)largest);
}

// The block of pixels that shares one chroma sample, (x, y), over the background. `codes` holds the block's alpha, four
// a row at most; `own` the pixels' colours. Where there is no background the frame itself is written.
struct Block {
    int left, top, width, height;
    int codes[16];
    int luma[16];
    int chroma[2];
};

__device__ inline Block block_at(const Picture *picture, int x, int y) {
    Block block;
    block.left = x << picture->shift_x;
    block.top = y << picture->shift_y;
    block.width = smaller(1 << picture->shift_x, (int)picture->columns - block.left);
    block.height = smaller(1 << picture->shift_y, (int)picture->rows - block.top);
    for (int v = 0; v < block.height; v++)
        for (int u = 0; u < block.width; u++) block.luma[4 * v + u] = code_at(picture, 0, block.left + u, block.top + v);
    for (int which = 1; which < 3; which++) block.chroma[which - 1] = code_at(picture, which, x, y);
    return block;
}

// The rounded mean of the block's alpha; a last odd row or column repeats.
__device__ inline int mean_alpha(const Block &block, const Picture *picture) {
    const int across = 1 << picture->shift_x, down = 1 << picture->shift_y, count = across * down;
    int total = 0;
    for (int v = 0; v < down; v++)
        for (int u = 0; u < across; u++)
            total += block.codes[4 * smaller(v, block.height - 1) + smaller(u, block.width - 1)];
    return (total + count / 2) / count;
}

__device__ inline void put_block(const Block &block, const Picture *frame, const Picture *background, const Picture *out,
                                 int x, int y, int largest) {
    for (int v = 0; v < block.height; v++)
        for (int u = 0; u < block.width; u++) {
            const int i = 4 * v + u, column = block.left + u, line = block.top + v;
            const int behind = background ? code_at(background, 0, column, line) : 0;
            put_code(out, 0, column, line,
                     background ? blended(block.luma[i], behind, block.codes[i], largest) : block.luma[i]);
        }
    const int alpha = mean_alpha(block, frame);
    for (int which = 1; which < 3; which++) {
        const int own = block.chroma[which - 1];
        put_code(out, which, x, y, background ? blended(own, code_at(background, which, x, y), alpha, largest) : own);
    }
}

// A frame over a background with a matte of its own size. A thread does one block.
//   matte: codes [rows, columns], uint8 or uint16 as the frame's, full scale
extern "C" __global__ void composite(const Picture *frame, const void *matte, const Picture *background,
                                     const Picture *out) {
    const int x = column(), y = row();
    if (x >= plane_columns(frame, 1) || y >= plane_rows(frame, 1)) return;
    Block block = block_at(frame, x, y);
    for (int v = 0; v < block.height; v++)
        for (int u = 0; u < block.width; u++) {
            const long long at = (block.top + v) * frame->columns + block.left + u;
            block.codes[4 * v + u] = frame->deep ? ((const unsigned short *)matte)[at] : ((const unsigned char *)matte)[at];
        }
    put_block(block, frame, background, out, x, y, frame->deep ? 65535 : 255);
}

// round(code · to / from), exactly.
__device__ inline int scaled(int code, int from, int to) {
    return (int)((2ull * (unsigned)code * (unsigned)to + (unsigned)from) / (2ull * (unsigned)from));
}

// The block's matte as grey, from code `low` to code `high`, and `grey` in the planes of colour; -1: there as in luma.
__device__ inline void put_grey(const Block &block, const Picture *out, int x, int y, int largest, int low, int high,
                                int grey) {
    for (int v = 0; v < block.height; v++)
        for (int u = 0; u < block.width; u++) {
            const int code = low + scaled(block.codes[4 * v + u], largest, high - low);
            for (int which = 0; which < (grey < 0 ? 3 : 1); which++)
                put_code(out, which, block.left + u, block.top + v, code);
        }
    if (grey < 0) return;
    put_code(out, 1, x, y, grey);
    put_code(out, 2, x, y, grey);
}

// The matte brought from the grid to the frame's size, refined in its uncertain band by the colours around, and the
// frame over its background, all in one pass. A thread does one block.
//   alpha: [grid_rows, grid_columns], settled, not yet levelled
//   around: what surroundings gives, [6, around_rows, around_columns]; null leaves the edges as they are
//   background: null writes the frame itself, with the old background's colour taken out of its edges
//   out: where it has a plane of alpha, the matte is written there, up to `opaque`
//   low_code, high_code, grey: see put_grey; with high_code 0 the frame is written, not its matte
extern "C" __global__ void finish(const Picture *frame, const float *alpha, int grid_rows, int grid_columns,
                                  const float *around, int around_rows, int around_columns, const Picture *background,
                                  const Picture *out, int opaque, int low_code, int high_code, int grey) {
    const float low = 0.02f, high = 0.98f;
    const int x = column(), y = row();
    if (x >= plane_columns(frame, 1) || y >= plane_rows(frame, 1)) return;
    Block block = block_at(frame, x, y);
    const int largest = frame->deep ? 65535 : 255;
    const float maximum = (float)frame->maximum;
    const int chroma[2] = {block.chroma[0], block.chroma[1]};
    for (int v = 0; v < block.height; v++)
        for (int u = 0; u < block.width; u++) {
            const int column = block.left + u, line = block.top + v, i = 4 * v + u;
            const Place across = resized(column, (int)frame->columns, grid_columns);
            const Place down = resized(line, (int)frame->rows, grid_rows);
            const float *upper = alpha + (long long)down.low * grid_columns;
            const float *lower = alpha + (long long)down.next * grid_columns;
            const float left = between(rintf(levelled(upper[across.low]) * largest),
                                       rintf(levelled(lower[across.low]) * largest), down.part);
            const float right = between(rintf(levelled(upper[across.next]) * largest),
                                        rintf(levelled(lower[across.next]) * largest), down.part);
            int code = (int)rintf(between(left, right, across.part));
            if (around && code > low * largest && code < high * largest) {
                const Place near_x = resized(column, (int)frame->columns, around_columns);
                const Place near_y = resized(line, (int)frame->rows, around_rows);
                const long long size = (long long)around_rows * around_columns;
                float field[6];
                for (int k = 0; k < 6; k++) field[k] = fetch(around + k * size, around_columns, near_y, near_x);
                const float own[3] = {block.luma[i] / maximum, chroma[0] / maximum, chroma[1] / maximum};
                const float before = (float)code / largest;
                const float projected =
                    bounded((own[0] * field[0] + own[1] * field[1] + own[2] * field[2] - field[3]) * field[4], 0.0f, 1.0f);
                const float after = before + (projected - before) * field[5], share = (1.0f - after) * field[5];
                code = (int)rintf(after * largest);
                block.luma[i] = (int)rintf(bounded(own[0] + field[0] * share, 0.0f, 1.0f) * maximum);
                for (int k = 0; k < 2; k++)
                    block.chroma[k] = (int)rintf(bounded(own[k + 1] + field[k + 1] * share, 0.0f, 1.0f) * maximum);
            }
            if (frame->plane[3]) code = (int)rintf(code * (code_at(frame, 3, column, line) / maximum));
            block.codes[i] = code;
            if (out->plane[3]) put_code(out, 3, column, line, scaled(code, largest, opaque));
        }
    if (high_code)
        put_grey(block, out, x, y, largest, low_code, high_code, grey);
    else
        put_block(block, frame, background, out, x, y, largest);
}
