// A frame over its own background, blurred. Reference: streamseg.matting.compositing.blur, whose docstrings name the
// methods, and streamseg.background.blur.

// Weights, float32 [rows, columns] in [0, 1]: 1 where a pixel and its neighbours are background for certain.
//   alpha: the matte, float32 [rows, columns] in [0, 1]
//   any: becomes 1 if any weight is above 0
extern "C" __global__ void background_weight(const float *alpha, int rows, int columns, float *out, int *any) {
    const int x = thread_column(), y = thread_row();
    if (x >= columns || y >= rows) return;
    float grown = 0.0f;
    for (int v = max_int(y - 1, 0); v <= min_int(y + 1, rows - 1); v++)
        for (int u = max_int(x - 1, 0); u <= min_int(x + 1, columns - 1); u++)
            grown = fmaxf(grown, alpha[(long long)v * columns + u]);
    const float weight = clamp_float(1.0f - grown / BACKGROUND_ALPHA, 0.0f, 1.0f);
    out[(long long)y * columns + x] = weight;
    if (weight > 0.0f) atomicMax(any, 1);
}

// The weights at the size of a plane; 1 everywhere if none is above 0.
extern "C" __global__ void resize_weight(const float *weight, const int *any, int rows, int columns, int to_rows,
                                         int to_columns, float *out) {
    const int x = thread_column(), y = thread_row();
    if (x >= to_columns || y >= to_rows) return;
    const float value = bilinear(weight, columns, resized(y, to_rows, rows), resized(x, to_columns, columns));
    out[(long long)y * to_columns + x] = *any ? value : 1.0f;
}

// Pull: the weighted mean of each block of 2×2, and twice their mean weight; an odd last row or column repeats.
extern "C" __global__ void pull(const float *image, const float *weight, int rows, int columns, int to_rows,
                                int to_columns, float *coarse, float *coarse_weight) {
    const int x = thread_column(), y = thread_row();
    if (x >= to_columns || y >= to_rows) return;
    float total = 0.0f, weights = 0.0f;
    for (int v = 2 * y; v < 2 * y + 2; v++)
        for (int u = 2 * x; u < 2 * x + 2; u++) {
            const long long at = (long long)min_int(v, rows - 1) * columns + min_int(u, columns - 1);
            total += image[at] * weight[at];
            weights += weight[at];
        }
    const long long at = (long long)y * to_columns + x;
    coarse[at] = 0.25f * total / fmaxf(0.25f * weights, 1e-12f);
    coarse_weight[at] = fminf(0.5f * weights, 1.0f);
}

// The coarsest level: values of low weight become the weighted mean of all. One thread does it.
extern "C" __global__ void fill_coarsest(float *image, const float *weight, int rows, int columns) {
    if (thread_column() || thread_row()) return;
    float total = 0.0f, plain = 0.0f, weights = 0.0f;
    for (int i = 0; i < rows * columns; i++) {
        total += image[i] * weight[i];
        plain += image[i];
        weights += weight[i];
    }
    const float mean = weights > 0.0f ? total / weights : plain / (rows * columns);
    for (int i = 0; i < rows * columns; i++) image[i] = image[i] * weight[i] + mean * (1.0f - weight[i]);
}

// Push: values of low weight are replaced by those of the coarser level.
extern "C" __global__ void push(const float *coarse, int coarse_rows, int coarse_columns, const float *weight, int rows,
                                int columns, float *image) {
    const int x = thread_column(), y = thread_row();
    if (x >= columns || y >= rows) return;
    const long long at = (long long)y * columns + x;
    const Position down = resized(y, rows, coarse_rows), across = resized(x, columns, coarse_columns);
    image[at] = image[at] * weight[at] + bilinear(coarse, coarse_columns, down, across) * (1.0f - weight[at]);
}

// A Gaussian blur along one axis; edges repeat.
//   kernel: float32 [2·radius + 1]
//   down: 1 along columns, 0 along rows; rounded: 1 rounds the result to whole codes
extern "C" __global__ void gaussian_blur(const float *image, int rows, int columns, const float *kernel, int radius,
                                         int down, int rounded, float *out) {
    const int x = thread_column(), y = thread_row();
    if (x >= columns || y >= rows) return;
    float total = 0.0f;
    for (int tap = -radius; tap <= radius; tap++) {
        const int v = down ? clamp_int(y + tap, 0, rows - 1) : y;
        const int u = down ? x : clamp_int(x + tap, 0, columns - 1);
        total += kernel[tap + radius] * image[(long long)v * columns + u];
    }
    out[(long long)y * columns + x] = rounded ? rintf(total) : total;
}

// A cut-out over its blurred background, upsampled from small planes of codes. A thread does one block.
//   cut: a frame with its matte as plane 3, full scale
//   luma: [rows, columns]; cb, cr: [chroma_rows, chroma_columns]
//   out: where it has an alpha plane, the matte is written there, full scale
extern "C" __global__ void composite_blurred(const Frame *cut, const float *luma, int rows, int columns,
                                             const float *cb, const float *cr, int chroma_rows, int chroma_columns,
                                             const Frame *out) {
    const int x = thread_column(), y = thread_row();
    if (x >= plane_columns(cut, 1) || y >= plane_rows(cut, 1)) return;
    const int largest = full_scale(cut);
    const Block block = block_at(cut, x, y);
    int total = 0;
    for (int v = 0; v < block.height; v++)
        for (int u = 0; u < block.width; u++) {
            const int at_x = block.left + u, at_y = block.top + v;
            const Position across = resized(at_x, (int)cut->columns, columns);
            const Position down = resized(at_y, (int)cut->rows, rows);
            const int alpha = read_code(cut, 3, at_x, at_y);
            total += alpha * times_counted(block, cut, u, v);
            const int behind = (int)rintf(bilinear(luma, columns, down, across));
            if (out->plane[3]) write_code(out, 3, at_x, at_y, alpha);
            write_code(out, 0, at_x, at_y, blend(read_code(cut, 0, at_x, at_y), behind, alpha, largest));
        }
    const int alpha = mean_alpha(total, cut);
    const Position across = resized(x, plane_columns(cut, 1), chroma_columns);
    const Position down = resized(y, plane_rows(cut, 1), chroma_rows);
    for (int which = 0; which < 2; which++) {
        const int behind = (int)rintf(bilinear(which ? cr : cb, chroma_columns, down, across));
        write_code(out, 1 + which, x, y, blend(read_code(cut, 1 + which, x, y), behind, alpha, largest));
    }
}
