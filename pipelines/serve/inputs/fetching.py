"""Clips from an address, onto the disk: within limits of size and time, to the IP address that was checked."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from threading import Lock, Timer
from urllib.parse import urljoin

from streamseg.errors import InputError

from .addresses import Address, resolve

__all__ = ["Fetch"]

_MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_CONNECT_S, _READ_S, TOTAL_S = 10.0, 20.0, 300.0
_PIECE = 256 << 10


class Fetch:
    """One clip to be fetched; ``run`` does it, ``cancel`` ends it from another thread.

    Args:
        url: of the clip.
        max_bytes: of the file.
        check: gives the address of a URL, or raises InputError: for ``url`` now, and for each redirect.
        seconds: for all of it.

    Raises:
        InputError: (on construction) the URL is refused.
    """

    def __init__(self, url: str, max_bytes: int, check: Callable[[str], Address], seconds: float = TOTAL_S) -> None:
        self._url, self._max_bytes, self._check, self._seconds = url, max_bytes, check, seconds
        self._address = check(url)
        self._lock, self._ended, self._late = Lock(), False, False
        self._socket: socket.socket | None = None

    @classmethod
    def public(cls, url: str, max_bytes: int, allow_private: bool) -> Fetch:
        """With the system's names, and the rules of streamseg.pipelines.serve.inputs.addresses."""
        return cls(url, max_bytes, lambda each: resolve(each, allow_private))

    def run(self, path: Path) -> None:
        """Fetch the clip into ``path``.

        Raises:
            InputError: the server does not give it, it is too large, or takes too long.
        """
        # Every wait for the network ends with its socket; only a timer sees that many short ones are too long.
        timer = Timer(self._seconds, self._out_of_time)
        timer.daemon = True
        timer.start()
        try:
            self._follow(path)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if self._late:
                raise InputError(f"url: not fetched within {self._seconds:g} s: use a faster server") from error
            if isinstance(error, InputError):
                raise
            raise InputError(f"url: cannot be fetched ({str(error) or type(error).__name__})") from error
        finally:
            timer.cancel()
            self._close()

    def cancel(self) -> None:
        """End it: ``run`` raises InputError. Safe from any thread, also before ``run``."""
        with self._lock:
            self._ended = True
        self._close()

    def _out_of_time(self) -> None:
        self._late = True
        self.cancel()

    def _close(self) -> None:
        with self._lock:
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
                self._socket.close()
                self._socket = None

    def _follow(self, path: Path) -> None:
        url, address = self._url, self._address
        for _ in range(_MOST_REDIRECTS + 1):
            with closing(self._connect(address)) as connection:
                connection.request("GET", address.target, headers={"User-Agent": "streamseg", "Accept": "*/*"})
                with connection.getresponse() as response:
                    if response.status not in _REDIRECTS:
                        self._save(response, path)
                        return
                    url = urljoin(url, response.headers.get("Location", ""))
            self._close()
            address = self._check(url)
        raise InputError(f"url: more than {_MOST_REDIRECTS} redirects")

    def _connect(self, address: Address) -> http.client.HTTPConnection:
        """A connection to the IP address that was checked, whatever the name means now."""
        plain = socket.create_connection((address.ip, address.port), _CONNECT_S)
        plain.settimeout(_READ_S)
        with self._lock:
            if self._ended:
                plain.close()
                raise InputError("url: cancelled")
            self._socket = plain
        connection = http.client.HTTPConnection(address.host, address.port)
        connection.sock = plain
        if address.scheme == "https":
            secure = ssl.create_default_context().wrap_socket(plain, server_hostname=address.host)
            with self._lock:
                self._socket = secure
            connection.sock = secure
            connection.default_port = 443  # so that the header Host has no port
        return connection

    def _save(self, response: http.client.HTTPResponse, path: Path) -> None:
        if response.status != 200:
            raise InputError(f"url: the server answers {response.status} {response.reason}: expected 200")
        too_large = InputError(f"url: more than {self._max_bytes / 1e6:g} MB: expected a smaller file")
        if (response.length or 0) > self._max_bytes:
            raise too_large
        expected, got = response.length, 0
        with path.open("wb") as file:
            while piece := response.read(_PIECE):
                got += len(piece)
                if got > self._max_bytes:
                    raise too_large
                file.write(piece)
        if expected is not None and got < expected:
            raise InputError(f"url: only {got} of {expected} bytes came: try again")
