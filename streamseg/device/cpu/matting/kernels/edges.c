/* Mattes at the frame's size, refined where alpha is uncertain; reference: streamseg.matting.edges. */
#include "kernels.h"

INLINE float sample_of(const void *row, int x, int is_16bit) {
    return is_16bit ? (float)((const uint16_t *)row)[x] : (float)((const uint8_t *)row)[x];
}

/* The sample in the centre of a cell. */
INLINE int centre(int cell, int cells, int size) { return (int)(((int64_t)cell * size + size / 2) / cells); }

/* Nearly all grids have radius 2, and with a constant the loop is several times faster. */
INLINE void local_mean(const float *in, int rows, int columns, int radius, float *out, float *line) {
    if (radius == 2)
        box_mean(in, rows, columns, 2, out, line);
    else
        box_mean(in, rows, columns, radius, out, line);
}

/* One side of the edge, [5, size]: mean of three colour components, summed variance, and whether the side is present.
 * `work`: room for two planes and a row. */
INLINE void side(const float *colours, const float *power, const float *alpha, float sign, int rows, int columns,
                 int radius, float *restrict means, float *work) {
    size_t size = (size_t)rows * columns;
    float *restrict weight = work, *restrict weighted = work + size, *line = work + 2 * size;
    float *restrict variance = means + 3 * size, *restrict present = means + 4 * size;
    for (size_t i = 0; i < size; i++) {
        float membership = max_float(0, sign * (2 * alpha[i] - 1));
        weight[i] = membership * membership + EDGE_MIN_WEIGHT;
    }
    for (int k = 0; k < 4; k++) {
        const float *values = k < 3 ? colours + (size_t)k * size : power;
        for (size_t i = 0; i < size; i++) weighted[i] = values[i] * weight[i];
        local_mean(weighted, rows, columns, radius, means + (size_t)k * size, line);
    }
    local_mean(weight, rows, columns, radius, present, line);
    for (size_t i = 0; i < size; i++) {
        float share = 1 / present[i], squares = 0;
        for (int k = 0; k < 3; k++) {
            float mean = means[(size_t)k * size + i] *= share;
            squares += mean * mean;
        }
        variance[i] = max_float(0, variance[i] * share - squares);
        present[i] /= present[i] + EDGE_FEW;
    }
}

/* The local colour model in the cells from `top` to `bottom` and `left` to `right` of a grid over the frame; elsewhere
 * `out`, [6, rows, columns], is not written. `planes`: three. */
EXPORTED KERNEL int streamseg_local_colours(const Plane *planes, int is_16bit, float unit, const float *alpha, int rows,
                                            int columns, int top, int bottom, int left, int right, int radius,
                                            float *out) {
    int height = bottom - top, width = right - left;
    size_t size = (size_t)height * width;
    float *memory = malloc(sizeof(float) * (17 * size + (size_t)(width + 2 * radius)));
    if (memory == NULL) return NO_MEMORY;
    float *colours = memory, *power = memory + 3 * size, *matte = memory + 4 * size;
    float *foreground = memory + 5 * size, *background = memory + 10 * size, *work = memory + 15 * size;
    for (int k = 0; k < 3; k++)
        for (int y = 0; y < height; y++) {
            const void *row = row_of(planes[k], centre(top + y, rows, planes[k].rows), is_16bit);
            for (int x = 0; x < width; x++)
                colours[((size_t)k * height + y) * width + x] =
                    unit * sample_of(row, centre(left + x, columns, planes[k].columns), is_16bit);
        }
    for (int y = 0; y < height; y++)
        memcpy(matte + (size_t)y * width, alpha + (size_t)(top + y) * columns + left, sizeof(float) * (size_t)width);
    for (size_t i = 0; i < size; i++)
        power[i] = colours[i] * colours[i] + colours[size + i] * colours[size + i] +
                   colours[2 * size + i] * colours[2 * size + i];
    side(colours, power, matte, 1, height, width, radius, foreground, work);
    side(colours, power, matte, -1, height, width, radius, background, work);
    size_t plane = (size_t)rows * columns;
    for (int y = 0; y < height; y++) {
        float *restrict to = out + (size_t)(top + y) * columns + left;
        const float *s = foreground + (size_t)y * width, *b = background + (size_t)y * width;
        for (int x = 0; x < width; x++) {
            float squared = 0, offset = 0;
            for (int k = 0; k < 3; k++) {
                float mean = b[(size_t)k * size + x], difference = s[(size_t)k * size + x] - mean;
                to[(size_t)k * plane + x] = difference;
                squared += difference * difference;
                offset += difference * mean;
            }
            float variance = EDGE_SPREAD_WEIGHT * (s[3 * size + x] + b[3 * size + x]) + squared + EDGE_NOISE;
            to[3 * plane + x] = offset;
            to[4 * plane + x] = 1 / (squared + 1e-6f);
            to[5 * plane + x] = squared / variance * s[4 * size + x] * b[4 * size + x];
        }
    }
    free(memory);
    return DONE;
}

