"""POST /v1/images."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

ORIENTATION = 0x0112


def picture_of(response) -> Image.Image:
    assert response.status_code == 200, response.text
    return Image.open(io.BytesIO(response.content))


def test_a_picture_becomes_a_png_with_alpha_in_its_own_colours(running, encoded, photo):
    response = running.client.post("/v1/images", files={"image": encoded()})
    cutout = np.asarray(picture_of(response))
    assert response.headers["content-type"] == "image/png" and cutout.shape == (240, 320, 4)
    solid = cutout[..., 3] == 255
    assert solid.any() and (cutout[..., 3] == 0).any()
    assert np.abs(cutout[solid][:, :3].astype(int) - np.asarray(photo)[solid]).max() <= 2


def test_the_body_can_be_the_picture_and_the_query_the_options(running, encoded):
    jpeg = encoded("JPEG")
    response = running.client.post("/v1/images?bg=%2300b140&format=jpeg", content=jpeg)
    assert response.headers["content-type"] == "image/jpeg"
    corner = np.asarray(picture_of(response))[:8, :8].mean((0, 1))
    assert np.abs(corner - (0, 177, 64)).max() < 6


def test_the_matte_is_the_alpha_of_the_cutout(running, encoded):
    matte = np.asarray(picture_of(running.client.post("/v1/images?bg=matte", content=encoded())))
    alpha = np.asarray(picture_of(running.client.post("/v1/images", content=encoded())))[..., 3]
    assert np.array_equal(matte[..., 0], alpha)


def test_a_blurred_background_is_smooth_where_the_picture_is_not(running, encoded, photo):
    blurred = np.asarray(
        picture_of(running.client.post("/v1/images", files={"image": encoded()}, data={"bg": "blur:1"}))
    )
    detail = [np.abs(np.diff(each[:40, :60].astype(int), axis=1)).mean() for each in (np.asarray(photo), blurred)]
    assert detail[1] < detail[0] / 2


def test_a_second_file_is_the_background(running, encoded):
    blue = encoded("PNG", Image.new("RGB", (64, 48), (10, 20, 200)))
    files = {"image": encoded(), "background": blue}
    composite = np.asarray(picture_of(running.client.post("/v1/images", files=files)))
    assert np.abs(composite[:8, :8].mean((0, 1)) - (10, 20, 200)).max() < 3
    refused = running.client.post("/v1/images?bg=blur", files=files)
    assert refused.status_code == 422 and "uploaded background too" in refused.json()["error"]


def test_a_picture_stands_upright_as_the_camera_says(running, encoded):
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # to be turned by 90 degrees
    assert picture_of(running.client.post("/v1/images", content=encoded("JPEG", exif=exif))).size == (240, 320)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "GIF", "AVIF"])
def test_other_formats_are_read(running, encoded, kind):
    assert picture_of(running.client.post("/v1/images", content=encoded(kind))).size == (320, 240)


def test_an_iphones_picture_is_read_where_pillow_heif_is_installed(running, encoded):
    pillow_heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    pillow_heif.register_heif_opener()
    try:
        heic = encoded("HEIF")
    except Exception as error:  # it can be built without an encoder
        pytest.skip(f"pillow-heif writes no HEIC here: {error}")
    assert picture_of(running.client.post("/v1/images", content=heic)).size == (320, 240)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"bg": "/etc/passwd"}, "expected transparent, matte, blur"),
        ({"bg": "http://127.0.0.1/a.png"}, "expected transparent, matte, blur"),
        ({"bg": "blur:7"}, "above 0 and up to 1"),
        ({"bg": "#12"}, "expected #rrggbb"),
        ({"format": "bmp"}, "expected png, jpeg"),
        ({"format": "jpeg"}, "cannot hold transparency"),
        ({"colour": "red"}, "unknown; expected bg, format"),
        ({"bg": "x" * 200}, "too many"),
    ],
)
def test_options_that_cannot_be_are_refused_in_one_line(running, encoded, options, expected):
    response = running.client.post("/v1/images", files={"image": encoded()}, data=options)
    assert response.status_code == 422 and expected in response.json()["error"]
    assert "\n" not in response.json()["error"]


def test_no_picture_is_a_clear_error(running):
    for options in ({}, {"json": {"bg": "blur"}}):
        response = running.client.post("/v1/images", **options)
        assert response.status_code == 400 and "no picture" in response.json()["error"]
    response = running.client.post("/v1/images", content=b"{", headers={"content-type": "application/json"})
    assert response.status_code == 400 and "is no JSON" in response.json()["error"]
    for boundary, body in (("", b""), ("; boundary=x", b"--x\r\nwrong")):
        headers = {"content-type": f"multipart/form-data{boundary}"}
        response = running.client.post("/v1/images", content=body, headers=headers)
        assert response.status_code == 400 and "error" in response.json()


def test_pictures_that_come_while_too_many_wait_are_told_when_to_come_again(start, encoded):
    with start(queue=0) as running:
        places = [running.service.picture() for _ in range(running.service.settings.pictures_at_a_time)]
        for place in places:
            place.__enter__()
        response = running.client.post("/v1/images", content=encoded())
        assert response.status_code == 429 and int(response.headers["retry-after"]) > 0
        for place in places:
            place.__exit__(None, None, None)
        assert running.client.post("/v1/images", content=encoded()).status_code == 200
