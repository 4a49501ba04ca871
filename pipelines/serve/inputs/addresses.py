"""Which addresses may be fetched: public ones, so that nobody reaches through the service what is behind it."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

from streamseg.errors import InputError

__all__ = ["Address", "is_public", "resolve"]

_PORTS = {"http": 80, "https": 443}
# Of cloud providers: services for their virtual machines that have public addresses.
_METADATA = frozenset(map(ipaddress.ip_address, ("168.63.129.16", "100.100.100.200", "fd00:ec2::254")))
# Python 3.11 knows a part of these only: RFC 6890, "IETF Protocol Assignments".
_PROTOCOLS = ipaddress.ip_network("192.0.0.0/24")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

#: Like socket.getaddrinfo, with host and port: the IP addresses.
Resolver = Callable[[str, int], list[str]]


class Address(NamedTuple):
    """An address whose name has been resolved, once and for all.

    Attributes:
        scheme: "http" or "https".
        host: the name, for TLS and the header Host.
        port: of TCP.
        ip: that is connected to.
        target: path and query.
    """

    scheme: str
    host: str
    port: int
    ip: str
    target: str


def resolve(url: str, allow_private: bool, resolver: Resolver | None = None) -> Address:
    """Check an address, and resolve its name.

    Args:
        url: http or https.
        allow_private: allow addresses that are not public.
        resolver: gives the IP addresses of a name; None for the system's.

    Raises:
        InputError: it is no such address, its name is not known, or one of its IP addresses is not public.
    """
    host, port, target, scheme = _parts(url)
    try:
        found = (resolver or _system_resolver)(host, port)
    except (OSError, UnicodeError):
        found = []
    if not found:
        raise InputError(f"url: the host {host!r} is not known")
    for ip in found:  # all of them: which is taken must not be for the name's owner to choose
        if not allow_private and not is_public(ip):
            raise InputError(
                f"url: {host} is at {ip}, which is not public: expected a public address; "
                "--allow-private-urls of the service permits it"
            )
    return Address(scheme, host, port, found[0], target)


def is_public(ip: str) -> bool:
    """Whether an IP address is one of the public internet, also where it holds another one (mapped, 6to4, NAT64)."""
    address = ipaddress.ip_address(ip.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _NAT64:
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if any(each is not None and not is_public(str(each)) for each in inner):
            return False
        if address.ipv4_mapped is not None:
            return True
    if address.is_multicast or address.is_reserved or address in _METADATA or address in _PROTOCOLS:
        return False
    return address.is_global


def _parts(url: str) -> tuple[str, int, str, str]:
    expected = "expected http:// or https://, a host, and a path"
    if len(url) > 2000 or not url.isascii() or any(character <= " " for character in url) or "\\" in url:
        raise InputError(f"url: {len(url)} characters, or spaces and such: {expected}, in up to 2000 ASCII characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InputError(f"url {url[:100]!r}: {expected}") from None
    scheme = parts.scheme.lower()
    if scheme not in _PORTS or not parts.hostname:
        raise InputError(f"url {url[:100]!r}: {expected}")
    if parts.username is not None or parts.password is not None:
        raise InputError("url: has a user's name or a password in it: expected none")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.hostname, port or _PORTS[scheme], target, scheme


def _system_resolver(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]
