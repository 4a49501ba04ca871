"""Uploads are taken by what they are."""

from __future__ import annotations

import shutil
import struct
import zlib

import pytest

pytest.importorskip("PIL", reason="Pillow is not installed")

from streamseg.demos.uploads import take_background, take_clip

from streamseg.errors import InputError


def test_a_clip_is_taken_whatever_it_is_called(tmp_path, small_clip):
    upload = tmp_path / "holiday.txt"
    shutil.copy(small_clip, upload)
    taken = take_clip(str(upload), tmp_path)
    assert taken.parent == tmp_path and taken.read_bytes() == small_clip.read_bytes()


def test_a_picture_and_a_video_can_stand_behind(tmp_path, sample_files, small_clip):
    assert take_background(str(sample_files / "beach.jpg"), tmp_path).suffix == ".jpg"
    assert take_background(str(small_clip), tmp_path).suffix == ".mp4"


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
def test_what_would_make_ffmpeg_open_other_files_is_refused(tmp_path, content):
    upload = tmp_path / "clip.mp4"
    upload.write_bytes(content)
    for take in (take_clip, take_background):
        with pytest.raises(InputError, match=r"neither a video .* nor a picture"):
            take(str(upload), tmp_path)


def test_damage_is_one_sentence_without_our_paths(tmp_path, small_clip, sample_files):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(small_clip.read_bytes()[:200])
    with pytest.raises(InputError) as failure:
        take_clip(str(broken), tmp_path)
    assert str(tmp_path) not in str(failure.value) and "\n" not in str(failure.value)
    half = tmp_path / "half.png"
    half.write_bytes(b"\x89PNG\r\n\x1a\n" + b"nothing")
    with pytest.raises(InputError) as failure:
        take_background(str(half), tmp_path)
    assert str(tmp_path) not in str(failure.value)


def test_a_picture_is_no_clip(tmp_path, sample_files):
    with pytest.raises(InputError, match="expected a video"):
        take_clip(str(sample_files / "beach.jpg"), tmp_path)


def test_a_small_file_that_unpacks_to_a_huge_picture_is_refused(tmp_path):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)))
    with pytest.raises(InputError, match=r"20000×20000|no picture"):
        take_background(str(bomb), tmp_path)
