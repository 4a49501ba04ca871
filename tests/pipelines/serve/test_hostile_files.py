"""Files that would take all memory, or make FFmpeg open other files: refused before they are decoded."""

from __future__ import annotations

import resource
import struct
import zlib

import av
import pytest

from streamseg.errors import InputError
from streamseg.media.reading.reader import VideoReader
from streamseg.media.reading.restriction import restricted_inputs
from streamseg.media.reading.source import open_input

# Of a picture that decodes to 1.6 GB.
HUGE = 20_000


def png(width, height, *chunks):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * 1000)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", rows), (b"IEND", b"")]
    pieces = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(pieces)


def bomb(kind, encoded):
    """A small file whose header says HUGE × HUGE, or as much as the format can."""
    if kind == "PNG":
        return png(HUGE, HUGE)
    data, most = bytearray(encoded(kind)), struct.pack
    if kind == "JPEG":
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = most(">HH", HUGE, HUGE)
    elif kind == "GIF":
        data[6:10] = most("<HH", HUGE, HUGE)
    elif kind == "WEBP":
        at = data.index(b"\x9d\x01\x2a") + 3
        data[at : at + 4] = most("<HH", 16383, 16383)
    elif kind == "AVIF":
        at = data.index(b"ispe") + 8
        data[at : at + 8] = most(">II", HUGE, HUGE)
    return bytes(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "AVIF"])
def test_a_small_file_that_decodes_to_a_huge_picture_is_refused_before_it_is_decoded(running, encoded, kind):
    data = bomb(kind, encoded)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for path, files in (
        ("/v1/images", {"image": data}),
        ("/v1/images", {"image": encoded(), "background": data}),
        ("/v1/clips", {"clip": data}),
    ):
        refused = running.client.post(path, files=files)
        assert refused.status_code == 422, refused.text
        message = refused.json()["error"]
        assert any(word in message for word in ("pixels", "no image", "expected a video")), message
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 300_000  # kB


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_a_text_that_decompresses_without_end_is_refused(running, kind):
    start = b"name\0\1\0\0\0" if kind == b"iTXt" else b"name\0\0"
    data = png(32, 32, (kind, start + zlib.compress(bytes(16 << 20), 1)))
    refused = running.client.post("/v1/images", content=data)
    assert refused.status_code == 422 and "text or profile" in refused.json()["error"]
    short = png(32, 32, (kind, start + zlib.compress(bytes(1000))))
    assert "text or profile" not in running.client.post("/v1/images", content=short).text


def test_a_clip_of_too_many_pixels_is_refused(running, start, sample_clip):
    with start(max_pixels=640 * 480 - 1) as small:
        refused = small.client.post("/v1/clips", content=sample_clip.read_bytes())
    assert refused.status_code == 422 and "640×480 pixels are too many" in refused.json()["error"]


def test_a_clip_that_says_it_is_small_is_not_decoded_beyond_the_limit(sample_clip, tmp_path):
    """The container says 16×16, the stream in it is 640×480."""
    data = bytearray(sample_clip.read_bytes())
    at = data.index(b"avc1", data.index(b"stsd")) + 28
    assert struct.unpack(">HH", data[at : at + 4]) == (640, 480)
    data[at : at + 4] = struct.pack(">HH", 16, 16)
    (tmp_path / "liar").write_bytes(data)
    with restricted_inputs(max_pixels=10_000), pytest.raises(InputError, match=r"no frame|cannot be opened"):
        VideoReader(str(tmp_path / "liar"))


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{clip}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile {clip}\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
    '<Representation id="1"><BaseURL>file://{clip}</BaseURL></Representation></AdaptationSet></Period></MPD>',
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
    "smil": '<smil><body><video src="file://{clip}"/></body></smil>',
    "svg": '<svg xmlns="http://www.w3.org/2000/svg"><image href="file://{clip}"/></svg>',
}


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_files_that_refer_to_other_files_are_refused(running, encoded, sample_clip, kind):
    playlist = PLAYLISTS[kind].format(clip=sample_clip).encode()
    for path, files in (
        ("/v1/clips", {"clip": ("clip.mp4", playlist, "video/mp4")}),
        ("/v1/clips", {"clip": encoded("GIF"), "background": playlist}),
        ("/v1/images", {"image": playlist}),
        ("/v1/images", {"image": encoded(), "background": playlist}),
    ):
        refused = running.client.post(path, files=files)
        assert refused.status_code == 422 and "by content" in refused.json()["error"], refused.text


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_ffmpeg_itself_opens_no_playlist_whatever_comes_before(tmp_path, sample_clip, kind):
    """Such as one that looks like MPEG-TS to whoever reads two bytes."""
    text = PLAYLISTS[kind].format(clip=sample_clip).encode()
    for start in (b"", b"G" + b"\n" * 187 + b"G\n"):
        path = tmp_path / "upload"
        path.write_bytes(start + text)
        with restricted_inputs(max_pixels=10**7), pytest.raises(InputError):
            open_input(str(path))


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/a", "file:///etc/passwd", "concat:a|b", "tcp://127.0.0.1:9"])
def test_no_address_is_opened_where_inputs_are_restricted(address):
    with restricted_inputs(max_pixels=10**7), pytest.raises(InputError, match=r"is an address|no such file"):
        open_input(address)


def test_ordinary_files_are_opened_where_inputs_are_restricted(sample_clip):
    with restricted_inputs(max_pixels=10**7), VideoReader(str(sample_clip)) as reader:
        assert reader.info.shape.width == 640
    with av.open(str(sample_clip)) as container:
        assert container.streams.video
