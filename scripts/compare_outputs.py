"""Do two installations of streamseg write the same bytes? For changes that must not change results.

    python scripts/compare_outputs.py OLD/bin/python NEW/bin/python

Both run the same commands on the sample clip, in folders of their own. Output files and the figures of evaluations must
be equal, exit statuses too; JSON of the new one must have all keys of the old one. Messages are printed where they
differ, and are no failure.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
CLIP, BEACH, LIGHTS = (str(SAMPLES / name) for name in ("clip.mp4", "beach.jpg", "lights.mp4"))
# No Matroska files: these hold a random number.
SHORT = ["--duration", "1", "--overwrite"]
LIVE = ["--duration", "2", "--headless", "--overwrite", "--json"]

# Name → command. EQUAL: standard output is compared as JSON values; KEYS: only its keys.
FILES = {
    "image background": ["video", CLIP, "image.mp4", "--bg", BEACH, *SHORT],
    "video background": ["video", CLIP, "video.mp4", "--bg", LIGHTS, *SHORT],
    "blur": ["video", CLIP, "blur.mp4", *SHORT],
    "colour, balanced": ["video", CLIP, "colour.mp4", "--bg", "#00b140", "--speed", "balanced", *SHORT],
    "transparent, fast": ["video", CLIP, "alpha.mov", "--speed", "fast", *SHORT],
    "matte, no edges": ["video", CLIP, "matte.mp4", "--bg", "matte", "--edges", "off", *SHORT],
    "numbered PNGs": ["video", CLIP, "frames", "--duration", "0.3", "--overwrite"],
    "float32": ["video", CLIP, "float.mp4", "--bg", "matte", "--precision", "float32", "--duration", "0.5"],
    "image, transparent": ["image", "frames/000001.png", "image.png"],
    "image, blurred": ["image", "frames/000001.png", "image.jpg"],
}
EQUAL = {
    "evaluate images": ["evaluate", "images", "pairs", "--json"],
    "evaluate video": ["evaluate", "video", "pairs", "--method", "default", "--method", "live", "--json"],
    "evaluate alpha": ["evaluate", "alpha", "alpha.mov", "--method", "live", "--bg", "texture", "--json"],
}
KEYS = {
    "bench": ["bench", CLIP, "--duration", "1", "--json"],
    "summary": ["video", CLIP, "summary.mp4", "--duration", "0.3", "--json"],
    "webcam": ["webcam", "--camera", CLIP, "--record", "live.mp4", *LIVE],
}
ERRORS = {
    "no such input": ["video", "nowhere.mp4", "out.mp4"],
    "no such background": ["video", CLIP, "out.mp4", "--bg", "nowhere.jpg"],
    "taken output": ["video", CLIP, "image.mp4"],
    "unknown output": ["video", CLIP, "out.xyz"],
    "wrong speed": ["video", CLIP, "out.mp4", "--speed", "warp"],
    "transparent JPEG": ["image", BEACH, "out.jpg", "--bg", "transparent"],
    "no GPU": ["video", CLIP, "out.mp4", "--device", "cuda"],
    "no command": [],
}


class Run(NamedTuple):
    """What a command did."""

    status: int
    out: str
    message: str


def main() -> int:
    """The exit status: 0 if nothing differs."""
    old, new = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        homes = Path(folder) / "old", Path(folder) / "new"
        for home in homes:
            home.mkdir()
        differences = list(_differences((old, new), homes))
    print("\n".join(differences) or "no differences")
    return 1 if differences else 0


def _differences(pythons: tuple[str, str], homes: tuple[Path, Path]) -> Iterator[str]:
    for name, command in FILES.items():
        yield from _statuses(name, [_run(*each, command) for each in zip(pythons, homes, strict=True)])
    yield from _files(*homes)
    for home in homes:
        _make_pairs(home)
    for name, command in {**EQUAL, **KEYS, **ERRORS}.items():
        runs = [_run(*each, command) for each in zip(pythons, homes, strict=True)]
        yield from _statuses(name, runs)
        if name not in ERRORS and not any(run.status for run in runs):
            before, after = (json.loads(run.out) for run in runs)
            yield from _values(name, before, after, name in EQUAL)


def _run(python: str, home: Path, command: list[str]) -> Run:
    whole = [python, "-P", "-W", "ignore", "-m", "streamseg.pipelines.cli", *command]
    done = subprocess.run(whole, cwd=home, capture_output=True, text=True, check=False)
    lines = [line for line in done.stderr.splitlines() if "fps" not in line]
    return Run(done.returncode, done.stdout, " ".join(lines[-1:]))


def _statuses(name: str, runs: list[Run]) -> Iterator[str]:
    before, after = runs
    print(f"{name}: exit status {before.status}")
    if before.status != after.status:
        yield f"{name}: exit status {before.status} became {after.status}: {after.message}"
    if before.message != after.message:
        print(f"    was: {before.message}\n    now: {after.message}")


def _files(before: Path, after: Path) -> Iterator[str]:
    old, new = (
        {path.relative_to(home): path for path in home.rglob("*") if path.is_file()} for home in (before, after)
    )
    for missing in sorted(old.keys() ^ new.keys()):
        yield f"{missing} is in one of them only"
    for path in sorted(old.keys() & new.keys()):
        if old[path].read_bytes() != new[path].read_bytes():
            yield f"{path} differs"


def _values(name: str, before: Any, after: Any, equal: bool, path: str = "") -> Iterator[str]:
    """Values of the old JSON that the new one lacks; with ``equal``, those that differ too."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            if key not in after:
                yield f"{name}: no key {path}{key}"
            else:
                yield from _values(name, value, after[key], equal, f"{path}{key}.")
    elif isinstance(before, list) and isinstance(after, list) and equal:
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _values(name, one, other, equal, f"{path}{number}.")
    elif equal and before != after:
        yield f"{name}: {path} {before} became {after}"


def _make_pairs(home: Path) -> None:
    """Images and masks out of the numbered PNGs: their colours and their alpha."""
    import av

    for folder in ("images", "masks"):
        (home / "pairs" / folder).mkdir(parents=True, exist_ok=True)
    for path in sorted((home / "frames").glob("*.png")):
        with av.open(str(path)) as container:
            rgba = next(container.decode(video=0)).to_ndarray(format="rgba")
        images = {"images": rgba[..., :3], "masks": ((rgba[..., 3:] > 127) * 255).repeat(3, axis=2).astype("uint8")}
        for folder, image in images.items():
            _write_png(home / "pairs" / folder / path.name, image)


def _write_png(path: Path, image: Any) -> None:
    import av

    with av.open(str(path), "w", format="image2") as container:
        stream: Any = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = image.shape[1], image.shape[0], "rgb24"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    sys.exit(main())
