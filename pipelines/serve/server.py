"""The server: start, signals, an orderly end."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from streamseg.errors import MissingDependency, OptionError
from streamseg.media.reading.restriction import restricted_inputs
from streamseg.runtime.memory import keep_freed, limit_arenas

from .settings import ServiceSettings

if TYPE_CHECKING:
    import uvicorn

    from .service import Service

__all__ = ["open_server", "serve"]

_LIBRARIES = ("fastapi", "uvicorn", "multipart", "prometheus_client", "websockets")
# For answers that are being sent when all work is done.
_LAST_ANSWERS_S = 5


def serve(settings: ServiceSettings) -> None:
    """Serve until Ctrl-C or SIGTERM, then finish what runs; at the end all files are deleted.

    Raises:
        MissingDependency: a library of the extra ``serve`` is not installed.
        OptionError: the port is taken, or the network's options are wrong.
        StreamsegError: the network cannot be loaded.
    """
    check_libraries()
    with _listening(settings) as listener, tempfile.TemporaryDirectory(prefix="streamseg-serve-") as folder:
        _warn_if_open(settings)
        limit_arenas()
        keep_freed()
        with restricted_inputs(settings.max_pixels):
            from .service import Service

            service = Service(settings, Path(folder))
            logging.getLogger("uvicorn.error").addFilter(_is_no_refusal)
            try:
                server = open_server(service)
                print(f"streamseg serve: http://{settings.host}:{settings.port}/docs (Ctrl-C ends it)", flush=True)
                asyncio.run(server.serve(sockets=[listener]))
            finally:
                service.close()


def check_libraries() -> None:
    """Raise MissingDependency unless the extra ``serve`` is installed."""
    for name in _LIBRARIES:
        try:
            import_module("python_multipart" if name == "multipart" else name)
        except ImportError as error:
            raise MissingDependency(f'the service needs {name} ({error}): pip install "streamseg[serve]"') from error


def _listening(settings: ServiceSettings) -> socket.socket:
    """Fail before seconds are spent on the network. Who connects early waits."""
    try:
        family, *_ = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        return socket.create_server((settings.host, settings.port), family=family, backlog=256)
    except OSError as error:
        raise OptionError(
            f"--port {settings.port}: cannot be listened on at {settings.host} ({error.strerror}); choose another"
        ) from error


def _warn_if_open(settings: ServiceSettings) -> None:
    if not settings.is_local and settings.token is None:
        print(
            f"streamseg: warning: whoever reaches {settings.host} can use the service: set a token (--token)",
            file=sys.stderr,
        )


def _is_no_refusal(record: logging.LogRecord) -> bool:
    """uvicorn takes a WebSocket that was refused with a status, such as 429, for an error of the application."""
    return "without completing handshake" not in record.getMessage()


def open_server(service: Service) -> uvicorn.Server:
    """A server for a service. The first signal drains it, the second ends it at once."""
    import uvicorn

    from .app import create_app
    from .live import MAX_FRAME_BYTES

    class Server(uvicorn.Server):
        draining: asyncio.Task[None] | None = None

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            asyncio.get_running_loop().call_soon_threadsafe(self.stop)

        def stop(self) -> None:
            """Drain, then exit. On the event loop."""
            if self.draining is None:
                self.draining = asyncio.ensure_future(service.drain())
                self.draining.add_done_callback(self._exit)
            else:
                self.draining.cancel()

        def _exit(self, task: asyncio.Task[None]) -> None:
            self.should_exit = True

    return Server(
        uvicorn.Config(
            create_app(service),
            host=service.settings.host,
            port=service.settings.port,
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="on",
            ws="websockets-sansio",
            ws_max_size=MAX_FRAME_BYTES,
            timeout_graceful_shutdown=_LAST_ANSWERS_S,
        )
    )
