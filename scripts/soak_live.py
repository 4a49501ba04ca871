"""Live for a long time: visits one after the other, sped up; memory, descriptors and threads after each.

    python scripts/soak_live.py CLIP… --minutes 10 --out figures.json

Each visit is another clip, another background, and in turns the pipeline of ``streamseg webcam`` with a recording that
has sound, and a session of the demo whose choices change on the way. Frames are not paced: the next one goes in when
the composite of the one before has come out, so an hour of a camera takes as long as the machine needs for its frames.
What is not in it: a camera's driver, a browser and its connection (scripts/measure_demo.py has those).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from time import monotonic, process_time
from typing import Any

import av
import numpy as np
import psutil
from streamseg.demos.choices import Choices
from streamseg.demos.live.session import LiveSession, SharedDevice
from streamseg.pipelines.live import LivePipeline, LiveSettings
from streamseg.pipelines.stages.live_background import LIVE_FORMAT, shape_of
from streamseg.pipelines.webcam.recorder import recording, recording_target
from streamseg.samples import __path__ as samples

from streamseg.frame import Frame
from streamseg.media.live.clock import LIVE_TIME_BASE, LiveClock
from streamseg.media.live.microphone import Sound
from streamseg.media.reading.reader import VideoReader
from streamseg.media.writing.target import Encoding
from streamseg.runtime.memory import keep_freed, limit_arenas

SAMPLES = Path(next(iter(samples)))
BACKGROUNDS = ["blur", "#00b140", str(SAMPLES / "beach.jpg"), str(SAMPLES / "lights.mp4"), "blur:0.2", "matte"]
FPS, TIMEOUT_S, SOUND_RATE = 30, 60.0, 48_000


class FastClock(LiveClock):
    """A thirtieth of a second passes from frame to frame, however long that takes."""

    frames = 0

    def now(self) -> float:
        return self.frames / FPS


def main() -> int:
    arguments = _arguments()
    limit_arenas()
    keep_freed()
    device, rows = SharedDevice(subject="person"), []
    end = monotonic() + 60 * arguments.minutes
    print(f"{'visit':>5} {'frames':>7} {'MB':>6} {'files':>6} {'threads':>8} {'CPU ms a frame':>15}")
    with tempfile.TemporaryDirectory() as folder:
        for number in count():
            if monotonic() > end:
                break
            clip, before = arguments.clip[number % len(arguments.clip)], process_time()
            visit = _demo_visit if number % 2 else _webcam_visit
            frames = visit(device, clip, BACKGROUNDS[number % len(BACKGROUNDS)], arguments.frames, Path(folder))
            rows.append({"visit": number, "frames": frames, **resources(os.getpid())})
            rows[-1]["cpu_ms"] = round(1000 * (process_time() - before) / frames, 1)
            total = sum(row["frames"] for row in rows)
            figures = rows[-1]["mb"], rows[-1]["files"], rows[-1]["threads"], rows[-1]["cpu_ms"]
            print("{:>5} {:>7} {:>6} {:>6} {:>8} {:>15}".format(number, total, *figures), flush=True)
    verdict = _verdict(rows)
    print(json.dumps(verdict))
    if arguments.out:
        Path(arguments.out).write_text(json.dumps({**verdict, "visits": rows}, indent=1), encoding="utf-8")
    return 0 if verdict["files_grown"] <= 0 and verdict["threads_grown"] <= 0 else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("clip", nargs="+", help="a video that plays as the camera")
    parser.add_argument("--minutes", type=float, default=10, help="how long; default: 10")
    parser.add_argument("--frames", type=int, default=150, help="of a visit; default: 150, five seconds of a camera")
    parser.add_argument("--out", metavar="FILE", help="write the figures in JSON")
    return parser.parse_args()


def _frames(clip: str, clock: FastClock, count: int) -> Iterator[Frame]:
    """That many frames of a clip of 8-bit 4:2:0, looped, a thirtieth of a second apart."""
    while clock.frames < count:
        with VideoReader(clip) as reader:
            for item in reader:
                if isinstance(item, Frame) and clock.frames < count:
                    clock.frames += 1
                    yield replace(item, pts=clock.pts(), time_base=LIVE_TIME_BASE)


def _webcam_visit(shared: SharedDevice, clip: str, background: str, count: int, folder: Path) -> int:
    clock, settings = FastClock(), LiveSettings(background)
    path = folder / "visit.mp4"
    target = recording_target(str(path), LIVE_FORMAT, Encoding(), sound=True)
    output = recorder = None
    done = 0
    with LivePipeline(shared.open(settings), settings, clock) as pipeline:
        for frame in _frames(clip, clock, count):
            if recorder is None:
                output, recorder = recording(target, shape_of(frame), FPS, True, clock, print, sound=True)
            pipeline.put(frame)
            composite = pipeline.get(TIMEOUT_S)
            assert composite is not None and output is not None
            recorder.hear(_silence(frame.time))
            recorder.write(composite.frame)
            done += 1
    assert output is not None
    output.close()
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == done and container.streams.audio
    path.unlink()
    return done


def _silence(time: float) -> Sound:
    frame = av.AudioFrame.from_ndarray(np.zeros((1, SOUND_RATE // FPS), np.int16), "s16", "mono")
    frame.sample_rate = SOUND_RATE
    return Sound(frame, time)


def _demo_visit(shared: SharedDevice, clip: str, background: str, count: int, folder: Path) -> int:
    changes: dict[int, dict[str, Any]] = {
        count // 4: {"background": "Colour", "colour": "#204080"},
        count // 2: {"view": "Matte", "speed": "fast"},
        3 * count // 4: {"subject": [{"x": 0.5, "y": 0.5, "keep": True}]},
    }
    values: dict[str, Any] = {"background": "Blur"}
    session, done = LiveSession(shared, Choices.parse(values)), 0
    session.clock = clock = FastClock()
    session.pipeline.clock = clock
    for number, frame in enumerate(_frames(clip, clock, count)):
        if number in changes:
            values |= changes[number]
            session.change(Choices.parse(values), None)
            session.pipeline.clock = clock
        session.pipeline.put(frame)
        assert session.get(TIMEOUT_S) is not None
        done += 1
    session.close()
    return done


def resources(pid: int) -> dict[str, Any]:
    """Of a process: resident size in MB, open descriptors, threads."""
    process = psutil.Process(pid)
    with process.oneshot():
        megabytes = process.memory_info().rss >> 20
        return {"mb": megabytes, "files": process.num_fds(), "threads": process.num_threads()}


def _verdict(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What has grown from the second quarter of the visits, when everything was loaded, to the last quarter."""
    quarter = max(1, len(rows) // 4)
    early, late = rows[quarter : 2 * quarter] or rows, rows[-quarter:]
    frames = sum(row["frames"] for row in rows)
    grown = {f"{name}_grown": max(r[name] for r in late) - max(r[name] for r in early) for name in ("files", "threads")}
    megabytes = [round(float(np.median([row["mb"] for row in part])), 1) for part in (early, late)]
    return (
        {"visits_made": len(rows), "frames": frames, "camera_minutes": round(frames / FPS / 60, 1)}
        | grown
        | {
            "mb_second_quarter": megabytes[0],
            "mb_last_quarter": megabytes[1],
        }
    )


if __name__ == "__main__":
    sys.exit(main())
