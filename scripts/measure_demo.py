"""Measure the demo in a browser: frames a second that the page shows, and glass-to-glass latency.

A headless Chromium plays a clip as its camera; each frame has its number on it, as a row of black and white squares.
The number is read from both videos of the page, camera and result, as a frame is presented: the difference of the two
times is the delay of the composite behind its camera frame. "hops" says where the time goes, in ms a frame: what
the browser and the server measure of their own work (means), and the rest: the camera's queue, and decoding at the
server. "rates" says where frames are lost: how many a second each of them handled.

python scripts/measure_demo.py CLIP [SECONDS]    # needs the extras demo and test, and Debian's chromium
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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
# Keeps the connection, and what the server says of itself.
_KEEP = """() => {
  const Real = RTCPeerConnection;
  window.RTCPeerConnection = class extends Real {
    constructor(...all) { super(...all); window.connection = this; window.server = []; }
    createDataChannel(...all) {
      const channel = super.createDataChannel(...all);
      channel.addEventListener("message", ({ data }) => {
        const figures = JSON.parse(data);
        if ("age_ms" in figures) window.server.push(figures);
      });
      return channel;
    }
  };
}"""
# Sums of the connection up to now, in seconds and frames.
_SUMS = """async () => {
  const sums = { at: performance.now() / 1000 };
  (await window.connection.getStats()).forEach((item) => {
    if (item.type === "outbound-rtp") Object.assign(sums, {
      sent: item.framesEncoded, encoding: item.totalEncodeTime, packets: item.packetsSent,
      leaving: item.totalPacketSendDelay || 0 });
    if (item.type === "inbound-rtp") Object.assign(sums, {
      received: item.framesReceived, decoded: item.framesDecoded, decoding: item.totalDecodeTime,
      buffered: item.jitterBufferDelay, emitted: item.jitterBufferEmittedCount });
    if (item.type === "candidate-pair" && item.nominated) sums.trip = item.currentRoundTripTime;
  });
  return sums;
}"""
# Presented frames of each video, as [number, times of presentation, of capture and of arrival in ms or 0, how many were
# presented up to then]: the browser does not call for each.
_RECORD = (
    """() => {
  const presented = window.presented = { camera: [], result: [] };
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
      presented[part].push([number, metadata.expectedDisplayTime, metadata.captureTime || 0,
        metadata.receiveTime || 0, metadata.presentedFrames]);
      video.requestVideoFrameCallback(onFrame);
    };
    video.requestVideoFrameCallback(onFrame);
  }
}""".replace("BITS", str(BITS))
    .replace("SQUARE", str(SQUARE))
    .replace("WIDTH", str(WIDTH))
)


def main(clip: str, seconds: float) -> None:
    """Print the figures as JSON.

    Args:
        clip: path of a video.
        seconds: to measure, after as many of warm-up.
    """
    with tempfile.TemporaryDirectory() as folder:
        camera = Path(folder) / "camera.mjpeg"
        write_camera(clip, camera)
        with demo_server(folder) as (url, _):
            print(json.dumps(measure(url, camera, seconds)))


@contextmanager
def demo_server(folder: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A demo of its own, with its files in ``folder``: its address and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    # -P: see streamseg.pipelines.bench.cold_start.
    command = [sys.executable, "-P", "-m", "streamseg.pipelines.cli", "demo", "--port", port]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": folder})
    try:
        assert server.stdout is not None
        server.stdout.readline()
        yield f"http://127.0.0.1:{port}/", server
    finally:
        server.terminate()
        server.wait()


def browser_flags(camera: Path) -> list[str]:
    """Of a Chromium that plays a Motion JPEG file as its camera."""
    return [*_FLAGS, f"--use-file-for-fake-video-capture={camera}"]


def write_camera(clip: str, path: Path) -> None:
    """Write 2**BITS numbered frames as Motion JPEG; ``clip`` is repeated if it is shorter."""
    with av.open(clip) as source:
        frames = [frame.to_ndarray(width=WIDTH, height=HEIGHT, format="rgb24") for frame in source.decode(video=0)]
    with av.open(str(path), "w") as target:
        stream = target.add_stream("mjpeg", rate=FPS, options={"qscale": "3"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        for number in range(2**BITS):
            rgb = frames[number % len(frames)].copy()
            for bit in range(BITS):
                rgb[:SQUARE, bit * SQUARE : (bit + 1) * SQUARE] = 255 * (number >> bit & 1)
            frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format="yuvj420p", dst_color_range=2)
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))


def measure(url: str, camera: Path, seconds: float) -> dict[str, Any]:
    """Figures of the page over ``seconds``, after as many seconds of warm-up."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=browser_flags(camera))
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        page.add_init_script(f"({_KEEP})()")
        page.goto(url)
        page.locator("#blur input[type=number]").fill("0.05")  # hardly any, so that the squares stay legible
        page.locator("#blur input[type=number]").press("Enter")
        page.click('[data-part="start"]')
        page.wait_for_selector('.live-view[data-state="live"]', timeout=60_000)
        page.wait_for_timeout(1000 * seconds)
        page.evaluate(_RECORD)
        before = page.evaluate(_SUMS)
        page.wait_for_timeout(1000 * seconds)
        after, server = page.evaluate(_SUMS), page.evaluate("window.server")
        presented = page.evaluate("window.presented")
        shown = page.evaluate("({ ...document.querySelector('.live-view').dataset })")
        width = page.evaluate("document.querySelector('[data-part=result]').videoWidth")
        browser.close()
    page_figures = {name: shown[name] for name in ("fps", "latency")}
    values = figures(presented["camera"], presented["result"])
    where = hops(before, after, server[len(server) // 2 :], presented["result"], values.get("since_capture_ms_50"))
    many = {**rates(before, after, server[len(server) // 2 :]), "shown": values["shown_fps"]}
    return {**values, "hops": where, "rates": many, "page": page_figures, "width": width}


def rates(before: dict[str, float], after: dict[str, float], server: list[dict[str, float]]) -> dict[str, float]:
    """Frames a second at each hop, in the order in which frames pass them."""

    def of(count: str) -> float:
        return (after[count] - before[count]) / (after["at"] - before["at"])

    values = {
        "browser encoded": of("sent"),
        "server received": float(np.mean([figures["arrived_fps"] for figures in server])),
        "seen by the network": float(np.mean([figures["network_fps"] for figures in server])),
        "browser received": of("received"),
        "browser decoded": of("decoded"),
    }
    return {name: round(value, 1) for name, value in values.items()}


def hops(
    before: dict[str, float],
    after: dict[str, float],
    server: list[dict[str, float]],
    result: list[list[float]],
    total: float | None,
) -> dict[str, float]:
    """Milliseconds a frame from hop to hop, see above; ``total`` is from capture to presentation."""

    def each(time: str, count: str) -> float:
        return 1000 * (after[time] - before[time]) / max(1, after[count] - before[count])

    shown = [presented - received for _, presented, _, received, _ in result if received]
    inside = each("buffered", "emitted") + each("decoding", "decoded")
    values = {
        "browser encodes": each("encoding", "sent"),
        "browser sends": each("leaving", "packets"),
        "network, there and back": 1000 * after.get("trip", 0),
        "server: queue and matte": float(np.mean([figures["age_ms"] for figures in server])),
        "server: encodes and sends": float(np.mean([figures["sending_ms"] for figures in server])),
        "browser: jitter buffer": each("buffered", "emitted"),
        "browser decodes": each("decoding", "decoded"),
        "browser paints": max(0.0, float(np.mean(shown)) - inside) if shown else 0.0,
    }
    if total is not None:
        values["rest"] = total - sum(values.values())
    return {name: round(value, 1) for name, value in values.items()}


def figures(camera: list[list[float]], result: list[list[float]]) -> dict[str, float]:
    """Frame rates, and delays in ms: medians and 95th percentiles.

    Each frame of the result is compared with the newest camera frame of the same number that was presented before it.
    """
    delays, since_capture = [], []
    for number, presented, *_ in result:
        matches = [(at, captured) for other, at, captured, *_ in camera if other == number and at <= presented + 1]
        if matches and presented - matches[-1][0] < 1000 * 2**BITS / FPS / 2:
            at, captured = matches[-1]
            delays.append(presented - at)
            if captured:
                since_capture.append(presented - captured)
    values: dict[str, float] = {
        "shown_fps": _fps(result),
        "camera_fps": _fps(camera),
        "frames": len(result),
        "matched": len(delays),
    }
    for name, milliseconds in (("behind_camera_ms", delays), ("since_capture_ms", since_capture)):
        if milliseconds:
            values |= {f"{name}_{q}": round(float(np.percentile(milliseconds, q)), 1) for q in (50, 95)}
    return values


def _fps(presented: list[list[float]]) -> float:
    return round((presented[-1][4] - presented[0][4]) / ((presented[-1][1] - presented[0][1]) / 1000), 1)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 15.0)
