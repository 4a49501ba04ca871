/* Planes at other sizes by triangle filters: bilinear where they grow, antialiased where they shrink; reference:
 * streamseg.matting.resampling. */
#include "kernels.h"

/* A filter that makes `count` samples of a line, each of `taps` samples from `first` on. */
typedef struct {
    int count, taps;
    int32_t *first;
    float *weights;
} Filter;

INLINE int taps_of(int count, int size) {
    double step = (double)size / count;
    /* A multiple of four for SIMD; the taps beyond the filter have weight 0. */
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
        int first = max_int(0, (int)(centre - reach + 1));
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

INLINE void add_row(const void *row, float weight, int columns, float *restrict sums, int is_16bit) {
    if (is_16bit)
        for (int x = 0; x < columns; x++) sums[x] += weight * (float)((const uint16_t *)row)[x];
    else
        for (int x = 0; x < columns; x++) sums[x] += weight * (float)((const uint8_t *)row)[x];
}

/* A row of the result. `sums`: a row of the plane, followed by as many zeros as there are taps. */
INLINE void downscaled_row(Plane plane, Filter down, Filter across, int y, float *sums, float *restrict out,
                           int is_16bit) {
    memset(sums, 0, sizeof(float) * (size_t)plane.columns);
    for (int tap = 0; tap < down.taps; tap++) {
        float weight = down.weights[(size_t)y * down.taps + tap];
        if (weight > 0) add_row(row_of(plane, down.first[y] + tap, is_16bit), weight, plane.columns, sums, is_16bit);
    }
    for (int x = 0; x < across.count; x++) {
        const float *weights = across.weights + (size_t)x * across.taps, *from = sums + across.first[x];
        float parts[4] = {0, 0, 0, 0};
        for (int tap = 0; tap < across.taps; tap += 4)
            for (int k = 0; k < 4; k++) parts[k] += weights[tap + k] * from[tap + k];
        out[x] = (parts[0] + parts[1]) + (parts[2] + parts[3]);
    }
}

INLINE int downscale(Plane plane, int rows, int columns, float scale, float *out, int is_16bit) {
    if (rows == plane.rows && columns == plane.columns) {
        memset(out, 0, sizeof(float) * (size_t)rows * (size_t)columns);
        for (int y = 0; y < rows; y++)
            add_row(row_of(plane, y, is_16bit), scale, columns, out + (size_t)y * columns, is_16bit);
        return DONE;
    }
    size_t of_rows = filter_size(rows, plane.rows), of_columns = filter_size(columns, plane.columns);
    size_t room = (size_t)plane.columns + (size_t)taps_of(columns, plane.columns);
    char *memory = calloc(1, of_rows + of_columns + sizeof(float) * room);
    if (memory == NULL) return NO_MEMORY;
    Filter down = filter_in(memory, rows, plane.rows);
    Filter across = filter_in(memory + of_rows, columns, plane.columns);
    float *sums = (float *)(memory + of_rows + of_columns);
    for (int y = 0; y < rows; y++) {
        float *row = out + (size_t)y * columns;
        downscaled_row(plane, down, across, y, sums, row, is_16bit);
        for (int x = 0; x < columns; x++) row[x] = scale * (float)round_positive(row[x]);
    }
    free(memory);
    return DONE;
}

/* A plane at another size: rounded codes times `scale`. */
EXPORTED KERNEL int streamseg_downscale(const Plane *plane, int is_16bit, float scale, int rows, int columns,
                                        float *out) {
    return is_16bit ? downscale(*plane, rows, columns, scale, out, 1) : downscale(*plane, rows, columns, scale, out, 0);
}

/* A row interpolated between two, as codes up to `largest`. */
INLINE void codes_between(const float *restrict upper, const float *restrict lower, float fraction, float largest,
                          void *restrict out, int width, int is_16bit) {
    for (int x = 0; x < width; x++)
        store_code(out, x, round_positive(min_float(upper[x] + fraction * (lower[x] - upper[x]), largest)), is_16bit);
}

/* A row of the image at its new width; `line`: room for one sample more than the row. */
INLINE void upscaled_row(const float *row, int columns, float scale, const Position *positions, float *line,
                        float *restrict out, int width) {
    for (int x = 0; x < columns; x++) line[x] = scale * row[x];
    line[columns] = line[columns - 1];
    for (int x = 0; x < width; x++) out[x] = interpolate(line, positions[x]);
}

INLINE int upscale(const float *image, int rows, int columns, float scale, int largest, void *codes, int height,
                   int width, int is_16bit) {
    size_t room = (size_t)width;
    Position *positions = malloc((sizeof(Position) + 2 * sizeof(float)) * room + sizeof(float) * ((size_t)columns + 1));
    if (positions == NULL) return NO_MEMORY;
    /* The upscaled row k of the image is in buffer k % 2. */
    float *upscaled = (float *)(positions + room), *line = upscaled + 2 * room;
    for (int x = 0; x < width; x++) positions[x] = position_at(x, width, columns);
    int ready = 0;
    for (int y = 0; y < height; y++) {
        Position position = position_at(y, height, rows);
        int last = min_int(position.first + 1, rows - 1);
        for (ready = max_int(ready, position.first); ready <= last; ready++) {
            const float *row = image + (size_t)ready * columns;
            upscaled_row(row, columns, scale, positions, line, upscaled + (size_t)(ready % 2) * room, width);
        }
        const float *upper = upscaled + (size_t)(position.first % 2) * room,
                    *lower = upscaled + (size_t)(last % 2) * room;
        void *out = (char *)codes + (size_t)y * room * (is_16bit ? 2 : 1);
        codes_between(upper, lower, position.fraction, (float)largest, out, width, is_16bit);
    }
    free(positions);
    return DONE;
}

/* Values of 0 or more times `scale`, at another size, bilinear, as codes up to `largest`. */
EXPORTED KERNEL int streamseg_upscale(const float *image, int rows, int columns, float scale, int largest, void *codes,
                                      int height, int width, int is_16bit) {
    return is_16bit ? upscale(image, rows, columns, scale, largest, codes, height, width, 1)
                : upscale(image, rows, columns, scale, largest, codes, height, width, 0);
}
