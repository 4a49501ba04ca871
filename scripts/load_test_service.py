"""``streamseg serve`` under load: 50 clients with pictures, clips and live frames. Does anything fail or leak?

    python scripts/load_test_service.py                    # five minutes
    python scripts/load_test_service.py --seconds 30

Starts a server of its own, with a token and its usual limits, and measures the memory, descriptors and threads of its
process before (after one request of each kind) and after (when all clients have gone). Clients that are told to come
again (429) do so. Exits with 1 if there was a 5xx or another failure, or if descriptors or threads are left.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import random
import re
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from fractions import Fraction
from pathlib import Path

import av
import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
# Of a hundred clients.
SHARES = {"picture": 60, "clip": 20, "live": 20}
LIVE_FPS = 15
# An answer under load takes its time; one that takes longer than this counts as failed.
PATIENCE_S = 180


class Server:
    """The server's process."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.token = secrets.token_urlsafe(16)
        command = [sys.executable, "-m", "streamseg.pipelines.cli", "serve", "--port", str(self.port)]
        environment = {**os.environ, "TMPDIR": str(folder), "STREAMSEG_TOKEN": self.token}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert self.process.stdout is not None
        assert "http" in self.process.stdout.readline(), "the server does not start"

    def end(self) -> int:
        """SIGTERM; gives the exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def figures(self) -> dict[str, float]:
        """Memory in MB, descriptors, threads, processor seconds."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        ticks = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[11:13]
        return {
            "memory (MB)": int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024,
            "descriptors": len(list(Path(f"/proc/{self.process.pid}/fd").iterdir())),
            "threads": int(re.search(r"Threads:\s+(\d+)", status)[1]),
            "processor (s)": sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"),
        }


class Load:
    """The clients, and what became of their requests."""

    def __init__(self, server: Server, seconds: float) -> None:
        self.server, self.end = server, time.monotonic() + seconds
        self.statuses: Counter[tuple[str, str]] = Counter()
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.frames_sent = 0
        self.http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{server.port}",
            headers={"Authorization": f"Bearer {server.token}"},
            timeout=PATIENCE_S,
            limits=httpx.Limits(max_connections=None),
            trust_env=False,
        )
        self.picture, self.clip = picture(), clip()

    async def run(self, kind: str, once: bool = False) -> None:
        """One client, until the time is over."""
        act: Callable[[], Awaitable[str]] = getattr(self, f"_{kind}")
        while True:
            started = time.monotonic()
            try:
                status = await act()
            except (httpx.HTTPError, OSError, TimeoutError, ConnectionClosed) as error:
                status = type(error).__name__
            self.statuses[kind, status] += 1
            if status in ("200", "done"):
                self.seconds[kind].append(time.monotonic() - started)
            if once or time.monotonic() > self.end:
                return
            if status == "429":
                await asyncio.sleep(random.uniform(1, 5))  # noqa: S311

    async def _picture(self) -> str:
        bg = random.choice(["transparent", "blur", "matte", "#00b140"])  # noqa: S311
        return str((await self.http.post("/v1/images", files={"image": self.picture}, data={"bg": bg})).status_code)

    async def _clip(self) -> str:
        accepted = await self.http.post("/v1/clips", files={"clip": self.clip}, data={"speed": "fast"})
        if accepted.status_code != 202:
            return str(accepted.status_code)
        job, last = accepted.headers["location"], ""
        async with self.http.stream("GET", f"{job}/events") as events:
            async for line in events.aiter_lines():
                last = line.removeprefix("event: ") if line.startswith("event: ") else last
        if last == "done":
            result = await self.http.get(f"{job}/result")
            last = last if result.status_code == 200 and result.content else f"result {result.status_code}"
        await self.http.delete(job)
        return last

    async def _live(self) -> str:
        """Frames at the rate of a camera for ten seconds; each answer counts."""
        address = f"ws://127.0.0.1:{self.server.port}/v1/live?format=jpeg"
        token = {"Authorization": f"Bearer {self.server.token}"}
        try:
            async with connect(address, additional_headers=token, proxy=None, open_timeout=PATIENCE_S) as live:
                answers = asyncio.create_task(self._answers(live))
                for _ in range(10 * LIVE_FPS):
                    await live.send(self.picture)
                    self.frames_sent += 1
                    await asyncio.sleep(1 / LIVE_FPS)
                answers.cancel()
        except InvalidStatus as error:
            return str(error.response.status_code)
        return "done"

    async def _answers(self, live: object) -> None:
        async for _ in live:  # type: ignore[attr-defined]
            self.statuses["live frame", "answered"] += 1

    @property
    def failures(self) -> list[str]:
        """What must not be."""
        fine = {"200", "429", "done", "answered"}
        return [
            f"{kind}: {status} ({count} times)" for (kind, status), count in self.statuses.items() if status not in fine
        ]

    def table(self) -> str:
        """Requests by kind and status, and how long those took that were served."""
        lines = [f"{'':12}{'status':>10}{'count':>8}{'median (s)':>12}{'95 % (s)':>10}"]
        for (kind, status), count in sorted(self.statuses.items()):
            times = sorted(self.seconds[kind]) if status in ("200", "done") else []
            spread = f"{statistics.median(times):12.2f}{times[int(0.95 * (len(times) - 1))]:10.2f}" if times else ""
            lines.append(f"{kind:12}{status:>10}{count:8}{spread}")
        return "\n".join([*lines, f"live frames sent: {self.frames_sent}"])


