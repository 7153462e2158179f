"""How request bodies are compressed: zstd to a tracekit collector, gzip to others, nothing within a machine.

Whether it is a collector of ours is known from its first answer, and remembered as long as the process lives.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final
from urllib.parse import urlsplit

from tracekit.importing import imports

_LOOPBACK: Final = ("127.", "localhost", "::1", "0.0.0.0")
_LEVEL: Final = 1
#: smaller bodies do not repay it
_LEAST_BYTES: Final = 256

Packer = Callable[[bytes], bytes]

#: addresses where a tracekit collector answered
_ours: set[str] = set()
#: addresses that refused a compressed body
_plain: set[str] = set()


class Compression:
    """For one address. ``wanted``: "auto", "none", "gzip" or "zstd"; zstd becomes gzip where nothing installed has
    it."""

    def __init__(self, wanted: str, url: str) -> None:
        self._wanted = wanted
        self._url = url
        self._near = (urlsplit(url).hostname or "").startswith(_LOOPBACK)
        self._zstd: Packer | None = None
        self._looked = False

    def pack(self, body: bytes) -> tuple[str | None, bytes]:
        """The Content-Encoding, if any, and the body in it."""
        name = self._name()
        if name == "none" or len(body) < _LEAST_BYTES:
            return None, body
        pack = self._find_zstd() if name == "zstd" else None
        return ("zstd", pack(body)) if pack is not None else ("gzip", _gzip(body))

    def answered_by(self, ours: bool) -> None:
        if ours:
            _ours.add(self._url)

    def refused(self) -> bool:
        """The body's encoding is not supported there. Whether there is another to try."""
        if self._wanted != "auto" or self._name() == "none":
            return False
        _plain.add(self._url)
        return True

    def _name(self) -> str:
        if self._wanted != "auto":
            return self._wanted
        if self._url in _plain:
            return "none"
        if self._url in _ours and self._find_zstd() is not None:
            return "zstd"
        return "none" if self._near else "gzip"

    def _find_zstd(self) -> Packer | None:
        if not self._looked:
            self._looked = True
            self._zstd = _zstd()
        return self._zstd


def _gzip(body: bytes) -> bytes:
    compress = zlib.compressobj(_LEVEL, wbits=31)
    return compress.compress(body) + compress.flush()


def _zstd() -> Packer | None:
    """Python's own from 3.14 on, else the package zstandard where it is installed."""
    with imports():
        for module, make in (("compression.zstd", _of_python), ("zstandard", _of_package)):
            try:
                return make(import_module(module))
            except ImportError:
                continue
    return None


def _of_python(module: Any) -> Packer:
    return lambda body: bytes(module.compress(body, _LEVEL))


def _of_package(module: Any) -> Packer:
    found: Packer = module.ZstdCompressor(level=_LEVEL).compress
    return found
