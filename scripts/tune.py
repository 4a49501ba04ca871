"""Compares settings of the matting by folds over sequences: chosen on some, reported on the others.

    python scripts/tune.py DAVIS candidates.toml --metric mae --cache results.json

DAVIS is a folder of sequences, as for ``streamseg evaluate video``. Each table of the TOML file is a candidate; a key
is a constant as "module:NAME" (of the module that uses it, in Python), or a field of streamseg's Matting:

    [longer]
    "streamseg.matting.tracking.inference:_MOST_BETWEEN" = 24

    [steadier]
    steady = 0.7

Each sequence is seen forwards and backwards, plain and mirrored: draws of the same sequence, never in two folds. In
each fold the candidate that is best on the other sequences (or the settings as they are) is compared with the settings
as they are on those of the fold. Take a candidate only where the interval of that difference is on the right side of
zero. Figures are kept in the cache, so that an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tomllib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from streamseg.errors import StreamsegError

AS_IT_IS = "as it is"
# Whether more is better.
METRICS = {"mae": False, "iou": True, "dtssd": False, "boundary_f_1px": True, "ghost": False}
_RESAMPLES = 10_000


class Draw(NamedTuple):
    """One way to see a sequence."""

    backwards: bool
    mirrored: bool

    def __str__(self) -> str:
        return f"{'backwards' if self.backwards else 'forwards'}{', mirrored' * self.mirrored}"


DRAWS = [Draw(backwards, mirrored) for backwards in (False, True) for mirrored in (False, True)]
# A frame and its mask, bool [rows, columns].
Matched = tuple[Any, NDArray[np.bool_]]


class Fold(NamedTuple):
    """What was chosen without some sequences, and what it brings on these."""

    chosen: str
    differences: dict[str, float]


def main() -> int:
    """Run and print; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="sequences with images/ and masks/")
    parser.add_argument("candidates", type=Path, help="TOML: a table for each candidate")
    parser.add_argument("--metric", choices=METRICS, default="mae")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0, help="of the folds and the intervals")
    parser.add_argument("--cache", type=Path, help="JSON of figures, read and added to")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    try:
        candidates = {AS_IT_IS: {}, **read_candidates(arguments.candidates)}
        figures = measure(arguments.folder, candidates, arguments.cache, arguments.workers)
    except (StreamsegError, OSError, ValueError) as error:
        print(f"tune.py: error: {error}", file=sys.stderr)
        return 1
    scores = {name: by_sequence(of_draws, arguments.metric) for name, of_draws in figures.items()}
    print(report(scores, METRICS[arguments.metric], arguments.folds, arguments.seed))
    return 0


def read_candidates(path: Path) -> dict[str, dict[str, Any]]:
    """The candidates of a file. Raises ValueError for what is no table, OSError if it cannot be read."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    for name, settings in content.items():
        if not isinstance(settings, dict):
            raise ValueError(f"{path}: {name} is no table: expected [{name}] with settings below it")
    return content


# ---- figures


def measure(
    folder: Path, candidates: dict[str, dict[str, Any]], cache: Path | None, workers: int
) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """Candidate → sequence → draw → figures, in as many processes as there are workers."""
    from streamseg.pipelines.evaluate.ground_truth import find_sequences

    known = json.loads(cache.read_text(encoding="utf-8")) if cache is not None and cache.is_file() else {}
    names = [sequence.name for sequence in find_sequences(folder)]
    key = {name: json.dumps(settings, sort_keys=True) for name, settings in candidates.items()}
    wanted = [(key[name], each) for name in candidates for each in names if each not in known.get(key[name], {})]
    context = get_context("spawn")  # each process sets constants of its own
    with ProcessPoolExecutor(workers, context, max_tasks_per_child=1) as pool:
        running = {pool.submit(figures_of, folder, each, json.loads(its)): (its, each) for its, each in wanted}
        for done in tqdm(as_completed(running), total=len(running), unit="sequence"):
            its, each = running[done]
            known.setdefault(its, {})[each] = done.result()
            if cache is not None:
                cache.write_text(json.dumps(known))
    return {name: {each: known[key[name]][each] for each in names} for name in candidates}


def figures_of(folder: Path, name: str, settings: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Draw → figures of one sequence, in a process of its own."""
    for constant in filter(lambda key: ":" in key, settings):
        set_constant(constant, settings[constant])
    from streamseg.pipelines import Segmenter
    from streamseg.pipelines.evaluate.ground_truth import find_sequences
    from streamseg.pipelines.stages.matting import cut_outs
    from streamseg.pipelines.stages.options import Matting

    from streamseg.metrics import VideoScores

    matting = Matting(**{name: value for name, value in settings.items() if ":" not in name})
    device = Segmenter(threads=1, variants=matting.variants).device
    frames = list(next(each for each in find_sequences(folder) if each.name == name).frames())
    figures = {}
    for draw in DRAWS:
        seen, scores = seen_as(frames, draw), VideoScores()
        for (_, mask), cutout in zip(seen, cut_outs((frame for frame, _ in seen), device, matting, 1), strict=True):
            scores.add(cutout.matte.as_float(), mask)
        figures[str(draw)] = {key: float(value) for key, value in scores.results().items() if value is not None}
    return figures


