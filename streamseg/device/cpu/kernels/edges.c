/* Mattes at the size of frames and their uncertain pixels; twins: streamseg.matting.edges and streamseg.matting.sharp. */
#include "kernels.h"

enum { FIELDS = 6 };
static const float EDGE_LOW = 0.02f, EDGE_HIGH = 0.98f;
static const float SPREAD = 8, NOISE = 0.005f, NONE = 1e-4f, FEW = 0.01f;

INLINE float sample_of(const void *row, int x, int wide) {
    return wide ? (float)((const uint16_t *)row)[x] : (float)((const uint8_t *)row)[x];
}

/* The sample in the middle of a cell. */
INLINE int middle(int cell, int cells, int size) { return (int)(((int64_t)cell * size + size / 2) / cells); }

/* Nearly all grids have this radius, and a fixed one is several times faster. */
INLINE void local_mean(const float *in, int rows, int columns, int radius, float *out, float *line) {
    if (radius == 2)
        box_mean(in, rows, columns, 2, out, line);
    else
        box_mean(in, rows, columns, radius, out, line);
}

/* One side of the edge: means of three colours, spread of their sum, and whether it is there; [5, size] each.
 * `work` holds two planes and a line. */
INLINE void side(const float *colours, const float *power, const float *alpha, float sign, int rows, int columns,
                 int radius, float *restrict means, float *work) {
    size_t size = (size_t)rows * columns;
    float *restrict weight = work, *restrict weighted = work + size, *line = work + 2 * size;
    float *restrict spread_of = means + 3 * size, *restrict seen = means + 4 * size;
    for (size_t i = 0; i < size; i++) {
        float nearness = most(0, sign * (2 * alpha[i] - 1));
        weight[i] = nearness * nearness + NONE;
    }
    for (int k = 0; k < 4; k++) {
        const float *values = k < 3 ? colours + (size_t)k * size : power;
        for (size_t i = 0; i < size; i++) weighted[i] = values[i] * weight[i];
        local_mean(weighted, rows, columns, radius, means + (size_t)k * size, line);
    }
    local_mean(weight, rows, columns, radius, seen, line);
    for (size_t i = 0; i < size; i++) {
        float share = 1 / seen[i], squares = 0;
        for (int k = 0; k < 3; k++) {
            float mean = means[(size_t)k * size + i] *= share;
            squares += mean * mean;
        }
        spread_of[i] = most(0, spread_of[i] * share - squares);
        seen[i] /= seen[i] + FEW;
    }
}

/* Local colours in the cells from `top` to `bottom` and `left` to `right` of a grid over the frame; `out`, [6, rows,
 * columns], is left alone elsewhere. `planes`: three. */
EXPORTED KERNEL int streamseg_local_colours(const Plane *planes, int wide, float unit, const float *alpha, int rows,
                                            int columns, int top, int bottom, int left, int right, int radius,
                                            float *out) {
    int height = bottom - top, width = right - left;
    size_t size = (size_t)height * width;
    float *memory = malloc(sizeof(float) * (17 * size + (size_t)(width + 2 * radius)));
    if (memory == NULL) return NO_MEMORY;
    float *colours = memory, *power = memory + 3 * size, *matte = memory + 4 * size;
    float *subject = memory + 5 * size, *behind = memory + 10 * size, *work = memory + 15 * size;
    for (int k = 0; k < 3; k++)
        for (int y = 0; y < height; y++) {
            const void *row = row_of(planes[k], middle(top + y, rows, planes[k].rows), wide);
            for (int x = 0; x < width; x++)
                colours[((size_t)k * height + y) * width + x] =
                    unit * sample_of(row, middle(left + x, columns, planes[k].columns), wide);
        }
    for (int y = 0; y < height; y++)
        memcpy(matte + (size_t)y * width, alpha + (size_t)(top + y) * columns + left, sizeof(float) * (size_t)width);
    for (size_t i = 0; i < size; i++)
        power[i] = colours[i] * colours[i] + colours[size + i] * colours[size + i] +
                   colours[2 * size + i] * colours[2 * size + i];
    side(colours, power, matte, 1, height, width, radius, subject, work);
    side(colours, power, matte, -1, height, width, radius, behind, work);
    size_t plane = (size_t)rows * columns;
    for (int y = 0; y < height; y++) {
        float *restrict to = out + (size_t)(top + y) * columns + left;
        const float *s = subject + (size_t)y * width, *b = behind + (size_t)y * width;
        for (int x = 0; x < width; x++) {
            float squared = 0, offset = 0;
            for (int k = 0; k < 3; k++) {
                float mean = b[(size_t)k * size + x], difference = s[(size_t)k * size + x] - mean;
                to[(size_t)k * plane + x] = difference;
                squared += difference * difference;
                offset += difference * mean;
            }
            float spread_of = SPREAD * (s[3 * size + x] + b[3 * size + x]) + squared + NOISE;
            to[3 * plane + x] = offset;
            to[4 * plane + x] = 1 / (squared + 1e-6f);
            to[5 * plane + x] = squared / spread_of * s[4 * size + x] * b[4 * size + x];
        }
    }
    free(memory);
    return DONE;
}

