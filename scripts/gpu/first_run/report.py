"""Figures: written as soon as they are known, and printed as a table at the end."""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

OUT = Path(os.environ.get("OUT", "/tmp/out"))  # noqa: S108
SITE = Path(os.environ.get("SITE", "/tmp/site"))  # noqa: S108
FOLDER = Path(__file__).resolve().parents[1]
CLIP = FOLDER / "clip1080.mp4"
BEACH = Path.cwd() / "samples" / "beach.jpg"
SCRATCH = Path("/tmp")  # noqa: S108
STARTED = time.perf_counter()
LIMIT = float(os.environ.get("STEP_LIMIT", "1e9"))


def report(step: str, name: str, value: float | str, unit: str = "") -> None:
    """Write one figure, or one sentence, of a step."""
    record = {"step": step, "name": name, "value": value, "unit": unit}
    with (OUT / "results.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
    print(f"@@ {step:10s} {name:58s} {value if isinstance(value, str) else format(value, '.6g')} {unit}", flush=True)


def seconds_left() -> float:
    """Until the step is stopped."""
    return LIMIT - (time.perf_counter() - STARTED)


@contextmanager
def trial(step: str, name: str) -> Iterator[None]:
    """A failure inside is reported and does not end the step."""
    try:
        yield
    except BaseException as error:
        text = str(error).strip().splitlines()
        report(step, name, f"FAILED {type(error).__name__}: {text[0][:150] if text else ''}")
        traceback.print_exc()
        if isinstance(error, KeyboardInterrupt):
            raise


def tests(xml: str, title: str) -> None:
    """Report the results of pytest from its JUnit file."""
    counts, failed = {"passed": 0, "failed": 0, "skipped": 0}, []
    for case in ElementTree.parse(xml).getroot().iter("testcase"):  # noqa: S314  # pytest has just written it
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            counts["failed"] += 1
            child = next(child for child in case if child.tag in ("failure", "error"))
            name = f"{case.get('classname').split('.')[-1]}::{case.get('name')}"
            failed.append((name, (child.get("message") or "").splitlines()))
        elif "skipped" in kinds:
            counts["skipped"] += 1
        else:
            counts["passed"] += 1
    report("tests", title, " ".join(f"{value} {name}" for name, value in counts.items()))
    for name, reason in failed:
        report("tests", f"FAILED {name}"[:110], (reason or [""])[0][:110])


def table() -> None:
    """Write all figures to table.txt, and print the last 11,000 characters of a narrower table."""
    results = OUT / "results.jsonl"
    records = (
        [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()] if results.exists() else []
    )
    wide, narrow = [], []
    for record in records:
        value = record["value"] if isinstance(record["value"], str) else format(record["value"], ".5g")
        step, name = record["step"], record["name"]
        wide.append(f"{step:8s} {name[:86]:86s} {value} {record['unit']}".rstrip())
        narrow.append(f"{step} {name[:80]}: {value[:110]} {record['unit']}".rstrip())
    (OUT / "table.txt").write_text("\n".join(wide), encoding="utf-8")
    print("\n".join(narrow)[-11_000:])