def picture() -> bytes:
    """A frame of the sample clip as JPEG, 640×480."""
    file = io.BytesIO()
    with av.open(str(SAMPLES / "clip.mp4")) as container:
        next(container.decode(video=0)).to_image().save(file, "JPEG", quality=85)
    return file.getvalue()


def clip() -> bytes:
    """A second of the sample clip, 320×240."""
    file = io.BytesIO()
    with av.open(str(SAMPLES / "clip.mp4")) as source, av.open(file, "w", "matroska") as target:
        stream = target.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number, frame in zip(range(24), source.decode(video=0), strict=False):
            small = frame.reformat(320, 240, "yuv420p")
            small.pts, small.time_base = number, Fraction(1, 24)
            target.mux(stream.encode(small))
        target.mux(stream.encode(None))
    return file.getvalue()


async def measure(server: Server, clients: int, seconds: float) -> tuple[Load, dict[str, float], dict[str, float]]:
    """The load, and the server's figures before and after it."""
    first = Load(server, 0)
    async with first.http:
        for kind in SHARES:
            await first.run(kind, once=True)
    before = server.figures()
    load = Load(server, seconds)
    async with load.http:
        kinds = [kind for kind, share in SHARES.items() for _ in range(round(clients * share / 100))]
        await asyncio.gather(*map(load.run, kinds))
    await asyncio.sleep(8)  # for connections that are kept alive, and for what the pipelines free
    return load, before, server.figures()


def main() -> int:
    """Run, print, and give the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=300.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        try:
            load, before, after = asyncio.run(measure(server, arguments.clients, arguments.seconds))
        finally:
            status = server.end()
        left = [str(path) for path in Path(folder).rglob("*")]
    print(f"{arguments.clients} clients, {arguments.seconds:g} s, load of the machine {os.getloadavg()[0]:.1f}\n")
    print(load.table(), f"\n{'':16}{'before':>10}{'after':>10}", sep="\n")
    for name in before:
        print(f"{name:16}{before[name]:10.1f}{after[name]:10.1f}")
    failures = load.failures
    failures += [
        f"{name}: {before[name]:g} → {after[name]:g}"
        for name in ("descriptors", "threads")
        if after[name] > before[name] + 4
    ]
    failures += [f"files left: {left}"] if left else []
    failures += [f"exit status {status}"] if status else []
    print("\n" + ("\n".join(f"FAILED {each}" for each in failures) or "no failures"))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
