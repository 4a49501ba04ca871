// A frame over its own background, blurred. Twin: streamseg.background.blur, whose docstrings name the method; the
// constants are theirs.

// What is background for certain, float32 [rows, columns] in [0, 1].
//   alpha: the matte, float32 [rows, columns] in [0, 1]
//   seen: becomes 1 where there is any
extern "C" __global__ void evidence(const float *alpha, int rows, int columns, float *out, int *seen) {
    const int x = column(), y = row();
    if (x >= columns || y >= rows) return;
    float grown = 0.0f;
    for (int v = larger(y - 1, 0); v <= smaller(y + 1, rows - 1); v++)
        for (int u = larger(x - 1, 0); u <= smaller(x + 1, columns - 1); u++)
            grown = fmaxf(grown, alpha[(long long)v * columns + u]);
    const float value = bounded(1.0f - grown / 0.25f, 0.0f, 1.0f);
    out[(long long)y * columns + x] = value;
    if (value > 0.0f) atomicMax(seen, 1);
}

// The evidence at the size of a plane; 1 everywhere if there is none at all.
extern "C" __global__ void weigh(const float *certain, const int *seen, int rows, int columns, int to_rows, int to_columns,
                                 float *out) {
    const int x = column(), y = row();
    if (x >= to_columns || y >= to_rows) return;
    const float value = fetch(certain, columns, resized(y, to_rows, rows), resized(x, to_columns, columns));
    out[(long long)y * to_columns + x] = *seen ? value : 1.0f;
}

// Pull: the weighted mean of each four pixels, and twice their weight; an odd last row or column repeats.
extern "C" __global__ void pull(const float *image, const float *weight, int rows, int columns, int to_rows, int to_columns,
                                float *coarse, float *coarse_weight) {
    const int x = column(), y = row();
    if (x >= to_columns || y >= to_rows) return;
    float total = 0.0f, weights = 0.0f;
    for (int v = 2 * y; v < 2 * y + 2; v++)
        for (int u = 2 * x; u < 2 * x + 2; u++) {
            const long long at = (long long)smaller(v, rows - 1) * columns + smaller(u, columns - 1);
            total += image[at] * weight[at];
            weights += weight[at];
        }
    const long long at = (long long)y * to_columns + x;
    coarse[at] = 0.25f * total / fmaxf(0.25f * weights, 1e-12f);
    coarse_weight[at] = fminf(0.5f * weights, 1.0f);
}

// The last level: what is not known becomes the mean of what is. One thread does it all.
extern "C" __global__ void level_out(float *image, const float *weight, int rows, int columns) {
    if (column() || row()) return;
    float total = 0.0f, plain = 0.0f, weights = 0.0f;
    for (int i = 0; i < rows * columns; i++) {
        total += image[i] * weight[i];
        plain += image[i];
        weights += weight[i];
    }
    const float mean = weights > 0.0f ? total / weights : plain / (rows * columns);
    for (int i = 0; i < rows * columns; i++) image[i] = image[i] * weight[i] + mean * (1.0f - weight[i]);
}

// Push: what is not known comes from the coarser level.
extern "C" __global__ void push(const float *coarse, int coarse_rows, int coarse_columns, const float *weight, int rows,
                                int columns, float *image) {
    const int x = column(), y = row();
    if (x >= columns || y >= rows) return;
    const long long at = (long long)y * columns + x;
    const Place down = resized(y, rows, coarse_rows), across = resized(x, columns, coarse_columns);
    image[at] = image[at] * weight[at] + fetch(coarse, coarse_columns, down, across) * (1.0f - weight[at]);
}

// One direction of a Gaussian blur; what lies outside repeats the edge.
//   shares: float32 [2·radius + 1]
//   down: 1 along columns, 0 along rows; whole: 1 rounds the result to whole codes
extern "C" __global__ void gauss(const float *image, int rows, int columns, const float *shares, int radius, int down,
                                 int whole, float *out) {
    const int x = column(), y = row();
    if (x >= columns || y >= rows) return;
    float total = 0.0f;
    for (int tap = -radius; tap <= radius; tap++) {
        const int v = down ? larger(0, smaller(y + tap, rows - 1)) : y;
        const int u = down ? x : larger(0, smaller(x + tap, columns - 1));
        total += shares[tap + radius] * image[(long long)v * columns + u];
    }
    out[(long long)y * columns + x] = whole ? rintf(total) : total;
}

// A frame with its matte (plane 3, full scale) over small planes of codes, brought to its size. A thread does one block.
extern "C" __global__ void over_blur(const Picture *cut, const float *luma, int rows, int columns, const float *first,
                                     const float *second, int chroma_rows, int chroma_columns, const Picture *out) {
    const int x = column(), y = row();
    if (x >= plane_columns(cut, 1) || y >= plane_rows(cut, 1)) return;
    const int largest = cut->deep ? 65535 : 255;
    Block block = block_at(cut, x, y);
    for (int v = 0; v < block.height; v++)
        for (int u = 0; u < block.width; u++) {
            const int i = 4 * v + u, column = block.left + u, line = block.top + v;
            const Place across = resized(column, (int)cut->columns, columns), down = resized(line, (int)cut->rows, rows);
            block.codes[i] = code_at(cut, 3, column, line);
            const int behind = (int)rintf(fetch(luma, columns, down, across));
            put_code(out, 0, column, line, blended(block.luma[i], behind, block.codes[i], largest));
        }
    const int alpha = mean_alpha(block, cut);
    const Place across = resized(x, plane_columns(cut, 1), chroma_columns);
    const Place down = resized(y, plane_rows(cut, 1), chroma_rows);
    for (int which = 0; which < 2; which++) {
        const int behind = (int)rintf(fetch(which ? second : first, chroma_columns, down, across));
        put_code(out, 1 + which, x, y, blended(block.chroma[which], behind, alpha, largest));
    }
}