/* Pixels of a row up to `stop` that all have one level; level −1: they differ. */
typedef struct {
    int stop;
    float level;
} Span;

INLINE int is_constant(const float *upper, const float *lower, int x, float level) {
    return upper[x] == level && upper[x + 1] == level && lower[x] == level && lower[x + 1] == level;
}

/* The level of the pixels between four samples, −1 unless it is 0 or 1 throughout. */
INLINE float level_of(const float *upper, const float *lower, int x, int columns) {
    if (x + 1 >= columns) return -1;
    return is_constant(upper, lower, x, 0) ? 0 : is_constant(upper, lower, x, 1) ? 1 : -1;
}

/* A row of pixels between two rows of samples, as spans. `starts`: the first pixel after each sample. */
INLINE void spans_of(const float *upper, const float *lower, int columns, const int *starts, int width, Span *spans) {
    float level = level_of(upper, lower, 0, columns);
    for (int cell = 1; cell < columns; cell++) {
        float next = level_of(upper, lower, cell, columns);
        if (next != level) *spans++ = (Span){starts[cell], level};
        level = next;
    }
    *spans = (Span){width, level};
}

INLINE void upsample_row(const float *line, const Span *spans, const Position *positions, void *out, int width,
                         int is_16bit) {
    float largest = is_16bit ? 65535 : 255;
    for (int x = 0; x < width; spans++) {
        if (spans->level >= 0) /* all bytes of the code are equal then */
            memset((char *)out + (size_t)x * (is_16bit ? 2 : 1), spans->level > 0 ? 255 : 0,
                   (size_t)(spans->stop - x) * (is_16bit ? 2 : 1));
        else
            for (int at = x; at < spans->stop; at++)
                store_code(out, at, round_positive(largest * interpolate(line, positions[at])), is_16bit);
        x = spans->stop;
    }
}

/* Positions of pixels on samples, and the first pixel after each sample. */
INLINE void positions_of(int width, int columns, Position *positions, int *starts) {
    int cell = 0;
    for (int x = 0; x < width; x++) {
        positions[x] = position_at(x, width, columns);
        while (cell <= positions[x].first) starts[cell++] = x;
    }
    while (cell < columns) starts[cell++] = width;
}

/* Most of a matte is exactly 0 or 1: those spans are filled without arithmetic. */
INLINE int upsample(const float *alpha, int rows, int columns, void *codes, int height, int width, int is_16bit) {
    size_t room = (size_t)columns + 1;
    Position *positions =
        malloc(sizeof(Position) * (size_t)width + (sizeof(Span) + sizeof(int) + sizeof(float)) * room);
    if (positions == NULL) return NO_MEMORY;
    Span *spans = (Span *)(positions + width);
    int *starts = (int *)(spans + room), before = -1;
    float *line = (float *)(starts + room);
    positions_of(width, columns, positions, starts);
    for (int y = 0; y < height; y++) {
        Position position = position_at(y, height, rows);
        const float *upper = alpha + (size_t)position.first * columns;
        const float *lower = alpha + (size_t)min_int(position.first + 1, rows - 1) * columns;
        if (position.first != before) spans_of(upper, lower, columns, starts, width, spans);
        before = position.first;
        interpolate_rows(alpha, rows, columns, position, line);
        upsample_row(line, spans, positions, (char *)codes + (size_t)y * width * (is_16bit ? 2 : 1), width, is_16bit);
    }
    free(positions);
    return DONE;
}

/* Alpha in [0, 1] as full-scale codes at another size, bilinearly. */
EXPORTED KERNEL int streamseg_upsample_alpha(const float *alpha, int rows, int columns, void *codes, int height,
                                             int width, int is_16bit) {
    return is_16bit ? upsample(alpha, rows, columns, codes, height, width, 1)
                : upsample(alpha, rows, columns, codes, height, width, 0);
}

/* Columns of the uncertain pixels of a row, in order; returns their number. */
INLINE int uncertain(const void *codes, int width, int low, int high, int32_t *found, int is_16bit) {
    int count = 0, samples = is_16bit ? 4 : 8;
    for (int x = 0; x < width; x += samples) {
        int stop = min_int(x + samples, width);
        uint64_t word = 0;
        if (stop == x + samples) {
            memcpy(&word, (const char *)codes + (size_t)x * (is_16bit ? 2 : 1), 8);
            if (word == 0 || word == UINT64_MAX) continue;
        }
        for (int at = x; at < stop; at++) {
            int code = is_16bit ? ((const uint16_t *)codes)[at] : ((const uint8_t *)codes)[at];
            found[count] = at;
            count += code >= low && code <= high;
        }
    }
    return count;
}

/* Uncertain pixels of a row: columns, alpha, colours and the local colour model, arrays of `room` each. */
typedef struct {
    int32_t *at;
    float *alpha, *colours[3], *fields;
    size_t room;
} Band;

