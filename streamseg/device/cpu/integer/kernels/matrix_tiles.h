/* MATRIX_TILES: 3×3 convolutions as products of 8-bit matrix tiles, for x86 processors with AMX.
 *
 * In a row of a feature map the three pixels that an output depends on lie one behind the other, and so do those of the
 * next output, a pixel further. So a map is read in place as the rows of a matrix that overlap: [pixels, 3·channels].
 * Its product with [3·channels, LANES] weights, summed over the three rows of a kernel, is the convolution. Rows are
 * read in pieces of 64 bytes, or of 48 where an input has not a multiple of 64 channels, or, of the image, 24.
 *
 * Weights: int8 [output_channels / LANES, pieces, bytes of a piece / 4, LANES, 4]; pieces of the first input before
 * those of the second, in each input those of the upper row of the kernel first. An activation is sum·scale + bias in
 * units of 1/255, as elsewhere, but channels are in their own order. */
#ifndef STREAMSEG_MATRIX_TILES_H
#define STREAMSEG_MATRIX_TILES_H

#include "gemm.h"

#ifdef NEW_INSTRUCTIONS

/* PIXELS: rows of a tile. WIDE: channels of a full register of bytes. HALVES: channels of the image, see LOAD_HALVES. */
enum { PIXELS = 16, WIDE = 64, KERNEL_ROWS = 3, HALVES = 8 };

