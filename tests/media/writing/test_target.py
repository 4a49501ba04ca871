"""The container, encoder and pixel format for an output name and a source."""

from __future__ import annotations

import pytest

from streamseg.errors import OptionError
from streamseg.frame import Colour, PixelFormat
from streamseg.media.writing.target import Encoding, asks_for_alpha, choose_target


def choose(path, source="yuv420p", alpha=False, codec=None, crf=None, preset=None):
    return choose_target(path, PixelFormat.parse(source), alpha, Encoding(codec, crf, preset))


@pytest.mark.parametrize(
    "path, container, codec",
    [
        ("out.mp4", "mp4", "libx264"),
        ("OUT.MP4", "mp4", "libx264"),
        ("out.m4v", "mp4", "libx264"),
        ("out.mov", "mov", "libx264"),
        ("out.mkv", "matroska", "libx264"),
        ("out.webm", "webm", "libvpx-vp9"),
        ("out.avi", "avi", "libx264"),
        ("out.ts", "mpegts", "libx264"),
        ("out", "folder", "png"),
        ("out/", "folder", "png"),
        ("out.d/", "folder", "png"),
    ],
)
def test_opaque_outputs(path, container, codec):
    target = choose(path)
    assert (target.container, target.codec, target.format.name) == (container, codec, "yuv420p")
    assert target.is_folder == (container == "folder")


def test_an_existing_folder_with_a_suffix_is_a_folder(tmp_path):
    folder = tmp_path / "frames.v2"
    folder.mkdir()
    assert choose(str(folder)).is_folder


@pytest.mark.parametrize(
    "path, source, codec, name",
    [
        ("out.mov", "yuv420p", "prores_ks", "yuva444p10le"),
        ("out.mkv", "yuv420p", "prores_ks", "yuva444p10le"),
        ("out.webm", "yuv420p", "libvpx-vp9", "yuva420p"),
        ("out.webm", "yuv444p", "libvpx-vp9", "yuva420p"),
        ("out.webm", "yuv420p10le", "libvpx-vp9", "yuva420p"),
        ("out", "yuv420p", "png", "yuva444p"),
        ("out", "yuv422p10le", "png", "yuva444p16le"),
    ],
)
def test_transparent_outputs(path, source, codec, name):
    target = choose(path, source, alpha=True)
    assert (target.codec, target.format.name) == (codec, name)


@pytest.mark.parametrize(
    "codec, source, name",
    [
        ("h264", "yuv420p", "yuv420p"),
        ("h264", "yuva420p", "yuv420p"),
        ("h264", "yuv422p10le", "yuv422p10le"),
        ("h264", "yuv444p", "yuv444p"),
        ("h264", "yuv420p12le", "yuv420p10le"),
        ("h264", "yuv444p16le", "yuv444p10le"),
        ("h264", "yuv420p9le", "yuv420p10le"),
        ("h264", "yuv411p", "yuv422p"),
        ("h264", "yuv440p", "yuv444p"),
        ("h264", "yuv410p", "yuv420p"),
        ("h265", "yuv420p12le", "yuv420p12le"),
        ("h265", "yuv422p10le", "yuv422p10le"),
        ("av1", "yuv444p", "yuv420p"),
        ("av1", "yuv422p12le", "yuv420p10le"),
        ("prores", "yuv420p", "yuv422p10le"),
        ("prores", "yuv444p12le", "yuv444p10le"),
        ("ffv1", "yuv411p", "yuv411p"),
        ("ffv1", "yuv422p12le", "yuv422p12le"),
        ("vp9", "yuv440p", "yuv440p"),
    ],
)
def test_the_closest_format_of_the_encoder(codec, source, name):
    assert choose("out.mkv", source, codec=codec).format.name == name


@pytest.mark.parametrize(
    "codec, source, even",
    [
        ("h264", "yuv420p", True),
        ("h264", "yuv422p", True),
        ("h264", "yuv444p", False),
        ("h265", "yuv420p10le", True),
        ("av1", "yuv420p", True),
        ("vp9", "yuv420p", False),
        ("ffv1", "yuv420p", False),
    ],
)
def test_encoders_that_need_even_sizes(codec, source, even):
    assert choose("out.mkv", source, codec=codec).even == even


