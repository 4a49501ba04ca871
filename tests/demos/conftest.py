"""The demo in a process of its own, and a real Chromium whose camera plays a real clip."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import pytest

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--allow-loopback-in-peer-connection",
]


class Demo:
    """``streamseg demo`` as a user runs it."""

    def __init__(self, process: subprocess.Popen[str], port: int, folder: Path) -> None:
        self.process, self.port, self.folder = process, port, folder
        self.url = f"http://127.0.0.1:{port}/"

    def connections(self) -> int:
        """UDP sockets of the process: one or more for each WebRTC connection, none without."""
        inodes = set()
        for descriptor in Path(f"/proc/{self.process.pid}/fd").iterdir():
            try:
                inodes.add(str(descriptor.readlink()).removeprefix("socket:[").removesuffix("]"))
            except OSError:
                continue
        tables = [Path(f"/proc/net/{name}").read_text().splitlines()[1:] for name in ("udp", "udp6")]
        return sum(line.split()[9] in inodes for table in tables for line in table)

    def status(self, name: str) -> int:
        """A number of /proc/PID/status: VmRSS in kB, Threads."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"^{name}:\s+(\d+)", text, re.M)[1])

    def kept(self) -> list[Path]:
        """Files of visitors that are on the disk."""
        return [path for path in self.folder.rglob("*") if path.is_file()]


@pytest.fixture(scope="session")
def until() -> Callable[..., Any]:
    """Waits until a call gives something, and gives that; fails when it does not."""

    def wait(true: Callable[[], Any], seconds: float = 20) -> Any:
        end = time.monotonic() + seconds
        while not (result := true()):
            assert time.monotonic() < end, "it did not come true"
            time.sleep(0.05)
        return result

    return wait


@contextmanager
def running_demo(folder: Path, *options: object) -> Iterator[Demo]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamseg.pipelines.cli", "demo", "--port", str(port), *map(str, options)]
    environment = {**os.environ, "TMPDIR": str(folder)}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd=folder
    )
    try:
        said = process.stdout.readline()
        assert f"http://127.0.0.1:{port}" in said, said + (process.stdout.read() if process.poll() is not None else "")
        yield Demo(process, port, folder)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        rest = process.communicate(timeout=60)[0]
        print(rest)
    assert process.returncode == 0, rest
    assert "Traceback" not in rest, rest
    assert list(folder.iterdir()) == [], "the server left files behind"


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where Chromium is; skips without it, or where /proc cannot be read."""
    pytest.importorskip("playwright", reason="Playwright is not installed")
    if not sys.platform.startswith("linux"):
        pytest.skip("reads /proc: Linux only")
    path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if path is None:
        pytest.skip("no Chromium here; on Debian: apt-get install chromium")
    return path


@pytest.fixture(scope="session")
def playwright(chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def person(tmp_path_factory) -> Path:
    """A camera's pictures, 640×480, of a real person where the test data are there, else the sample clip."""
    real = Path(__file__).resolve().parents[3] / "shared" / "data" / "people" / "asl-book-640x480.mkv"
    path = tmp_path_factory.mktemp("camera") / "camera.mjpeg"
    with av.open(str(real if real.exists() else SAMPLES / "clip.mp4")) as clip, av.open(str(path), "w") as camera:
        stream = camera.add_stream("mjpeg", rate=30, options={"qscale": "3"})
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuvj420p"
        for number, frame in enumerate(clip.decode(video=0)):
            picture = frame.reformat(640, 480, "yuvj420p", dst_color_range=2)
            picture.pts, picture.time_base = number, Fraction(1, 30)
            camera.mux(stream.encode(picture))
        camera.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def open_browser(playwright, chromium, person) -> Callable[..., Any]:
    """Starts a Chromium; with a camera that plays ``person`` unless told otherwise."""

    def start(*flags: str, camera: bool = True):
        fake = ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={person}"] if camera else []
        arguments = [*_FLAGS, *fake, "--use-fake-ui-for-media-stream", *flags]
        return playwright.chromium.launch(executable_path=chromium, args=arguments)

    return start


@pytest.fixture(scope="session")
def browser(open_browser):
    running = open_browser()
    yield running
    running.close()


@pytest.fixture(scope="session")
def start_demo(chromium, tmp_path_factory):
    """Starts a server with options of the command, in a folder of its own."""
    return lambda *options: running_demo(tmp_path_factory.mktemp("demo"), *options)


@pytest.fixture(scope="module")
def demo(start_demo):
    """One server for the tests of a file."""
    with start_demo() as running:
        yield running


@pytest.fixture
def new_page(browser, demo):
    """Opens pages of the demo; fails the test on errors of the page, closes what is left open.

    ``new_page.hosts``: where they loaded anything from.
    """
    opened, complaints = [], []

    def new(demo=demo, browser=browser):
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        opened.append(page)
        page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: new.hosts.add(urlsplit(request.url).netloc))
        page.goto(demo.url)
        page.wait_for_selector('[data-part="start"]')
        return page

    new.hosts = set()
    yield new
    for page in opened:
        page.close()
    assert complaints == []


@pytest.fixture(scope="session")
def start_camera():
    """Clicks the button and waits until pictures come; gives how they come: live or still."""

    def start(page):
        page.click('[data-part="start"]')
        page.wait_for_selector('.stage[data-state="live"], .stage[data-state="still"]', timeout=60_000)
        return page.get_attribute(".stage", "data-state")

    return start


#: The mean colour [red, green, blue] of a part of what the browser shows; x, y, width, height of it are in 0 to 1.
_COLOUR = """([selector, x, y, w, h]) => {
  const picture = document.querySelector(selector);
  const width = picture.videoWidth || picture.naturalWidth, height = picture.videoHeight || picture.naturalHeight;
  if (!width) return null;
  const canvas = Object.assign(document.createElement("canvas"), { width: 32, height: 32 });
  const context = canvas.getContext("2d");
  context.drawImage(picture, x * width, y * height, w * width, h * height, 0, 0, 32, 32);
  const data = context.getImageData(0, 0, 32, 32).data, sum = [0, 0, 0];
  for (let i = 0; i < data.length; i++) if (i % 4 < 3) sum[i % 4] += data[i] / 1024;
  return sum;
}"""


@pytest.fixture(scope="session")
def colour_of():
    """Reads the mean colour of a part of a picture on the page."""
    return lambda page, selector, *part: page.evaluate(_COLOUR, [selector, *part])


@pytest.fixture
def small_clip(tmp_path) -> Path:
    """A short video of ours, as a visitor uploads it."""
    path = tmp_path / "mine.mp4"
    with av.open(str(SAMPLES / "clip.mp4")) as source, av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number, frame in zip(range(12), source.decode(video=0), strict=False):
            small = frame.reformat(320, 240, "yuv420p")
            small.pts, small.time_base = number, Fraction(1, 24)
            target.mux(stream.encode(small))
        target.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def sample_files() -> Path:
    """The folder of samples."""
    return SAMPLES
