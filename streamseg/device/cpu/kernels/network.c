/* The network on 8-bit integers, step by step; streamseg.device.cpu.plan writes the steps down. Several threads may do
 * one run: each takes part after part of a step, and waits for the others before the next. */
#include "kernels.h"

/* Windows has other words for aligned memory and for giving way. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(_WIN32)

#include <cpuid.h>
#include <sched.h>
#include <stdatomic.h>

#include "products.h"

/* What a step does; READ: bytes of RGB become levels, by a table int16 [3, 256]. */
enum { TILES, PICTURE, GATHERED, PLANES, READ, UPSAMPLED, WIDE, SUM };

/* Fields that a kind does not need are zero. */
typedef struct {
    int32_t kind;
    int32_t rows, columns; /* of the result */
    int32_t inputs[2];     /* channels of the sources, joined */
    int32_t outputs;       /* channels of the result */
    int32_t dilation, sides;
    const void *sources[2];
    const int16_t *weights;     /* [outputs / LANES, positions, pairs, LANES, 2] */
    const float *scale, *bias;  /* [outputs], see Ending */
    const uint8_t *added;       /* pixels that are added to the result */
    void *target;               /* pixels, or what the kind says; none if only the pooled ones are read */
    uint8_t *pooled;            /* the greatest of each 2×2, too */
} Step;

/* Of a step: parts that were taken and that are done. Alone in its line of the cache. */
typedef struct {
    atomic_int taken, done;
    char rest[64 - 2 * sizeof(atomic_int)];
} Progress;

enum { MOST_PARTS = 96 };

INLINE int places_of(const Step *step) {
    switch (step->kind) {
        case TILES:
        case PICTURE: return step->rows * step->columns / (TILE * TILE);
        case GATHERED:
        case PLANES: return step->rows * step->columns;
        default: return step->rows;
    }
}

INLINE int by_block(const Step *step) { return step->kind <= PLANES; }

/* Places of a part: whole blocks, no more parts than are worth it. */
INLINE int part_size(const Step *step) {
    int unit = by_block(step) ? BLOCK : 2, units = (places_of(step) + unit - 1) / unit;
    return unit * ((units + MOST_PARTS - 1) / MOST_PARTS);
}

INLINE size_t row_bytes(const Step *step, int channels) { return (size_t)(step->columns + 2) * (size_t)channels; }

/* The pixel behind the border. */
INLINE size_t offset_of(const Step *step, int y, int x, int channels) {
    return (size_t)(y + 1) * row_bytes(step, channels) + (size_t)(x + 1) * (size_t)channels;
}

AVX2 static void see_block(const Step *step, int first, int count, int16_t *to, int stride, size_t apart) {
    int across = step->columns / TILE;
    for (int done = 0, run; done < count; done += run) {
        int y = TILE * ((first + done) / across), x = (first + done) % across;
        run = smaller(count - done, across - x);
        int16_t *here = to + (size_t)done * (size_t)stride;
        if (step->kind == PICTURE) {
            size_t row = row_bytes(step, 4);
            see_picture((const int16_t *)step->sources[0] + y * row + 4 * TILE * x, row, run, here, stride, apart);
            continue;
        }
        for (int source = 0; source < 2; source++) {
            int channels = step->inputs[source];
            size_t row = row_bytes(step, channels);
            const uint8_t *at = (const uint8_t *)step->sources[source] + y * row + TILE * x * channels;
            for (int c = 0; c < channels; c += LANES, here += LANES)
                see_tiles(at + c, channels, row, run, here, stride, apart);
        }
    }
}

/* Two neighbours of one row; what was added and is to be stored, is. */
AVX2_INLINE __m256i put_pair(const Step *step, size_t at, __m256i pair) {
    int channels = step->outputs;
    if (step->added) {
        const __m128i *left = (const __m128i *)(step->added + at);
        const __m128i *right = (const __m128i *)(step->added + at + channels);
        pair = _mm256_adds_epu8(pair, _mm256_loadu2_m128i(right, left));
    }
    if (step->target) {
        uint8_t *target = (uint8_t *)step->target + at;
        _mm256_storeu2_m128i((__m128i *)(target + channels), (__m128i *)target, pair);
    }
    return pair;
}

