"""The service on a free port: real requests, over real connections; pictures and clips made here."""

from __future__ import annotations

import asyncio
import io
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from threading import Thread
from typing import Any

import av
import httpx
import numpy as np
import pytest
from PIL import Image
from streamseg.pipelines import Segmenter
from streamseg.pipelines.serve.server import open_server
from streamseg.pipelines.serve.service import Service
from streamseg.pipelines.serve.settings import ServiceSettings
from websockets.sync.client import connect

from streamseg.media.reading.restriction import restricted_inputs


class Clock:
    """A clock that goes when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Running:
    """A service that runs, and a client."""

    def __init__(self, service: Service, port: int, clock: Clock) -> None:
        self.service, self.port, self.clock = service, port, clock
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False)

    def live(self, query: str = "", **options: Any) -> Any:
        return connect(f"ws://127.0.0.1:{self.port}/v1/live{query}", proxy=None, max_size=None, **options)

    def files(self) -> list[Path]:
        return [path for path in self.service.folder.rglob("*") if path.is_file()]

    def events(self, job: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Server-sent events: name and data."""
        with self.client.stream("GET", f"/v1/clips/{job}/events") as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            name = ""
            for line in response.iter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                if line.startswith("data: "):
                    yield name, json.loads(line.removeprefix("data: "))

    def finish(self, job: str) -> dict[str, Any]:
        """Wait for a job's end; gives its last event."""
        return list(self.events(job))[-1][1]


@pytest.fixture(scope="session")
def segmenter() -> Segmenter:
    """One network for all services."""
    return Segmenter(variants="both")


@pytest.fixture(scope="session")
def start(segmenter, tmp_path_factory) -> Callable[..., Any]:
    """Starts a service with settings; a context manager."""

    @contextmanager
    def running(**settings: Any) -> Iterator[Running]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port, clock = listener.getsockname()[1], Clock()
            chosen = ServiceSettings(port=port, **settings)
            service = Service(chosen, tmp_path_factory.mktemp("service"), clock, segmenter)
            server = open_server(service)
            with restricted_inputs(chosen.max_pixels):
                thread = Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
                thread.start()
                try:
                    with (found := Running(service, port, clock)).client:
                        yield found
                finally:
                    server.should_exit = True
                    thread.join()
                    service.close()
            assert found.files() == [], "the service left files behind"

    return running


@pytest.fixture(scope="module")
def running(start) -> Iterator[Running]:
    """One service for all tests of a module."""
    with start(max_upload_mb=4, max_pixels=700 * 500) as found:
        yield found


@pytest.fixture(scope="session")
def photo(sample_clip) -> Image.Image:
    """A frame of the sample clip, small."""
    with av.open(str(sample_clip)) as container:
        return next(container.decode(video=0)).to_image().resize((320, 240))


@pytest.fixture(scope="session")
def encoded(photo) -> Callable[..., bytes]:
    """An image as the bytes of a file."""

    def encode(kind: str = "PNG", image: Image.Image = photo, **options: Any) -> bytes:
        file = io.BytesIO()
        image.save(file, kind, **options)
        return file.getvalue()

    return encode


@pytest.fixture(scope="session")
def clip_with_sound(tmp_path_factory, sample_clip) -> Path:
    """A clip of 12 frames, 160×120, with half a second of sound."""
    path = tmp_path_factory.mktemp("sound") / "clip.mp4"
    with av.open(str(sample_clip)) as source, av.open(str(path), "w") as target:
        video, audio = target.add_stream("libx264", rate=24), target.add_stream("aac", rate=48000)
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        for number, frame in zip(range(12), source.decode(video=0), strict=False):
            small = frame.reformat(160, 120, "yuv420p")
            small.pts, small.time_base = number, Fraction(1, 24)
            target.mux(video.encode(small))
        tone = np.sin(np.arange(24000) * 0.05).astype(np.float32)[None] / 2
        sound = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
        sound.sample_rate, sound.pts, sound.time_base = 48000, 0, Fraction(1, 48000)
        target.mux(audio.encode(sound))
        target.mux(video.encode(None))
        target.mux(audio.encode(None))
    return path
