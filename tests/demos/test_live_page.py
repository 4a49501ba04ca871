"""Live in a real browser: its camera plays a real clip, and the pixels that it shows are looked at."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest

GREEN = (0, 177, 64)
# Parts of the picture where no subject of the clips is, and where there always is one.
CORNER = (0.86, 0.02, 0.12, 0.1)
MIDDLE = (0.42, 0.36, 0.12, 0.12)


def distance(one, other):
    """Of two colours; far apart where there is no picture yet."""
    if one is None or other is None:
        return 255
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def choose(page, group, name):
    page.click(f'#{group} label[data-testid="{name}-radio-label"]')


def test_the_page_loads_from_this_server_alone(new_page, demo):
    page = new_page()
    page.wait_for_function("() => document.querySelectorAll('#gallery label').length === 5")
    assert new_page.hosts - {""} == {f"127.0.0.1:{demo.port}"}
    assert page.title() == "streamseg"


def test_the_background_is_replaced_in_what_the_browser_shows(new_page, start_camera, colour_of, until):
    page = new_page()
    choose(page, "gallery", "Colour")
    assert start_camera(page) == "live"
    until(lambda: distance(colour_of(page, '[data-part="result"]', *CORNER), GREEN) < 30)
    assert distance(colour_of(page, '[data-part="camera"]', *CORNER), GREEN) > 60
    shown, filmed = (colour_of(page, f'[data-part="{part}"]', *MIDDLE) for part in ("result", "camera"))
    assert distance(shown, filmed) < 40, "the subject stays as it was filmed"


def test_every_control_reaches_the_picture_while_it_runs(new_page, start_camera, colour_of, until):
    page = new_page()
    start_camera(page)

    def corner():
        return colour_of(page, '[data-part="result"]', *CORNER)

    choose(page, "gallery", "Colour")
    until(lambda: distance(corner(), GREEN) < 30)
    choose(page, "view", "Matte")
    until(lambda: distance(corner(), (0, 0, 0)) < 30)
    assert min(colour_of(page, '[data-part="result"]', *MIDDLE)) > 200, "the subject is white in a matte"
    choose(page, "view", "Result")
    choose(page, "gallery", "Studio")
    until(lambda: distance(corner(), (0, 0, 0)) > 60 and distance(corner(), GREEN) > 60)
    choose(page, "speed", "Best")
    choose(page, "gallery", "Colour")
    until(lambda: distance(corner(), GREEN) < 30)


# Mean absolute difference between pixels below each other, in a stripe along the right side.
_DETAIL = """(part) => {
  const video = document.querySelector(`[data-part="${part}"]`);
  const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 240 });
  const context = canvas.getContext("2d");
  const { videoWidth: width, videoHeight: height } = video;
  context.drawImage(video, 0.85 * width, 0, 0.1 * width, 0.6 * height, 0, 0, 64, 240);
  const data = context.getImageData(0, 0, 64, 240).data;
  let sum = 0;
  for (let i = 256; i < data.length; i += 4) sum += Math.abs(data[i] - data[i - 256]);
  return sum / (64 * 239);
}"""


def test_a_slider_acts_through_the_data_channel(new_page, start_camera, until):
    page = new_page()
    start_camera(page)
    number = page.locator("#blur input[type=number]")

    def detail_left():
        return page.evaluate(_DETAIL, "result") / page.evaluate(_DETAIL, "camera")

    for strength, reached in ((0.05, lambda: detail_left() > 0.8), (1, lambda: detail_left() < 0.6)):
        number.fill(str(strength))
        number.press("Enter")
        until(reached)


def test_figures_are_on_the_page(new_page, start_camera):
    page = new_page()
    start_camera(page)
    page.wait_for_function("() => Number(document.querySelector('.stage').dataset.latency) > 0")
    assert float(page.get_attribute(".stage", "data-fps")) > 0
    assert page.inner_text('[data-part="fps"]').endswith("fps")
    assert page.inner_text('[data-part="latency"]').endswith("ms")


def test_a_closed_tab_frees_everything(new_page, start_camera, demo, until):
    until(lambda: demo.connections() == 0)
    page = new_page()
    start_camera(page)
    assert demo.connections() > 0
    page.close()
    until(lambda: demo.connections() == 0)
    until(lambda: not any((demo.folder).glob("*/visitors/*")))


def test_stopping_gives_the_camera_back_and_starting_again_works(new_page, start_camera, demo, until):
    page = new_page()
    start_camera(page)
    page.click('[data-part="stop"]')
    until(lambda: demo.connections() == 0)
    assert page.evaluate("document.querySelector('[data-part=camera]').srcObject") is None
    assert start_camera(page) == "live"


def test_without_a_way_for_webrtc_single_pictures_take_over_and_say_so(
    open_browser, new_page, start_camera, colour_of, until
):
    browser = open_browser("--webrtc-ip-handling-policy=disable_non_proxied_udp")
    page = new_page(browser=browser)
    choose(page, "gallery", "Colour")
    assert start_camera(page) == "still"
    assert "single pictures instead" in page.inner_text('[data-part="mode"]')
    until(lambda: distance(colour_of(page, '[data-part="still"]', *CORNER), GREEN) < 30)
    choose(page, "view", "Matte")
    until(lambda: distance(colour_of(page, '[data-part="still"]', *CORNER), (0, 0, 0)) < 30)
    page.wait_for_function("() => Number(document.querySelector('.stage').dataset.fps) > 0")
    page.click('[data-part="stop"]')
    browser.close()


def test_no_camera_is_said_in_one_sentence(open_browser, new_page):
    browser = open_browser(camera=False)
    page = new_page(browser=browser)
    page.click('[data-part="start"]')
    page.wait_for_selector('[data-part="trouble"]:not([hidden])')
    assert page.inner_text('[data-part="trouble"]').startswith("No camera was found: plug one in")
    assert page.is_visible('[data-part="start"]')
    browser.close()


@pytest.mark.parametrize("path", ["/etc/passwd", "/proc/self/environ", "mine.txt", "../../etc/passwd"])
def test_no_other_file_is_served(demo, path):
    mine = demo.folder / "mine.txt"  # where the server was started
    mine.write_text("private")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{demo.url}gradio_api/file={path}")  # noqa: S310
    refused.value.close()
    mine.unlink()
    assert refused.value.code in (403, 404)
