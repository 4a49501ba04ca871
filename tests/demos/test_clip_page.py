"""A clip on the page: uploaded, processed, downloaded, and deleted when the page is closed."""

from __future__ import annotations

import av
import numpy as np
import pytest

TOAST = ".toast-messages"


@pytest.fixture
def clip_page(new_page):
    page = new_page()
    page.click('button[role="tab"]:has-text("Clip")')
    page.click('#gallery label[data-testid="Colour-radio-label"]')
    return page


def upload_clip(page, path):
    page.set_input_files("#clip input[type=file]", str(path))


def upload_background(page, path):
    with page.expect_file_chooser() as chooser:
        page.click("#background-upload")
    chooser.value.set_files(str(path))


def decode(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def process_and_download(page, tmp_path):
    page.click("#clip-start")
    page.wait_for_selector("#clip-download", timeout=120_000)
    with page.expect_download() as download:
        page.click("#clip-download")
    download.value.save_as(tmp_path / "download.mp4")
    return tmp_path / "download.mp4"


def test_an_uploaded_clip_gets_another_background(clip_page, small_clip, tmp_path, demo, until):
    upload_clip(clip_page, small_clip)
    clip_page.wait_for_selector("#clip video")
    frames = decode(process_and_download(clip_page, tmp_path))
    assert len(frames) == 12 and frames[0].shape == (240, 320, 3)
    corner = frames[-1][5:25, 290:315].mean((0, 1))
    assert np.abs(corner - (0, 177, 64)).max() < 30
    assert clip_page.inner_text("#clip-message").startswith("12 frames in ")
    assert demo.stored_files()
    clip_page.close()
    until(lambda: not demo.stored_files())


def test_a_missing_clip_and_a_file_that_is_no_video_are_refused(clip_page, tmp_path, demo):
    clip_page.click("#clip-start")
    assert "Choose a clip first" in clip_page.wait_for_selector(TOAST).inner_text()
    playlist = tmp_path / "clip.mp4"
    playlist.write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n")
    upload_clip(clip_page, playlist)
    clip_page.wait_for_selector('#clip-message:has-text("neither a video")')
    clip_page.click("#clip-start")
    toast = clip_page.wait_for_selector(f'{TOAST}:has-text("neither a video")').inner_text()
    assert str(demo.folder) not in toast
    clip_page.wait_for_selector("#clip-start:not([disabled])")


def test_a_clip_that_the_browser_cannot_play_is_processed(clip_page, small_clip, tmp_path):
    unplayable = tmp_path / "unplayable.avi"
    with av.open(str(small_clip)) as source, av.open(str(unplayable), "w") as target:
        stream = target.add_stream("ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for frame in source.decode(video=0):
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    upload_clip(clip_page, unplayable)
    clip_page.wait_for_selector('#clip-message:has-text("Ready")')
    assert len(decode(process_and_download(clip_page, tmp_path))) == 12


def test_an_uploaded_background_is_used_and_a_bad_one_changes_nothing(
    new_page, start_camera, colour_of, tmp_path, until
):
    page = new_page()
    start_camera(page)

    def corner():
        return colour_of(page, '[data-part="result"]', 0.86, 0.02, 0.12, 0.1)

    bad = tmp_path / "bad.png"
    bad.write_text("no image")
    upload_background(page, bad)
    assert "neither a video" in page.wait_for_selector(TOAST).inner_text()
    assert page.locator('#gallery label[data-testid="Yours-radio-label"]').count() == 0
    own = tmp_path / "own.png"
    red = av.VideoFrame.from_ndarray(np.full((90, 160, 3), (220, 20, 30), np.uint8), "rgb24")
    red.to_image().save(own)
    upload_background(page, own)
    until(lambda: corner()[0] > 180 and max(corner()[1:]) < 70)