def set_constant(name: str, value: Any) -> None:
    """Set "module:NAME". Raises ValueError if there is no such constant."""
    module, _, constant = name.partition(":")
    try:
        found = import_module(module)
    except ImportError:
        raise ValueError(f"{name}: there is no module {module}") from None
    if not hasattr(found, constant):
        raise ValueError(f"{name}: {module} has no {constant}")
    setattr(found, constant, value)


def seen_as(frames: list[Matched], draw: Draw) -> list[Matched]:
    """The frames of a draw, with the times of the sequence, and their masks."""
    seen = [(flipped(frame), mask[:, ::-1]) for frame, mask in frames] if draw.mirrored else frames
    if not draw.backwards:
        return seen
    times = [frame.pts for frame, _ in frames]
    return [(replace(frame, pts=pts), mask) for pts, (frame, mask) in zip(times, reversed(seen), strict=True)]


def flipped(frame: Any) -> Any:
    """A frame, mirrored left to right."""
    return replace(frame, planes=tuple(np.ascontiguousarray(plane[:, ::-1]) for plane in frame.planes), native=None)


# ---- folds


def by_sequence(figures: dict[str, dict[str, dict[str, float]]], metric: str) -> dict[str, float]:
    """Sequence → mean of a metric over its draws."""
    return {name: float(np.mean([values[metric] for values in of.values()])) for name, of in figures.items()}


def cross_validate(scores: dict[str, dict[str, float]], more: bool, folds: int, seed: int) -> Iterator[Fold]:
    """What is chosen without each fold, and its differences to the settings as they are on the fold."""
    names = sorted(scores[AS_IT_IS])
    order = np.random.default_rng(seed).permutation(len(names))
    for part in np.array_split(order, min(folds, len(names))):
        held = {names[index] for index in part}
        means = {name: np.mean([of[each] for each in names if each not in held]) for name, of in scores.items()}
        chosen = (max if more else min)(means, key=lambda name: means[name])
        yield Fold(chosen, {each: scores[chosen][each] - scores[AS_IT_IS][each] for each in sorted(held)})


def interval(differences: list[float], seed: int) -> tuple[float, float]:
    """The 95 % interval of the mean, by the bootstrap (Efron 1979)."""
    rng = np.random.default_rng(seed)
    values = np.array(differences)
    means = rng.choice(values, (_RESAMPLES, len(values))).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def report(scores: dict[str, dict[str, float]], more: bool, folds: int, seed: int) -> str:
    """Means and intervals of all candidates, then what choosing among them brings."""
    base = scores[AS_IT_IS]
    lines = [f"{'candidate':24} {'mean':>8} {'difference':>10}   95 %, on all sequences: not to choose by"]
    for name, of in scores.items():
        differences = [of[each] - base[each] for each in base]
        low, high = interval(differences, seed)
        mean = np.mean(list(of.values()))
        lines.append(f"{name:24} {mean:8.4f} {np.mean(differences):+10.4f}   [{low:+.4f}, {high:+.4f}]")
    found = list(cross_validate(scores, more, folds, seed))
    held = [value for fold in found for value in fold.differences.values()]
    low, high = interval(held, seed)
    good = low > 0 if more else high < 0
    lines += ["", *(f"without {', '.join(fold.differences)}: {fold.chosen}" for fold in found)]
    lines.append(f"on the sequences left out: {np.mean(held):+.4f} [{low:+.4f}, {high:+.4f}]")
    lines.append("take it" if good else "do not take it: the interval does not exclude that nothing is gained")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
