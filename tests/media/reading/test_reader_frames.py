"""Frames of VideoReader: pixel formats, colours, alpha, sizes and display matrices."""

from __future__ import annotations

import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from streamseg.frame import Frame, PixelFormat
from streamseg.media.pixels.conform import Conformer
from streamseg.media.pixels.scale import to_rgb
from streamseg.media.reading.reader import VideoReader

RED, GREEN, BLUE, GREY = (200, 30, 40), (20, 180, 60), (30, 50, 190), (120, 120, 120)
CORNERS = (RED, GREEN, BLUE, GREY)
ORIENTATIONS = {
    "identity": ((1, 0, 0, 1), lambda p: p),
    "flipped left to right": ((-1, 0, 0, 1), lambda p: p[:, ::-1]),
    "flipped top to bottom": ((1, 0, 0, -1), lambda p: p[::-1]),
    "rotated by 180°": ((-1, 0, 0, -1), lambda p: p[::-1, ::-1]),
    "rotated clockwise": ((0, 1, -1, 0), lambda p: np.rot90(p, -1)),
    "rotated anticlockwise": ((0, -1, 1, 0), lambda p: np.rot90(p)),
    "transposed": ((0, 1, 1, 0), lambda p: p.T),
    "transposed, rotated by 180°": ((0, -1, -1, 0), lambda p: p[::-1, ::-1].T),
}


def corners(width, height):
    """RGB image with four colours, one in each quarter."""
    rgb = np.zeros((height, width, 3), np.uint8)
    middle, centre = height // 2, width // 2
    rgb[:middle, :centre], rgb[:middle, centre:], rgb[middle:, :centre], rgb[middle:, centre:] = CORNERS
    return rgb


def corner_frame(_index, width, height, name):
    native = av.VideoFrame.from_ndarray(corners(width, height), "rgb24")
    return native.reformat(format=name, dst_colorspace=5, dst_color_range=1, src_color_range=2)


def colours_of(frame: Frame):
    """RGB in the middle of each quarter."""
    rgb = to_rgb(frame.native, frame.colour, "rgb24").to_ndarray()
    rows, columns = frame.height // 4, frame.width // 4
    return [tuple(int(v) for v in rgb[y, x]) for y in (rows, 3 * rows) for x in (columns, 3 * columns)]


def assert_colours(frame, expected=CORNERS, within=4):
    got = colours_of(frame)
    assert np.abs(np.array(got) - np.array(expected)).max() <= within, got


@pytest.mark.parametrize(
    "codec, native, container, planar",
    [
        ("rawvideo", "nv12", "nut", "yuv420p"),
        ("rawvideo", "nv21", "nut", "yuv420p"),
        ("rawvideo", "uyvy422", "nut", "yuv422p"),
        ("rawvideo", "yuyv422", "nut", "yuv422p"),
        ("rawvideo", "yuv420p10be", "nut", "yuv420p10le"),
        ("rawvideo", "rgb24", "nut", "yuv420p"),
        ("rawvideo", "bgr24", "avi", "yuv420p"),
        ("rawvideo", "rgb565le", "nut", "yuv420p"),
        ("rawvideo", "bgra", "nut", "yuva444p"),
        ("rawvideo", "gbrp", "nut", "yuv420p"),
        ("rawvideo", "yuv411p", "nut", "yuv411p"),
        ("rawvideo", "yuv440p", "nut", "yuv440p"),
        ("rawvideo", "yuv410p", "nut", "yuv410p"),
        ("ffv1", "yuv422p", "matroska", "yuv422p"),
        ("ffv1", "yuv444p12le", "matroska", "yuv444p12le"),
        ("ffv1", "yuv420p16le", "matroska", "yuv420p16le"),
        ("ffv1", "gbrp10le", "matroska", "yuv420p10le"),
        ("ffv1", "bgra", "matroska", "yuva444p"),
        ("png", "rgb24", "mov", "yuv420p"),
        ("qtrle", "argb", "mov", "yuva444p"),
    ],
)
def test_formats_are_converted_to_planar_ones_with_the_same_colours(
    make_clip, frames_of, codec, native, container, planar
):
    clip = make_clip(
        f"clip.{container}",
        codec=codec,
        pixel_format=native,
        container=container,
        size=(32, 24),
        count=2,
        draw=corner_frame,
        options={},
    )
    frames = frames_of(clip)
    assert len(frames) == 2
    assert frames[0].format.name == planar
    assert_colours(frames[0], within=8 if native == "rgb565le" else 4)


