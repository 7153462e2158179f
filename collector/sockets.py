"""Listening sockets, and one clear line where an address cannot be had."""

from __future__ import annotations

import errno
import socket
from typing import Final

_BACKLOG: Final = 2048
_ATTEMPTS: Final = 20
_REASONS: Final = {
    errno.EADDRINUSE: "it is in use by another program",
    errno.EACCES: "this user may not use it",
}
_ANOTHER_HOST: Final = "choose another with --host"


class CannotListen(Exception):
    """Says which address, why, and how to choose another."""

    def __init__(self, host: str, port: int, reason: str, advice: str) -> None:
        super().__init__(f"cannot listen on port {port} of {host}: {reason}; {advice}")


def listen(host: str, port: int, flag: str = "--port") -> list[socket.socket]:
    """A listening socket for every address of ``host``, all on one port; ``port`` 0 is any free one.

    Raises ``CannotListen``, naming ``flag`` as the way to another port.
    """
    addresses = _addresses(host, port)
    for attempt in range(_ATTEMPTS):
        try:
            return _bind(addresses, port, listening=True)
        except OSError as error:
            # The free port of one address may be taken on the next.
            if port == 0 and error.errno == errno.EADDRINUSE and attempt < _ATTEMPTS - 1:
                continue
            raise _fault(host, port, flag, error) from None
    raise AssertionError


def reserve(host: str, port: int, flag: str) -> tuple[int, list[socket.socket]]:
    """(port, sockets that hold it without listening). Processes that set SO_REUSEPORT can listen there.

    Raises ``CannotListen`` where somebody else has it.
    """
    addresses = _addresses(host, port)
    try:
        for one in _bind(addresses, port, listening=False):
            port = one.getsockname()[1]
            one.close()
        return port, _bind(addresses, port, listening=False, shared=True)
    except OSError as error:
        raise _fault(host, port, flag, error) from None


def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, str]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise CannotListen(host, port, f"the host is unknown ({error})", _ANOTHER_HOST) from None
    return list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found))


def _bind(
    addresses: list[tuple[socket.AddressFamily, str]], port: int, *, listening: bool, shared: bool = False
) -> list[socket.socket]:
    bound: list[socket.socket] = []
    try:
        for family, address in addresses:
            one = socket.socket(family, socket.SOCK_STREAM)
            bound.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind((address, port))
            port = one.getsockname()[1]
            if listening:
                one.listen(_BACKLOG)
                one.setblocking(False)
    except OSError:
        for one in bound:
            one.close()
        raise
    return bound


def _fault(host: str, port: int, flag: str, error: OSError) -> CannotListen:
    if error.errno == errno.EADDRNOTAVAIL:
        return CannotListen(host, port, "this machine has no such address", _ANOTHER_HOST)
    reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
    return CannotListen(host, port, reason, f"choose another with {flag} PORT ({flag} 0 takes any free one)")


def url_host(host: str) -> str:
    """The host as URLs have it."""
    return f"[{host}]" if ":" in host else host
