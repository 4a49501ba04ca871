"""Files through the GPU, as a user makes them, and the figures of ``streamseg bench``."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

import av  # noqa: E402
from streamseg.pipelines import Segmenter, VideoJob, cli, process_image  # noqa: E402
from streamseg.pipelines.bench import gpu as gpu_bench  # noqa: E402

from streamseg.device.cuda import device as device_module  # noqa: E402


@pytest.fixture(autouse=True)
def opened(platform, monkeypatch):
    """The device cuda gets the platform of the test."""
    monkeypatch.setattr(device_module, "CUDAPlatform", lambda: platform)
    return platform


@pytest.fixture
def quick(platform, monkeypatch):
    """A quick stand-in for the network, where there is no GPU."""
    if platform.device.type != "cuda":
        monkeypatch.setattr(
            "streamseg.device.cuda.network.FusedNetwork.__call__", lambda self, x: torch.sigmoid(4 * x.mean(1))
        )


@pytest.fixture
def cpu():
    """For tests that also run the CPU device."""
    pytest.importorskip("openvino", reason="no OpenVINO, which the CPU device needs")


@pytest.fixture
def blind(platform, monkeypatch):
    """A network that sees nobody, where there is no GPU."""
    if platform.device.type != "cuda":
        monkeypatch.setattr("streamseg.device.cuda.network.FusedNetwork.__call__", lambda self, x: 0 * x.mean(1))


def grey_frames(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]


def times(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [frame.pts * stream.time_base for frame in container.decode(stream)]


@pytest.mark.parametrize("background", ["beach", "blur"])
def test_a_composited_file_is_like_the_cpus(cpu, tmp_path, sample_clip, beach, background):
    """Both devices on the same clip: frames differ no more than their mattes, and times not at all."""
    options = {"background": str(beach) if background == "beach" else background, "duration": 0.05, "subject": "any"}
    for device in ("cpu", "cuda"):
        job = VideoJob(sample_clip, tmp_path / f"{device}.mkv", device=device, precision="float32", **options)
        job.run()
    mine, theirs = (grey_frames(tmp_path / f"{device}.mkv") for device in ("cuda", "cpu"))
    assert len(mine) == len(theirs) == 2
    assert times(tmp_path / "cuda.mkv") == times(tmp_path / "cpu.mkv")
    for one, other in zip(mine, theirs, strict=True):
        assert np.abs(one.astype(int) - other).mean() < 1.5


@pytest.mark.parametrize("background, suffix", [("transparent", ".mov"), ("matte", ".mkv"), ("red", ".webm")])
def test_every_kind_of_output_is_written(quick, tmp_path, small_clip, background, suffix):
    out = tmp_path / f"out{suffix}"
    summary = VideoJob(small_clip, out, background, device="cuda", duration=0.1).run()
    assert summary.frames == len(grey_frames(out)) == 3
    names = [stage["name"] for stage in summary.statistics.as_dict()["stages"]]
    assert names[1:4] == ["upload", "gpu", "download"]


def test_a_moving_background_is_in_time(blind, cpu, tmp_path, small_clip):
    """Every frame of it has another grey, which is visible in the corner, where nobody is."""
    greys = [40, 80, 120, 160, 200]
    with av.open(str(tmp_path / "behind.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for grey in greys:
            planes = np.full((72, 64), 128, np.uint8)
            planes[:48] = grey
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        container.mux(stream.encode(None))
    seen = {}
    for device in ("cpu", "cuda"):
        out = tmp_path / f"{device}.mkv"
        job = VideoJob(small_clip, out, str(tmp_path / "behind.mkv"), device=device, duration=0.2)
        stages = [stage["name"] for stage in job.run().statistics.as_dict()["stages"]]
        seen[device] = np.array([frame[:24, :24].mean() for frame in grey_frames(out)])
    assert np.abs(seen["cuda"] - seen["cpu"]).max() < 2
    assert seen["cuda"][-1] - seen["cuda"][0] > 100
    assert stages[1:5] == ["upload", "background", "gpu", "download"]  # a thread each


def test_an_image_is_like_the_cpus(cpu, tmp_path, beach, sample_clip):
    with av.open(str(sample_clip)) as container:
        next(container.decode(video=0)).to_image().save(tmp_path / "in.png")
    for device in ("cpu", "cuda"):
        process_image(tmp_path / "in.png", tmp_path / f"{device}.png", str(beach), device=device, precision="float32")
    mine, theirs = (grey_frames(tmp_path / f"{device}.png")[0] for device in ("cuda", "cpu"))
    assert np.abs(mine.astype(int) - theirs).mean() < 2


def test_a_segmenter_runs_on_the_gpu():
    """With the network that finds people near the camera, as on the CPU."""
    rgb, segmenter = np.full((90, 160, 3), 120, np.uint8), Segmenter(device="cuda")
    assert segmenter(rgb).alpha.max() == 0
    assert segmenter.device.subject == "auto" and segmenter.device.selfie is not None


def test_the_bench_has_a_figure_for_everything(quick, tmp_path, small_clip, beach, monkeypatch, capsys, platform):
    if platform.device.type != "cuda":
        small = {
            "_NETWORK_RUNS": 2,
            "_BATCHES": (1, 2),
            "_FRAMES": 4,
            "_REPEATS": 4,
            "_WARM_UP": 1,
            "_LIMITS": (128, 1),
        }
        for name, value in small.items():
            monkeypatch.setattr(gpu_bench, name, value)
        monkeypatch.setattr(gpu_bench, "cold_start_seconds", lambda *_: 1.0)  # another process has no such platform
    networks, network = [], device_module.FusedNetwork
    monkeypatch.setattr(device_module, "FusedNetwork", lambda *a, **k: networks.append(1) or network(*a, **k))
    arguments = ["bench", str(small_clip), "--bg", str(beach), "--duration", "0.2", "--device", "cuda"]
    assert cli.main([*arguments, "--json"]) == 0
    assert len(networks) == 1  # every part of the bench shares it
    figures = json.loads(capsys.readouterr().out)
    assert figures["frames"] == 5 and figures["opening"][0] > figures["opening"][1] >= 0
    assert all(figures[name] > 0 for name in ("transcode_fps", "of_transcode"))
    assert all(figures[name]["CPU"] > 0 for name in ("decode_fps", "decoded_fps"))
    assert list(figures["end_to_end_fps"])[:4] == ["CPU, x264", "GPU, x264", "CPU, NVENC", "GPU, NVENC"]
    assert figures["end_to_end_fps"]["CPU, x264"] > 0
    if platform.device.type != "cuda":
        assert "no NVIDIA driver that decodes" in figures["decode_fps"]["GPU"]
        assert "no NVIDIA driver that decodes" in figures["end_to_end_fps"]["GPU, x264"]
        assert "no NVIDIA GPU that encodes" in figures["end_to_end_fps"]["CPU, NVENC"]
    assert set(figures["path_fps"]) == {"1", "4"}
    assert all(time["p99"] >= time["median"] > 0 for time in figures["network"])
    assert all(part > 0 for part in figures["of_limits"].values())
    assert figures["live_ms"][1] >= figures["live_ms"][0] > 0
    assert cli.main([*arguments, "--against", "rembg"]) == 2
