"""The live view in a real browser as it starts, breaks and ends, and without WebRTC or a camera."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest

SERIOUS = ("serious", "critical")
_TRANSITIONS_END = """() => Promise.all(document.getAnimations()
  .filter((each) => each.effect.getComputedTiming().iterations !== Infinity)
  .map((each) => each.finished.catch(() => undefined)))"""


def test_the_page_makes_requests_to_this_server_only(new_page, demo):
    page = new_page()
    page.wait_for_function("() => document.querySelectorAll('#gallery label').length === 5")
    assert new_page.hosts - {""} == {f"127.0.0.1:{demo.port}"}
    assert page.title() == "streamseg"


def test_screen_readers_find_no_serious_fault(new_page, start_camera):
    """The rules of axe-core, before and while the camera runs, light and dark."""
    axe = pytest.importorskip("axe_playwright_python", reason="not installed: pip install axe-playwright-python")
    page = new_page()
    page.evaluate((Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))

    def faults():
        found = []
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.evaluate(_TRANSITIONS_END)  # half way, a colour has too little contrast
            serious = [each for each in page.evaluate("axe.run()")["violations"] if each["impact"] in SERIOUS]
            found += [(scheme, each["id"], [node["html"] for node in each["nodes"]]) for each in serious]
        return found

    assert faults() == []
    start_camera(page)
    page.click('[data-part="compare"]')
    assert faults() == []


def test_a_camera_that_is_taken_is_waited_for(new_page, start_camera, until):
    page = new_page()
    start_camera(page)
    page.evaluate("""() => {
      const devices = navigator.mediaDevices, real = devices.getUserMedia.bind(devices);
      let tries = 0;
      const busy = () => Promise.reject(new DOMException("", "NotReadableError"));
      devices.getUserMedia = (wanted) => tries++ ? real(wanted) : busy();
      document.querySelector('[data-part="camera"]').srcObject.getVideoTracks()[0].dispatchEvent(new Event("ended"));
    }""")
    assert "taken by another program" in page.inner_text('[data-part="status"]')
    page.wait_for_selector('.live-view[data-state="live"]')
    count = "document.querySelector('[data-part=\"result\"]').getVideoPlaybackQuality().totalVideoFrames"
    before = page.evaluate(count)
    until(lambda: page.evaluate(count) > before + 5)


def test_a_connection_that_breaks_and_a_sleep_are_told_and_mended(browser, demo, start_camera, until):
    page = browser.new_page()
    page.add_init_script("""
      window.connections = [];
      const Real = RTCPeerConnection;
      window.RTCPeerConnection = class extends Real {
        constructor(...all) { super(...all); window.connections.push(this); }
      };
      window.told = [];
    """)
    page.goto(demo.url)
    page.wait_for_selector('[data-part="start"]')
    start_camera(page)
    page.evaluate("""() => {
      const status = document.querySelector('[data-part="status"]');
      new MutationObserver(() => window.told.push(status.textContent)).observe(status, { childList: true });
      const [connection] = window.connections;
      Object.defineProperty(connection, "connectionState", { get: () => "failed" });
      connection.dispatchEvent(new Event("connectionstatechange"));
    }""")
    until(lambda: page.evaluate("window.connections.length") == 2)
    page.wait_for_selector('.live-view[data-state="live"]')
    page.evaluate("{ const now = Date.now.bind(Date); Date.now = () => now() + 60000; }")
    until(lambda: page.evaluate("window.connections.length") == 3)
    page.wait_for_selector('.live-view[data-state="live"]')
    told = " ".join(page.evaluate("window.told"))
    assert "The connection was lost. Connecting again" in told and "The computer was asleep" in told
    page.close()


def test_stop_releases_the_camera_and_start_works_again(new_page, start_camera, demo, until):
    page = new_page()
    start_camera(page)
    page.click('[data-part="stop"]')
    until(lambda: demo.connections() == 0)
    assert page.evaluate("document.querySelector('[data-part=camera]').srcObject") is None
    assert start_camera(page) == "live"


def test_where_webrtc_finds_no_way_out_single_images_take_over(open_browser, new_page, start_camera, colour_of, until):
    browser = open_browser("--webrtc-ip-handling-policy=disable_non_proxied_udp")
    page = new_page(browser=browser)

    def corner_is(*colour):
        found = colour_of(page, '[data-part="still"]', 0.86, 0.02, 0.12, 0.1)
        return found is not None and max(abs(a - b) for a, b in zip(found, colour, strict=True)) < 30

    page.click('#gallery label[data-testid="Colour-radio-label"]')
    assert start_camera(page) == "still"
    assert "single images instead" in page.inner_text('[data-part="mode"]')
    until(lambda: corner_is(0, 177, 64))
    page.click('#view label[data-testid="Matte-radio-label"]')
    until(lambda: corner_is(0, 0, 0))
    page.wait_for_function("() => Number(document.querySelector('.live-view').dataset.fps) > 0")
    page.click('[data-part="stop"]')
    browser.close()


def test_where_nothing_comes_through_single_images_take_over_when_the_time_is_up(new_page, start_camera):
    """The twelve seconds of the page pass in a fifth of one, and the answer of the server never arrives."""
    page = new_page()
    page.evaluate("""() => {
      const real = window.setTimeout;
      window.setTimeout = (call, wait, ...rest) => real(call, wait === 12000 ? 200 : wait, ...rest);
      RTCPeerConnection.prototype.setRemoteDescription = () => Promise.resolve();
    }""")
    assert start_camera(page) == "still"


def test_a_missing_camera_is_reported(open_browser, new_page):
    browser = open_browser(camera=False)
    page = new_page(browser=browser)
    page.click('[data-part="start"]')
    page.wait_for_selector('[data-part="error"]:not([hidden])')
    assert page.inner_text('[data-part="error"]').startswith("No camera was found: plug one in")
    assert page.is_visible('[data-part="start"]')
    browser.close()


@pytest.mark.parametrize("path", ["/etc/passwd", "/proc/self/environ", "private.txt", "../../etc/passwd"])
def test_other_files_are_not_served(demo, path):
    private = demo.folder / "private.txt"  # in the server's working directory
    private.write_text("private")
    with pytest.raises(urllib.error.HTTPError) as response:
        urllib.request.urlopen(f"{demo.url}gradio_api/file={path}")  # noqa: S310
    response.value.close()
    private.unlink()
    assert response.value.code in (403, 404)
