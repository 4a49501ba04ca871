"""Frames of the GPU's decoder: copied bit for bit, and given back when the copy is done and not before."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

from stand_in_decoder import install, semi_planar  # noqa: E402
from streamseg.pipelines import VideoJob  # noqa: E402
from test_plane_kernels import frame_of  # noqa: E402

from streamseg.device.cuda import device as device_module  # noqa: E402
from streamseg.device.cuda.buffers.decoded import DecodedFrames  # noqa: E402
from streamseg.device.cuda.buffers.transfer import FrameSlot  # noqa: E402
from streamseg.errors import UnsupportedDevice  # noqa: E402
from streamseg.frame import Colour, Frame, PixelFormat  # noqa: E402
from streamseg.media.gpu.decoding import GPUDecoding, open_reader  # noqa: E402
from streamseg.media.pixels.gpu_frame import GPUFrame  # noqa: E402
from streamseg.media.pixels.native import native_of, plane_views  # noqa: E402
from streamseg.media.reading.reader import VideoReader  # noqa: E402
from streamseg.media.writing.target import Encoding  # noqa: E402


class LoggingDevice:
    """A device, platform and stream that logs waits and launches; events fire only when they are waited for."""

    def __init__(self, host):
        self._host, self.log, self.events = host, [], []

    def __getattr__(self, name):
        return getattr(self._host, name)

    def record_decoder(self):
        return "the decoder's work"

    def record(self, stream):
        self.events.append(LoggingEvent(self.log, len(self.events)))
        return self.events[-1]

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


class LoggingEvent:
    def __init__(self, log, number):
        self._log, self._number, self.fired = log, number, False

    def query(self):
        return self.fired

    def synchronize(self):
        if not self.fired:
            self._log.append(f"waited for {self._number}")
        self.fired = True


def decoded_frame(number=0, name="yuv420p", size=(64, 48)):
    frame = frame_of(name, *size)
    native = semi_planar(native_of(frame))
    return frame, GPUFrame(native, frame.format, *size, number, Fraction(1, 25), Colour(1, 1), Fraction(1))


@pytest.mark.parametrize("size", [(64, 48), (426, 242), (1920, 1080)], ids=str)
@pytest.mark.parametrize("name", ["yuv420p", "yuv420p10le"])
def test_frames_are_copied_bit_for_bit(host, name, size):
    """Through PyAV's own DLPack, with rows padded as FFmpeg pads them."""
    frame, borrowed = decoded_frame(name=name, size=size)
    slot = FrameSlot.allocate(host, frame.format, *size)
    DecodedFrames(LoggingDevice(host)).copy(borrowed, slot)
    for mine, theirs in zip(slot.frame.planes, frame.planes, strict=True):
        assert np.array_equal(mine.numpy().view(theirs.dtype), theirs)


@pytest.mark.parametrize("platform", ["late", "gpu"], indirect=True)
@pytest.mark.parametrize("name", ["yuv420p", "yuv420p10le"])
def test_the_kernel_reads_padded_rows(platform, name):
    form, (width, height) = PixelFormat.parse(name), (426, 242)
    frame, unused = frame_of(name, width, height), 16 - form.depth if form.depth > 8 else 0

    def padded(values, pitch):
        rows, columns = values.shape[0], values.size // values.shape[0]
        with_gaps = np.full((rows, pitch), 77, form.dtype)
        with_gaps[:, :columns] = values.reshape(rows, columns) << unused
        return platform.upload(torch.from_numpy(with_gaps.view(np.int16 if unused else np.uint8)))

    luma, chroma = padded(frame.planes[0], 512), padded(np.stack(frame.planes[1:], 2), 480)
    slot = FrameSlot.allocate(platform, form, width, height)
    stream = platform.stream()
    with platform.on(stream):
        slot.frame.samples.fill_(99)
        platform.launch("unpack", (213, 121), luma, 512, chroma, 480, unused, slot.frame.descriptor)
        slot.download()
    stream.synchronize()
    for mine, theirs in zip(slot.planes, frame.planes, strict=True):
        assert all(np.array_equal(*planes) for planes in zip(mine, theirs, strict=True))