/* Pixels of a row up to `stop` that are all of one level; or, level −1, any. */
typedef struct {
    int stop;
    float level;
} Span;

INLINE int is_plain(const float *upper, const float *lower, int x, float level) {
    return upper[x] == level && upper[x + 1] == level && lower[x] == level && lower[x + 1] == level;
}

/* The level of the pixels between four samples. */
INLINE float level_of(const float *upper, const float *lower, int x, int columns) {
    if (x + 1 >= columns) return -1;
    return is_plain(upper, lower, x, 0) ? 0 : is_plain(upper, lower, x, 1) ? 1 : -1;
}

/* The pixels between two rows of samples, as spans. `starts`: the first pixel behind each sample. */
INLINE void spans_of(const float *upper, const float *lower, int columns, const int *starts, int width, Span *spans) {
    float level = level_of(upper, lower, 0, columns);
    for (int cell = 1; cell < columns; cell++) {
        float next = level_of(upper, lower, cell, columns);
        if (next != level) *spans++ = (Span){starts[cell], level};
        level = next;
    }
    *spans = (Span){width, level};
}

INLINE void enlarge_row(const float *line, const Span *spans, const Place *places, void *out, int width, int wide) {
    float largest = wide ? 65535 : 255;
    for (int x = 0; x < width; spans++) {
        if (spans->level >= 0) /* all bits of a code are alike then */
            memset((char *)out + (size_t)x * (wide ? 2 : 1), spans->level > 0 ? 255 : 0,
                   (size_t)(spans->stop - x) * (wide ? 2 : 1));
        else
            for (int at = x; at < spans->stop; at++) put(out, at, nearest(largest * in_row(line, places[at])), wide);
        x = spans->stop;
    }
}

/* Where pixels lie on samples, and the first pixel behind each sample. */
INLINE void places_of(int width, int columns, Place *places, int *starts) {
    int cell = 0;
    for (int x = 0; x < width; x++) {
        places[x] = spread(x, width, columns);
        while (cell <= places[x].first) starts[cell++] = x;
    }
    while (cell < columns) starts[cell++] = width;
}

/* Most of a matte is all 0 or all 1, and there is nothing to compute. */
INLINE int enlarge(const float *alpha, int rows, int columns, void *codes, int height, int width, int wide) {
    size_t room = (size_t)columns + 1;
    Place *places = malloc(sizeof(Place) * (size_t)width + (sizeof(Span) + sizeof(int) + sizeof(float)) * room);
    if (places == NULL) return NO_MEMORY;
    Span *spans = (Span *)(places + width);
    int *starts = (int *)(spans + room), before = -1;
    float *line = (float *)(starts + room);
    places_of(width, columns, places, starts);
    for (int y = 0; y < height; y++) {
        Place place = spread(y, height, rows);
        const float *upper = alpha + (size_t)place.first * columns;
        const float *lower = alpha + (size_t)smaller(place.first + 1, rows - 1) * columns;
        if (place.first != before) spans_of(upper, lower, columns, starts, width, spans);
        before = place.first;
        row_between(alpha, rows, columns, place, line);
        enlarge_row(line, spans, places, (char *)codes + (size_t)y * width * (wide ? 2 : 1), width, wide);
    }
    free(places);
    return DONE;
}

/* Alpha in [0, 1] as full-scale codes at another size, bilinearly. */
EXPORTED KERNEL int streamseg_enlarge(const float *alpha, int rows, int columns, void *codes, int height, int width,
                                      int wide) {
    return wide ? enlarge(alpha, rows, columns, codes, height, width, 1)
                : enlarge(alpha, rows, columns, codes, height, width, 0);
}