AVX2 static void put_tile(const Step *step, int y, int x, int lane, const Ending *ending, const uint32_t *sums) {
    Sums low[TILE][TILE], high[TILE][TILE];
    restore_tile(sums, low);
    restore_tile(sums + LANES / 2, high);
    size_t row = row_bytes(step, step->outputs), pooled_row = (size_t)(step->columns / 2 + 2) * (size_t)step->outputs;
    size_t at = offset_of(step, y, x, step->outputs) + (size_t)lane;
    size_t pooled_at = (size_t)(y / 2 + 1) * pooled_row + (size_t)(x / 2 + 1) * (size_t)step->outputs + (size_t)lane;
    for (int down = 0; down < TILE; down += 2)
        for (int across = 0; across < TILE; across += 2) {
            __m256i pairs[2];
            for (int k = 0; k < 2; k++) {
                __m256i left = ended(low[down + k][across], high[down + k][across], ending);
                __m256i right = ended(low[down + k][across + 1], high[down + k][across + 1], ending);
                size_t here = at + (down + k) * row + across * step->outputs;
                pairs[k] = put_pair(step, here, packed_pair(left, right));
            }
            if (step->pooled) {
                __m256i most = _mm256_max_epu8(pairs[0], pairs[1]);
                __m128i one = _mm_max_epu8(_mm256_castsi256_si128(most), _mm256_extracti128_si256(most, 1));
                uint8_t *to = step->pooled + pooled_at + down / 2 * pooled_row + across / 2 * step->outputs;
                _mm_storeu_si128((__m128i *)to, one);
            }
        }
}

/* A block of tiles: transformed, multiplied position by position, and transformed back. */
AVX2 static void do_tiles(const Step *step, int first, int count, Workspace *space) {
    int stride = step->inputs[0] + step->inputs[1], across = step->columns / TILE;
    size_t apart = (size_t)(BLOCK * stride + SPACE);
    see_block(step, first, count, space->inputs, stride, apart);
    const int16_t *weights = step->weights;
    for (int lane = 0; lane < step->outputs; lane += LANES) {
        for (int position = 0; position < POSITIONS; position++, weights += stride * LANES)
            products(count, space->inputs + position * apart, stride, weights, stride / 2,
                     space->sums + position * SUMS_APART);
        Ending ending = ending_of(step->scale + lane, step->bias + lane);
        for (int tile = 0; tile < count; tile++) {
            int y = TILE * ((first + tile) / across), x = TILE * ((first + tile) % across);
            put_tile(step, y, x, lane, &ending, space->sums + tile * LANES);
        }
    }
}

/* The pixels that a dilated convolution reads, [count, 9, channels]. */
AVX2 static void gather_pixels(const Step *step, int first, int count, int16_t *to) {
    for (int place = first; place < first + count; place++)
        for (int tap = 0; tap < 9; tap++) {
            int y = place / step->columns + (tap / 3 - 1) * step->dilation;
            int x = place % step->columns + (tap % 3 - 1) * step->dilation;
            int inside = y >= 0 && y < step->rows && x >= 0 && x < step->columns;
            for (int source = 0; source < 2; source++) {
                int channels = step->inputs[source];
                const uint8_t *at = step->sources[source];
                for (int c = 0; c < channels; c += LANES, to += LANES) {
                    Samples values = {0};
                    if (inside) values = widened(at + offset_of(step, y, x, channels) + c);
                    *(Samples *)to = values;
                }
            }
        }
}