@pytest.mark.parametrize(
    "codec, crf, preset, expected",
    [
        ("h264", 21, "slow", {"crf": "21", "preset": "slow"}),
        ("h264", 21.5, None, {"crf": "21.5", "preset": "veryfast"}),
        ("h265", 30, None, {"crf": "30"}),
        ("vp9", 40, "6", {"crf": "40", "cpu-used": "6"}),
        ("av1", 35, "10", {"crf": "35", "preset": "10"}),
        ("h264", None, None, {"crf": "17", "preset": "veryfast"}),
        ("h264", None, "slow", {"crf": "18", "preset": "slow"}),
    ],
)
def test_quality_and_preset_are_passed_to_the_encoder(codec, crf, preset, expected):
    options = choose("out.mkv", codec=codec, crf=crf, preset=preset).options
    assert expected.items() <= options.items()


@pytest.mark.parametrize(
    "options, pattern",
    [
        ({"path": "out.mp4", "alpha": True}, "cannot hold transparency"),
        ({"path": "out.avi", "alpha": True}, "cannot hold transparency"),
        ({"path": "out.ts", "alpha": True}, "cannot hold transparency"),
        ({"path": "out.mp4", "alpha": True, "codec": "vp9"}, "cannot hold transparency"),
        ({"path": "out.avi", "alpha": True, "codec": "vp9"}, "cannot hold transparency"),
        ({"path": "out.mov", "alpha": True, "codec": "vp9"}, "cannot hold transparency"),
        ({"path": "out.mkv", "alpha": True, "codec": "h264"}, "does not support transparency"),
        ({"path": "out.xyz"}, "unknown kind of output"),
        ({"path": "out.txt"}, "expected one of .mp4"),
        ({"path": "out.mkv", "codec": "nonsense"}, "no such encoder"),
        ({"path": "out.mkv", "codec": "aac"}, "is not a video encoder"),
        ({"path": "out.mkv", "codec": "mov_text"}, "is not a video encoder"),
        ({"path": "out.mov", "codec": "png"}, "does not support planar video"),
        ({"path": "out.mov", "codec": "qtrle"}, "does not support planar video"),
        ({"path": "out.ts", "codec": "ffv1"}, "cannot hold the output of"),
        ({"path": "out.ts", "codec": "vp9"}, "cannot hold the output of"),
        ({"path": "out.mov", "codec": "prores", "crf": 20}, "has no such setting"),
        ({"path": "out.mkv", "codec": "ffv1", "preset": "slow"}, "has no such setting"),
        ({"path": "out/", "crf": 20}, "has no such setting"),
        ({"path": "out/", "preset": "fast"}, "has no such setting"),
        ({"path": "out/", "codec": "h264"}, "a folder holds PNGs"),
    ],
)
def test_contradicting_options_are_rejected(options, pattern):
    with pytest.raises(OptionError, match=pattern) as caught:
        choose(**options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["out.mov", "out.webm", "out", "out/", "OUT.WEBM"])
def test_names_that_ask_for_alpha(path):
    assert asks_for_alpha(path)


@pytest.mark.parametrize("path", ["out.mp4", "out.mkv", "out.avi", "out.ts"])
def test_names_that_do_not_ask_for_alpha(path):
    assert not asks_for_alpha(path)


def test_a_name_that_is_too_long():
    with pytest.raises(OptionError):
        choose("x" * 300 + ".xyz")


def test_threads_are_only_for_x264_with_the_default_preset():
    def threads(path, **options):
        return choose_target(path, PixelFormat.parse("yuv420p"), False, Encoding(**options, threads=1)).threads

    assert threads("out.mp4") == threads("out.mp4", crf=12) == 1
    assert threads("out.mp4", preset="slow") == threads("out.mp4", codec="h265") == threads("out.webm") == 0


@pytest.mark.parametrize(
    "codec, quality, source, name, layout",
    [
        ("h264_nvenc", "19", "yuv420p", "yuv420p", "yuv420p"),
        ("h264_nvenc", "19", "yuv444p", "yuv420p", "yuv420p"),
        ("h264_nvenc", "19", "yuv420p10le", "yuv420p", "yuv420p"),
        ("hevc_nvenc", "21", "yuv420p", "yuv420p", "yuv420p"),
        ("hevc_nvenc", "21", "yuv420p10le", "yuv420p10le", "p010le"),
        ("hevc_nvenc", "21", "yuv422p12le", "yuv420p10le", "p010le"),
    ],
)
def test_nvenc_gets_420_with_the_bits_that_players_decode(codec, quality, source, name, layout):
    target = choose("out.mp4", source, codec=codec)
    assert (target.format.name, target.layout, target.even) == (name, layout, True)
    assert target.options == {"rc": "vbr", "cq": quality, "b": "0", "preset": "p4"}


