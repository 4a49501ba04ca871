#!/usr/bin/env bash
# Eight minutes on a bare machine with an NVIDIA GPU: does the CUDA code work at all, how fast is each part of it, are
# its results right, does it leak memory. Run it there in the root of the repository; prepare.sh says what must be copied
# to that machine.
#
# Every step has a time limit and a process of its own: one that hangs or crashes costs its limit and nothing else. Every
# figure is in $OUT/results.jsonl as soon as it is known; a table of all is printed at the end, also after a failure.
#
#   BUDGET=460   seconds for all steps (20 less than the time limit of the machine)
#   STEPS="…"    which steps, in order; default: all
set -u
export PYTHONUNBUFFERED=1 PYTHONUTF8=1 STREAMSEG_CACHE=/tmp/streamseg CUPY_CACHE_DIR=/tmp/cupy STREAMSEG_REQUIRE_CUDA=1 PYTHONDONTWRITEBYTECODE=1
BUDGET=${BUDGET:-460}
STEPS=${STEPS:-"install env open kernels probe choose bench quality clip profile soak sanitizer network cli"}
HERE=$(cd "$(dirname "$0")" && pwd)
export OUT=${OUT:-/tmp/out} SITE=${SITE:-/tmp/site}
export PYTHONPATH=$SITE:$HERE
mkdir -p "$OUT" "$SITE"
STARTED=$SECONDS
LOG=$OUT/log.txt
left() { echo $((BUDGET - (SECONDS - STARTED))); }
report() { python3 -P -m first_run report steps "$1" "$2" >> "$LOG" 2>&1; }

# step NAME LIMIT COMMAND…: runs COMMAND for at most LIMIT seconds, and no longer than the budget; returns its exit status.
step() {
    local name=$1 limit=$2 status started=$SECONDS
    shift 2
    local rest=$(($(left) - 8))
    ((limit > rest)) && limit=$rest
    if ((limit < 6)); then
        report "$name" "skipped: no time left"
        return 99
    fi
    echo "==== $name (at most $limit s, $(left) s left) $(date +%T)" | tee -a "$LOG"
    STEP_LIMIT=$limit timeout -k 3 "$limit" "$@" >> "$LOG" 2>&1
    status=$?
    ((status == 124 || status == 137)) && report "$name" "STOPPED at its limit of $limit s" || report "$name" "exit $status after $((SECONDS - started)) s"
    return $status
}

finish() {
    trap - EXIT TERM INT
    echo
    echo "==== TABLE after $((SECONDS - STARTED)) s"
    timeout 15 python3 -P -m first_run table
}
trap finish EXIT
trap 'exit 1' TERM INT

do_install() {
    step install 60 python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade --target "$SITE" "$PWD"/.whl/*.whl
}

do_env() { step env 40 python3 -P -m first_run env; }

# Unchanged first; where that fails or takes too long, the installed copy is patched so that the other steps can go on.
do_open() {
    step open 75 python3 -P -m first_run open && return
    python3 -P -m first_run patch nobench >> "$LOG" 2>&1
    TAG=patched step open-patched 60 python3 -P -m first_run open && return
    python3 -P -m first_run patch plain >> "$LOG" 2>&1
    TAG=plain step open-plain 40 python3 -P -m first_run open
}

# After it everything uses what it has chosen; its own figures are of before and after.
do_choose() { step choose 60 python3 -P -m first_run choose; }
do_probe() { step probe 60 python3 -P -m first_run probe; }

# Only what runs on a GPU: the ids with "gpu" in their brackets, and the tests that are for a GPU alone.
ids() { # files…
    timeout 40 python3 -P -m pytest --collect-only -q -W default -p no:cacheprovider "$@" 2>> "$LOG" |
        grep -E '::' | grep -E '\[[^]]*gpu[^]]*\]|test_a_graph_computes|test_the_gpus_decoder|test_nans_that_others' |
        grep -vE 'host|ten_thousand|the_bench_has_a_figure'
}

pytest_gpu() { # title limit xml files…
    local title=$1 limit=$2 xml=$3
    shift 3
    ids "$@" > /tmp/ids.txt
    report "$title: tests found" "$(wc -l < /tmp/ids.txt)"
    [ -s /tmp/ids.txt ] || return
    step "$title" "$limit" python3 -P -m pytest -q -W default -p no:cacheprovider --timeout 60 --junitxml "$xml" --tb=short @/tmp/ids.txt
    [ -f "$xml" ] && python3 -P -m first_run tests "$xml" "$title" >> "$LOG" 2>&1
}

do_kernels() {
    pytest_gpu kernels 60 /tmp/kernels.xml tests/cuda/test_plane_kernels.py tests/cuda/test_motion_kernels.py \
        tests/cuda/test_temporal_kernels.py tests/cuda/test_finish_kernels.py tests/cuda/test_blur_kernels.py \
        tests/cuda/test_decoded_frames.py tests/cuda/test_pooling.py
}
do_network() {
    pytest_gpu network 80 /tmp/network.xml tests/cuda/test_gpu.py tests/cuda/test_video_jobs.py \
        tests/cuda/test_network.py tests/cuda/test_convolutions.py tests/cuda/test_pipeline.py
}

do_bench() { step bench 90 python3 -P -m first_run bench; }
do_quality() { step quality 40 python3 -P -m first_run quality; }
do_clip() { step clip 45 python3 -P -m first_run clip; }
do_profile() { step profile 45 python3 -P -m first_run profile; }
do_soak() { step soak 50 python3 -P -m first_run soak; }

# Every allocation separately, or a read beyond one tensor would fall into the next and go unnoticed.
do_sanitizer() {
    command -v compute-sanitizer > /dev/null || { report sanitizer "not installed"; return; }
    PYTORCH_NO_CUDA_MEMORY_CACHING=1 step sanitizer 60 compute-sanitizer --tool memcheck --error-exitcode 9 --print-limit 20 \
        --log-file "$OUT/sanitizer.txt" python3 -P -m first_run small
    report "last line of the sanitizer" "$(tail -n 1 "$OUT/sanitizer.txt" 2> /dev/null | cut -c1-120)"
}

# The command itself, with the time that is left: it prints its figures at the very end or not at all.
do_cli() {
    step "streamseg bench" 200 bash -c "python3 -P -m streamseg.pipelines.cli bench '$HERE/clip1080.mp4' --bg samples/beach.jpg --duration 2 --device cuda --json > '$OUT/bench.json'"
    [ -s "$OUT/bench.json" ] || rm -f "$OUT/bench.json"
}

for each in $STEPS; do "do_$each"; done
exit 0
