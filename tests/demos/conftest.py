"""The demo in a process of its own, and Chromium with a clip as its camera."""

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
from itertools import islice
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
_WINDOW = {"width": 1280, "height": 860}


class Demo:
    """A running ``streamseg demo``."""

    def __init__(self, process: subprocess.Popen[str], port: int, folder: Path) -> None:
        self.process, self.port, self.folder = process, port, folder
        self.url = f"http://127.0.0.1:{port}/"

    def connections(self) -> int:
        """Number of UDP sockets of the process: one or more for each WebRTC connection, none without."""
        inodes = set()
        for descriptor in Path(f"/proc/{self.process.pid}/fd").iterdir():
            try:
                inodes.add(str(descriptor.readlink()).removeprefix("socket:[").removesuffix("]"))
            except OSError:
                continue
        tables = [Path(f"/proc/net/{name}").read_text(encoding="utf-8").splitlines()[1:] for name in ("udp", "udp6")]
        return sum(line.split()[9] in inodes for table in tables for line in table)

    def status(self, name: str) -> int:
        """A number of /proc/PID/status: VmRSS in kB, Threads."""
        text = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(re.search(rf"^{name}:\s+(\d+)", text, re.M)[1])

    def wakes(self) -> int:
        """How often its threads have gone to sleep since they started."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        texts = [(task / "status").read_text(encoding="utf-8") for task in tasks]
        return sum(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.M)[1]) for text in texts)

    def stop(self) -> None:
        """End the server as a service manager does; what it leaves is checked where it was started."""
        self.process.send_signal(signal.SIGTERM)

    def stored_files(self) -> list[Path]:
        """The visitors' files on the disk."""
        return [path for path in self.folder.rglob("*") if path.is_file()]


@pytest.fixture(scope="session")
def until() -> Callable[..., Any]:
    """Calls a function until its result is true, and returns that; fails after a time limit."""

    def wait(condition: Callable[[], Any], seconds: float = 20) -> Any:
        end = time.monotonic() + seconds
        while not (result := condition()):
            assert time.monotonic() < end, f"not true after {seconds:g} seconds"
            time.sleep(0.05)
        return result

    return wait


