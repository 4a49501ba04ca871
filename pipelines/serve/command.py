"""The options of ``streamseg serve``, and what it does with them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

__all__ = ["TOKEN_VARIABLE", "add_serve", "run_serve"]

#: The environment variable that may hold the token: other users of a machine see command lines.
TOKEN_VARIABLE = "STREAMSEG_TOKEN"  # noqa: S105
_HELP = """\
    streamseg serve
    curl -F image=@portrait.jpg http://127.0.0.1:8000/v1/images -o cutout.png

The documentation of all requests is at http://127.0.0.1:8000/docs. Needs the extra serve.
"""


def add_serve(parser: argparse.ArgumentParser, add_network: Callable[[argparse.ArgumentParser], None]) -> None:
    """Add the options of ``streamseg serve``."""
    parser.formatter_class, parser.epilog = argparse.RawDescriptionHelpFormatter, _HELP
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on; default: 127.0.0.1, this machine only")
    add("--port", type=int, default=8000, help="default: 8000")
    add("--token", help=f"requests have to bring it; better in the environment, as {TOKEN_VARIABLE}")
    add("--max-upload-mb", type=float, default=500, metavar="MB", help="largest upload; default: 500")
    add("--max-seconds", type=float, default=600.0, metavar="S", help="longest clip; default: 600")
    add("--max-pixels", type=int, default=36_000_000, metavar="N", help="largest picture or frame; default: 36000000")
    add("--queue", type=int, default=16, metavar="N", help="clips, and pictures, that may wait; default: 16")
    add("--workers", type=int, default=1, metavar="N", help="clips at a time; default: 1")
    add("--live", type=int, metavar="N", help="WebSockets at a time; default: two for each core")
    add("--keep-minutes", type=float, default=60.0, metavar="N", help="results are deleted after them; default: 60")
    add("--grace", type=float, default=30.0, metavar="S", help="for running work after SIGTERM; default: 30")
    add("--allow-private-urls", action="store_true", help="fetch clips also from addresses that are not public")
    add("--allow-origin", action="append", default=[], metavar="ORIGIN", help="a web page that may use it; repeatable")
    add_network(parser)


def run_serve(arguments: argparse.Namespace) -> int:
    """``streamseg serve``: gives the exit status; raises as streamseg.pipelines.serve.server.serve."""
    from ..command.video_job import network_options
    from .server import serve
    from .settings import ServiceSettings

    same = ("host", "port", "max_upload_mb", "max_seconds", "max_pixels", "queue", "workers", "live", "keep_minutes")
    serve(
        ServiceSettings(
            **{name: getattr(arguments, name) for name in (*same, "grace", "allow_private_urls")},
            token=arguments.token or os.environ.get(TOKEN_VARIABLE) or None,
            allow_origins=tuple(arguments.allow_origin),
            network=network_options(arguments),
        )
    )
    return 0
