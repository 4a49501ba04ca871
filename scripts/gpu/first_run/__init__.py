"""What gpu_first_run.sh runs on the GPU: one subcommand per process, so that a sticky CUDA error ends one step only.

    report.py       figures into $OUT/results.jsonl, the table of them, results of pytest
    machine.py      env, open, patch: hardware and versions; the network's first run; a workaround where it fails
    probe.py        probe: costs on the host, copies, NaNs in freed memory
    convolutions.py the layers of the network, one by one
    choosing.py     choose: torch or Triton, for each kind of layer
    speed.py        bench: the parts of ``streamseg bench``
    profiling.py    profile: kernels by their time
    quality.py      quality, clip: maps and mattes against the CPU's
    memory.py       soak, small: many frames; every kernel on small frames

Every figure is written as soon as it is known: a step that is stopped keeps what it had. Nothing here changes the
repository; ``patch`` edits the copy that pip has installed into $SITE.
"""
