/* The steps that are matrix products: block by block, inputs into the workspace, product, output. */
#ifndef STREAMSEG_CONVOLUTION_STEPS_H
#define STREAMSEG_CONVOLUTION_STEPS_H

#include "gemm.h"
#include "winograd.h"

/* Tiles of a feature map with any number of channels. */
AVX2 static void transform_channels(enum Instructions instructions, const uint8_t *corner, int channels, size_t row,
                                    int tiles, int16_t *out, int stride, size_t position_stride) {
    int c = 0;
#ifdef NEW_INSTRUCTIONS
    if (instructions >= WITH_AVX512_VNNI)
        for (; c + 2 * LANES <= channels; c += 2 * LANES)
            transform_tiles_avx512(corner + c, channels, row, tiles, out + c, stride, position_stride);
#endif
    (void)instructions;
    for (; c < channels; c += LANES)
        transform_tiles(corner + c, channels, row, tiles, out + c, stride, position_stride);
}

/* `count` input tiles from number `first` on, row by row, to out [positions, tiles, channels]. */
AVX2 static void transform_block(enum Instructions instructions, const Step *step, int first, int count, int16_t *out,
                                 int stride, size_t position_stride) {
    int tiles_across = step->columns / TILE;
    for (int done = 0, run; done < count; done += run) {
        int y = TILE * ((first + done) / tiles_across), x = (first + done) % tiles_across;
        run = min_int(count - done, tiles_across - x);
        int16_t *tile_out = out + (size_t)done * (size_t)stride;
        if (step->kind == WINOGRAD_IMAGE) {
            size_t row = row_stride(step, 4);
            const int16_t *corner = (const int16_t *)step->inputs[0] + y * row + 4 * TILE * x;
            transform_image_tiles(corner, row, run, tile_out, stride, position_stride);
            continue;
        }
        for (int input = 0; input < 2; input++) {
            int channels = step->input_channels[input];
            size_t row = row_stride(step, channels);
            const uint8_t *corner = (const uint8_t *)step->inputs[input] + y * row + TILE * x * channels;
            transform_channels(instructions, corner, channels, row, run, tile_out, stride, position_stride);
            tile_out += channels;
        }
    }
}

/* Stores two neighbouring pixels, after adding the residual; returns them. */
AVX2_INLINE __m256i store_pair(const Step *step, size_t offset, __m256i pair) {
    int channels = step->output_channels;
    if (step->residual) {
        const __m128i *left = (const __m128i *)(step->residual + offset);
        const __m128i *right = (const __m128i *)(step->residual + offset + channels);
        pair = _mm256_adds_epu8(pair, _mm256_loadu2_m128i(right, left));
    }
    if (step->output) {
        uint8_t *output = (uint8_t *)step->output + offset;
        _mm256_storeu2_m128i((__m128i *)(output + channels), (__m128i *)output, pair);
    }
    return pair;
}

/* A tile of 16 output channels, from `lane` on: transformed back, requantised, stored, pooled. */
AVX2 static void store_tile(const Step *step, int y, int x, int lane, const uint32_t *sums) {
    Requantisation loaded = load_requantisation(step->scale + lane, step->bias + lane), *by = &loaded;
    UInt32x8 low[TILE][TILE], high[TILE][TILE];
    transform_output(sums, low);
    transform_output(sums + LANES / 2, high);
    int channels = step->output_channels;
    size_t row = row_stride(step, channels), pooled_row = (size_t)(step->columns / 2 + 2) * (size_t)channels;
    size_t offset = pixel_offset(step, y, x, channels) + (size_t)lane;
    size_t pooled_offset = (size_t)(y / 2 + 1) * pooled_row + (size_t)(x / 2 + 1) * (size_t)channels + (size_t)lane;
    for (int down = 0; down < TILE; down += 2)
        for (int across = 0; across < TILE; across += 2) {
            __m256i pairs[2];
            for (int k = 0; k < 2; k++) {
                __m256i left = requantise(low[down + k][across], high[down + k][across], by);
                __m256i right = requantise(low[down + k][across + 1], high[down + k][across + 1], by);
                pairs[k] = store_pair(step, offset + (down + k) * row + across * channels, pack_pixels(left, right));
            }
            if (step->pooled) {
                __m256i largest = _mm256_max_epu8(pairs[0], pairs[1]);
                __m128i pixel = _mm_max_epu8(_mm256_castsi256_si128(largest), _mm256_extracti128_si256(largest, 1));
                uint8_t *out = step->pooled + pooled_offset + down / 2 * pooled_row + across / 2 * channels;
                _mm_storeu_si128((__m128i *)out, pixel);
            }
        }
}

