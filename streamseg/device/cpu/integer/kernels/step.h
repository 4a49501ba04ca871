/* A step of the network on 8-bit integers, and how its work is divided among threads.
 *
 * Feature maps are uint8 [rows + 2, columns + 2, channels] with a border of zeros; the image is int16 with 4 channels,
 * the last of them zero, and such a border. See README.md in the folder above. */
#ifndef STREAMSEG_STEP_H
#define STREAMSEG_STEP_H

#include <immintrin.h>
#include <stdatomic.h>

#include "kernels.h"

#define AVX2 __attribute__((target("avx2,fma")))
#define AVX2_INLINE static inline __attribute__((always_inline, target("avx2,fma")))

/* What came after AVX2, of compilers that know all of it. */
#if (defined(__clang__) && __clang_major__ >= 13) || (!defined(__clang__) && __GNUC__ >= 11)
#define NEW_INSTRUCTIONS
#define TARGET_AVX_VNNI "avx2,fma,avxvnni"
#define TARGET_AVX512 "avx2,fma,avx512f,avx512bw,avx512vl,avx512vnni"
#define TARGET_AMX TARGET_AVX512 ",amx-tile,amx-int8"
#define AVX_VNNI __attribute__((target(TARGET_AVX_VNNI)))
#define AVX_VNNI_INLINE static inline __attribute__((always_inline, target(TARGET_AVX_VNNI)))
#define AVX512 __attribute__((target(TARGET_AVX512)))
#define AVX512_INLINE static inline __attribute__((always_inline, target(TARGET_AVX512)))
#define AMX __attribute__((target(TARGET_AMX)))
#define AMX_INLINE static inline __attribute__((always_inline, target(TARGET_AMX)))
#endif

/* With which instructions a run works, the fastest last. Instructions of streamseg.device.cpu.integer.plan has the same
 * values in the same order. */
enum Instructions { WITH_AVX2, WITH_AVX_VNNI, WITH_AVX512_VNNI, WITH_AMX };

/* What a step does. StepKind of streamseg.device.cpu.integer.plan has the same values in the same order. */
enum StepKind {
    WINOGRAD,       /* 3×3 convolution by Winograd's F(4×4, 3×3) */
    WINOGRAD_IMAGE, /* the same of the image */
    IM2COL,         /* 3×3 convolution that is dilated, or of a map that tiles do not fill */
    TAP_PLANES,     /* of a side output: 1×1 convolution, a plane per tap of its kernel; float [rows, columns, LANES] */
    LOAD_IMAGE,     /* RGB bytes [rows, columns, 3] to levels, by the table int16 [3, 256] in `weights` */
    UPSAMPLE,       /* bilinear, by 2 */
    SUM_TAPS,       /* the tap planes shifted and summed, then each row upsampled: float [rows, output_channels] */
    SUM_SIDES,      /* the logits: all side outputs, upsampled along columns, and a bias; float [rows, columns] */
    MAX_POOL,       /* 2×2, of a map that tiles do not fill: WINOGRAD and MATRIX_TILES pool the others */
    LOAD_HALVES,    /* as LOAD_IMAGE, but each level, and 255, as the sum of two bytes: uint8 [rows + 2, columns + 2, 8], the
                     * first of R, G and B, the second of them, and two zeros */
    MATRIX_TILES,   /* 3×3 convolution to 16 or to a multiple of 64 channels, in 8-bit matrix tiles; needs AMX */
};

/* Written a second time as _CStep in streamseg.device.cpu.integer.plan: the fields must agree in type and order. A plan
 * compares the sizes when it is made. Fields that a kind does not need are zero. */
typedef struct {
    int32_t kind;              /* enum StepKind */
    int32_t rows, columns;     /* of the output; of SUM_TAPS, of its input */
    int32_t input_channels[2]; /* of the inputs, which a convolution reads as if they were concatenated */
    int32_t output_channels;   /* of SUM_TAPS: columns of the output */
    int32_t dilation;
    int32_t input_count;
    const void *inputs[2];     /* of SUM_SIDES: the first is a list of SideRows */
    const void *weights;       /* int16 [output_channels / LANES, positions, pairs of input channels, LANES, 2];
                                * of MATRIX_TILES, see matrix_tiles.h */
    const float *scale, *bias; /* [output_channels], see Requantisation */
    const uint8_t *residual;   /* feature map that is added to the output; may be missing */
    void *output;              /* missing if only the pooled output is read */
    uint8_t *pooled;           /* 2×2 max pooling of the output, besides; of WINOGRAD and MATRIX_TILES; may be missing */
} Step;

