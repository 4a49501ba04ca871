"""The demo in a browser for a long time, in real time: one visitor after the other.

A headless Chromium plays a clip as its camera. Every visitor opens the page anew, starts, changes the background now
and then, and stops. Once a minute a line says what the page shows (frames a second and latency) and what the server
holds (resident size, descriptors, threads).

python scripts/soak_demo.py CLIP --minutes 60    # needs the extras demo and test, and Debian's chromium
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from measure_demo import browser_flags, demo_server, write_camera
from playwright.sync_api import Page, sync_playwright
from soak_live import resources

BACKGROUNDS = ("Beach", "Blur", "Lights", "Studio", "Colour")
MINUTE_S = 60


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("clip", help="a video that plays as the camera")
    parser.add_argument("--minutes", type=int, default=60, help="how long; default: 60")
    parser.add_argument("--visit", type=int, default=5, metavar="MINUTES", help="of each visitor; default: 5")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        camera = Path(folder) / "camera.mjpeg"
        write_camera(arguments.clip, camera)
        with demo_server(folder) as (url, process), sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=browser_flags(camera))
            for first in range(0, arguments.minutes, arguments.visit):
                with visitor(browser.new_page(), url) as page:
                    for minute in range(first, min(first + arguments.visit, arguments.minutes)):
                        one_minute(page, minute)
                        print(json.dumps({"minute": minute + 1, **shown(page), **resources(process.pid)}), flush=True)
            browser.close()
    return 0


@contextmanager
def visitor(page: Page, url: str) -> Iterator[Page]:
    page.goto(url)
    page.click('[data-part="start"]')
    page.wait_for_selector('.live-view[data-state="live"]', timeout=60_000)
    yield page
    page.click('[data-part="stop"]')
    page.close()


def one_minute(page: Page, number: int) -> None:
    """Wait for a minute, with a change of the background in its middle."""
    end = monotonic() + MINUTE_S
    page.wait_for_timeout(1000 * MINUTE_S / 2)
    page.get_by_text(BACKGROUNDS[number % len(BACKGROUNDS)], exact=True).first.click()
    page.wait_for_timeout(1000 * max(0.0, end - monotonic()))


def shown(page: Page) -> dict[str, float]:
    figures = page.evaluate("({ ...document.querySelector('.live-view').dataset })")
    return {name: float(figures[name] or "nan") for name in ("fps", "latency")}


if __name__ == "__main__":
    sys.exit(main())
