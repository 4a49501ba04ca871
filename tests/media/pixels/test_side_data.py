"""Side data of every kind is read without harm to the process."""

from __future__ import annotations

import subprocess
import sys
import zlib
from fractions import Fraction

import av
import numpy as np
import pytest
from av.sidedata.sidedata import Type

from streamseg.media.images import encode_image
from streamseg.media.pixels.side_data import side_data_of

READ_OFTEN = """
import sys, gc
from streamseg.media.images import read_image
from streamseg.media.reading.reader import VideoReader
for _ in range(5):
    for path in sys.argv[1:]:
        frame = read_image(path)
        with VideoReader(path) as reader:
            assert [item.width for item in reader] == [frame.width] * 2 or path.endswith("png")
    gc.collect()
print("alive")
"""


@pytest.fixture
def png_with_profile():
    """Makes a PNG with an ICC profile, which FFmpeg passes on with its name as metadata."""

    def make(level: int) -> bytes:
        data = encode_image(av.VideoFrame.from_ndarray(np.full((16, 24, 3), level, np.uint8), "rgb24"), ".png")
        body = b"iCCP" + b"A profile\0\0" + zlib.compress(bytes(128))
        chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
        return data[:33] + chunk + data[33:]

    return make


def write_video(path, images):
    """A video whose packets are PNGs."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("png", rate=10)
        stream.width, stream.height, stream.pix_fmt = 24, 16, "rgb24"
        for number, data in enumerate(images):
            packet = av.Packet(data)
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, number, number, Fraction(1, 10)
            packet.is_keyframe = True
            output.mux(packet)


def test_icc_profiles_of_images_and_videos(tmp_path, png_with_profile):
    """In a process of its own: PyAV's fault ends the process."""
    (tmp_path / "profile.png").write_bytes(png_with_profile(90))
    for name in ("profile.mov", "profile.avi"):
        write_video(tmp_path / name, [png_with_profile(90), png_with_profile(120)])
    paths = [str(path) for path in sorted(tmp_path.iterdir())]
    done = subprocess.run([sys.executable, "-c", READ_OFTEN, *paths], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


def test_a_display_matrix_beside_other_side_data(shared_data):
    with av.open(str(shared_data / "clips" / "rotated-mirrored.mp4")) as container:
        native = next(container.decode(video=0))
    matrix = side_data_of(native, Type.DISPLAYMATRIX)
    assert matrix is not None and len(matrix) == 36
    assert side_data_of(native, Type.A53_CC) is None
