"""Measure the demo as a visitor sees it: frames a second that the page shows, and milliseconds from glass to glass.

A headless Chromium plays a clip as its camera, each frame with its number on it as a row of black and white squares.
The same squares are read from both pictures of the page as they are presented: the difference of the two times is what
lies between the camera's own picture and the composite of it.

python scripts/measure_demo.py CLIP [SECONDS]    # needs the extras demo and test, and Debian's chromium
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from playwright.sync_api import sync_playwright

WIDTH, HEIGHT, FPS = 640, 480, 30
SQUARE, BITS = 32, 8
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--allow-loopback-in-peer-connection",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
_WATCH = (
    """() => {
  const seen = window.seen = { camera: [], result: [] };
  for (const part of ["camera", "result"]) {
    const video = document.querySelector(`[data-part="${part}"]`);
    const canvas = Object.assign(document.createElement("canvas"), { width: BITS, height: 1 });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const onFrame = (now, metadata) => {
      const scale = video.videoWidth / WIDTH;
      let number = 0;
      context.drawImage(video, 0, 0, BITS * SQUARE * scale, SQUARE * scale, 0, 0, BITS, 1);
      const data = context.getImageData(0, 0, BITS, 1).data;
      for (let bit = 0; bit < BITS; bit++) number |= (data[4 * bit] > 127) << bit;
      seen[part].push([number, metadata.expectedDisplayTime, metadata.captureTime || 0]);
      video.requestVideoFrameCallback(onFrame);
    };
    video.requestVideoFrameCallback(onFrame);
  }
}""".replace("BITS", str(BITS))
    .replace("SQUARE", str(SQUARE))
    .replace("WIDTH", str(WIDTH))
)


def main(clip: str, seconds: float) -> None:
    """Print the figures as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        camera = Path(folder) / "camera.mjpeg"
        write_camera(clip, camera)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        command = [sys.executable, "-m", "streamseg.pipelines.cli", "demo", "--port", port]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": folder})
        try:
            assert server.stdout is not None
            server.stdout.readline()
            print(json.dumps(watch(f"http://127.0.0.1:{port}/", camera, seconds)))
        finally:
            server.terminate()
            server.wait()


def write_camera(clip: str, path: Path) -> None:
    """``clip`` over and over, numbered, as Motion JPEG of 2**BITS frames."""
    with av.open(clip) as source:
        pictures = [frame.to_ndarray(width=WIDTH, height=HEIGHT, format="rgb24") for frame in source.decode(video=0)]
    with av.open(str(path), "w") as target:
        stream = target.add_stream("mjpeg", rate=FPS, options={"qscale": "3"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        for number in range(2**BITS):
            picture = pictures[number % len(pictures)].copy()
            for bit in range(BITS):
                picture[:SQUARE, bit * SQUARE : (bit + 1) * SQUARE] = 255 * (number >> bit & 1)
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuvj420p", dst_color_range=2)
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))


def watch(url: str, camera: Path, seconds: float) -> dict[str, Any]:
    """What the page shows in ``seconds``, after as long to settle."""
    with sync_playwright() as playwright:
        flags = [*_FLAGS, f"--use-file-for-fake-video-capture={camera}"]
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        page.goto(url)
        page.locator("#blur input[type=number]").fill("0.05")  # the squares stay legible in the background
        page.locator("#blur input[type=number]").press("Enter")
        page.click('[data-part="start"]')
        page.wait_for_selector('.stage[data-state="live"]', timeout=60_000)
        page.wait_for_timeout(1000 * seconds)
        page.evaluate(_WATCH)
        page.wait_for_timeout(1000 * seconds)
        seen = page.evaluate("window.seen")
        own = page.evaluate("({ ...document.querySelector('.stage').dataset })")
        size = page.evaluate("document.querySelector('[data-part=result]').videoWidth")
        browser.close()
    return {**figures(seen["camera"], seen["result"]), "page": {k: own[k] for k in ("fps", "latency")}, "width": size}


def figures(camera: list[list[float]], result: list[list[float]]) -> dict[str, float]:
    """Frames a second, and the delay of each result behind the newest camera frame of the same number before it."""
    delays, since_capture = [], []
    for number, shown, _ in result:
        same = [(at, taken) for n, at, taken in camera if n == number and at <= shown + 1]
        if same and shown - same[-1][0] < 1000 * 2**BITS / FPS / 2:
            delays.append(shown - same[-1][0])
            if same[-1][1]:
                since_capture.append(shown - same[-1][1])
    span = (result[-1][1] - result[0][1]) / 1000
    found = {
        "shown_fps": round((len(result) - 1) / span, 1),
        "camera_fps": round((len(camera) - 1) / ((camera[-1][1] - camera[0][1]) / 1000), 1),
        "frames": len(result),
        "matched": len(delays),
    }
    for name, values in (("behind_camera_picture_ms", delays), ("since_capture_ms", since_capture)):
        if values:
            found |= {f"{name}_{q}": round(float(np.percentile(values, q)), 1) for q in (50, 95)}
    return found


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 15.0)