/* Bytes and rows of each tile register, as the processor wants them: 0 to 3 are sums, 4 and 5 pixels, 6 and 7 weights. */
typedef struct {
    uint8_t palette, start_row, unused[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} TileShapes;

#define TILE_SHAPES(piece)                                                          \
    {.palette = 1, .bytes = {64, 64, 64, 64, piece, piece, 64, 64},                 \
     .rows = {16, 16, 16, 16, PIXELS, PIXELS, piece / 4, piece / 4}}
static const TileShapes of_24_bytes = TILE_SHAPES(24), of_48_bytes = TILE_SHAPES(48), of_64_bytes = TILE_SHAPES(64);

/* The pieces of a step, from those of the first pixel of the output on. */
typedef struct {
    const Step *step;
    int bytes, count; /* of a piece; of all pieces */
} Pieces;

AMX_INLINE Pieces pieces_of(const Step *step) {
    int first = step->input_channels[0], second = step->input_channels[1];
    int bytes = first == HALVES ? 3 * HALVES : first % WIDE || second % WIDE ? 48 : 64;
    Pieces pieces = {step, bytes, KERNEL_ROWS * 3 * (first + second) / bytes};
    return pieces;
}

/* Calls BODY(pixels, stride) with each piece of the pixels from (y, x) on: where it begins, and from pixel to pixel. */
#define FOR_EACH_PIECE(pieces, y, x, BODY)                                                                     \
    for (int input = 0; input < 2; input++) {                                                                  \
        int channels = (pieces).step->input_channels[input];                                                   \
        size_t row = row_stride((pieces).step, channels);                                                      \
        const uint8_t *corner = (const uint8_t *)(pieces).step->inputs[input] + (y) * row + (x) * channels;    \
        for (int down = 0; down < KERNEL_ROWS; down++, corner += row)                                          \
            for (int piece = 0; piece < 3 * channels; piece += (pieces).bytes) BODY(corner + piece, channels); \
    }

AMX_INLINE void clear_sums(void) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

AMX_INLINE void store_sums(uint32_t *sums) {
    _tile_stored(0, sums, 4 * LANES);
    _tile_stored(1, sums + PIXELS * LANES, 4 * LANES);
    _tile_stored(2, sums + 2 * PIXELS * LANES, 4 * LANES);
    _tile_stored(3, sums + 3 * PIXELS * LANES, 4 * LANES);
}

/* Sums of 2·PIXELS pixels, of 2·LANES channels: sums [2, 2·PIXELS, LANES]. */
AMX_INLINE void multiply_two_by_two(Pieces pieces, int y, int x, const int8_t *weights, uint32_t *sums) {
    size_t size = (size_t)pieces.bytes * LANES;
    const int8_t *next = weights + (size_t)pieces.count * size;
    clear_sums();
#define MULTIPLY(pixels, stride)                            \
    {                                                       \
        _tile_loadd(4, pixels, stride);                     \
        _tile_loadd(6, weights, 4 * LANES);                 \
        _tile_dpbusd(0, 4, 6);                              \
        _tile_loadd(5, (pixels) + PIXELS * stride, stride); \
        _tile_dpbusd(1, 5, 6);                              \
        _tile_loadd(7, next, 4 * LANES);                    \
        _tile_dpbusd(2, 4, 7);                              \
        _tile_dpbusd(3, 5, 7);                              \
        weights += size;                                    \
        next += size;                                       \
    }
    FOR_EACH_PIECE(pieces, y, x, MULTIPLY)
#undef MULTIPLY
    store_sums(sums);
}

/* Sums of 4·PIXELS pixels, of LANES channels: sums [4·PIXELS, LANES]. */
AMX_INLINE void multiply_four_by_one(Pieces pieces, int y, int x, const int8_t *weights, uint32_t *sums) {
    clear_sums();
#define MULTIPLY(pixels, stride)                                \
    {                                                           \
        _tile_loadd(6, weights, 4 * LANES);                     \
        _tile_loadd(4, pixels, stride);                         \
        _tile_dpbusd(0, 4, 6);                                  \
        _tile_loadd(5, (pixels) + PIXELS * stride, stride);     \
        _tile_dpbusd(1, 5, 6);                                  \
        _tile_loadd(4, (pixels) + 2 * PIXELS * stride, stride); \
        _tile_dpbusd(2, 4, 6);                                  \
        _tile_loadd(5, (pixels) + 3 * PIXELS * stride, stride); \
        _tile_dpbusd(3, 5, 6);                                  \
        weights += pieces.bytes * LANES;                        \
    }
    FOR_EACH_PIECE(pieces, y, x, MULTIPLY)
#undef MULTIPLY
    store_sums(sums);
}

AMX_INLINE __m512i activations_at(const uint32_t *sums, const float *scale, const float *bias) {
    return activations(_mm512_load_si512(sums), _mm512_loadu_ps(scale), _mm512_loadu_ps(bias));
}

/* Activations of `count` pixels, WIDE channels of each from channel `lane` on, after adding the residual. */
AMX_INLINE void finish_wide(const Step *step, size_t offset, int lane, int count, const uint32_t *sums, uint8_t *out) {
    const __m512i order = byte_order(0);
    const float *scale = step->scale + lane, *bias = step->bias + lane;
    const size_t next = 2 * PIXELS * LANES;
    for (int pixel = 0; pixel < count; pixel++, sums += LANES) {
        size_t at = (size_t)pixel * (size_t)step->output_channels;
        __m512i bytes = pack_bytes(order, activations_at(sums, scale, bias),
                                   activations_at(sums + next, scale + LANES, bias + LANES),
                                   activations_at(sums + 2 * next, scale + 2 * LANES, bias + 2 * LANES),
                                   activations_at(sums + 3 * next, scale + 3 * LANES, bias + 3 * LANES));
        if (step->residual) bytes = _mm512_adds_epu8(bytes, _mm512_loadu_si512(step->residual + offset + at));
        _mm512_storeu_si512(out + at, bytes);
    }
}

/* The same of pixels with LANES channels, four at a time. */
AMX_INLINE void finish_narrow(const Step *step, size_t offset, int count, const uint32_t *sums, uint8_t *out) {
    const __m512i order = byte_order(0);
    for (int pixel = 0; pixel < count; pixel += 4, sums += 4 * LANES) {
        int bytes_left = LANES * (count - pixel);
        __mmask64 inside = bytes_left < WIDE ? ((__mmask64)1 << bytes_left) - 1 : ~(__mmask64)0;
        __m512i bytes = pack_bytes(order, activations_at(sums, step->scale, step->bias),
                                   activations_at(sums + LANES, step->scale, step->bias),
                                   activations_at(sums + 2 * LANES, step->scale, step->bias),
                                   activations_at(sums + 3 * LANES, step->scale, step->bias));
        size_t at = (size_t)pixel * LANES;
        if (step->residual)
            bytes = _mm512_adds_epu8(bytes, _mm512_maskz_loadu_epi8(inside, step->residual + offset + at));
        _mm512_mask_storeu_epi8(out + at, inside, bytes);
    }
}

/* Largest of 2×2, of `count` pixels in two rows. */
AMX_INLINE void pool_rows(const uint8_t *upper, const uint8_t *lower, int count, int channels, uint8_t *out) {
    for (int pixel = 0; pixel < count; pixel += 2, upper += 2 * channels, lower += 2 * channels, out += channels)
        for (int c = 0; c < channels; c += LANES) {
            __m128i above = _mm_max_epu8(load_lanes(upper + c), load_lanes(upper + channels + c));
            __m128i below = _mm_max_epu8(load_lanes(lower + c), load_lanes(lower + channels + c));
            _mm_storeu_si128((__m128i *)(out + c), _mm_max_epu8(above, below));
        }
}

/* `count` pixels of row `y` from `x` on, to `out`. */
AMX_INLINE void run_pixels(Pieces pieces, int y, int x, int count, Workspace *space, uint8_t *out) {
    const Step *step = pieces.step;
    size_t offset = pixel_offset(step, y, x, step->output_channels);
    size_t of_lane = (size_t)pieces.count * (size_t)pieces.bytes * LANES;
    const int8_t *weights = step->weights;
    if (step->output_channels == LANES) {
        multiply_four_by_one(pieces, y, x, weights, space->sums);
        finish_narrow(step, offset, count, space->sums, out);
        return;
    }
    for (int lane = 0; lane < step->output_channels; lane += WIDE, weights += 4 * of_lane) {
        multiply_two_by_two(pieces, y, x, weights, space->sums);
        multiply_two_by_two(pieces, y, x, weights + 2 * of_lane, space->sums + 4 * PIXELS * LANES);
        finish_wide(step, offset + lane, lane, count, space->sums, out + lane);
    }
}

/* `count` rows, two at a time, so that they can be pooled. Pixels that a row lacks are computed and thrown away. */
AMX static void run_matrix_tiles(const Step *step, int first, int count, Workspace *space) {
    Pieces pieces = pieces_of(step);
    int channels = step->output_channels, most = channels == LANES ? 4 * PIXELS : 2 * PIXELS;
    size_t pooled_row = (size_t)(step->columns / 2 + 2) * (size_t)channels;
    _tile_loadconfig(pieces.bytes == 64 ? &of_64_bytes : pieces.bytes == 48 ? &of_48_bytes : &of_24_bytes);
    for (int y = first; y < first + count; y += 2)
        for (int x = 0; x < step->columns; x += most) {
            int pixels = min_int(most, step->columns - x);
            uint8_t *rows[2];
            for (int k = 0; k < min_int(2, first + count - y); k++) {
                uint8_t *unread = (uint8_t *)space->inputs + (size_t)k * most * channels;
                rows[k] = step->output ? (uint8_t *)step->output + pixel_offset(step, y + k, x, channels) : unread;
                run_pixels(pieces, y + k, x, pixels, space, rows[k]);
            }
            if (step->pooled) {
                uint8_t *out = step->pooled + (y / 2 + 1) * pooled_row + (x / 2 + 1) * channels;
                pool_rows(rows[0], rows[1], pixels, channels, out);
            }
        }
    _tile_release();
}

#endif

#endif