INLINE void refine_pixels(int count, size_t room, const float *restrict fields, float *restrict alpha,
                          float *restrict first, float *restrict second, float *restrict third) {
    for (int i = 0; i < count; i++) {
        float d0 = fields[i], d1 = fields[room + i], d2 = fields[2 * room + i], offset = fields[3 * room + i];
        float scale = fields[4 * room + i], trust = fields[5 * room + i];
        float along = first[i] * d0 + second[i] * d1 + third[i] * d2;
        float refined = clamp(0, (along - offset) * scale, 1);
        refined = alpha[i] + trust * (refined - alpha[i]);
        float missing = trust * (1 - refined);
        alpha[i] = refined;
        first[i] = clamp(0, first[i] + missing * d0, 1);
        second[i] = clamp(0, second[i] + missing * d1, 1);
        third[i] = clamp(0, third[i] + missing * d2, 1);
    }
}

/* `lines`: a row of each component of the colour model, `columns` apart. */
INLINE void refine_row(Band band, int count, const float *lines, int columns, const Position *positions) {
    for (int i = 0; i < count; i++) {
        Position position = positions[band.at[i]];
        for (int k = 0; k < EDGE_FIELDS; k++)
            band.fields[k * band.room + i] = interpolate(lines + (size_t)k * columns, position);
    }
    refine_pixels(count, band.room, band.fields, band.alpha, band.colours[0], band.colours[1], band.colours[2]);
}

INLINE int refine(void *codes, int height, int width, const Plane *planes, const Plane *painted, int shift_x,
                  int shift_y, float largest, const float *local, int rows, int columns, int is_16bit) {
    /* `uncertain` may write one block past the pixels it counts. */
    size_t room = (size_t)width + 8;
    size_t floats = (5 + EDGE_FIELDS) * room + EDGE_FIELDS * (size_t)(columns + 1);
    Position *positions = malloc(sizeof(Position) * room + sizeof(float) * floats);
    if (positions == NULL) return NO_MEMORY;
    float *lines = (float *)(positions + room), *numbers = lines + EDGE_FIELDS * (columns + 1);
    Band band = {(int32_t *)numbers, numbers + room, {0}, numbers + 5 * room, room};
    for (int k = 0; k < 3; k++) band.colours[k] = band.alpha + (size_t)(k + 1) * room;
    for (int x = 0; x < width; x++) positions[x] = position_at(x, width, columns);
    float full = is_16bit ? 65535 : 255;
    int low = (int)(UNCERTAIN_LOW * full) + 1, high = (int)(UNCERTAIN_HIGH * full);
    for (int y = 0; y < height; y++) {
        void *row = (char *)codes + (size_t)y * width * (is_16bit ? 2 : 1);
        int count = uncertain(row, width, low, high, band.at, is_16bit);
        if (!count) continue;
        for (int k = 0; k < EDGE_FIELDS; k++)
            interpolate_rows(local + (size_t)k * rows * columns, rows, columns, position_at(y, height, rows),
                        lines + k * (columns + 1));
        const void *own[3];
        for (int k = 0; k < 3; k++) own[k] = row_of(planes[k], k ? y >> shift_y : y, is_16bit);
        for (int i = 0; i < count; i++) {
            int at = band.at[i], small = at >> shift_x;
            band.alpha[i] = sample_of(row, at, is_16bit) * (1 / full);
            band.colours[0][i] = sample_of(own[0], at, is_16bit) * (1 / largest);
            band.colours[1][i] = sample_of(own[1], small, is_16bit) * (1 / largest);
            band.colours[2][i] = sample_of(own[2], small, is_16bit) * (1 / largest);
        }
        refine_row(band, count, lines, columns + 1, positions);
        for (int i = 0; i < count; i++) store_code(row, band.at[i], round_positive(full * band.alpha[i]), is_16bit);
        for (int k = 0; k < 3; k++) {
            void *own = (void *)row_of(painted[k], k ? y >> shift_y : y, is_16bit);
            for (int i = 0; i < count; i++)
                store_code(own, k ? band.at[i] >> shift_x : band.at[i], round_positive(largest * band.colours[k][i]),
                           is_16bit);
        }
    }
    free(positions);
    return DONE;
}

/* Refines uncertain `codes` in position and writes the foreground's colours there into `painted`, a copy of `planes`.
 * local: [6, rows, columns]. largest: the largest code of the planes. */
EXPORTED KERNEL int streamseg_refine(void *codes, int height, int width, const Plane *planes, const Plane *painted,
                                     int is_16bit, int shift_x, int shift_y, float largest, const float *local,
                                     int rows, int columns) {
    return is_16bit ? refine(codes, height, width, planes, painted, shift_x, shift_y, largest, local, rows, columns, 1)
                : refine(codes, height, width, planes, painted, shift_x, shift_y, largest, local, rows, columns, 0);
}