#ifdef NEW_INSTRUCTIONS
/* LANES channels of four neighbouring pixels. */
AVX512_INLINE __m512i load_four(const uint8_t *pixels, int channels) {
    if (channels == LANES) return _mm512_loadu_si512(pixels);
    __m512i four = _mm512_castsi128_si512(load_lanes(pixels));
    four = _mm512_inserti32x4(four, load_lanes(pixels + channels), 1);
    four = _mm512_inserti32x4(four, load_lanes(pixels + 2 * channels), 2);
    return _mm512_inserti32x4(four, load_lanes(pixels + 3 * channels), 3);
}

AVX512_INLINE void store_four(uint8_t *pixels, int channels, __m512i four) {
    if (channels == LANES) {
        _mm512_storeu_si512(pixels, four);
        return;
    }
    _mm_storeu_si128((__m128i *)pixels, _mm512_castsi512_si128(four));
    _mm_storeu_si128((__m128i *)(pixels + channels), _mm512_extracti32x4_epi32(four, 1));
    _mm_storeu_si128((__m128i *)(pixels + 2 * channels), _mm512_extracti32x4_epi32(four, 2));
    _mm_storeu_si128((__m128i *)(pixels + 3 * channels), _mm512_extracti32x4_epi32(four, 3));
}

/* As store_tile, a row of the tile at a time. */
AVX512 static void store_tile_avx512(const Step *step, int y, int x, int lane, const uint32_t *sums) {
    UInt32x16 pixels[TILE][TILE];
    transform_output_avx512(sums, pixels);
    __m512 scale = _mm512_loadu_ps(step->scale + lane), bias = _mm512_loadu_ps(step->bias + lane);
    const __m512i order = byte_order(1);
    int channels = step->output_channels;
    size_t row = row_stride(step, channels), offset = pixel_offset(step, y, x, channels) + (size_t)lane;
    __m512i rows[TILE];
    for (int down = 0; down < TILE; down++, offset += row) {
        __m512i values[TILE];
        for (int k = 0; k < TILE; k++) values[k] = activations((__m512i)pixels[down][k], scale, bias);
        rows[down] = pack_bytes(order, values[0], values[1], values[2], values[3]);
        if (step->residual) rows[down] = _mm512_adds_epu8(rows[down], load_four(step->residual + offset, channels));
        if (step->output) store_four((uint8_t *)step->output + offset, channels, rows[down]);
    }
    if (!step->pooled) return;
    size_t pooled_row = (size_t)(step->columns / 2 + 2) * (size_t)channels;
    uint8_t *out = step->pooled + (y / 2 + 1) * pooled_row + (x / 2 + 1) * channels + lane;
    for (int down = 0; down < TILE; down += 2, out += pooled_row) {
        __m512i larger = _mm512_max_epu8(rows[down], rows[down + 1]);
        larger = _mm512_max_epu8(larger, _mm512_shuffle_i32x4(larger, larger, 0xB1)); /* with the next pixel */
        _mm_storeu_si128((__m128i *)out, _mm512_castsi512_si128(larger));
        _mm_storeu_si128((__m128i *)(out + channels), _mm512_extracti32x4_epi32(larger, 2));
    }
}
#endif

