"""OTLP over HTTP, protobuf: one request a parcel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import zstandard
from isal import igzip

from collector.exporters.api import Receipt
from collector.exporters.http import Answer, Http, fault_of
from collector.exporters.otlp.answers import http_fault, peer_of, readable, receipt, unread
from tracekit.semconv import COLLECTOR_HEADER

PATH: Final = "/v1/traces"
#: What a backend's operator finds in its logs.
AGENT: Final = "tracekit-collector"
_MEDIA: Final = "application/x-protobuf"
_LEVEL: Final = 1


def _gzip(body: bytes) -> bytes:
    return bytes(igzip.compress(body, compresslevel=_LEVEL, mtime=0))


def _zstd(body: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=_LEVEL).compress(body)


COMPRESSORS: Final[dict[str, Callable[[bytes], bytes] | None]] = {"gzip": _gzip, "zstd": _zstd, "none": None}


def address_of(endpoint: str) -> str:
    """Where traces are posted. Raises ``ValueError`` where the endpoint is no address."""
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("endpoint: must be http://HOST or https://HOST")
    path = parts.path.rstrip("/")
    return urlunsplit(parts._replace(path=path if path.endswith(PATH) else path + PATH, fragment=""))


class HttpSender:
    """``compression`` is a key of ``COMPRESSORS``."""

    def __init__(self, http: Http, address: str, compression: str) -> None:
        self._http, self._address = http, address
        self._compress = COMPRESSORS[compression]
        self._headers = {"Content-Type": _MEDIA, "User-Agent": AGENT}
        if self._compress:
            self._headers["Content-Encoding"] = compression

    def packed(self, body: bytes) -> bytes:
        """Compressed; runs in any thread."""
        return self._compress(body) if self._compress else body

    async def send(self, packed: bytes, sent: int, extra: Mapping[str, str]) -> Receipt:
        try:
            answer = await self._http.request("POST", self._address, body=packed, headers={**self._headers, **extra})
        except OSError as error:
            raise unread(error) from None
        if not answer.ok:
            raise _fault(answer)
        headers = answer.headers
        peer = peer_of(headers.get(COLLECTOR_HEADER.lower()))
        return receipt(answer.body, sent, peer, media=headers.get("content-type", ""))

    async def close(self) -> None:
        await self._http.close()


def _fault(answer: Answer) -> Exception:
    return http_fault(answer, fault_of(readable(answer)))
