/* The network on 8-bit integers, step by step; streamseg.device.cpu.integer.network_plan lists the steps. Several
 * threads may share one run: each claims chunk after chunk of a step, and waits for the others before the next step. */
#define _DEFAULT_SOURCE /* for syscall */
#include "kernels.h"

/* Windows has other functions for aligned memory and for yielding the processor. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(_WIN32)

#include <cpuid.h>
#include <sched.h>

#include "convolution_steps.h"
#include "matrix_tiles.h"
#include "row_steps.h"

#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

AVX2 static void run_chunk(const Step *step, int first, int count, Workspace *space) {
    if (!is_convolution(step)) {
        if (step->kind == LOAD_IMAGE) run_load_image(step, first, count);
        if (step->kind == LOAD_HALVES) run_load_halves(step, first, count);
        if (step->kind == UPSAMPLE) run_upsample(step, first, count);
        if (step->kind == SUM_TAPS) run_sum_taps(step, first, count);
        if (step->kind == SUM_SIDES) run_sum_sides(step, first, count);
        if (step->kind == MAX_POOL) run_max_pool(step, first, count);
#ifdef NEW_INSTRUCTIONS
        if (step->kind == MATRIX_TILES) run_matrix_tiles(step, first, count, space);
#endif
        return;
    }
    for (int end = first + count; first < end; first += BLOCK) {
        int block = min_int(BLOCK, end - first);
        if (step->kind == IM2COL)
            run_im2col(step, first, block, space);
        else if (step->kind == TAP_PLANES)
            run_tap_planes(step, first, block, space);
        else
            run_winograd(step, first, block, space);
    }
}

/* The barrier behind a step: other threads may be in the middle of a chunk. After a while the processor is yielded. */
INLINE void wait_for_chunks(atomic_int *done, int chunks) {
    for (int spins = 0; atomic_load_explicit(done, memory_order_acquire) < chunks; spins++)
        if (spins < 500)
            _mm_pause();
        else
            sched_yield();
}

/* Runs the steps, together with all threads that call this with the same progress [count], which starts as zeros. */
EXPORTED int streamseg_integer_network_run(const Step *steps, int count, void *progress, int instructions) {
    Workspace *space = aligned_alloc(64, sizeof *space);
    if (!space) return NO_MEMORY;
    space->instructions = (enum Instructions)instructions;
    for (int k = 0; k < count; k++) {
        const Step *step = steps + k;
        Progress *step_progress = (Progress *)progress + k;
        int items = item_count(step), size = chunk_size(step), chunks = (items + size - 1) / size, chunk;
        while ((chunk = atomic_fetch_add_explicit(&step_progress->claimed, 1, memory_order_relaxed)) < chunks) {
            run_chunk(step, chunk * size, min_int(size, items - chunk * size), space);
            atomic_fetch_add_explicit(&step_progress->done, 1, memory_order_release);
        }
        wait_for_chunks(&step_progress->done, chunks);
    }
    free(space);
    return DONE;
}

/* sizeof(Step), for those who write steps down in another language; 0 where there is no network. */
EXPORTED int streamseg_integer_network_step_size(void) { return (int)sizeof(Step); }

/* Linux gives a process AMX's registers when it asks for them (arch_prctl, ARCH_REQ_XCOMP_PERM, feature 18). */
INLINE int may_use_matrix_tiles(void) {
#ifdef __linux__
    return syscall(SYS_arch_prctl, 0x1023, 18) == 0;
#else
    return 0;
#endif
}

/* Those of Instructions after AVX2 that there are, a bit for each. */
INLINE int newer_instructions(void) {
    int found = 0;
#ifdef NEW_INSTRUCTIONS
    unsigned a = 0, b = 0, c = 0, d = 0;
    const unsigned avx_vnni = 1u << 4, tiles = 3u << 24; /* the latter AMX-TILE and AMX-INT8 */
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d) && a & avx_vnni) found |= 1 << WITH_AVX_VNNI;
    if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl")) {
        found |= 1 << WITH_AVX512_VNNI;
        if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & tiles) == tiles && may_use_matrix_tiles())
            found |= 1 << WITH_AMX;
    }
#endif
    return found;
}

/* A bit for each of Instructions that this processor and this system have. */
EXPORTED int streamseg_integer_network_instructions(void) {
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 0;
    return 1 << WITH_AVX2 | newer_instructions();
}

#else

EXPORTED int streamseg_integer_network_step_size(void) { return 0; }
EXPORTED int streamseg_integer_network_instructions(void) { return 0; }

#endif
