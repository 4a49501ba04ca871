"""Limits of the service, checked."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Any

from streamseg.errors import OptionError
from streamseg.runtime import usable_cores

__all__ = ["ServiceSettings"]

_MOST_PICTURE_BYTES = 100_000_000


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Options of the service.

    Attributes:
        host, port: where it listens.
        max_upload_mb: of a request's body, or of what an address gives, in megabytes.
        max_seconds: length of a clip.
        max_pixels: of a picture, or of a frame of a clip.
        queue: clips, and pictures, that may wait.
        workers: clips that are processed at a time.
        live: WebSockets at a time; None for two for each core.
        keep_minutes: after which the result of a clip is deleted.
        grace: seconds that running work gets to finish after SIGTERM.
        token: that requests have to bring; None for no token.
        allow_private_urls: fetch clips also from addresses that are not public.
        allow_origins: web pages of other origins that may use the service; "*" for all.
        network: see Segmenter: model, weights, precision, threads, device, subject.

    Raises:
        OptionError: one of them is out of range.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    max_upload_mb: float = 500
    max_seconds: float = 600.0
    max_pixels: int = 36_000_000
    queue: int = 16
    workers: int = 1
    live: int | None = None
    keep_minutes: float = 60.0
    grace: float = 30.0
    token: str | None = field(default=None, repr=False)
    allow_private_urls: bool = False
    allow_origins: tuple[str, ...] = ()
    network: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise OptionError(f"--port {self.port}: expected 1 to 65535")
        positive = ("max_upload_mb", "max_seconds", "max_pixels", "workers", "keep_minutes", "live")
        for name in positive:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise OptionError(f"--{name.replace('_', '-')} {value:g}: expected more than 0")
        for name in ("queue", "grace"):
            if getattr(self, name) < 0:
                raise OptionError(f"--{name} {getattr(self, name):g}: expected 0 or more")
        if self.token is not None and not (self.token.isascii() and self.token.isprintable() and self.token.strip()):
            raise OptionError("--token: expected printable ASCII characters, one or more")

    @property
    def max_bytes(self) -> int:
        """The largest upload in bytes."""
        return int(self.max_upload_mb * 1_000_000)

    @property
    def max_picture_bytes(self) -> int:
        """The largest picture in bytes: decoders of pictures read the whole file into memory."""
        return min(self.max_bytes, _MOST_PICTURE_BYTES)

    @property
    def live_connections(self) -> int:
        """WebSockets at a time."""
        return self.live or 2 * usable_cores()

    @property
    def pictures_at_a_time(self) -> int:
        """Pictures beside each other: the network takes one at a time, the rest is done meanwhile."""
        return max(2, usable_cores())

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"
