#!/usr/bin/env bash
# Run in the root of the repository, on the machine without a GPU: puts what the machine with the GPU needs, and does not
# have, into .whl and .gpu (both ignored by git).
#   bash scripts/gpu/prepare.sh [PYTHON with streamseg, for the CPU's mattes] [folder of test data]
# Then copy .whl and .gpu to that machine with the checkout and run there:
#   bash .gpu/gpu_first_run.sh                                        about 490 s in all
#   STEPS="install open bench" BUDGET=150 bash .gpu/gpu_first_run.sh  only some steps, again
set -euo pipefail
FROM=$(cd "$(dirname "$0")" && pwd)
PYTHON=${1:-.venv/bin/python}
DATA=${2:-../shared/data}
mkdir -p .whl .gpu/sod/images .gpu/sod/masks
grep -qx '/.whl/' .git/info/exclude || echo '/.whl/' >> .git/info/exclude
grep -qx '/.gpu/' .git/info/exclude || echo '/.gpu/' >> .git/info/exclude

# One version of each, or pip stops. safetensors, tqdm, numpy and pytest are on that machine; nothing here loads
# OpenVINO, whose wheel (59 MB) would not fit beside PyAV's (36 MB).
platforms=$(printf -- '--platform manylinux_2_%s_x86_64 ' 28 27 17)
rm -f .whl/*.whl
python3 -m pip download -q --no-deps --only-binary=:all: --python-version 3.12 --implementation cp $platforms \
    --platform manylinux2014_x86_64 --platform manylinux1_x86_64 -d .whl "av==18.1.0" "webcolors>=24.6" "tomli-w>=1.1"
# Built for cp311 and the stable ABI, which Python 3.12 accepts. A wheel, because a checkout alone has no
# streamseg.pipelines.
"$PYTHON" -m pip wheel -q --no-deps -w .whl .

cp "$FROM/gpu_first_run.sh" .gpu/
rm -rf .gpu/first_run
mkdir .gpu/first_run
cp "$FROM"/first_run/*.py .gpu/first_run/
cp "$DATA"/sod/images/* .gpu/sod/images/
cp "$DATA"/sod/masks/* .gpu/sod/masks/

# A person in 1080p, and the CPU's mattes of the clip in float32, lossless.
"$PYTHON" -P - "$DATA/people/juggler-1280x720-audio.mp4" .gpu/clip1080.mp4 << 'PY'
import sys
from fractions import Fraction
from itertools import islice

import av

source, out = sys.argv[1:]
with av.open(source) as reader, av.open(out, "w") as writer:
    stream = writer.add_stream("libx264", rate=30, options={"crf": "20", "preset": "veryfast", "x264-params": "keyint=30"})
    stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
    for number, frame in enumerate(islice(reader.decode(video=0), 60)):
        large = frame.reformat(1920, 1080, "yuv420p")
        large.pts, large.time_base = number, Fraction(1, 30)
        writer.mux(stream.encode(large))
    writer.mux(stream.encode(None))
PY
"$PYTHON" -P -m streamseg.pipelines.cli video .gpu/clip1080.mp4 .gpu/matte_cpu.mkv --bg matte --precision float32 \
    --codec ffv1 --no-audio --overwrite --quiet
du -sh .whl .gpu
total=$(( $(git ls-files -z | xargs -0 du -cb | tail -1 | cut -f1) + $(du -sb .whl | cut -f1) + $(du -sb .gpu | cut -f1) ))
echo "to be copied: $total of 67108864 bytes"
[ "$total" -lt 67108864 ]
