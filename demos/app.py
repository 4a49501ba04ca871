"""``streamseg demo``: the page and its server."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from types import FrameType
from typing import TYPE_CHECKING, Any

from streamseg.errors import MissingDependency, OptionError

if TYPE_CHECKING:
    from .live.session import SharedDevice

__all__ = ["Demo", "serve"]

# How long Gradio's queue sleeps while there is nothing to do. Its own .001 s takes 5 to 8 % of a core, which live
# frames need; there is no parameter for it.
_QUEUE_SLEEP_S = 0.02


@dataclass(frozen=True)
class Demo:
    """Options of the server.

    Attributes:
        host, port: where it listens.
        visitors: how many may use the device at a time; None for two for each core.
        upload_mb: size of an upload in megabytes, at most.
        clip_seconds: how much of a clip is processed, at most.
        network: see Segmenter: model, weights, precision, threads, device.

    Raises:
        OptionError: one of them is out of range.
    """

    host: str = "127.0.0.1"
    port: int = 7860
    visitors: int | None = None
    upload_mb: int = 200
    clip_seconds: float = 60.0
    network: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise OptionError(f"port {self.port}: expected 1 to 65535")
        limits = {"visitors": self.visitors, "upload-mb": self.upload_mb, "clip-seconds": self.clip_seconds}
        for name, limit in limits.items():
            if limit is not None and limit <= 0:
                raise OptionError(f"{name} {limit:g}: expected more than 0")


def serve(demo: Demo) -> None:
    """Serve the page until Ctrl-C or SIGTERM; then all files of the visitors are deleted.

    Raises:
        MissingDependency: Gradio or aiortc is not installed.
        OptionError: the port is taken, or the network's options are wrong.
        StreamsegError: the network cannot be loaded.
    """
    with tempfile.TemporaryDirectory(prefix="streamseg-demo-") as folder, _shutdown_on_signals() as shutdown:
        os.environ["GRADIO_TEMP_DIR"] = str(Path(folder) / "uploads")
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        _check_port(demo)
        _check_libraries()
        device = _open_device(demo)
        _import_libraries()
        _serve(demo, device, Path(folder), shutdown)


@contextmanager
def _shutdown_on_signals() -> Iterator[Event]:
    shutdown = Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        shutdown.set()

    handlers = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield shutdown
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def _port_errors(demo: Demo) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OptionError(f"--port {demo.port}: cannot be listened on at {demo.host}; choose another") from error


def _check_port(demo: Demo) -> None:
    """Fail before seconds are spent on the page."""
    with _port_errors(demo):
        family, *_ = socket.getaddrinfo(demo.host, demo.port, type=socket.SOCK_STREAM)[0]
        socket.create_server((demo.host, demo.port), family=family).close()


def _check_libraries() -> None:
    """Fail before the network is loaded."""
    for name in ("gradio", "aiortc"):
        if find_spec(name) is None:
            raise _missing(f"there is no module {name}")


def _missing(why: object) -> MissingDependency:
    return MissingDependency(f'the demo needs Gradio and aiortc ({why}): pip install "streamseg[demo]"')


def _open_device(demo: Demo) -> SharedDevice:
    from streamseg.runtime.memory import keep_freed, limit_arenas

    from .live.session import SharedDevice

    limit_arenas()
    keep_freed()
    device = SharedDevice(**demo.network)
    device.preload()
    return device


def _import_libraries() -> None:
    """Last, as it takes seconds."""
    try:
        import_module("gradio")
        import_module("aiortc")
    except ImportError as error:
        raise _missing(error) from error


def _serve(demo: Demo, device: SharedDevice, folder: Path, shutdown: Event) -> None:
    import gradio as gr

    from .admission import Admission, default_capacity
    from .gallery import SAMPLE_CLIP
    from .live.aiortc_settings import prepare_aiortc
    from .page import build_page
    from .theme import STYLE_SHEETS, asset, theme
    from .visitors import Visitors

    prepare_aiortc()
    visitors_folder = folder / "visitors"
    visitors_folder.mkdir()
    visitors = Visitors(visitors_folder, device, Admission(demo.visitors or default_capacity()))
    gr.set_static_paths([visitors_folder, SAMPLE_CLIP])
    page = build_page(visitors, demo.clip_seconds, demo.upload_mb)
    page._queue.sleep_when_free = page._queue.progress_update_sleep_when_free = _QUEUE_SLEEP_S
    with _port_errors(demo):
        page.launch(
            server_name=demo.host,
            server_port=demo.port,
            allowed_paths=[str(visitors_folder), str(SAMPLE_CLIP)],
            max_file_size=f"{demo.upload_mb}mb",
            prevent_thread_lock=True,
            quiet=True,
            show_error=False,
            footer_links=[],
            ssr_mode=False,
            run_history=False,
            theme=theme(),
            css_paths=STYLE_SHEETS,
            head=f"<script>{asset('settings.js')}</script>",
        )
    print(f"streamseg demo: http://{demo.host}:{demo.port} (Ctrl-C ends it)", flush=True)
    while not shutdown.wait(0.5):
        pass
    visitors.stop()
    page.close(verbose=False)
