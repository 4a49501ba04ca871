"""Small clips with sound, key frames and chapters, and the command run as a user runs it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from streamseg.pipelines import cli
from streamseg.pipelines.batch import command
from streamseg.pipelines.batch.executor import Done, Failed
from streamseg.pipelines.batch.tasks import Task, run_task

from streamseg.errors import StreamsegError

RATE, SOUND_RATE = 24, 48_000


@pytest.fixture(scope="session")
def make_clip(sample_clip: Path) -> Callable[..., Path]:
    """Writes frames of the sample, small, with a key frame every ``key`` frames, and a tone beside them."""

    def make(path: Path, count: int = 6, key: int = 24, size: tuple[int, int] = (160, 90), skip: int = 0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            video: Any = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast", "bf": "2"})
            video.width, video.height, video.pix_fmt = *size, "yuv420p"
            video.gop_size = key
            audio: Any = container.add_stream("aac", rate=SOUND_RATE, layout="mono")
            container.set_chapters(
                [{"id": 1, "start": 0, "end": 1000, "time_base": Fraction(1, 1000), "metadata": {"title": "one"}}]
            )
            for number, frame in enumerate(_frames(sample_clip, count, skip, size)):
                frame.pts, frame.time_base = number, Fraction(1, RATE)
                container.mux(video.encode(frame))
                container.mux(audio.encode(_tone(number)))
            container.mux(video.encode(None))
            container.mux(audio.encode(None))
        return path

    return make


def _frames(source: Path, count: int, skip: int, size: tuple[int, int]) -> Any:
    """As many as are wanted: the sample, and again."""
    given = 0
    while given < count:
        with av.open(str(source)) as container:
            for number, frame in enumerate(container.decode(video=0)):
                if number < skip:
                    continue
                if given == count:
                    return
                given += 1
                yield frame.reformat(*size, "yuv420p")


def _tone(number: int) -> av.AudioFrame:
    samples = SOUND_RATE // RATE
    time = (np.arange(samples) + number * samples) / SOUND_RATE
    frame = av.AudioFrame.from_ndarray(np.sin(2 * np.pi * 440 * time).astype(np.float32)[None], "fltp", "mono")
    frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, number * samples, Fraction(1, SOUND_RATE)
    return frame


class InThisProcess:
    """An Executor without processes: they would take seconds to start."""

    workers = 1

    def __init__(self) -> None:
        self._events: list[Any] = []

    @property
    def free(self) -> int:
        return 1 - len(self._events)

    def submit(self, task: Task) -> None:
        try:
            self._events.append(Done(task, run_task(task, lambda _frames, _expected: None)))
        except StreamsegError as error:
            self._events.append(Failed(task, str(error)))

    def events(self, seconds: float) -> list[Any]:
        given, self._events = self._events, []
        return given

    def stop(self) -> None:
        pass


@pytest.fixture
def batch(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """``streamseg batch --json`` in this process; gives exit status, what was told, and standard error."""
    monkeypatch.setattr(command, "_executor", lambda *_: InThisProcess())

    def run(*arguments: object) -> tuple[int, list[dict[str, Any]], str]:
        capsys.readouterr()
        status = cli.main(["batch", *map(str, arguments), "--json"])
        out, err = capsys.readouterr()
        return status, [json.loads(line) for line in out.splitlines()], err

    return run


def _heed_interrupts() -> None:
    """Whoever runs tests in the background has programs ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def start_batch() -> Any:
    """Starts ``streamseg batch --json`` and gives the process; its standard output is a pipe."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "streamseg.pipelines.cli", "batch", *map(str, arguments), "--json"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(command, text=True, start_new_session=True, preexec_fn=_heed_interrupts, **pipes)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
