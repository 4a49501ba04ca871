"""Every test with a ``platform`` runs twice: on the kernels compiled for the host, and on a GPU where there is one.

On the host all work is done at once. Tests of what is downloaded take the platform ``late`` instead, which does what is
queued when something waits for it: a test that reads page-locked memory too early fails there as on a GPU.

With STREAMSEG_REQUIRE_CUDA=1 a missing GPU is a failure instead of a skip.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import nullcontext
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import pytest

from streamseg.errors import StreamsegError

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
REQUIRED = os.environ.get("STREAMSEG_REQUIRE_CUDA") == "1"

if REQUIRED and not (find_spec("torch") and find_spec("cupy")):
    raise pytest.UsageError("STREAMSEG_REQUIRE_CUDA=1: torch and CuPy are not installed; pip install 'streamseg[cuda]'")


def without_gpu(reason: object) -> None:
    if REQUIRED:
        pytest.fail(f"STREAMSEG_REQUIRE_CUDA=1: {reason}")
    pytest.skip(str(reason))


@pytest.fixture(scope="session")
def gpu() -> Any:
    """The GPU's platform; skips without one."""
    try:
        from streamseg.device.cuda.platform import CUDAPlatform
    except ImportError as error:
        without_gpu(error)
    try:
        return CUDAPlatform()
    except StreamsegError as error:
        without_gpu(error)


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Any:
    """The same kernels without a GPU; skips without torch or a compiler."""
    pytest.importorskip("torch", reason="no torch, which the cuda device is written with")
    from host_kernels import HostPlatform, build

    folder = tmp_path_factory.mktemp("kernels")
    cache = getattr(pytestconfig, "cache", None)  # none with -p no:cacheprovider
    return HostPlatform(build(folder, folder if cache is None else cache.mkdir("kernels")))


@pytest.fixture(scope="session")
def late(host: Any) -> Any:
    """The host as late as a GPU: what is queued is done when something waits for it, see delayed_platform."""
    from delayed_platform import LatePlatform

    return LatePlatform(host.library)


@pytest.fixture(autouse=True)
def _late_in_use(request: pytest.FixtureRequest) -> Iterator[None]:
    callspec = getattr(request.node, "callspec", None)
    is_late = callspec is not None and callspec.params.get("platform") == "late"
    with request.getfixturevalue("late").in_use() if is_late else nullcontext():
        yield


@pytest.fixture(scope="session", params=["host", "gpu"])
def platform(request: pytest.FixtureRequest) -> Any:
    """Where the device's code runs."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def device(platform: Any) -> Any:
    """Streams and kernels of a CUDADevice without its network."""
    from streamseg.device.cuda.device import CUDADevice

    device = CUDADevice.__new__(CUDADevice)
    device.platform = platform
    device.upload, device.compute, device.download = (platform.stream() for _ in range(3))
    device._open_stream()
    return device


@pytest.fixture(scope="session")
def sample_clip() -> Path:
    return SAMPLES / "clip.mp4"


@pytest.fixture(scope="session")
def small_clip(tmp_path_factory: pytest.TempPathFactory, sample_clip: Path) -> Path:
    """The first second of the sample, 24 frames of 160×120: the host runs the kernels in a sixteenth of the time."""
    path = tmp_path_factory.mktemp("clip") / "small.mp4"
    with av.open(str(sample_clip)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=24, options={"crf": "12", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number, frame in zip(range(24), source.decode(video=0), strict=False):
            small = frame.reformat(160, 120, "yuv420p")
            small.pts, small.time_base = number, Fraction(1, 24)
            target.mux(stream.encode(small))
        target.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def beach() -> Path:
    return SAMPLES / "beach.jpg"