/* A convolution that is dilated, or of a map that tiles do not fill. */
AVX2 static void do_gathered(const Step *step, int first, int count, Workspace *space) {
    int inputs = 9 * (step->inputs[0] + step->inputs[1]);
    gather_pixels(step, first, count, space->inputs);
    for (int lane = 0; lane < step->outputs; lane += LANES) {
        products(count, space->inputs, inputs, step->weights + lane * inputs, inputs / 2, space->sums);
        Ending ending = ending_of(step->scale + lane, step->bias + lane);
        for (int k = 0; k < count; k++) {
            const Sums *sums = (const Sums *)(space->sums + k * LANES);
            __m256i pixel = ended(sums[0], sums[1], &ending);
            int y = (first + k) / step->columns, x = (first + k) % step->columns;
            size_t at = offset_of(step, y, x, step->outputs) + (size_t)lane;
            __m128i out = _mm256_castsi256_si128(packed_pair(pixel, pixel));
            if (step->added) out = _mm_adds_epu8(out, _mm_loadu_si128((const __m128i *)(step->added + at)));
            _mm_storeu_si128((__m128i *)((uint8_t *)step->target + at), out);
        }
    }
}

/* Of a side: what each pixel gives to its neighbours, float [rows, columns, LANES] of which nine count. */
AVX2 static void do_planes(const Step *step, int first, int count, Workspace *space) {
    int channels = step->inputs[0];
    for (int k = 0; k < count; k++) {
        int y = (first + k) / step->columns, x = (first + k) % step->columns;
        const uint8_t *at = (const uint8_t *)step->sources[0] + offset_of(step, y, x, channels);
        for (int c = 0; c < channels; c += LANES)
            *(Samples *)(space->inputs + k * channels + c) = widened(at + c);
    }
    products(count, space->inputs, channels, step->weights, channels / 2, space->sums);
    float *target = (float *)step->target + (size_t)first * LANES;
    for (int k = 0; k < count * LANES; k += 8) {
        __m256 sums = _mm256_cvtepi32_ps(_mm256_load_si256((const __m256i *)(space->sums + k)));
        _mm256_storeu_ps(target + k, _mm256_mul_ps(sums, _mm256_loadu_ps(step->scale + k % LANES)));
    }
}

/* Rows of a side: the planes shifted and summed, then as wide as the whole; float [rows, outputs]. */
AVX2 static void do_wide(const Step *step, int first, int count) {
    const float *planes = step->sources[0];
    float line[step->columns + 1];
    for (int y = first; y < first + count; y++) {
        memset(line, 0, sizeof line);
        for (int tap = 0; tap < 9; tap++) {
            int row = y + tap / 3 - 1, shift = tap % 3 - 1;
            if (row < 0 || row >= step->rows) continue;
            const float *from = planes + (size_t)row * (size_t)step->columns * LANES + tap;
            for (int x = larger(0, -shift); x < smaller(step->columns, step->columns - shift); x++)
                line[x] += from[(size_t)(x + shift) * LANES];
        }
        line[step->columns] = line[step->columns - 1];
        float *target = (float *)step->target + (size_t)y * (size_t)step->outputs;
        for (int x = 0; x < step->outputs; x++) target[x] = in_row(line, spread(x, step->outputs, step->columns));
    }
}

/* A wide map among those that are summed. */
typedef struct {
    const float *rows;
    int64_t count;
} Wide;

/* The logits: the sum of `sides` wide maps, all as high as the whole, and a bias. */
AVX2 static void do_sum(const Step *step, int first, int count) {
    const Wide *wide = step->sources[0];
    for (int y = first; y < first + count; y++) {
        float *restrict target = (float *)step->target + (size_t)y * (size_t)step->columns;
        for (int x = 0; x < step->columns; x++) target[x] = step->bias[0];
        for (int side = 0; side < step->sides; side++) {
            Place place = spread(y, step->rows, (int)wide[side].count);
            const float *upper = wide[side].rows + (size_t)place.first * step->columns;
            const float *lower = place.first + 1 < wide[side].count ? upper + step->columns : upper;
            for (int x = 0; x < step->columns; x++) target[x] += upper[x] + place.rest * (lower[x] - upper[x]);
        }
    }
}

