"""Pictures of the card's decoder: taken over bit for bit, and given back when the copy is done and not before."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

from stand_in_decoder import install, semi_planar  # noqa: E402
from streamseg.pipelines import VideoJob  # noqa: E402
from test_plane_kernels import frame_of  # noqa: E402

from streamseg.device.cuda import device as card_module  # noqa: E402
from streamseg.device.cuda.decoded import DecodedPictures  # noqa: E402
from streamseg.device.cuda.transfer import PictureSlot  # noqa: E402
from streamseg.errors import UnsupportedDevice  # noqa: E402
from streamseg.frame import Colour, Frame, PixelFormat  # noqa: E402
from streamseg.media.card_frame import CardFrame  # noqa: E402
from streamseg.media.hardware import CardDecoding, open_reader  # noqa: E402
from streamseg.media.native import native_of, plane_views  # noqa: E402
from streamseg.media.reader import VideoReader  # noqa: E402
from streamseg.media.target import Encoding  # noqa: E402


class Steps:
    """Streams whose waits, and events whose firing, are written down; nothing fires unless it is waited for."""

    def __init__(self, host):
        self._host, self.log, self.marks = host, [], []

    def __getattr__(self, name):
        return getattr(self._host, name)

    def decoder_mark(self):
        return "the decoder's work"

    def record(self, stream):
        self.marks.append(Mark(self.log, len(self.marks)))
        return self.marks[-1]

    def launch(self, kernel, *arguments):
        self.log.append(kernel)
        self._host.launch(kernel, *arguments)

    @property
    def upload(self):
        return self

    @property
    def platform(self):
        return self

    def wait_event(self, event):
        self.log.append(f"after {event}")


class Mark:
    def __init__(self, log, number):
        self._log, self._number, self.fired = log, number, False

    def query(self):
        return self.fired

    def synchronize(self):
        if not self.fired:
            self._log.append(f"waited for {self._number}")
        self.fired = True


def card_frame(number=0, name="yuv420p", size=(64, 48)):
    frame = frame_of(name, *size)
    native = semi_planar(native_of(frame))
    return frame, CardFrame(native, frame.format, *size, number, Fraction(1, 25), Colour(1, 1), Fraction(1))


@pytest.mark.parametrize("size", [(64, 48), (426, 242), (1920, 1080)], ids=str)
@pytest.mark.parametrize("name", ["yuv420p", "yuv420p10le"])
def test_pictures_are_taken_over_bit_for_bit(host, name, size):
    """Through PyAV's own DLPack, with the rows as padded as FFmpeg has them."""
    frame, lent = card_frame(name=name, size=size)
    slot = PictureSlot.allocate(host, frame.format, *size)
    DecodedPictures(Steps(host)).copy(lent, slot)
    for mine, theirs in zip(slot.picture.planes, frame.planes, strict=True):
        assert np.array_equal(mine.numpy().view(theirs.dtype), theirs)


@pytest.mark.parametrize("name", ["yuv420p", "yuv420p10le"])
def test_the_kernel_reads_padded_rows(platform, name):
    form, (width, height) = PixelFormat.parse(name), (426, 242)
    frame, unused = frame_of(name, width, height), 16 - form.depth if form.depth > 8 else 0

    def padded(values, pitch):
        rows, columns = values.shape[0], values.size // values.shape[0]
        wide = np.full((rows, pitch), 77, form.dtype)
        wide[:, :columns] = values.reshape(rows, columns) << unused
        return platform.upload(torch.from_numpy(wide.view(np.int16 if unused else np.uint8)))

    luma, turns = padded(frame.planes[0], 512), padded(np.stack(frame.planes[1:], 2), 480)
    slot = PictureSlot.allocate(platform, form, width, height)
    slot.picture.samples.fill_(99)
    platform.launch("unpack", (213, 121), luma, 512, turns, 480, unused, slot.picture.descriptor)
    slot.download()
    for mine, theirs in zip(slot.planes, frame.planes, strict=True):
        assert all(np.array_equal(*planes) for planes in zip(mine, theirs, strict=True))