PQ, HLG, SDR = Colour(9, 1, 9, 16), Colour(9, 1, 9, 18), Colour(1, 1, 1, 1)


@pytest.mark.parametrize(
    "path, source, colour, codec, name, tag",
    [
        ("out.mp4", "yuv420p", SDR, "libx264", "yuv420p", ""),
        ("out.mp4", "yuv422p", SDR, "libx264", "yuv420p", ""),
        ("out.mov", "yuva444p", SDR, "libx264", "yuv420p", ""),
        ("out.mp4", "yuv420p10le", SDR, "libx265", "yuv420p10le", "hvc1"),
        ("out.mp4", "yuv422p10le", HLG, "libx265", "yuv420p10le", "hvc1"),
        ("out.mov", "yuv444p12le", PQ, "libx265", "yuv420p10le", "hvc1"),
        ("out.mp4", "yuv420p", HLG, "libx265", "yuv420p10le", "hvc1"),
        ("out.ts", "yuv420p10le", PQ, "libx265", "yuv420p10le", ""),
        ("out.webm", "yuv422p", SDR, "libvpx-vp9", "yuv420p", ""),
        ("out.webm", "yuv422p10le", PQ, "libsvtav1", "yuv420p10le", ""),
        ("out.avi", "yuv422p10le", SDR, "libx264", "yuv420p", ""),
        ("out.mkv", "yuv444p", SDR, "libx264", "yuv444p", ""),
        ("out.mkv", "yuv422p10le", SDR, "libx265", "yuv422p10le", ""),
    ],
)
def test_the_default_is_what_phones_and_browsers_play(path, source, colour, codec, name, tag):
    target = choose_target(path, PixelFormat.parse(source), False, Encoding(), colour)
    assert (target.codec, target.format.name, target.tag) == (codec, name, tag)


@pytest.mark.parametrize(
    "path, source, codec, name",
    [
        ("out.mp4", "yuv444p", None, "yuv444p"),
        ("out.mp4", "yuv422p10le", None, "yuv422p10le"),
        ("out.mp4", "yuv422p10le", "h264", "yuv422p10le"),
        ("out.webm", "yuv422p", None, "yuv422p"),
    ],
)
def test_the_pixel_format_of_the_source_is_kept_on_request(path, source, codec, name):
    encoding = Encoding(codec, pixel_format="source")
    assert choose_target(path, PixelFormat.parse(source), False, encoding).format.name == name


@pytest.mark.parametrize("codec, name", [("prores", "yuv422p10le"), ("ffv1", "yuv444p"), (None, "yuv420p")])
def test_editors_codecs_keep_more_than_players_want(codec, name):
    source = "yuv422p" if codec == "prores" else "yuv444p"
    assert choose("out.mov" if codec == "prores" else "out.avi", source, codec=codec).format.name == name


@pytest.mark.parametrize(
    "source, colour, words",
    [
        ("yuv420p", SDR, "H.264, 8-bit 4:2:0: the source has 8 bits"),
        ("yuv420p10le", HLG, "HEVC, 10-bit 4:2:0: the source is HDR (HLG)"),
        (
            "yuv422p",
            SDR,
            "H.264, 8-bit 4:2:0: the source has 8 bits, and players want this; --pixel-format source keeps 8-bit 4:2:2",
        ),
    ],
)
def test_one_line_says_what_was_chosen_and_why(source, colour, words):
    assert choose_target("out.mp4", PixelFormat.parse(source), False, Encoding(), colour).reason == words


def test_an_unknown_pixel_format_is_rejected():
    with pytest.raises(OptionError, match="expected source"):
        Encoding(pixel_format="yuv420p")


def test_crf_and_preset_of_nvenc():
    assert choose("out.mp4", codec="h264_nvenc", crf=24.5, preset="p7").options == {
        "rc": "vbr",
        "cq": "24.5",
        "b": "0",
        "preset": "p7",
    }
    # CRF 0 is lossless; for NVENC, 0 would be automatic
    assert choose("out.mp4", codec="hevc_nvenc", crf=0).options == {"rc": "constqp", "qp": "0", "preset": "p4"}


@pytest.mark.parametrize("codec", ["libx264", "libx265", "ffv1", "prores_ks", "libvpx-vp9"])
def test_other_encoders_get_planar_frames(codec):
    target = choose("out.mkv", "yuv420p10le", codec=codec)
    assert target.layout == target.format.name
