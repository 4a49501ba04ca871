"""What a batch tells: bars and lines for people, JSON lines for scripts, a table at the end."""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from tqdm import tqdm

from .jobs import FileJob
from .transfer import joined

__all__ = ["Outcome", "Report", "table"]

_LINE_INTERVAL_S, _JSON_INTERVAL_S = 10.0, 1.0


@dataclass(slots=True)
class Outcome:
    """What became of a file.

    Attributes:
        job: the file.
        status: "done", "failed" or "skipped"; "stopped" if it was interrupted or never begun.
        frames, seconds: of work, whoever did it.
        reason: why it failed or was skipped.
        warnings: one sentence each.
    """

    job: FileJob
    status: str = "stopped"
    frames: int = 0
    seconds: float = 0.0
    reason: str = ""
    warnings: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        values = {name: value for name, value in asdict(self).items() if name not in ("job", "status")}
        return {"source": self.job.source, "output": joined(self.job.folder, self.job.name), **values}


class Report:
    """Tells how a batch goes.

    Args:
        mode: "lines", "json" or "quiet"; of the first, a bar if standard error is a terminal.
        files: how many there are.
        frames: about how many they have together; None where unknown.
    """

    def __init__(self, mode: str, files: int, frames: int | None) -> None:
        self._mode, self._files, self._frames = mode, files, frames
        self._done_files = 0
        self._begun = time.monotonic()
        self._last: dict[int, float] = {}
        self._next_line = self._begun + _LINE_INTERVAL_S
        self._bar: Any = None
        if mode == "lines" and sys.stderr.isatty():
            self._bar = tqdm(total=frames, unit="frame", dynamic_ncols=True, file=sys.stderr)

    def started(self, job: FileJob, attempt: int) -> None:
        """The work on a file begins, or begins again."""
        self._json("started", job, attempt=attempt)

    def progress(self, number: int, job: FileJob, frames: int, expected: int | None, all_frames: int) -> None:
        """So many frames of a file, and of all files, are done."""
        now = time.monotonic()
        if self._mode == "json" and now - self._last.get(number, 0.0) >= _JSON_INTERVAL_S:
            self._last[number] = now
            self._json("progress", job, frames=frames, expected=expected)
        self._advance(all_frames, now)

    def _advance(self, all_frames: int, now: float) -> None:
        if self._bar is not None:
            self._bar.total = max(self._frames, all_frames) if self._frames else None
            self._bar.update(all_frames - self._bar.n)
        elif self._mode == "lines" and now >= self._next_line:
            self._next_line = now + _LINE_INTERVAL_S
            rate = all_frames / max(1e-3, now - self._begun)
            total = f" of {self._frames}" if self._frames else ""
            left = f", {max(0, self._frames - all_frames) / rate:.0f} s left" if self._frames and rate else ""
            files = f"{self._done_files} of {self._files} files"
            self._line(f"{files}, {all_frames}{total} frames, {rate:.1f} fps{left}")

    def note(self, job: FileJob, text: str) -> None:
        """Something that a user may want to know of a file."""
        self._json("note", job, text=text)
        self._line(f"{job.source}: {text}")

    def finished(self, outcome: Outcome) -> None:
        """No more will be done for a file."""
        self._done_files += 1
        if self._mode == "json":
            print(json.dumps({"event": outcome.status, **outcome.as_dict()}), flush=True)
        for warning in outcome.warnings:
            self._line(f"{outcome.job.source}: warning: {warning}")
        if self._mode == "quiet" and outcome.status == "failed":
            _print(f"streamseg: error: {outcome.job.source}: {outcome.reason}")
        said = f"{outcome.frames} frames in {outcome.seconds:.1f} s" if outcome.status == "done" else outcome.reason
        self._line(f"[{self._done_files}/{self._files}] {outcome.status}: {outcome.job.source}: {said}")

    def summary(self, outcomes: list[Outcome]) -> None:
        """The end: a table, or the last JSON line."""
        if self._bar is not None:
            self._bar.close()
        seconds = time.monotonic() - self._begun
        counts = {status: sum(each.status == status for each in outcomes) for status in _STATUSES}
        if self._mode == "json":
            frames = sum(each.frames for each in outcomes if each.status == "done")
            print(
                json.dumps({"event": "summary", **counts, "frames": frames, "seconds": round(seconds, 3)}), flush=True
            )
        elif self._mode == "lines":
            print(table(outcomes))
            said = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
            print(f"{len(outcomes)} files: {said or 'nothing to do'}, in {seconds:.1f} s")

    def _json(self, event: str, job: FileJob, **values: Any) -> None:
        if self._mode == "json":
            names = {"source": job.source, "output": joined(job.folder, job.name)}
            print(json.dumps({"event": event, **names, **values}), flush=True)

    def _line(self, text: str) -> None:
        if self._mode != "lines":
            return
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            _print(text)


_STATUSES = ("done", "skipped", "failed", "stopped")


def _print(text: str) -> None:
    with suppress(OSError):  # the terminal may be gone: the work goes on
        print(text, file=sys.stderr, flush=True)


def table(outcomes: list[Outcome]) -> str:
    """A row for each file: file, status, frames, seconds, reason."""
    rows = [("file", "status", "frames", "seconds", "reason")]
    for each in outcomes:
        done = each.status == "done"
        figures = (str(each.frames), f"{each.seconds:.1f}") if done else ("", "")
        rows.append((each.job.name, each.status, *figures, each.reason))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    aligned = (
        f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]:>{widths[3]}}  {row[4]}"
        for row in rows
    )
    return "\n".join(line.rstrip() for line in aligned)