def test_the_copy_waits_for_the_decoder_and_the_decoder_for_the_copy(host):
    device = LoggingDevice(host)
    decoded = DecodedFrames(device)
    slot = FrameSlot.allocate(host, PixelFormat.parse("yuv420p"), 64, 48)
    for number in range(4):
        decoded.copy(decoded_frame(number)[1], slot)
    copied = ["after the decoder's work", "unpack"]
    # Two are borrowed at a time: with the third, the first must be given back, once its event has fired.
    assert device.log == [*copied, *copied, *copied, "waited for 0", *copied, "waited for 1"]
    device.events[2].fired = True
    decoded.copy(decoded_frame(4)[1], slot)
    assert device.log[-2:] == copied  # an event that has fired is not waited for
    assert len(decoded._borrowed) == 2


@pytest.fixture
def clip(tmp_path, sample_clip):
    """Four frames of the sample in 8 or 10 bits, lossless."""

    def make(name):
        path = tmp_path / f"{name}.mkv"
        with av.open(str(sample_clip)) as source, av.open(str(path), "w") as out:
            stream = out.add_stream("libx264", rate=25, options={"qp": "0", "preset": "ultrafast"})
            stream.width, stream.height, stream.pix_fmt = 160, 90, name
            for number, native in zip(range(4), source.decode(video=0), strict=False):
                small = native.reformat(160, 90, name)
                small.pts, small.time_base = number, Fraction(1, 25)
                out.mux(stream.encode(small))
            out.mux(stream.encode(None))
        return path

    return make


def samples(native):
    """Its planes without the padding of rows."""
    return [plane.copy() for plane in plane_views(native, PixelFormat.parse(native.format.name))]


@pytest.mark.parametrize(
    "name, background, suffix",
    [
        ("yuv420p", "red", ".mkv"),
        ("yuv420p10le", "matte", ".mkv"),
        ("yuv420p10le", "transparent", ".mov"),
        ("yuv420p", "blur", ".mkv"),
    ],
)
def test_a_file_decoded_by_the_gpu_is_the_same_file(host, clip, tmp_path, monkeypatch, name, background, suffix):
    """Every output frame, bit for bit, and no decoded frame is downloaded to the host."""
    monkeypatch.setattr(device_module, "CUDAPlatform", lambda: host)
    monkeypatch.setattr(
        "streamseg.device.cuda.network.FusedNetwork.__call__", lambda self, x: torch.sigmoid(4 * x.mean(1))
    )
    path, outputs = clip(name), {}
    # Not x264: with several threads, one run in ten to a hundred gives other bits for the same frames.
    encoding = Encoding() if suffix == ".mov" else Encoding(codec="ffv1")
    opened = install(monkeypatch)
    monkeypatch.setattr(
        "streamseg.media.pixels.conform.downloaded", lambda native: pytest.fail("a frame was downloaded")
    )
    for hwaccel in ("none", "auto"):
        out = tmp_path / f"{hwaccel}{suffix}"
        VideoJob(path, out, background, device="cuda", hwaccel=hwaccel, encoding=encoding).run()
        with av.open(str(out)) as container:
            outputs[hwaccel] = [(frame.pts, samples(frame)) for frame in container.decode(video=0)]
    assert opened == [str(path)]
    assert len(outputs["auto"]) == 4
    for (pts, mine), (theirs_pts, theirs) in zip(outputs["auto"], outputs["none"], strict=True):
        assert pts == theirs_pts
        assert all(np.array_equal(*planes) for planes in zip(mine, theirs, strict=True))


def test_the_gpus_decoder_equals_the_cpus(gpu, sample_clip):
    """H.264 decodes to the same bits everywhere; a wrong stream or a late copy would show here."""
    device = device_module.CUDADevice.__new__(device_module.CUDADevice)
    device.platform, device.upload = gpu, gpu.stream()
    decoded = DecodedFrames(device)
    try:
        reader = open_reader(str(sample_clip), decoding=GPUDecoding(stays=True, required=True))
    except UnsupportedDevice as error:
        pytest.skip(f"a GPU, but without a decoder: {error}")
    with reader, VideoReader(str(sample_clip)) as plain:
        shape = reader.info.shape
        slots = [FrameSlot.allocate(gpu, shape.format, shape.width, shape.height) for _ in range(2)]
        expected = (item for item in plain if isinstance(item, Frame))
        count = 0
        for mine, theirs in zip((item for item in reader if isinstance(item, GPUFrame)), expected, strict=True):
            slot = slots[count % 2]
            decoded.copy(mine, slot)
            with gpu.on(device.upload):
                slot.download()
            device.upload.synchronize()
            assert mine.pts == theirs.pts
            for one, other in zip(slot.planes, theirs.planes, strict=True):
                assert np.array_equal(one, other)
            count += 1
    assert count > 90
