/* The steps without a matrix product, row by row. */
#ifndef STREAMSEG_ROW_STEPS_H
#define STREAMSEG_ROW_STEPS_H

#include "step.h"

/* LOAD_IMAGE. */
static void run_load_image(const Step *step, int first, int count) {
    const int16_t *levels = step->weights;
    for (int y = first; y < first + count; y++) {
        const uint8_t *rgb = (const uint8_t *)step->inputs[0] + (size_t)y * (size_t)step->columns * 3;
        int16_t *output = (int16_t *)step->output + pixel_offset(step, y, 0, 4);
        for (int x = 0; x < step->columns; x++)
            for (int c = 0; c < 3; c++) output[4 * x + c] = levels[256 * c + rgb[3 * x + c]];
    }
}

/* LOAD_HALVES. */
static void run_load_halves(const Step *step, int first, int count) {
    const int16_t *levels = step->weights;
    for (int y = first; y < first + count; y++) {
        const uint8_t *rgb = (const uint8_t *)step->inputs[0] + (size_t)y * (size_t)step->columns * 3;
        uint8_t *output = (uint8_t *)step->output + pixel_offset(step, y, 0, 8);
        for (int x = 0; x < step->columns; x++)
            for (int c = 0; c < 3; c++) {
                int level = levels[256 * c + rgb[3 * x + c]] + 255;
                output[8 * x + c] = (uint8_t)(level / 2);
                output[8 * x + 3 + c] = (uint8_t)(level - level / 2);
            }
    }
}

/* UPSAMPLE: 3/4 of the nearer sample and 1/4 of the other, along both axes. */
AVX2 static void run_upsample(const Step *step, int first, int count) {
    int channels = step->input_channels[0], rows = step->rows / 2, columns = step->columns / 2;
    size_t row = (size_t)(columns + 2) * (size_t)channels;
    const uint8_t *input = (const uint8_t *)step->inputs[0] + row + channels;
    for (int y = first; y < first + count; y++) {
        int other = y % 2 ? min_int(y / 2 + 1, rows - 1) : max_int(y / 2 - 1, 0);
        const uint8_t *near = input + (size_t)(y / 2) * row, *far = input + (size_t)other * row;
        uint8_t *output = (uint8_t *)step->output + pixel_offset(step, y, 0, channels);
        for (int c = 0; c < channels; c += LANES) {
            Int16x16 here = 3 * widen(near + c) + widen(far + c), before = here, after;
            for (int x = 0; x < columns; x++, before = here, here = after) {
                size_t next = (size_t)min_int(x + 1, columns - 1) * (size_t)channels + (size_t)c;
                after = 3 * widen(near + next) + widen(far + next);
                Int16x16 left = (3 * here + before + 8) >> 4, right = (3 * here + after + 8) >> 4;
                __m256i pair = pack_pixels((__m256i)left, (__m256i)right);
                uint8_t *out = output + (size_t)2 * x * channels + c;
                _mm256_storeu2_m128i((__m128i *)(out + channels), (__m128i *)out, pair);
            }
        }
    }
}

/* MAX_POOL. */
AVX2 static void run_max_pool(const Step *step, int first, int count) {
    int channels = step->input_channels[0];
    size_t row = (size_t)(2 * step->columns + 2) * (size_t)channels;
    for (int y = first; y < first + count; y++) {
        const uint8_t *upper = (const uint8_t *)step->inputs[0] + (size_t)(2 * y + 1) * row + channels;
        uint8_t *output = (uint8_t *)step->output + pixel_offset(step, y, 0, channels);
        for (int x = 0; x < step->columns; x++, upper += 2 * channels, output += channels)
            for (int c = 0; c < channels; c += LANES) {
                const uint8_t *lower = upper + row + c;
                __m128i above = _mm_max_epu8(load_lanes(upper + c), load_lanes(upper + channels + c));
                __m128i below = _mm_max_epu8(load_lanes(lower), load_lanes(lower + channels));
                _mm_storeu_si128((__m128i *)(output + c), _mm_max_epu8(above, below));
            }
    }
}

/* SUM_TAPS. */
AVX2 static void run_sum_taps(const Step *step, int first, int count) {
    const float *planes = step->inputs[0];
    float line[step->columns + 1];
    for (int y = first; y < first + count; y++) {
        memset(line, 0, sizeof line);
        for (int tap = 0; tap < TAPS; tap++) {
            int row = y + tap / 3 - 1, shift = tap % 3 - 1;
            if (row < 0 || row >= step->rows) continue;
            const float *plane = planes + (size_t)row * (size_t)step->columns * LANES + tap;
            for (int x = max_int(0, -shift); x < min_int(step->columns, step->columns - shift); x++)
                line[x] += plane[(size_t)(x + shift) * LANES];
        }
        line[step->columns] = line[step->columns - 1];
        int width = step->output_channels;
        float *output = (float *)step->output + (size_t)y * (size_t)width;
        for (int x = 0; x < width; x++) output[x] = interpolate(line, position_at(x, width, step->columns));
    }
}

/* SUM_SIDES. */
AVX2 static void run_sum_sides(const Step *step, int first, int count) {
    const SideRows *sides = step->inputs[0];
    for (int y = first; y < first + count; y++) {
        float *restrict output = (float *)step->output + (size_t)y * (size_t)step->columns;
        for (int x = 0; x < step->columns; x++) output[x] = step->bias[0];
        for (int k = 0; k < step->input_count; k++) {
            Position position = position_at(y, step->rows, (int)sides[k].rows);
            const float *upper = sides[k].values + (size_t)position.first * step->columns;
            const float *lower = position.first + 1 < sides[k].rows ? upper + step->columns : upper;
            for (int x = 0; x < step->columns; x++) output[x] += upper[x] + position.fraction * (lower[x] - upper[x]);
        }
    }
}

#endif