/* WINOGRAD and WINOGRAD_IMAGE: tiles transformed, multiplied position by position, transformed back. */
AVX2 static void run_winograd(const Step *step, int first, int count, Workspace *space) {
    int channels = step->input_channels[0] + step->input_channels[1], tiles_across = step->columns / TILE;
    size_t position_stride = (size_t)(BLOCK * channels + INPUT_GAP);
    transform_block(space->instructions, step, first, count, space->inputs, channels, position_stride);
    const int16_t *weights = step->weights;
    for (int lane = 0; lane < step->output_channels; lane += LANES) {
        for (int position = 0; position < POSITIONS; position++, weights += channels * LANES)
            gemm(space->instructions, count, space->inputs + position * position_stride, channels, weights,
                 channels / 2, space->sums + position * SUM_STRIDE);
        for (int tile = 0; tile < count; tile++) {
            int y = TILE * ((first + tile) / tiles_across), x = TILE * ((first + tile) % tiles_across);
            const uint32_t *sums = space->sums + tile * LANES;
#ifdef NEW_INSTRUCTIONS
            if (space->instructions >= WITH_AVX512_VNNI) {
                store_tile_avx512(step, y, x, lane, sums);
                continue;
            }
#endif
            store_tile(step, y, x, lane, sums);
        }
    }
}

/* The pixels that a 3×3 convolution reads: [pixels, taps, channels]. */
AVX2 static void im2col(const Step *step, int first, int count, int16_t *out) {
    for (int pixel = first; pixel < first + count; pixel++)
        for (int tap = 0; tap < TAPS; tap++) {
            int y = pixel / step->columns + (tap / 3 - 1) * step->dilation;
            int x = pixel % step->columns + (tap % 3 - 1) * step->dilation;
            int inside = y >= 0 && y < step->rows && x >= 0 && x < step->columns;
            for (int input = 0; input < 2; input++) {
                int channels = step->input_channels[input];
                const uint8_t *map = step->inputs[input];
                for (int c = 0; c < channels; c += LANES, out += LANES) {
                    Int16x16 values = {0};
                    if (inside) values = widen(map + pixel_offset(step, y, x, channels) + c);
                    *(Int16x16 *)out = values;
                }
            }
        }
}

/* IM2COL. */
AVX2 static void run_im2col(const Step *step, int first, int count, Workspace *space) {
    int depth = TAPS * (step->input_channels[0] + step->input_channels[1]);
    const int16_t *weights = step->weights;
    im2col(step, first, count, space->inputs);
    for (int lane = 0; lane < step->output_channels; lane += LANES) {
        gemm(space->instructions, count, space->inputs, depth, weights + lane * depth, depth / 2, space->sums);
        Requantisation by = load_requantisation(step->scale + lane, step->bias + lane);
        for (int k = 0; k < count; k++) {
            const UInt32x8 *sums = (const UInt32x8 *)(space->sums + k * LANES);
            __m256i pixel = requantise(sums[0], sums[1], &by);
            int y = (first + k) / step->columns, x = (first + k) % step->columns;
            size_t offset = pixel_offset(step, y, x, step->output_channels) + (size_t)lane;
            __m128i out = _mm256_castsi256_si128(pack_pixels(pixel, pixel));
            if (step->residual) out = _mm_adds_epu8(out, _mm_loadu_si128((const __m128i *)(step->residual + offset)));
            _mm_storeu_si128((__m128i *)((uint8_t *)step->output + offset), out);
        }
    }
}

/* TAP_PLANES: of the LANES planes the first nine count. */
AVX2 static void run_tap_planes(const Step *step, int first, int count, Workspace *space) {
    int channels = step->input_channels[0];
    for (int k = 0; k < count; k++) {
        int y = (first + k) / step->columns, x = (first + k) % step->columns;
        const uint8_t *pixel = (const uint8_t *)step->inputs[0] + pixel_offset(step, y, x, channels);
        for (int c = 0; c < channels; c += LANES) *(Int16x16 *)(space->inputs + k * channels + c) = widen(pixel + c);
    }
    gemm(space->instructions, count, space->inputs, channels, step->weights, channels / 2, space->sums);
    float *output = (float *)step->output + (size_t)first * LANES;
    for (int k = 0; k < count * LANES; k += 8) {
        __m256 sums = _mm256_cvtepi32_ps(_mm256_load_si256((const __m256i *)(space->sums + k)));
        _mm256_storeu_ps(output + k, _mm256_mul_ps(sums, _mm256_loadu_ps(step->scale + k % LANES)));
    }
}

#endif
