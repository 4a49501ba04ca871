/* The over operator on planes, exact; reference: streamseg.matting.compositing.over.blend. */
#include "kernels.h"

INLINE void over8(const uint8_t *restrict f, const uint8_t *restrict b, const uint8_t *restrict a,
                  uint8_t *restrict out, int count) {
    for (int x = 0; x < count; x++) {
        /* x/255 rounded, for x ≤ 255²: (x + 128 + ((x + 128) >> 8)) >> 8 */
        uint16_t sum = (uint16_t)(f[x] * a[x] + b[x] * (255 - a[x]) + 128);
        out[x] = (uint8_t)((uint16_t)(sum + (sum >> 8)) >> 8);
    }
}

INLINE void over16(const uint16_t *restrict f, const uint16_t *restrict b, const uint16_t *restrict a,
                   uint16_t *restrict out, int count) {
    for (int x = 0; x < count; x++) {
        uint32_t sum = (uint32_t)f[x] * a[x] + (uint32_t)b[x] * (65535u - a[x]) + 32767u;
        out[x] = (uint16_t)(sum / 65535u);
    }
}

/* A row of alpha at the size of chroma: rounded means of blocks; at the border the last sample repeats. */
#define DEFINE_SUBSAMPLE(NAME, CODE)                                                                                 \
    INLINE void NAME(const CODE *alpha, int64_t stride, int rows, int columns, int y, int shift_x, int shift_y,      \
                     int count, CODE *restrict out) {                                                                \
        int step = 1 << shift_x, shift = shift_x + shift_y, inside = min_int(count, columns >> shift_x);             \
        const CODE *upper = alpha + (int64_t)min_int(y << shift_y, rows - 1) * stride;                               \
        const CODE *lower = alpha + (int64_t)min_int((y << shift_y) + shift_y, rows - 1) * stride;                   \
        if (shift_x == 1 && shift_y == 1)                                                                            \
            for (int x = 0; x < inside; x++)                                                                         \
                out[x] = (CODE)((upper[2 * x] + upper[2 * x + 1] + lower[2 * x] + lower[2 * x + 1] + 2) >> 2);       \
        for (int x = shift_x == 1 && shift_y == 1 ? inside : 0; x < count; x++) {                                    \
            int sum = 1 << shift >> 1;                                                                               \
            for (int down = 0; down < 1 << shift_y; down++)                                                          \
                for (int right = 0; right < step; right++)                                                           \
                    sum += alpha[(int64_t)min_int((y << shift_y) + down, rows - 1) * stride +                        \
                                 min_int(x * step + right, columns - 1)];                                            \
            out[x] = (CODE)(sum >> shift);                                                                           \
        }                                                                                                            \
    }

DEFINE_SUBSAMPLE(subsample8, uint8_t)
DEFINE_SUBSAMPLE(subsample16, uint16_t)

/* One plane. alpha: rows × columns at the frame's size; the plane's size is that shifted by shift_x and shift_y.
 * Strides in samples. */
EXPORTED KERNEL int streamseg_blend(const void *foreground, int64_t foreground_stride, const void *background,
                                    int64_t background_stride, const void *alpha, int64_t alpha_stride, int rows,
                                    int columns, int shift_x, int shift_y, void *out, int64_t out_stride,
                                    int is_16bit) {
    int height = (rows + (1 << shift_y) - 1) >> shift_y, width = (columns + (1 << shift_x) - 1) >> shift_x;
    void *line = malloc(sizeof(uint16_t) * (size_t)width);
    if (line == NULL) return NO_MEMORY;
    for (int64_t y = 0; y < height; y++)
        if (is_16bit) {
            const uint16_t *codes = (const uint16_t *)alpha + y * alpha_stride;
            if (shift_x || shift_y)
                subsample16(alpha, alpha_stride, rows, columns, (int)y, shift_x, shift_y, width, line), codes = line;
            over16((const uint16_t *)foreground + y * foreground_stride,
                   (const uint16_t *)background + y * background_stride, codes, (uint16_t *)out + y * out_stride,
                   width);
        } else {
            const uint8_t *codes = (const uint8_t *)alpha + y * alpha_stride;
            if (shift_x || shift_y)
                subsample8(alpha, alpha_stride, rows, columns, (int)y, shift_x, shift_y, width, line), codes = line;
            over8((const uint8_t *)foreground + y * foreground_stride,
                  (const uint8_t *)background + y * background_stride, codes, (uint8_t *)out + y * out_stride, width);
        }
    free(line);
    return DONE;
}
