"""Uploads are recognised by their content."""

from __future__ import annotations

import shutil
import struct
import zlib

import pytest

pytest.importorskip("PIL", reason="Pillow is not installed")

from streamseg.demos.uploads import store_background, store_clip

from streamseg.errors import InputError


def test_a_clip_is_recognised_whatever_its_name(tmp_path, small_clip):
    upload = tmp_path / "holiday.txt"
    shutil.copy(small_clip, upload)
    stored = store_clip(str(upload), tmp_path)
    assert stored.parent == tmp_path and stored.read_bytes() == small_clip.read_bytes()


def test_a_background_can_be_an_image_or_a_video(tmp_path, sample_files, small_clip):
    assert store_background(str(sample_files / "beach.jpg"), tmp_path).suffix == ".jpg"
    assert store_background(str(small_clip), tmp_path).suffix == ".mp4"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b'<svg xmlns="http://www.w3.org/2000/svg"><image href="/etc/passwd"/></svg>',
        b"RIFF\0\0\0\0WAVEfmt ",
    ],
)
def test_files_that_refer_to_other_files_are_refused(tmp_path, content):
    upload = tmp_path / "clip.mp4"
    upload.write_bytes(content)
    for store in (store_clip, store_background):
        with pytest.raises(InputError, match=r"neither a video .* nor an image"):
            store(str(upload), tmp_path)


def test_a_damaged_file_gives_one_line_without_paths(tmp_path, small_clip, sample_files):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(small_clip.read_bytes()[:200])
    with pytest.raises(InputError) as failure:
        store_clip(str(broken), tmp_path)
    assert str(tmp_path) not in str(failure.value) and "\n" not in str(failure.value)
    half = tmp_path / "half.png"
    half.write_bytes(b"\x89PNG\r\n\x1a\n" + b"nothing")
    with pytest.raises(InputError) as failure:
        store_background(str(half), tmp_path)
    assert str(tmp_path) not in str(failure.value)


def test_a_heic_image_is_a_clear_no_and_an_avif_one_a_background(tmp_path):
    from PIL import Image

    upload = tmp_path / "photo"
    upload.write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    for store in (store_clip, store_background):
        with pytest.raises(InputError, match="save it as JPEG or PNG"):
            store(str(upload), tmp_path)
    Image.new("RGB", (64, 48), (200, 60, 30)).save(upload, format="AVIF")
    assert store_background(str(upload), tmp_path).suffix == ".avif"


def test_an_image_with_a_profile_is_a_background(tmp_path):
    from PIL import Image, ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("RGB", (64, 48), (200, 60, 30)).save(tmp_path / "upload", format="PNG", icc_profile=profile)
    assert store_background(str(tmp_path / "upload"), tmp_path).suffix == ".png"


def test_an_image_is_no_clip(tmp_path, sample_files):
    with pytest.raises(InputError, match="expected a video"):
        store_clip(str(sample_files / "beach.jpg"), tmp_path)


def test_a_small_file_that_decodes_to_a_huge_image_is_refused(tmp_path):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)))
    with pytest.raises(InputError, match=r"20000×20000|too many pixels"):
        store_background(str(bomb), tmp_path)
