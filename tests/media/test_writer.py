"""What goes into an output comes out of it: pictures, times, sound, words about them."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
from av.stream import Disposition

from streamseg.errors import OptionError, OutputError
from streamseg.frame import Colour, Frame, Matte, PixelFormat
from streamseg.matting.finish import cut_out
from streamseg.media.native import plane_views
from streamseg.media.origin import Origin
from streamseg.media.pictures import read_picture
from streamseg.media.reader import VideoReader
from streamseg.media.scale import to_rgb
from streamseg.media.target import Encoding, choose_target
from streamseg.media.writer import open_writer

MILLISECOND = Fraction(1, 1000)
UNEVEN = [0, 1, 2, 5, 6, 10, 20, 21, 22, 40, 41, 43]
CONTAINERS = ["out.mp4", "out.mov", "out.mkv", "out.webm"]
QUICK = {"out.webm": Encoding(crf=4, preset="8")}


def quick(name):
    return QUICK.get(name, Encoding(crf=1, preset="ultrafast"))


def describe(output, stream):
    """Everything that a file can say about its picture."""
    context = stream.codec_context
    context.colorspace, context.color_range, context.color_primaries, context.color_trc = 9, 1, 9, 16
    context.sample_aspect_ratio = Fraction(4, 3)
    stream.metadata["language"] = "fra"
    output.metadata.update({"title": "A walk", "artist": "Nobody", "comment": "in spring"})
    chapters = [
        {"id": k, "start": 400 * k, "end": 400 * k + 400, "time_base": MILLISECOND, "metadata": {"title": f"Part {k}"}}
        for k in range(3)
    ]
    output.set_chapters(chapters)


@pytest.mark.parametrize("name", CONTAINERS)
def test_descriptions_survive(make_clip, rewrite, name):
    clip = make_clip("source.mkv", pixel_format="yuv420p10le", count=30, prepare=describe)
    out = rewrite(clip, name, encoding=Encoding(crf=20, preset="8" if "webm" in name else "ultrafast"))
    with VideoReader(str(out)) as reader:
        colour = reader.info.shape.colour
        assert (colour.matrix, colour.range, colour.primaries, colour.transfer) == (9, 1, 9, 16)
        assert name == "out.webm" or reader.info.shape.sample_aspect_ratio == Fraction(4, 3)
        tags = {key.lower(): value for key, value in reader.container.metadata.items()}
        assert (tags["title"], tags["artist"], tags["comment"]) == ("A walk", "Nobody", "in spring")
        assert reader.video.metadata["language"] == "fra"
        chapters = reader.container.chapters()
    spans = [(c["start"] * c["time_base"], c["end"] * c["time_base"]) for c in chapters]
    assert spans == [(Fraction(2 * k, 5), Fraction(2 * k + 2, 5)) for k in range(3)]
    assert [c["metadata"]["title"] for c in chapters] == ["Part 0", "Part 1", "Part 2"]


@pytest.mark.parametrize(
    "name, codec, kept", [("out.webm", None, False), ("out.mkv", "vp9", False), ("out.mkv", None, True)]
)
def test_pixels_that_are_not_square_stay_so_or_a_warning_comes(make_clip, rewrite, name, codec, kept):
    clip = make_clip("source.mkv", count=3, prepare=describe)
    warnings: list[str] = []
    out = rewrite(clip, name, encoding=Encoding(codec=codec, preset=None if kept else "8"), warnings=warnings)
    with VideoReader(str(out)) as reader:
        assert (reader.info.shape.sample_aspect_ratio == Fraction(4, 3)) == kept
    assert warnings == ([] if kept else ["pixels of shape 4/3 will be shown square"])


def test_full_range_survives(make_clip, rewrite):
    def full(_output, stream):
        stream.codec_context.color_range = 2

    clip = make_clip("source.mkv", prepare=full)
    for name in CONTAINERS:
        with VideoReader(str(rewrite(clip, name, encoding=quick(name)))) as reader:
            assert reader.info.shape.colour.range == 2


@pytest.mark.parametrize("name", CONTAINERS)
def test_time_stamps_survive(make_clip, rewrite, frames_of, stamps, name):
    clip = make_clip("source.mp4", pts=[stamp + 7 for stamp in UNEVEN], time_base=Fraction(1, 30))
    source, result = stamps(frames_of(clip)), stamps(frames_of(rewrite(clip, name, encoding=quick(name))))
    if name in ("out.mp4", "out.mov"):
        assert result == source
    assert len(result) == len(source)
    assert all(abs(a - b) <= Fraction(1, 2000) for a, b in zip(result, source, strict=True))


@pytest.mark.parametrize("name", CONTAINERS)
def test_pictures_survive(make_clip, rewrite, frames_of, name):
    clip = make_clip("source.mkv", options={"bf": "2", "qp": "0"}, count=15)
    result = frames_of(rewrite(clip, name, encoding=quick(name)))
    for before, after in zip(frames_of(clip), result, strict=True):
        for a, b in zip(before.planes, after.planes, strict=True):
            assert np.abs(a.astype(int) - b.astype(int)).mean() < 3


def test_lossless_output_is_the_source_bit_for_bit(make_clip, rewrite, frames_of):
    clip = make_clip("source.mkv", pixel_format="yuv422p10le", options={"bf": "2"})
    result = frames_of(rewrite(clip, "out.mkv", encoding=Encoding(codec="ffv1")))
    for before, after in zip(frames_of(clip), result, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(before.planes, after.planes, strict=True))


def test_chapters_are_shifted_and_cut(make_clip, rewrite):
    clip = make_clip("source.mkv", count=30, prepare=describe)
    out = rewrite(clip, "out.mkv", start=0.6, duration=0.3)
    with av.open(str(out)) as container:
        spans = [(c["start"] * c["time_base"], c["end"] * c["time_base"]) for c in container.chapters()]
        titles = [c["metadata"]["title"] for c in container.chapters()]
    assert spans == [(0, Fraction(1, 5)), (Fraction(1, 5), Fraction(3, 10))]
    assert titles == ["Part 1", "Part 2"]


def test_the_interlaced_flag_survives(shared_data, rewrite):
    out = rewrite(shared_data / "clips" / "interlaced-h264.mp4", "out.mp4", duration=0.5)
    with av.open(str(out)) as container:
        assert all(native.interlaced_frame for native in container.decode(video=0))


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.mov", "out.ts"])
def test_sound_is_copied_byte_for_byte(make_clip, rewrite, packets_of, sound, name):
    clip = make_clip("source.mkv", count=25, sounds=[sound(), sound(hertz=500, language="fra")])
    out = rewrite(clip, name)
    with av.open(str(out)) as container:
        assert [stream.language for stream in container.streams.audio] == ["eng", "fra"]
        origin = Fraction(container.start_time or 0, 1_000_000)
    for index in (1, 2):
        before, after = packets_of(clip, index), packets_of(out, index)
        strip = 7 if name == "out.ts" else 0
        assert [data for _, data in before] == [data[strip:] for _, data in after]
        offset = after[0][0] - before[0][0]
        assert name == "out.ts" or abs(offset) <= Fraction(1, 900)
        assert all(abs(b - a - offset) < Fraction(1, 900) for (a, _), (b, _) in zip(before, after, strict=True))
    assert origin < 2


def test_dispositions_survive(make_clip, rewrite, sound):
    def dispositions(output, _stream):
        first, second = output.streams.audio
        first.disposition, second.disposition = Disposition.comment, Disposition.default

    clip = make_clip("source.mkv", count=25, sounds=[sound(), sound()], prepare=dispositions)
    with av.open(str(rewrite(clip, "out.mkv"))) as container:
        first, second = container.streams.audio
        assert first.disposition & Disposition.comment
        assert not first.disposition & Disposition.default
        assert second.disposition & Disposition.default


def samples_of(path):
    """Mono samples at 48 kHz, the first where its time stamp says, counted from time zero."""
    resampler = av.AudioResampler("fltp", "mono", 48_000)
    with av.open(str(path)) as container:
        parts = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
        parts += resampler.resample(None)
    first = round(parts[0].pts * parts[0].time_base * 48_000)
    samples = np.concatenate([part.to_ndarray()[0] for part in parts])
    return np.concatenate([np.zeros(max(0, first), np.float32), samples[max(0, -first) :]])


def assert_same_sound(before, after, lag=480, within=48):
    """Of the same length within 50 ms, and alike at a shift of at most ``within`` samples (of ``lag`` tried)."""
    assert abs(len(before) - len(after)) <= 2400
    middle = before[12_000:36_000]
    scores = [np.corrcoef(middle, after[12_000 + shift : 36_000 + shift])[0, 1] for shift in range(-lag, lag + 1, 4)]
    assert max(scores) > 0.98
    assert abs(int(np.argmax(scores)) * 4 - lag) <= within


@pytest.mark.parametrize(
    "name, source, layout, rate",
    [
        ("out.webm", "aac", "mono", 44_100),
        ("out.webm", "aac", "stereo", 48_000),
        ("out.webm", "aac", "mono", 8_000),
        ("out.webm", "ac3", "5.1(side)", 48_000),
        ("out.webm", "pcm_s16le", "stereo", 48_000),
        ("out.avi", "libopus", "stereo", 48_000),
        ("out.avi", "libopus", "5.1", 48_000),
        ("out.avi", "alac", "mono", 96_000),
        ("out.mp4", "pcm_s16le", "stereo", 48_000),
        ("out.mov", "flac", "stereo", 96_000),
        ("out.mov", "libopus", "5.1", 48_000),
    ],
)
def test_sound_that_a_container_cannot_hold_is_encoded_anew(make_clip, rewrite, sound, name, source, layout, rate):
    voice = sound(codec=source, layout=layout, rate=rate, seconds=1.5)
    clip = make_clip("source.mkv", count=40, sounds=[voice])
    warnings: list[str] = []
    encoding = None if name == "out.avi" else quick(name)
    out = rewrite(clip, name, encoding=encoding, warnings=warnings)
    # AVI cannot tell a player of the silence that MP3 begins with.
    assert_same_sound(samples_of(clip), samples_of(out), within=300 if name == "out.avi" else 48)
    with av.open(str(out)) as container:
        assert container.streams.audio[0].codec_context.codec.canonical_name not in source
        assert name == "out.avi" or container.streams.audio[0].language == "eng"
    assert len(warnings) == 1
    assert "sound encoded anew" in warnings[0]


def test_sound_that_starts_late_stays_late(make_clip, rewrite, sound):
    clip = make_clip("source.mkv", count=75, sounds=[sound(seconds=2.5)], options={"g": "5"})
    cut = rewrite(clip, "cut.mkv", start=0.5)
    out = rewrite(cut, "out.webm", encoding=quick("out.webm"))
    assert_same_sound(samples_of(cut), samples_of(out))
    assert_same_sound(samples_of(clip)[24_000:], samples_of(out), lag=2000)


def test_damaged_sound_is_no_failure_to_write(make_clip, rewrite, sound, frames_of):
    clip = make_clip("source.mkv", count=50, sounds=[sound(seconds=2)])
    with av.open(str(clip)) as container:
        packets = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
    data = clip.read_bytes()
    whole = clip.with_name("whole.mkv")
    whole.write_bytes(data)
    for victim in packets[30:34]:
        data = data.replace(victim, b"\x5a" * len(victim))
    clip.write_bytes(data)
    warnings: list[str] = []
    out = rewrite(clip, "out.webm", encoding=quick("out.webm"), warnings=warnings)
    assert len(frames_of(out)) == 50
    assert any("damaged" in warning for warning in warnings)
    before, after = samples_of(whole), samples_of(out)
    assert abs(len(before) - len(after)) <= 2400
    late = before[72_000:84_000]
    scores = [np.corrcoef(late, after[72_000 + shift : 84_000 + shift])[0, 1] for shift in range(-480, 481, 4)]
    assert max(scores) > 0.98


def test_pcm_is_copied_into_mov(make_clip, rewrite, sound):
    clip = make_clip("source.mov", count=25, sounds=[sound(codec="pcm_s16le")])
    out = rewrite(clip, "out.mov")
    with av.open(str(out)) as container:
        assert container.streams.audio[0].codec_context.name == "pcm_s16le"
    assert np.array_equal(samples_of(clip), samples_of(out))


def test_subtitles_are_copied_or_left_out_with_a_word(shared_data, rewrite, packets_of):
    clip = shared_data / "clips" / "multi-stream-2v2a2s.mp4"
    warnings: list[str] = []
    out = rewrite(clip, "out.mp4", duration=5.0, warnings=warnings)
    assert not warnings
    with av.open(str(out)) as container, av.open(str(clip)) as source:
        assert [s.language for s in container.streams.subtitles] == [s.language for s in source.streams.subtitles]
        index, before = container.streams.subtitles[0].index, source.streams.subtitles[0].index
    got = [data for _, data in packets_of(out, index) if len(data) > 2]
    assert got
    assert got == [data for time, data in packets_of(clip, before) if time < 5 and len(data) > 2]
    out = rewrite(clip, "out.webm", duration=0.5, encoding=quick("out.webm"), warnings=warnings)
    assert sum("subtitle (mov_text) left out: webm" in warning for warning in warnings) == 2
    with av.open(str(out)) as container:
        assert not container.streams.subtitles
        assert len(container.streams.audio) == 2


def cut_outs(reader, target):
    """Frames with an alpha ramp from left to right."""
    for frame in reader:
        ramp = np.linspace(0, 1, frame.width)[None].repeat(frame.height, 0)
        dtype = np.uint8 if frame.format.depth == 8 else np.uint16
        matte = Matte(np.rint(ramp * np.iinfo(dtype).max).astype(dtype))
        yield cut_out(frame, matte, target.format)


def write_cut_outs(clip, path, encoding=None):
    with VideoReader(str(clip)) as reader:
        target = choose_target(str(path), reader.info.shape.format, True, encoding or Encoding())
        writer = open_writer(target, reader.info.shape, Origin.of(reader), [], False)
        for frame in cut_outs(reader, target):
            writer.write(frame)
        writer.finish()


def orange(_index, width, height, name):
    """Flat planes: the colour of one converted patch."""
    rgb = av.VideoFrame.from_ndarray(np.full((16, 16, 3), (220, 120, 30), np.uint8), "rgb24")
    patch = rgb.reformat(format=name, dst_colorspace=5, src_color_range=2, dst_color_range=1)
    native, form = av.VideoFrame(width, height, name), PixelFormat.parse(name)
    for target, source in zip(plane_views(native, form), plane_views(patch, form), strict=True):
        target[:] = source[4, 4]
    return native


def assert_orange_ramp(rgb, alpha, within):
    """Straight alpha: the colour is orange also where alpha is small."""
    ramp = np.linspace(0, 1, alpha.shape[1])
    assert np.abs(alpha / alpha.max() - ramp).max() < within / 255
    assert np.abs(rgb.astype(int) - (220, 120, 30)).max() <= within


@pytest.mark.parametrize(
    "name, source, within",
    [("out.mov", "yuv420p", 5), ("out.mov", "yuv422p10le", 5), ("out.webm", "yuv420p", 8), ("out.mkv", "yuv420p", 5)],
)
def test_transparent_video_decodes_with_its_colour_and_alpha(make_clip, tmp_path, frames_of, name, source, within):
    clip = make_clip("source.avi", codec="ffv1", pixel_format=source, picture=orange, count=3, options={})
    write_cut_outs(clip, tmp_path / name, Encoding(crf=4, preset="8") if "webm" in name else None)
    frames = frames_of(tmp_path / name)
    assert len(frames) == 3
    assert frames[0].format.alpha
    for frame in frames:
        rgb = to_rgb(frame.native, frame.colour, "rgb24").to_ndarray()
        assert_orange_ramp(rgb, frame.planes[3].astype(float), within)


@pytest.mark.parametrize("source, bits", [("yuv420p", 8), ("yuv420p10le", 16)])
def test_transparent_pictures(make_clip, tmp_path, source, bits):
    clip = make_clip(
        "source.avi", codec="ffv1", pixel_format=source, picture=orange, pts=[0, 1, 5], options={}, size=(65, 47)
    )
    write_cut_outs(clip, f"{tmp_path}/frames/")
    folder = tmp_path / "frames"
    assert sorted(p.name for p in folder.iterdir()) == ["000001.png", "000002.png", "000003.png", "timestamps.txt"]
    picture = read_picture(str(folder / "000002.png"))
    assert picture.format == PixelFormat.make(bits, 0, 0, True, rgb=True)
    green, blue, red, alpha = (plane.astype(float) / picture.format.maximum for plane in picture.planes)
    assert_orange_ramp(np.rint(np.dstack([red, green, blue]) * 255), alpha, 4)


def test_time_stamps_of_pictures(make_clip, rewrite):
    clip = make_clip("source.mp4", pts=[0, 1, 5, 7], time_base=Fraction(1, 30))
    folder = rewrite(clip, "frames/")
    lines = (folder / "timestamps.txt").read_text().splitlines()
    assert lines == ["# timestamp format v2", "0.000", "33.333", "166.667", "233.333"]


def test_opaque_pictures_have_the_colours_of_the_video(make_clip, rewrite):
    clip = make_clip("source.avi", codec="ffv1", picture=orange, count=2, options={})
    picture = read_picture(str(rewrite(clip, "frames/") / "000001.png"))
    assert picture.format.name == "gbrp"
    means = [float(plane.mean()) for plane in picture.planes]
    assert np.abs(np.array(means) - (120, 30, 220)).max() < 3


def test_discard_leaves_nothing(make_clip, tmp_path):
    clip = make_clip("source.mkv")
    before = sorted(tmp_path.iterdir())
    for name in ("out.mp4", "frames/"):
        with VideoReader(str(clip)) as reader:
            target = choose_target(f"{tmp_path}/{name}", reader.info.shape.format, False, Encoding())
            writer = open_writer(target, reader.info.shape, Origin.of(reader), [], False)
            for frame in reader:
                writer.write(frame)
            writer.discard()
        assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "name, encoding, error, message",
    [
        ("out.webm", Encoding(codec="h264"), OutputError, r"out\.webm: cannot be written"),
        ("out.mp4", Encoding(preset="nonsense"), OptionError, "libx264 refuses its settings: .*preset=nonsense"),
        ("out.mov", Encoding(codec="vp9"), OutputError, r"out\.mov: cannot be written"),
    ],
)
def test_what_the_container_or_encoder_refuses(make_clip, rewrite, tmp_path, name, encoding, error, message):
    clip = make_clip("source.mkv")
    with pytest.raises(error, match=message) as caught:
        rewrite(clip, name, encoding=encoding)
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source.mkv"]


FULL_DISK = """
import resource, signal, sys
from streamseg.errors import OptionError, OutputError
from streamseg.media.origin import Origin
from streamseg.media.reader import VideoReader
from streamseg.media.target import Encoding, choose_target
from streamseg.media.writer import open_writer

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (900, 900))
with VideoReader(sys.argv[1]) as reader:
    target = choose_target(sys.argv[2], reader.info.shape.format, False, Encoding())
    writer = open_writer(target, reader.info.shape, Origin.of(reader), [], False)
    try:
        for frame in reader:
            writer.write(frame)
        writer.finish()
    except OutputError as error:
        writer.discard()
        print(error)
        sys.exit(3)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files as POSIX does")
@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.ts", "frames/"])
def test_a_full_disk_is_told_and_leaves_nothing(make_clip, tmp_path, name):
    clip = make_clip("source.mkv", count=60, size=(128, 96))
    command = [sys.executable, "-W", "error", "-c", FULL_DISK, str(clip), f"{tmp_path}/{name}"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 3, result.stderr
    assert "cannot be written" in result.stdout
    assert result.stdout.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["source.mkv"]


def test_a_frame_without_native_memory_can_be_written(make_clip, tmp_path, frames_of):
    clip = make_clip("source.mkv", count=1)
    with VideoReader(str(clip)) as reader:
        target = choose_target(f"{tmp_path}/out.mkv", reader.info.shape.format, False, Encoding(codec="ffv1"))
        writer = open_writer(target, reader.info.shape, Origin.of(reader), [], False)
        planes = tuple(np.full(shape, 90, np.uint8) for shape in target.format.shapes(64, 48))
        writer.write(Frame(planes, target.format, 0, reader.info.time_base, Colour()))
        writer.finish()
    (frame,) = frames_of(tmp_path / "out.mkv")
    assert all(np.all(plane == 90) for plane in frame.planes)
