"""``streamseg demo``: the page and its server."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Any

from streamseg.errors import MissingDependency, OptionError

__all__ = ["Demo", "serve"]


@dataclass(frozen=True)
class Demo:
    """What the server allows.

    Attributes:
        host, port: where it listens.
        visitors: how many may use the device at a time; None for two to a core.
        upload_mb: megabytes of an upload, at most.
        clip_seconds: of a clip that are processed, at most.
        network: see Segmenter: model, weights, precision, threads.

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
    """Serve the page until Ctrl-C or SIGTERM; nothing of the visitors' is left behind.

    Raises:
        MissingDependency: Gradio or aiortc is not installed.
        OptionError: the port is taken, or the network's options are wrong.
    """
    with tempfile.TemporaryDirectory(prefix="streamseg-demo-") as folder, _stop_on_signals() as stopped:
        os.environ["GRADIO_TEMP_DIR"] = str(Path(folder) / "uploads")
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        _serve(demo, Path(folder), stopped)


@contextmanager
def _stop_on_signals() -> Iterator[Event]:
    stopped = Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _port_taken(demo: Demo) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OptionError(f"--port {demo.port}: cannot be listened on at {demo.host}; choose another") from error


def _try_port(demo: Demo) -> None:
    """What is taken is said before seconds are spent on the page."""
    with _port_taken(demo):
        family, *_ = socket.getaddrinfo(demo.host, demo.port, type=socket.SOCK_STREAM)[0]
        socket.create_server((demo.host, demo.port), family=family).close()


def _serve(demo: Demo, folder: Path, stopped: Event) -> None:
    _try_port(demo)
    try:
        import gradio as gr

        from .rtc import prepare_aiortc
    except ImportError as error:
        raise MissingDependency(f'the demo needs Gradio and aiortc ({error}): pip install "streamseg[demo]"') from error
    from .gallery import SAMPLE_CLIP
    from .look import STYLE_SHEETS, theme
    from .memory import keep_little
    from .page import build_page
    from .places import Places, default_places
    from .stage import asset
    from .studio import Studio
    from .visitors import Visitors

    keep_little()
    prepare_aiortc()
    theirs = folder / "visitors"
    theirs.mkdir()
    studio = Studio(**demo.network)
    studio.warm()
    visitors = Visitors(theirs, studio, Places(demo.visitors or default_places()))
    gr.set_static_paths([theirs, SAMPLE_CLIP])
    page = build_page(visitors, demo.clip_seconds, demo.upload_mb)
    with _port_taken(demo):
        page.launch(
            server_name=demo.host,
            server_port=demo.port,
            allowed_paths=[str(theirs), str(SAMPLE_CLIP)],
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
    while not stopped.wait(0.5):
        pass
    visitors.stop()
    page.close(verbose=False)