def test_the_copy_waits_for_the_decoder_and_the_picture_for_the_copy(host):
    steps = Steps(host)
    pictures = DecodedPictures(steps)
    slot = PictureSlot.allocate(host, PixelFormat.parse("yuv420p"), 64, 48)
    for number in range(4):
        pictures.copy(card_frame(number)[1], slot)
    copied = ["after the decoder's work", "unpack"]
    # Two are lent at a time: with the third, the first has to be given back, which its event must say is right.
    assert steps.log == [*copied, *copied, *copied, "waited for 0", *copied, "waited for 1"]
    steps.marks[2].fired = True
    pictures.copy(card_frame(4)[1], slot)
    assert steps.log[-2:] == copied  # what fires by itself is not waited for
    assert len(pictures._lent) == 2


@pytest.fixture
def clip(tmp_path, sample_clip):
    """The sample in 8 or 10 bits, three frames of it, lossless."""

    def make(name):
        path = tmp_path / f"{name}.mkv"
        with av.open(str(sample_clip)) as source, av.open(str(path), "w") as out:
            stream = out.add_stream("libx264", rate=25, options={"qp": "0", "preset": "ultrafast"})
            stream.width, stream.height, stream.pix_fmt = 320, 180, name
            for number, native in zip(range(4), source.decode(video=0), strict=False):
                small = native.reformat(320, 180, name)
                small.pts, small.time_base = number, Fraction(1, 25)
                out.mux(stream.encode(small))
            out.mux(stream.encode(None))
        return path

    return make


def samples(native):
    """What it shows, without the padding behind its rows."""
    return [plane.copy() for plane in plane_views(native, PixelFormat.parse(native.format.name))]


@pytest.mark.parametrize(
    "background, suffix", [("red", ".mkv"), ("matte", ".mkv"), ("transparent", ".mov"), ("blur", ".mkv")]
)
@pytest.mark.parametrize("name", ["yuv420p", "yuv420p10le"])
def test_a_file_decoded_by_the_card_is_the_same_file(host, clip, tmp_path, monkeypatch, name, background, suffix):
    """Every picture in the output, bit for bit, and none of the decoder's ever on the host."""
    monkeypatch.setattr(card_module, "CUDAPlatform", lambda: host)
    monkeypatch.setattr(
        "streamseg.device.cuda.network.FusedNetwork.__call__", lambda self, x: torch.sigmoid(4 * x.mean(1))
    )
    path, made = clip(name), {}
    # Not x264: in several threads it gives other bits for the same pictures once in ten to a hundred times.
    encoding = Encoding() if suffix == ".mov" else Encoding(codec="ffv1")
    opened = install(monkeypatch)
    monkeypatch.setattr("streamseg.media.conform.downloaded", lambda native: pytest.fail("a picture came down"))
    for hwaccel in ("none", "auto"):
        out = tmp_path / f"{hwaccel}{suffix}"
        VideoJob(path, out, background, device="cuda", hwaccel=hwaccel, encoding=encoding).run()
        with av.open(str(out)) as container:
            made[hwaccel] = [(frame.pts, samples(frame)) for frame in container.decode(video=0)]
    assert opened == [str(path)]
    assert len(made["auto"]) == 4
    for (pts, mine), (theirs_pts, theirs) in zip(made["auto"], made["none"], strict=True):
        assert pts == theirs_pts
        assert all(np.array_equal(*planes) for planes in zip(mine, theirs, strict=True))


def test_the_cards_decoder_gives_what_the_cpus_gives(card, sample_clip):
    """H.264 decodes to the same bits everywhere; a wrong stream or a late copy would show here."""
    device = card_module.CUDADevice.__new__(card_module.CUDADevice)
    device.platform, device.upload = card, card.stream()
    pictures = DecodedPictures(device)
    try:
        reader = open_reader(str(sample_clip), decoding=CardDecoding(stays=True, required=True))
    except UnsupportedDevice as error:
        pytest.skip(f"a card, but not its decoder: {error}")
    with reader, VideoReader(str(sample_clip)) as plain:
        shape = reader.info.shape
        slots = [PictureSlot.allocate(card, shape.format, shape.width, shape.height) for _ in range(2)]
        expected = (item for item in plain if isinstance(item, Frame))
        count = 0
        for mine, theirs in zip((item for item in reader if isinstance(item, CardFrame)), expected, strict=True):
            slot = slots[count % 2]
            pictures.copy(mine, slot)
            with card.on(device.upload):
                slot.download()
            device.upload.synchronize()
            assert mine.pts == theirs.pts
            for one, other in zip(slot.planes, theirs.planes, strict=True):
                assert np.array_equal(one, other)
            count += 1
    assert count > 100
