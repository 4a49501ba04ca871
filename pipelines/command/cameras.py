"""``streamseg cameras``: the cameras of this machine with their sizes, formats and frame rates, and its microphones."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

__all__ = ["add_cameras", "run_cameras"]


def add_cameras(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--width", type=int, help="mark what would be opened for this width; default: 1280")
    parser.add_argument("--height", type=int, help="the same for this height; default: 720")
    parser.add_argument("--fps", type=float, help="the same for these frames per second; default: 30")
    parser.add_argument("--json", action="store_true", help="print them in JSON")


def run_cameras(arguments: argparse.Namespace) -> int:
    """``streamseg cameras``: gives the exit status, 0 also where there is none."""
    from streamseg.media.live.microphone import microphone_names
    from streamseg.media.live.modes import CameraRequest

    microphones = [{"name": name, "description": text} for name, text in microphone_names()]
    found = _found(CameraRequest(arguments.width, arguments.height, arguments.fps))
    if arguments.json:
        print(json.dumps({"cameras": found, "microphones": microphones}, indent=2, ensure_ascii=False))
    else:
        none = "this machine has no camera, or does not show it to this user"
        print("\n".join(line for camera in found for line in _lines(camera)) or none)
        for each in microphones:
            print(f"microphone {each['name']}  {each['description']}")
    return 0


def _found(wanted: Any) -> list[dict[str, Any]]:
    from streamseg.media.live.devices import camera_devices, camera_modes
    from streamseg.media.live.modes import choose_mode

    cameras = []
    for device in camera_devices():
        modes = camera_modes(device.name)
        chosen = choose_mode(modes, wanted)
        entries = [{**asdict(mode), "chosen": mode == chosen} for mode in modes]
        cameras.append({"name": device.name, "description": device.description, "modes": entries})
    return cameras


def _lines(camera: dict[str, Any]) -> Iterator[str]:
    yield f"{camera['name']}  {camera['description']}"
    modes = camera["modes"]
    for mode in modes:
        rates = [f"{rate:g}" for rate in mode["fps"]]
        text = f"{rates[-1]} to {rates[0]}" if mode["is_range"] else ", ".join(rates)
        size = f"{mode['width']}×{mode['height']}"
        line = f"  {'*' if mode['chosen'] else ' '} {mode['pixel_format']:<8} {size:>9}  {text and text + ' fps'}"
        yield line.rstrip()
    yield "    * is what webcam opens" if modes else "    does not tell its modes"