@pytest.mark.parametrize(
    "native, planar",
    [
        ("nv16", "yuv422p"),
        ("nv24", "yuv444p"),
        ("nv20le", "yuv422p10le"),
        ("p010le", "yuv420p10le"),
        ("p016le", "yuv420p16le"),
        ("p210le", "yuv422p10le"),
        ("ayuv64le", "yuva444p16le"),
        ("x2rgb10le", "yuv420p10le"),
        ("rgba64le", "yuva444p16le"),
    ],
)
def test_formats_of_hardware_decoders_and_cameras(native, planar):
    decoded = corner_frame(0, 32, 24, native)
    conformer = Conformer(decoded, Fraction(1))
    frame = conformer(decoded, 7, Fraction(1, 25))
    assert (frame.format.name, frame.pts) == (planar, 7)
    assert_colours(frame)


@pytest.mark.parametrize("name, depth", [("gray", 8), ("gray10le", 10), ("gray16le", 16)])
def test_grey_keeps_its_levels(make_clip, frames_of, name, depth):
    def ramp(_index, width, height, _name):
        native = av.VideoFrame(width, height, name)
        dtype = np.uint8 if depth == 8 else np.uint16
        levels = (np.arange(width) * 6 + 20).astype(dtype) << (depth - 8)
        for plane in native.planes:
            stride = plane.line_size // levels.itemsize
            np.frombuffer(memoryview(plane), dtype).reshape(-1, stride)[:height, :width] = levels
        return native

    clip = make_clip("grey.mkv", codec="ffv1", pixel_format=name, size=(32, 24), count=1, draw=ramp, options={})
    (frame,) = frames_of(clip)
    assert frame.format == PixelFormat.make(depth, 1, 1)
    expected = (np.arange(32) * 6 + 20) << (depth - 8)
    assert np.abs(frame.planes[0].astype(int) - expected).max() <= 1
    assert np.abs(frame.planes[1].astype(int) - (128 << (depth - 8))).max() <= 1