/* The uncertain pixels of a row, in order. */
INLINE int uncertain(const void *codes, int width, int low, int high, int32_t *found, int wide) {
    int count = 0, samples = wide ? 4 : 8;
    for (int x = 0; x < width; x += samples) {
        int stop = smaller(x + samples, width);
        uint64_t word = 0;
        if (stop == x + samples) {
            memcpy(&word, (const char *)codes + (size_t)x * (wide ? 2 : 1), 8);
            if (word == 0 || word == UINT64_MAX) continue;
        }
        for (int at = x; at < stop; at++) {
            int code = wide ? ((const uint16_t *)codes)[at] : ((const uint8_t *)codes)[at];
            found[count] = at;
            count += code >= low && code <= high;
        }
    }
    return count;
}

/* What is known of the uncertain pixels of a row, `room` each. */
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
        float refined = between(0, (along - offset) * scale, 1);
        refined = alpha[i] + trust * (refined - alpha[i]);
        float missing = trust * (1 - refined);
        alpha[i] = refined;
        first[i] = between(0, first[i] + missing * d0, 1);
        second[i] = between(0, second[i] + missing * d1, 1);
        third[i] = between(0, third[i] + missing * d2, 1);
    }
}

/* lines: one for each field, `columns` apart. */
INLINE void refine_row(Band band, int count, const float *lines, int columns, const Place *places) {
    for (int i = 0; i < count; i++) {
        Place place = places[band.at[i]];
        for (int k = 0; k < FIELDS; k++)
            band.fields[k * band.room + i] = in_row(lines + (size_t)k * columns, place);
    }
    refine_pixels(count, band.room, band.fields, band.alpha, band.colours[0], band.colours[1], band.colours[2]);
}

INLINE int refine(void *codes, int height, int width, const Plane *planes, const Plane *painted, int shift_x,
                  int shift_y, float largest, const float *local, int rows, int columns, int wide) {
    /* The last pixels found may be written a little behind those that count. */
    size_t room = (size_t)width + 8;
    Place *places = malloc(sizeof(Place) * room + sizeof(float) * ((5 + FIELDS) * room + FIELDS * (size_t)(columns + 1)));
    if (places == NULL) return NO_MEMORY;
    float *lines = (float *)(places + room), *numbers = lines + FIELDS * (columns + 1);
    Band band = {(int32_t *)numbers, numbers + room, {0}, numbers + 5 * room, room};
    for (int k = 0; k < 3; k++) band.colours[k] = band.alpha + (size_t)(k + 1) * room;
    for (int x = 0; x < width; x++) places[x] = spread(x, width, columns);
    float full = wide ? 65535 : 255;
    int low = (int)(EDGE_LOW * full) + 1, high = (int)(EDGE_HIGH * full);
    for (int y = 0; y < height; y++) {
        void *row = (char *)codes + (size_t)y * width * (wide ? 2 : 1);
        int count = uncertain(row, width, low, high, band.at, wide);
        if (!count) continue;
        for (int k = 0; k < FIELDS; k++)
            row_between(local + (size_t)k * rows * columns, rows, columns, spread(y, height, rows),
                        lines + k * (columns + 1));
        const void *own[3];
        for (int k = 0; k < 3; k++) own[k] = row_of(planes[k], k ? y >> shift_y : y, wide);
        for (int i = 0; i < count; i++) {
            int at = band.at[i], small = at >> shift_x;
            band.alpha[i] = sample_of(row, at, wide) * (1 / full);
            band.colours[0][i] = sample_of(own[0], at, wide) * (1 / largest);
            band.colours[1][i] = sample_of(own[1], small, wide) * (1 / largest);
            band.colours[2][i] = sample_of(own[2], small, wide) * (1 / largest);
        }
        refine_row(band, count, lines, columns + 1, places);
        for (int i = 0; i < count; i++) put(row, band.at[i], nearest(full * band.alpha[i]), wide);
        for (int k = 0; k < 3; k++) {
            void *own = (void *)row_of(painted[k], k ? y >> shift_y : y, wide);
            for (int i = 0; i < count; i++)
                put(own, k ? band.at[i] >> shift_x : band.at[i], nearest(largest * band.colours[k][i]), wide);
        }
    }
    free(places);
    return DONE;
}

/* Refines uncertain `codes` in place and writes the colours there, without the old background's, into `painted`, a copy
 * of `planes`. local: [6, rows, columns]. largest: code of the planes. */
EXPORTED KERNEL int streamseg_refine(void *codes, int height, int width, const Plane *planes, const Plane *painted,
                                     int wide, int shift_x, int shift_y, float largest, const float *local, int rows,
                                     int columns) {
    return wide ? refine(codes, height, width, planes, painted, shift_x, shift_y, largest, local, rows, columns, 1)
                : refine(codes, height, width, planes, painted, shift_x, shift_y, largest, local, rows, columns, 0);
}