@contextmanager
def running_demo(folder: Path, *options: object) -> Iterator[Demo]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-P", "-m", "streamseg.pipelines.cli", "demo", "--port", str(port), *map(str, options)]
    environment = {**os.environ, "TMPDIR": str(folder)}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd=folder
    )
    demo = Demo(process, port, folder)
    try:
        line = process.stdout.readline()
        assert f"http://127.0.0.1:{port}" in line, line + (process.stdout.read() if process.poll() is not None else "")
        yield demo
    finally:
        if process.poll() is None:
            demo.stop()
        output = process.communicate(timeout=60)[0]
        print(output)
    assert process.returncode == 0, output
    assert "Traceback" not in output, output
    assert list(folder.iterdir()) == [], "the server left files behind"


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of Chromium; skips without it, or where /proc cannot be read."""
    pytest.importorskip("playwright", reason="Playwright is not installed")
    if not sys.platform.startswith("linux"):
        pytest.skip("reads /proc: Linux only")
    path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if path is None:
        pytest.skip("Chromium is not installed; on Debian: apt-get install chromium")
    return path


@pytest.fixture(scope="session")
def playwright(chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def person(tmp_path_factory) -> Path:
    """Frames for the camera: a person where the test data are installed, else the sample clip.

    320×240 at 15 frames a second: browser, server and tests share the cores.
    """
    recording = Path(__file__).resolve().parents[3] / "shared" / "data" / "people" / "asl-book-640x480.mkv"
    path = tmp_path_factory.mktemp("camera") / "camera.y4m"
    with (
        av.open(str(recording if recording.exists() else SAMPLES / "clip.mp4")) as clip,
        av.open(str(path), "w", format="yuv4mpegpipe") as camera,
    ):
        stream = camera.add_stream("wrapped_avframe", rate=15)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number, frame in enumerate(islice(clip.decode(video=0), 0, None, 2)):
            small = frame.reformat(320, 240, "yuv420p", dst_color_range=1)
            small.pts, small.time_base = number, Fraction(1, 15)
            camera.mux(stream.encode(small))
        camera.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def open_browser(playwright, chromium, person, tmp_path_factory) -> Callable[..., Any]:
    """Starts Chromium, by default with a camera that plays ``person``; the page's code is kept for the next page.

    Gives its BrowserContext.
    """

    def start(*flags: str, camera: bool = True):
        device = ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={person}"] if camera else []
        arguments = [*_FLAGS, *device, "--use-fake-ui-for-media-stream", *flags]
        return playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"), executable_path=chromium, args=arguments, viewport=_WINDOW
        )

    return start


@pytest.fixture(scope="session")
def browser(open_browser):
    running = open_browser()
    yield running
    running.close()


@pytest.fixture(scope="session")
def start_demo(chromium, tmp_path_factory):
    """Starts a server with command-line options, in a folder of its own."""
    return lambda *options: running_demo(tmp_path_factory.mktemp("demo"), *options)


@pytest.fixture(scope="session")
def demo(start_demo):
    """One server for all tests that need no other."""
    with start_demo() as running:
        yield running


@contextmanager
def opened_pages(default_browser, default_demo):
    """Opens pages of the demo and closes them; fails on JavaScript errors. ``new.hosts``: the hosts of all requests."""
    opened, errors = [], []

    def new(demo=default_demo, browser=default_browser):
        page = browser.new_page()
        opened.append(page)
        page.on("console", lambda message: message.type == "error" and errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: new.hosts.add(urlsplit(request.url).netloc))
        page.goto(demo.url)
        page.wait_for_selector('[data-part="start"]')
        return page

    new.hosts, new.errors = set(), errors
    yield new
    for page in opened:
        page.close()
    assert errors == []


@pytest.fixture
def new_page(browser, demo):
    """Opens pages, see opened_pages."""
    with opened_pages(browser, demo) as new:
        yield new


@pytest.fixture(scope="module")
def running_page(browser, demo, start_camera):
    """A page whose camera runs, for the tests of a module: opening one takes seconds. See live_page."""
    with opened_pages(browser, demo) as new:
        page = new()
        page.click('#gallery label[data-testid="Colour-radio-label"]')
        assert start_camera(page) == "live"
        yield page, new.errors


@pytest.fixture
def live_page(running_page):
    """A page whose camera runs, over green; afterwards it is put back as it was."""
    page, errors = running_page
    yield page
    page.evaluate("document.fullscreenElement && document.exitFullscreen()")
    if page.is_visible('[data-part="all"]'):
        page.click('[data-part="all"]')
    if page.get_attribute('[data-part="compare"]', "aria-pressed") == "true":
        page.click('[data-part="compare"]')
    for group, name in (("view", "Result"), ("gallery", "Colour")):
        page.click(f'#{group} label[data-testid="{name}-radio-label"]')
    assert errors == []


@pytest.fixture(scope="session")
def start_camera():
    """Starts the camera and waits for the first composite; returns the state of the live view: live or still."""

    def start(page):
        page.click('[data-part="start"]')
        page.wait_for_selector('.live-view[data-state="live"], .live-view[data-state="still"]', timeout=60_000)
        return page.get_attribute(".live-view", "data-state")

    return start


# Mean colour [red, green, blue], each 0 to 255, of a part of a video or an image; x, y, width, height are in 0 to 1.
_COLOUR = """([selector, x, y, w, h]) => {
  const media = document.querySelector(selector);
  const width = media.videoWidth || media.naturalWidth, height = media.videoHeight || media.naturalHeight;
  if (!width) return null;
  const canvas = Object.assign(document.createElement("canvas"), { width: 32, height: 32 });
  const context = canvas.getContext("2d");
  context.drawImage(media, x * width, y * height, w * width, h * height, 0, 0, 32, 32);
  const data = context.getImageData(0, 0, 32, 32).data, sum = [0, 0, 0];
  for (let i = 0; i < data.length; i++) if (i % 4 < 3) sum[i % 4] += data[i] / 1024;
  return sum;
}"""


@pytest.fixture(scope="session")
def colour_of():
    """The mean colour of a part of a video or an image on the page; None before its first frame."""
    return lambda page, selector, *part: page.evaluate(_COLOUR, [selector, *part])


@pytest.fixture
def small_clip(tmp_path) -> Path:
    """A video of 12 frames, 320×240, for uploads."""
    path = tmp_path / "small.mp4"
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
    """The folder samples/."""
    return SAMPLES
