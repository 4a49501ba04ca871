/* Planes at other sizes, seen through triangles: bilinear where they grow, antialiased where they shrink; twins:
 * streamseg.matting.stretch. */
#include "kernels.h"

/* How `count` samples are made of those of a line: `taps` of them each, from `first` on. */
typedef struct {
    int count, taps;
    int32_t *first;
    float *weights;
} Filter;

INLINE int taps_of(int count, int size) {
    double step = (double)size / count;
    /* In fours, which processors add at once; what is too much has no weight. */
    return ((int)(2 * (step > 1 ? step : 1)) + 2 + 3) / 4 * 4;
}

INLINE size_t filter_size(int count, int size) {
    return (size_t)count * (sizeof(int32_t) + sizeof(float) * (size_t)taps_of(count, size));
}

INLINE Filter filter_in(void *memory, int count, int size) {
    Filter filter = {count, taps_of(count, size), memory, NULL};
    filter.weights = (float *)(filter.first + count);
    double step = (double)size / count, reach = step > 1 ? step : 1;
    for (int i = 0; i < count; i++) {
        double centre = (i + 0.5) * step - 0.5, sum = 0;
        float *weights = filter.weights + (size_t)i * filter.taps;
        int first = larger(0, (int)(centre - reach + 1));
        for (int tap = 0; tap < filter.taps; tap++) {
            double away = (first + tap - centre) / reach, weight = 1 - (away < 0 ? -away : away);
            weights[tap] = first + tap < size && weight > 0 ? (float)weight : 0;
            sum += weights[tap];
        }
        for (int tap = 0; tap < filter.taps; tap++) weights[tap] = (float)(weights[tap] / sum);
        filter.first[i] = first;
    }
    return filter;
}

INLINE void add_row(const void *row, float weight, int columns, float *restrict sums, int wide) {
    if (wide)
        for (int x = 0; x < columns; x++) sums[x] += weight * (float)((const uint16_t *)row)[x];
    else
        for (int x = 0; x < columns; x++) sums[x] += weight * (float)((const uint8_t *)row)[x];
}

/* A row of the result. `sums` holds a row of the plane and as many zeros more as there are taps. */
INLINE void shrunk_row(Plane plane, Filter down, Filter across, int y, float *sums, float *restrict out, int wide) {
    memset(sums, 0, sizeof(float) * (size_t)plane.columns);
    for (int tap = 0; tap < down.taps; tap++) {
        float weight = down.weights[(size_t)y * down.taps + tap];
        if (weight > 0) add_row(row_of(plane, down.first[y] + tap, wide), weight, plane.columns, sums, wide);
    }
    for (int x = 0; x < across.count; x++) {
        const float *weights = across.weights + (size_t)x * across.taps, *from = sums + across.first[x];
        float parts[4] = {0, 0, 0, 0};
        for (int tap = 0; tap < across.taps; tap += 4)
            for (int k = 0; k < 4; k++) parts[k] += weights[tap + k] * from[tap + k];
        out[x] = (parts[0] + parts[1]) + (parts[2] + parts[3]);
    }
}

INLINE int shrink(Plane plane, int rows, int columns, float scale, float *out, int wide) {
    size_t of_rows = filter_size(rows, plane.rows), of_columns = filter_size(columns, plane.columns);
    size_t room = (size_t)plane.columns + (size_t)taps_of(columns, plane.columns);
    char *memory = calloc(1, of_rows + of_columns + sizeof(float) * room);
    if (memory == NULL) return NO_MEMORY;
    Filter down = filter_in(memory, rows, plane.rows);
    Filter across = filter_in(memory + of_rows, columns, plane.columns);
    float *sums = (float *)(memory + of_rows + of_columns);
    for (int y = 0; y < rows; y++) {
        float *row = out + (size_t)y * columns;
        shrunk_row(plane, down, across, y, sums, row, wide);
        for (int x = 0; x < columns; x++) row[x] = scale * (float)nearest(row[x]);
    }
    free(memory);
    return DONE;
}

/* Whole codes times `scale`. */
EXPORTED KERNEL int streamseg_shrink(const Plane *plane, int wide, float scale, int rows, int columns, float *out) {
    return wide ? shrink(*plane, rows, columns, scale, out, 1) : shrink(*plane, rows, columns, scale, out, 0);
}

/* A row between two, in codes up to `largest`. */
INLINE void codes_between(const float *restrict upper, const float *restrict lower, float rest, float largest,
                          void *restrict out, int width, int wide) {
    for (int x = 0; x < width; x++)
        put(out, x, nearest(least(upper[x] + rest * (lower[x] - upper[x]), largest)), wide);
}

/* A row of the picture at its new width, in codes; `line` has room for one sample more than the row. */
INLINE void widened_row(const float *row, int columns, float scale, const Place *places, float *line,
                        float *restrict out, int width) {
    for (int x = 0; x < columns; x++) line[x] = scale * row[x];
    line[columns] = line[columns - 1];
    for (int x = 0; x < width; x++) out[x] = in_row(line, places[x]);
}

INLINE int stretch(const float *image, int rows, int columns, float scale, int largest, void *codes, int height,
                   int width, int wide) {
    size_t room = (size_t)width;
    Place *places = malloc((sizeof(Place) + 2 * sizeof(float)) * room + sizeof(float) * ((size_t)columns + 1));
    if (places == NULL) return NO_MEMORY;
    /* Row k of the picture, widened, is in row k % 2. */
    float *widened = (float *)(places + room), *line = widened + 2 * room;
    for (int x = 0; x < width; x++) places[x] = spread(x, width, columns);
    int ready = 0;
    for (int y = 0; y < height; y++) {
        Place place = spread(y, height, rows);
        int last = smaller(place.first + 1, rows - 1);
        for (ready = larger(ready, place.first); ready <= last; ready++) {
            const float *row = image + (size_t)ready * columns;
            widened_row(row, columns, scale, places, line, widened + (size_t)(ready % 2) * room, width);
        }
        const float *upper = widened + (size_t)(place.first % 2) * room, *lower = widened + (size_t)(last % 2) * room;
        void *out = (char *)codes + (size_t)y * room * (wide ? 2 : 1);
        codes_between(upper, lower, place.rest, (float)largest, out, width, wide);
    }
    free(places);
    return DONE;
}

/* Values that are not negative as codes up to `largest`, `scale` to one, at another size, bilinearly. */
EXPORTED KERNEL int streamseg_stretch(const float *image, int rows, int columns, float scale, int largest, void *codes,
                                      int height, int width, int wide) {
    return wide ? stretch(image, rows, columns, scale, largest, codes, height, width, 1)
                : stretch(image, rows, columns, scale, largest, codes, height, width, 0);
}
