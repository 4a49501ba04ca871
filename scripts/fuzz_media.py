"""Damaged files, at random, through the command: does anything crash, hang, or leave a broken output?

    python scripts/fuzz_media.py --count 500

Small files of every container are made from the sample clip, then bits, bytes and lengths of them are changed, half of
the time near the start, where headers, tags and time stamps are. Each goes through `streamseg video`, `streamseg image`
or `--bg`. A case fails if the command is ended by a signal, takes longer than --timeout, prints a traceback, ends with
another status than 0, 1 or 2, or leaves an output that cannot be decoded or a hidden file. Failing inputs are kept in
the folder of `--keep`. The same `--seed` gives the same cases.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
from PIL import Image

CLIP = Path(__file__).resolve().parent.parent / "samples" / "clip.mp4"
VIDEOS = {
    "a.mp4": ("libx264", "yuv420p"),
    "a.mkv": ("libx264", "yuv420p"),
    "a.mov": ("prores_ks", "yuv422p10le"),
    "a.webm": ("libvpx-vp9", "yuv420p"),
    "a.avi": ("mpeg4", "yuv420p"),
    "a.ts": ("libx264", "yuv420p"),
    "a.gif": ("gif", "rgb8"),
}
IMAGES = ("a.png", "a.jpg", "a.webp", "a.bmp", "a.tif")
FRAMES, WIDTH, HEIGHT, RATE = 8, 160, 90, 24
HEADER = 2048
TIMEOUT_S = 60  # more on a machine that does other work


@dataclass(frozen=True)
class Case:
    """One run of the command: ``kind`` is video, image or background; ``data`` the damaged file."""

    number: int
    kind: str
    name: str
    data: bytes


def make_files(folder: Path) -> dict[str, bytes]:
    """Small valid files by name."""
    with av.open(str(CLIP)) as source:
        frames = [frame.reformat(WIDTH, HEIGHT) for frame in islice(source.decode(video=0), FRAMES)]
    for name, (codec, pixel_format) in VIDEOS.items():
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream(codec, RATE)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixel_format
            for index, frame in enumerate(frames):
                converted = frame.reformat(format=pixel_format)
                converted.pts, converted.time_base = index, Fraction(1, RATE)
                container.mux(stream.encode(converted))
            container.mux(stream.encode())
    still = Image.fromarray(frames[0].to_ndarray(format="rgb24"))
    for name in IMAGES:
        still.save(folder / name)
    return {name: (folder / name).read_bytes() for name in (*VIDEOS, *IMAGES)}


def damaged(data: bytes, rng: random.Random) -> bytes:
    """``data`` after one to four changes."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        end = min(len(changed), HEADER) if rng.random() < 0.5 else len(changed)
        at, length = rng.randrange(max(1, end)), rng.randint(1, 64)
        change = rng.choice(("bit", "byte", "zero", "cut", "drop", "repeat", "extreme"))
        if change == "bit":
            changed[at] ^= 1 << rng.randrange(8)
        elif change == "byte":
            changed[at] = rng.randrange(256)
        elif change == "zero":
            changed[at : at + length] = bytes(len(changed[at : at + length]))
        elif change == "cut":
            del changed[max(16, at) :]
        elif change == "drop":
            del changed[at : at + length]
        elif change == "repeat":
            changed[at:at] = changed[at : at + length]
        else:
            changed[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\0"))
        if not changed:
            changed = bytearray(data[:16])
    return bytes(changed)


def run(case: Case, keep: Path, timeout: float) -> str:
    """Run a case; gives its fault, or "" and the status as "status N"."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / case.name
        source.write_bytes(case.data)
        output = folder / ("out.png" if case.kind == "image" else "out.mp4")
        words = [sys.executable, "-m", "streamseg.pipelines.cli", "video", str(source), str(output), "--speed", "fast"]
        if case.kind == "image":
            words[3:] = ["image", str(source), str(output)]
        elif case.kind == "background":
            words[4] = str(CLIP)
            words += ["--duration", "0.1", "--bg", str(source)]
        try:
            done = subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=timeout)
        except subprocess.TimeoutExpired:
            fault = f"no end within {timeout:g} s"
        else:
            fault = fault_of(done, output)
        if fault:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"{case.number}-{case.kind}-{case.name}").write_bytes(case.data)
            return fault
        return f"status {done.returncode}"


def fault_of(done: subprocess.CompletedProcess[str], output: Path) -> str:
    """What is wrong with how the command ended, or ""."""
    if done.returncode not in (0, 1, 2):
        return f"ended with {done.returncode}"
    if "Traceback" in done.stderr:
        return "traceback"
    if done.returncode == 0 and not output.exists():
        return "status 0 without an output"
    hidden = [path.name for path in output.parent.iterdir() if path.name.startswith(".")]
    if hidden:
        return f"left {hidden[0]}"
    if output.exists():
        try:
            with av.open(str(output)) as container:
                if not container.streams.video or not any(True for _ in container.decode(video=0)):
                    return "output without a frame"
        except av.error.FFmpegError as error:
            return f"output cannot be decoded ({error})"
    return ""


def cases(files: dict[str, bytes], count: int, seed: int) -> list[Case]:
    """``count`` cases; every third an image, every sixth a background."""
    rng = random.Random(seed)  # noqa: S311
    found = []
    for number in range(count):
        kind = ("video", "image", "video", "background", "video", "image")[number % 6]
        names = {"video": tuple(VIDEOS), "image": IMAGES, "background": (*VIDEOS, *IMAGES)}[kind]
        name = rng.choice(names)
        found.append(Case(number, kind, name, damaged(files[name], rng)))
    return found


def main() -> int:
    """Run the cases; the exit status is 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=TIMEOUT_S, help="seconds; default: %(default)s")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(arguments.jobs) as pool:
        chosen = cases(make_files(Path(folder)), arguments.count, arguments.seed)
        outcomes = pool.map(lambda case: run(case, arguments.keep, arguments.timeout), chosen)
        verdicts = []
        for case, verdict in zip(chosen, outcomes, strict=True):
            verdicts.append(verdict)
            if not verdict.startswith("status"):
                print(f"case {case.number}, {case.kind}, {case.name}: {verdict}", flush=True)
    for verdict, number in Counter(verdicts).most_common():
        print(f"{number:5d}  {verdict}")
    return int(any(not verdict.startswith("status") for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main())