/* A side output after SUM_TAPS; _CSideRows in streamseg.device.cpu.integer.plan. */
typedef struct {
    const float *values; /* [rows, columns of the logits] */
    int64_t rows;
} SideRows;

/* Chunks of a step that threads have claimed, and that are done. Each has a cache line of its own. */
typedef struct {
    atomic_int claimed, done;
    char padding[64 - 2 * sizeof(atomic_int)];
} Progress;

/* TILE: rows and columns of a Winograd tile's output, INPUT_TILE of its input, POSITIONS in the transformed tile.
 * BLOCK: tiles (WINOGRAD) or pixels (IM2COL, TAP_PLANES) that one matrix product takes. LANES: output channels that it
 * makes. MAX_CHANNELS: input channels of a convolution at most. MAX_CHUNKS: of a step. */
enum {
    TILE = 4,
    INPUT_TILE = TILE + 2,
    POSITIONS = INPUT_TILE * INPUT_TILE,
    TAPS = 9,
    BLOCK = 24,
    LANES = 16,
    MAX_CHANNELS = 128,
    MAX_CHUNKS = 96,
};

/* From position to position in the workspace: the gaps keep positions in different sets of the L1 cache. */
enum { INPUT_GAP = 32, SUM_STRIDE = BLOCK * LANES + 16 };

typedef int16_t Int16x16 __attribute__((vector_size(32), may_alias));  /* 16 channels */
typedef int16_t Int16x4 __attribute__((vector_size(8), may_alias));    /* the 4 channels of the image */
typedef uint32_t UInt32x8 __attribute__((vector_size(32), may_alias)); /* sums of 8 channels; they may wrap around */
#ifdef NEW_INSTRUCTIONS
typedef int16_t Int16x32 __attribute__((vector_size(64), may_alias, aligned(32))); /* 32 channels */
typedef uint32_t UInt32x16 __attribute__((vector_size(64), may_alias));            /* sums of 16 channels */
#endif

/* Scratch memory of a thread, and with which instructions it works. */
typedef struct {
    int16_t inputs[POSITIONS * (BLOCK * MAX_CHANNELS + INPUT_GAP)]; /* [positions, items, channels] */
    uint32_t sums[POSITIONS * SUM_STRIDE];                          /* [positions, items, LANES] */
    enum Instructions instructions;
} Workspace;

INLINE int is_convolution(const Step *step) { return step->kind <= TAP_PLANES; }

/* Independent items of a step: tiles, pixels or rows. */
INLINE int item_count(const Step *step) {
    switch (step->kind) {
        case WINOGRAD:
        case WINOGRAD_IMAGE: return step->rows * step->columns / (TILE * TILE);
        case IM2COL:
        case TAP_PLANES: return step->rows * step->columns;
        default: return step->rows;
    }
}

/* Items of a chunk, the share that a thread takes at a time: whole blocks, or pairs of rows. */
INLINE int chunk_size(const Step *step) {
    int unit = is_convolution(step) ? BLOCK : 2, units = (item_count(step) + unit - 1) / unit;
    return unit * ((units + MAX_CHUNKS - 1) / MAX_CHUNKS);
}

/* Samples of a row of a feature map, border included. */
INLINE size_t row_stride(const Step *step, int channels) { return (size_t)(step->columns + 2) * (size_t)channels; }

/* Offset of a pixel in a feature map. */
INLINE size_t pixel_offset(const Step *step, int y, int x, int channels) {
    return (size_t)(y + 1) * row_stride(step, channels) + (size_t)(x + 1) * (size_t)channels;
}

AVX2_INLINE __m128i load_lanes(const uint8_t *samples) { return _mm_loadu_si128((const __m128i *)samples); }

AVX2_INLINE Int16x16 widen(const uint8_t *samples) { return (Int16x16)_mm256_cvtepu8_epi16(load_lanes(samples)); }

#ifdef NEW_INSTRUCTIONS
AVX512_INLINE Int16x32 widen_32(const uint8_t *samples) {
    return (Int16x32)_mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)samples));
}
#endif

/* Two pixels of 16 channels, one in each half, of two registers of 16 bits: saturated to uint8. */
AVX2_INLINE __m256i pack_pixels(__m256i left, __m256i right) {
    return _mm256_permute4x64_epi64(_mm256_packus_epi16(left, right), 0xD8);
}

#endif
