"""The live view in a real browser: a clip is the camera, and the pixels on the page are checked."""

from __future__ import annotations

import base64
from io import BytesIO

from PIL import Image

GREEN, RED = (0, 177, 64), (220, 20, 30)
# Parts of the frame (x, y, width, height) that are background, and that are subject, in all of the clips.
CORNER = (0.86, 0.02, 0.12, 0.1)
MIDDLE = (0.42, 0.36, 0.12, 0.12)


def distance(first, second):
    """Largest difference of a channel of two colours; 255 if one of them is None."""
    if first is None or second is None:
        return 255
    return max(abs(a - b) for a, b in zip(first, second, strict=True))


def choose(page, group, name):
    page.click(f'#{group} label[data-testid="{name}-radio-label"]')


def test_the_background_is_replaced(live_page, colour_of, until):
    page = live_page
    until(lambda: distance(colour_of(page, '[data-part="result"]', *CORNER), GREEN) < 30)
    assert distance(colour_of(page, '[data-part="camera"]', *CORNER), GREEN) > 60
    result, camera = (colour_of(page, f'[data-part="{part}"]', *MIDDLE) for part in ("result", "camera"))
    assert distance(result, camera) < 40, "the subject is unchanged"


def test_videos_reach_the_sides_of_their_panes(live_page, colour_of, until):
    page = live_page
    until(lambda: distance(colour_of(page, '[data-part="result"]', *CORNER), GREEN) < 30)
    screenshot = page.locator(".live-view .pane").nth(1).screenshot(animations="disabled")
    with Image.open(BytesIO(screenshot)) as pane:
        row = pane.convert("RGB").crop((0, pane.height // 4, pane.width, pane.height // 4 + 1))
        colours = [row.getpixel((x, 0)) for x in (1, 2, pane.width - 3, pane.width - 2)]  # beside the lines around it
    assert all(distance(colour, GREEN) < 40 for colour in colours), colours


def test_controls_change_the_composite_while_it_runs(live_page, colour_of, until):
    page = live_page

    def corner():
        return colour_of(page, '[data-part="result"]', *CORNER)

    until(lambda: distance(corner(), GREEN) < 30)
    choose(page, "view", "Matte")
    until(lambda: distance(corner(), (0, 0, 0)) < 30)
    assert min(colour_of(page, '[data-part="result"]', *MIDDLE)) > 200, "the subject is white in a matte"
    choose(page, "view", "Result")
    choose(page, "gallery", "Studio")
    until(lambda: distance(corner(), (0, 0, 0)) > 60 and distance(corner(), GREEN) > 60)
    for speed in ("Best", "Auto"):
        choose(page, "speed", speed)
    choose(page, "gallery", "Colour")
    until(lambda: distance(corner(), GREEN) < 30)


def test_a_click_chooses_another_takes_away_and_a_button_keeps_everybody(live_page, colour_of, until):
    page = live_page

    def middle():
        return colour_of(page, '[data-part="result"]', *MIDDLE)

    until(lambda: distance(colour_of(page, '[data-part="result"]', *CORNER), GREEN) < 30 < distance(middle(), GREEN))
    camera, result = page.locator('[data-part="camera"]'), page.locator('[data-part="result"]')
    box = camera.bounding_box()
    position = {"x": box["width"] * 0.48, "y": box["height"] * 0.42}
    camera.click(position=position, button="right")
    until(lambda: distance(middle(), GREEN) < 30)
    assert distance(colour_of(page, '[data-part="camera"]', *MIDDLE), GREEN) > 60, "the subject is gone"
    page.click('[data-part="all"]')
    until(lambda: distance(middle(), GREEN) > 60)
    assert page.is_hidden('[data-part="all"]')
    result.click(position=position)
    until(lambda: page.is_visible('[data-part="all"]'))
    assert page.evaluate("window.streamseg.settings.subject.length") == 1
    until(lambda: distance(middle(), colour_of(page, '[data-part="camera"]', *MIDDLE)) < 40)


def test_before_and_after_on_one_picture_by_pointer_and_by_keyboard(live_page, until):
    page = live_page
    page.click('[data-part="compare"]')
    assert page.get_attribute('[data-part="compare"]', "aria-pressed") == "true"

    def shown(across):
        """The colour in the upper part of the picture, at that part of its width."""
        with Image.open(BytesIO(page.locator('[data-part="panes"]').screenshot(animations="disabled"))) as panes:
            return panes.convert("RGB").getpixel((int(across * panes.width), panes.height // 4))

    until(lambda: distance(shown(0.9), GREEN) < 40)
    assert distance(shown(0.1), GREEN) > 60, "the camera is on the left"
    page.locator('[data-part="wipe"]').press("Home")
    until(lambda: distance(shown(0.1), GREEN) < 40)
    box = page.locator('[data-part="divider"]').bounding_box()
    panes = page.locator('[data-part="panes"]').bounding_box()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + 9)
    page.mouse.down()
    page.mouse.move(panes["x"] + panes["width"] * 0.95, box["y"] + 9)
    page.mouse.up()
    until(lambda: distance(shown(0.9), GREEN) > 60)


def test_the_result_on_the_full_screen(live_page):
    page = live_page
    page.click('[data-part="fullscreen"]')
    page.wait_for_function("() => document.fullscreenElement && document.fullscreenElement.dataset.part === 'stage'")
    box = page.locator('[data-part="result"]').bounding_box()
    assert (round(box["width"]), round(box["height"])) == (1280, 860)
    assert page.is_hidden('[data-part="camera"]')


_DROP = """([bytes, name, type]) => {
  const transfer = new DataTransfer();
  const content = Uint8Array.from(atob(bytes), (character) => character.charCodeAt(0));
  transfer.items.add(new File([content], name, { type }));
  const options = { dataTransfer: transfer, bubbles: true, cancelable: true };
  const panes = document.querySelector('[data-part="panes"]');
  return ["dragover", "drop"].map((kind) => panes.dispatchEvent(new DragEvent(kind, options)));
}"""


def test_what_is_dropped_on_the_pictures_is_the_background(live_page, colour_of, until):
    page = live_page
    page.evaluate(_DROP, [base64.b64encode(b"words").decode(), "words.txt", "text/plain"])
    assert page.inner_text('[data-part="error"]').startswith("Drop an image or a video")
    file = BytesIO()
    Image.new("RGB", (64, 48), RED).save(file, "PNG")
    handled = page.evaluate(_DROP, [base64.b64encode(file.getvalue()).decode(), "red.png", "image/png"])
    assert handled == [False, False], "the browser does not open it"
    page.wait_for_selector('#gallery label.selected[data-testid="Yours-radio-label"]')
    until(lambda: distance(colour_of(page, '[data-part="result"]', *CORNER), RED) < 30)
    assert page.is_hidden('[data-part="error"]')


def test_the_subject_is_chosen_by_keyboard(live_page):
    page = live_page
    page.focus('[data-part="result-pane"]')
    for key in ("ArrowLeft", "ArrowUp", "Enter", "ArrowRight", "Shift+Enter", "Delete"):
        page.keyboard.press(key)
    points = page.evaluate("window.streamseg.settings.subject")
    assert [(round(point["x"], 2), round(point["y"], 2), point["keep"]) for point in points] == [
        (0.46, 0.46, True),
        (0.5, 0.46, True),
        (0.5, 0.46, False),
    ]
    assert page.is_visible('[data-part="mark"]')
    page.keyboard.press("Escape")
    assert page.evaluate("window.streamseg.settings.subject") == []


# Mean absolute difference between vertically adjacent pixels, in a stripe along the right side.
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


def test_a_slider_changes_the_composite_through_the_data_channel(live_page, until):
    page = live_page
    choose(page, "gallery", "Blur")
    number = page.locator("#blur input[type=number]")

    def detail_ratio():
        return page.evaluate(_DETAIL, "result") / page.evaluate(_DETAIL, "camera")

    for strength, condition in ((0.05, lambda: detail_ratio() > 0.8), (1, lambda: detail_ratio() < 0.6)):
        number.fill(str(strength))
        number.press("Enter")
        until(condition)


def test_figures_are_shown(live_page):
    page = live_page
    page.wait_for_function("() => Number(document.querySelector('.live-view').dataset.latency) > 0")
    assert float(page.get_attribute(".live-view", "data-fps")) > 0
    assert page.inner_text('[data-part="fps"]').endswith("fps")
    assert page.inner_text('[data-part="latency"]').endswith("ms")