def test_palettes_are_converted_to_colours(make_clip, frames_of):
    def indexed(_index, width, height, _name):
        native = av.VideoFrame(width, height, "pal8")
        palette = np.zeros((256, 4), np.uint8)
        for index, (red, green, blue) in enumerate(CORNERS):
            palette[index] = blue, green, red, 255
        np.frombuffer(memoryview(native.planes[1]), np.uint8)[: 256 * 4] = palette.ravel()
        numbers = np.kron(np.array([[0, 1], [2, 3]], np.uint8), np.ones((height // 2, width // 2), np.uint8))
        stride = native.planes[0].line_size
        np.frombuffer(memoryview(native.planes[0]), np.uint8).reshape(-1, stride)[:height, :width] = numbers
        return native

    clip = make_clip("pal.mov", codec="png", pixel_format="pal8", size=(32, 24), count=1, draw=indexed, options={})
    (frame,) = frames_of(clip)
    assert_colours(frame)


def test_the_deprecated_full_range_formats(make_clip, frames_of):
    clip = make_clip("full.mkv", codec="mjpeg", pixel_format="yuvj420p", options={"qmin": "1", "qmax": "1"})
    frame = frames_of(clip)[0]
    assert frame.format.name == "yuv420p"
    assert frame.colour.range == 2


def test_colour_description_of_the_file(make_clip, frames_of):
    def tags(_output, stream):
        context = stream.codec_context
        context.colorspace, context.color_range, context.color_primaries, context.color_trc = 9, 1, 9, 16

    clip = make_clip("hdr.mkv", pixel_format="yuv420p10le", prepare=tags)
    colour = frames_of(clip)[0].colour
    assert (colour.matrix, colour.range, colour.primaries, colour.transfer) == (9, 1, 9, 16)


def test_alpha_planes_are_kept(make_clip, frames_of, pyav_frames):
    clip = make_clip("alpha.mkv", codec="ffv1", pixel_format="yuva420p", options={})
    for frame, native in zip(frames_of(clip), pyav_frames(clip), strict=True):
        assert frame.format.alpha
        alpha = np.frombuffer(memoryview(native.planes[3]), np.uint8).reshape(-1, native.planes[3].line_size)
        assert np.array_equal(frame.planes[3], alpha[:48, :64])


@pytest.mark.parametrize("name, sizes", [("clips/vp8-alpha-person.webm", 120)])
def test_alpha_that_webm_stores_beside_the_frame(shared_data, frames_of, pyav_frames, name, sizes):
    frames = frames_of(shared_data / name)
    assert len(frames) == sizes
    assert frames[0].format.name == "yuva420p"
    alpha = frames[60].planes[3]
    assert alpha.min() == 0
    assert alpha.max() == 255
    assert 0.01 < np.mean((alpha > 5) & (alpha < 250)) < 0.5
    luma = pyav_frames(shared_data / name)[60].planes[0]
    rows = np.frombuffer(memoryview(luma), np.uint8).reshape(-1, luma.line_size)
    assert np.array_equal(frames[60].planes[0], rows[:213, :320])


def test_alpha_of_prores(shared_data, frames_of):
    (frame,) = frames_of(shared_data / "clips" / "prores4444-alpha.mov")
    assert frame.format.name == "yuva444p12le"
    assert frame.planes[3].max() == 4095
    assert frame.planes[3].min() == 0


def test_ten_bits_are_kept(shared_data, frames_of, pyav_frames):
    clip = shared_data / "clips" / "h265-10bit.mp4"
    frame, native = frames_of(clip)[3], pyav_frames(clip)[3]
    assert frame.format.name == "yuv420p10le"
    luma = np.frombuffer(memoryview(native.planes[0]), np.uint16).reshape(-1, native.planes[0].line_size // 2)
    assert np.array_equal(frame.planes[0], luma[:200, :200])
    assert np.any(frame.planes[0] % 4)


def rotated_clip(make_clip, matrix, **options):
    """A clip with another display matrix in its track header."""
    clip = make_clip("rotated.mp4", count=2, **options)
    a, b, c, d = (value << 16 for value in matrix)
    data = bytearray(clip.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    clip.write_bytes(data)
    return clip


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p"])
@pytest.mark.parametrize("name", ORIENTATIONS)
def test_frames_are_upright(make_clip, frames_of, pyav_frames, name, pixel_format):
    """(x′, y′) = (a·x + c·y, b·x + d·y), y downwards: (0, 1, −1, 0) takes the left edge to the top."""
    matrix, upright = ORIENTATIONS[name]
    clip = rotated_clip(make_clip, matrix, pixel_format=pixel_format, size=(64, 48))
    native = pyav_frames(clip)[1]
    planes = [np.frombuffer(memoryview(p), np.uint8).reshape(p.height, -1)[:, : p.width] for p in native.planes]
    frame = frames_of(clip)[1]
    assert frame.format.name == pixel_format
    for got, plane in zip(frame.planes, planes, strict=True):
        assert np.array_equal(got, upright(plane))


def test_rotating_422_keeps_the_colours(make_clip, frames_of):
    clip = rotated_clip(make_clip, (0, 1, -1, 0), pixel_format="yuv422p", draw=corner_frame)
    frame = frames_of(clip)[0]
    assert frame.format.name == "yuv444p"
    assert_colours(frame, (BLUE, RED, GREY, GREEN), within=6)


@pytest.mark.parametrize("matrix, expected", [((1, 0, 0, 1), Fraction(4, 3)), ((0, 1, -1, 0), Fraction(3, 4))])
def test_a_quarter_turn_inverts_the_sample_aspect_ratio(make_clip, matrix, expected):
    def set_aspect_ratio(_output, stream):
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)

    clip = rotated_clip(make_clip, matrix, prepare=set_aspect_ratio)
    with VideoReader(str(clip)) as reader:
        assert reader.info.shape.sample_aspect_ratio == expected
        assert all(frame.sample_aspect_ratio == expected for frame in reader)


@pytest.mark.parametrize("name", ["rotated-90-bunny.mp4", "rotated-mirrored.mp4"])
def test_rotated_clips(shared_data, pyav_frames, name):
    """Against the display matrix applied to pixel coordinates."""
    clip = shared_data / "clips" / name
    with VideoReader(str(clip)) as reader:
        frame = next(iter(reader))
    native = pyav_frames(clip)[0]
    a, b, _, c, d = struct.unpack("=5i", bytes(native.side_data["DISPLAYMATRIX"])[:20])
    a, b, c, d = (round(value / 65536) for value in (a, b, c, d))
    plane = native.planes[0]
    luma = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: native.height, : native.width]
    rows, columns = np.indices(luma.shape)
    x, y = a * columns + c * rows, b * columns + d * rows
    upright = np.zeros((y.max() - y.min() + 1, x.max() - x.min() + 1), np.uint8)
    upright[y - y.min(), x - x.min()] = luma
    assert np.array_equal(frame.planes[0], upright)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize("size", [(33, 25), (34, 25), (33, 24), (34, 24)])
def test_even_sizes_repeat_the_last_row_and_column(make_clip, pixel_format, size):
    """Only along the axes on which chroma is subsampled."""
    clip = make_clip("odd.mkv", codec="ffv1", pixel_format=pixel_format, size=size, count=1, options={})
    with VideoReader(str(clip)) as reader:
        assert (reader.info.shape.width, reader.info.shape.height) == size
        shape = reader.deliver(reader.info.shape.format, even=True)
        (frame,) = list(reader)
    with VideoReader(str(clip)) as reader:
        (original,) = list(reader)
    shifts = frame.format.shift_x, frame.format.shift_y
    wanted = tuple(length + (length % 2 if shift else 0) for length, shift in zip(size, shifts, strict=True))
    assert (shape.width, shape.height) == wanted == (frame.width, frame.height)
    for got, plane in zip(frame.planes, original.planes, strict=True):
        rows, columns = plane.shape
        padding = ((0, got.shape[0] - rows), (0, got.shape[1] - columns))
        assert np.array_equal(got, np.pad(plane, padding, mode="edge"))


def test_odd_size_clip(shared_data, frames_of):
    frames = frames_of(shared_data / "clips" / "odd-size-496x241.mp4")
    assert len(frames) == 10
    assert [plane.shape for plane in frames[0].planes] == [(241, 496), (241, 248), (241, 248)]


@pytest.mark.parametrize("wanted", ["yuv420p", "yuv444p10le", "yuva444p16le"])
def test_another_delivered_format_has_the_same_colours(make_clip, wanted):
    clip = make_clip("clip.mkv", codec="ffv1", pixel_format="yuv444p", draw=corner_frame, count=1, options={})
    with VideoReader(str(clip)) as reader:
        reader.deliver(PixelFormat.parse(wanted))
        (frame,) = list(reader)
    assert frame.format.name == wanted
    assert_colours(frame)
    if frame.format.alpha:
        assert np.all(frame.planes[3] == frame.format.maximum)


@pytest.mark.parametrize("name, count", [("vp9-resize-midstream.webm", 10), ("broken-sps.mp4", 79)])
def test_a_change_of_size_is_scaled_to_the_first(shared_data, frames_of, pyav_frames, name, count):
    clip = shared_data / "clips" / name
    natives, frames = pyav_frames(clip), frames_of(clip)
    first = natives[0].width, natives[0].height
    assert len({(native.width, native.height) for native in natives}) > 1
    assert len(frames) == count
    assert {(frame.width, frame.height) for frame in frames} == {first}
    for frame, native in zip(frames, natives, strict=True):
        mean = np.frombuffer(memoryview(native.planes[0]), np.uint8).reshape(-1, native.planes[0].line_size)
        assert abs(float(frame.planes[0].mean()) - float(mean[:, : native.width].mean())) < 2


def test_field_order(shared_data):
    with VideoReader(str(shared_data / "clips" / "interlaced-h264.mp4")) as reader:
        assert reader.info.top_field_first is True
    with VideoReader(str(shared_data / "clips" / "sar-2x1.mp4")) as reader:
        assert reader.info.top_field_first is None
        assert reader.info.shape.sample_aspect_ratio == 2


def test_frames_outlive_the_decoder(make_clip, frames_of, pyav_frames):
    """Views keep their memory: frames do not change while later ones are read."""
    clip = make_clip("held.mkv", count=30, options={"bf": "2", "refs": "4"})
    for frame, native in zip(frames_of(clip), pyav_frames(clip), strict=True):
        assert np.array_equal(frame.planes[0], native.to_ndarray()[:48])


@pytest.mark.parametrize("threads", [1, 3])
def test_the_number_of_threads_does_not_change_frames(make_clip, frames_of, pyav_frames, threads):
    clip = make_clip("threads.mkv", count=30, options={"bf": "2", "refs": "4"})
    for frame, native in zip(frames_of(clip, threads=threads), pyav_frames(clip), strict=True):
        assert np.array_equal(frame.planes[0], native.to_ndarray()[:48])