/* 3/4 of the nearer sample and 1/4 of the other, both ways. */
AVX2 static void do_upsampled(const Step *step, int first, int count) {
    int channels = step->inputs[0], rows = step->rows / 2, columns = step->columns / 2;
    size_t row = (size_t)(columns + 2) * (size_t)channels;
    const uint8_t *source = (const uint8_t *)step->sources[0] + row + channels;
    for (int y = first; y < first + count; y++) {
        int other = y % 2 ? smaller(y / 2 + 1, rows - 1) : larger(y / 2 - 1, 0);
        const uint8_t *near = source + (size_t)(y / 2) * row, *far = source + (size_t)other * row;
        uint8_t *target = (uint8_t *)step->target + offset_of(step, y, 0, channels);
        for (int c = 0; c < channels; c += LANES) {
            Samples here = 3 * widened(near + c) + widened(far + c), before = here, after;
            for (int x = 0; x < columns; x++, before = here, here = after) {
                size_t next = (size_t)smaller(x + 1, columns - 1) * (size_t)channels + (size_t)c;
                after = 3 * widened(near + next) + widened(far + next);
                __m256i both = packed_pair((__m256i)((3 * here + before + 8) >> 4), (__m256i)((3 * here + after + 8) >> 4));
                uint8_t *to = target + (size_t)2 * x * channels + c;
                _mm256_storeu2_m128i((__m128i *)(to + channels), (__m128i *)to, both);
            }
        }
    }
}

static void do_read(const Step *step, int first, int count) {
    const int16_t *levels = step->weights;
    for (int y = first; y < first + count; y++) {
        const uint8_t *from = (const uint8_t *)step->sources[0] + (size_t)y * (size_t)step->columns * 3;
        int16_t *to = (int16_t *)step->target + offset_of(step, y, 0, 4);
        for (int x = 0; x < step->columns; x++)
            for (int c = 0; c < 3; c++) to[4 * x + c] = levels[256 * c + from[3 * x + c]];
    }
}

AVX2 static void do_part(const Step *step, int first, int count, Workspace *space) {
    if (!by_block(step)) {
        if (step->kind == READ) do_read(step, first, count);
        if (step->kind == UPSAMPLED) do_upsampled(step, first, count);
        if (step->kind == WIDE) do_wide(step, first, count);
        if (step->kind == SUM) do_sum(step, first, count);
        return;
    }
    for (int end = first + count; first < end; first += BLOCK) {
        int block = smaller(BLOCK, end - first);
        if (step->kind == GATHERED)
            do_gathered(step, first, block, space);
        else if (step->kind == PLANES)
            do_planes(step, first, block, space);
        else
            do_tiles(step, first, block, space);
    }
}

/* Others may be in the middle of a part; after a while the processor is left to them. */
INLINE void wait_for(atomic_int *done, int parts) {
    for (int spins = 0; atomic_load_explicit(done, memory_order_acquire) < parts; spins++)
        if (spins < 500)
            _mm_pause();
        else
            sched_yield();
}

/* Do the steps, with as many others as call this with the same progress, zeros before the first. */
EXPORTED int streamseg_network(const Step *steps, int count, void *progress) {
    Workspace *space = aligned_alloc(64, sizeof *space);
    if (!space) return NO_MEMORY;
    for (int k = 0; k < count; k++) {
        const Step *step = steps + k;
        Progress *of = (Progress *)progress + k;
        int places = places_of(step), size = part_size(step), parts = (places + size - 1) / size, part;
        while ((part = atomic_fetch_add_explicit(&of->taken, 1, memory_order_relaxed)) < parts) {
            do_part(step, part * size, smaller(size, places - part * size), space);
            atomic_fetch_add_explicit(&of->done, 1, memory_order_release);
        }
        wait_for(&of->done, parts);
    }
    free(space);
    return DONE;
}

/* Whether this processor has AVX2 and does not have VNNI, with which plain 8-bit convolutions are faster. */
EXPORTED int streamseg_network_suits(void) {
    unsigned a = 0, b = 0, c = 0, d = 0, newer = 0;
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 0;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && c & (1u << 11)) return 0; /* AVX512_VNNI */
    if (__get_cpuid_count(7, 1, &newer, &b, &c, &d) && newer & (1u << 4)) return 0; /* AVX-VNNI */
    return 1;
}

#else

EXPORTED int streamseg_network_suits(void) { return 0; }

#endif
