"""Request bodies, bounded: what is declared, what arrives, what it unpacks to, and all of them together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Literal, cast

import zstandard
from isal import isal_zlib

from collector.asgi import Receive
from collector.receivers.refusal import Refusal, malformed, too_busy, too_large, too_slow, unsupported

Encoding = Literal["identity", "gzip", "deflate", "zstd"]

_ENCODINGS: Final[dict[str, Encoding]] = {
    "": "identity",
    "identity": "identity",
    "gzip": "gzip",
    "x-gzip": "gzip",
    "deflate": "deflate",
    "zstd": "zstd",
}
#: A body may unpack to this much whatever its ratio; beyond, to MAX_RATIO times its size.
FREE_BYTES: Final = 16 * 1024 * 1024
MAX_RATIO: Final = 500
_INPUT_STEP: Final = 64 * 1024
_OUTPUT_STEP: Final = 1024 * 1024
#: A zstd decompressor takes no bound on its output, but cannot make more than 128 KiB of 4 bytes.
_ZSTD_STEP: Final = 512
#: What RFC 9659 lets a sender of HTTP content use.
_ZSTD_WINDOW: Final = 8 * 1024 * 1024
# The stub declares an instance where the class is.
_DAMAGED: Final = (cast(type[Exception], isal_zlib.IsalError), zstandard.ZstdError)
_GZIP_MAGIC: Final = b"\x1f\x8b"
#: gzip members or zstd frames in one body: each costs work though it may be empty.
MAX_MEMBERS: Final = 10_000


class Disconnected(Exception):
    """The sender went away before its body was complete."""


@dataclass(frozen=True, slots=True)
class Limits:
    body_bytes: int
    decompressed_bytes: int
    body_timeout_s: float


class ByteBudget:
    """Bytes held by all requests together. Thread-safe."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._lock = threading.Lock()

    @property
    def used(self) -> int:
        return self._used

    def take(self, count: int) -> bool:
        """False where it would be too much; then nothing was taken."""
        with self._lock:
            if self._used + count > self._limit:
                return False
            self._used += count
            return True

    def give(self, count: int) -> None:
        with self._lock:
            self._used -= count


class Lease:
    """One request's share of the budget, given back at the end of the ``with`` block."""

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self._held = 0

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.shrink(self._held)

    def grow(self, count: int) -> None:
        """Raises the 429 ``Refusal``."""
        if not self._budget.take(count):
            raise too_busy("too many bytes are waiting to be stored")
        self._held += count

    def shrink(self, count: int) -> None:
        self._held -= count
        self._budget.give(count)


def encoding_of(header: str) -> Encoding:
    """The Content-Encoding. Raises the 415 ``Refusal``."""
    encoding = _ENCODINGS.get(header.strip().lower())
    if encoding is None:
        raise unsupported(f"Content-Encoding {header[:50]!r} is not one of identity, gzip, deflate, zstd")
    return encoding


async def read_body(receive: Receive, declared: str | None, limits: Limits, lease: Lease) -> bytes:
    """The whole body as it came.

    Raises ``Refusal`` (413 before anything is read where the declared length is too large, 408, 429) and
    ``Disconnected``.
    """
    if declared is not None and not _is_within(declared, limits.body_bytes):
        raise too_large(f"a body may have {limits.body_bytes} bytes")
    pieces = []
    size = 0
    try:
        async with asyncio.timeout(limits.body_timeout_s):
            async for piece in _pieces(receive):
                size += len(piece)
                if size > limits.body_bytes:
                    raise too_large(f"a body may have {limits.body_bytes} bytes")
                lease.grow(len(piece))
                pieces.append(piece)
    except TimeoutError:
        raise too_slow(f"the body did not arrive within {limits.body_timeout_s:g} s") from None
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _is_within(declared: str, limit: int) -> bool:
    return declared.isascii() and declared.isdigit() and len(declared) < 20 and int(declared) <= limit


async def _pieces(receive: Receive) -> Any:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


def decompress(body: bytes, encoding: Encoding, limit: int, lease: Lease) -> bytes:
    """What the body unpacks to; concatenated gzip members and zstd frames are one body.

    The lease grows by every step's output. Raises ``Refusal``: 400 for damaged or truncated data, 413 beyond
    ``limit`` bytes or ``MAX_RATIO``, 429.
    """
    if encoding == "identity":
        return body
    allowed = min(limit, max(FREE_BYTES, len(body) * MAX_RATIO))
    pieces: list[bytes] = []
    size = 0
    try:
        for piece in _zstd(body) if encoding == "zstd" else _inflate(body, encoding):
            size += len(piece)
            if size > allowed:
                raise too_large(f"the {encoding} body unpacks to more than {allowed} bytes")
            lease.grow(len(piece))
            pieces.append(piece)
    except _DAMAGED as error:
        raise malformed(f"the body is not valid {encoding}: {error}") from error
    return b"".join(pieces)


def _inflate(body: bytes, encoding: Encoding) -> Iterator[bytes]:
    data = memoryview(body)
    wbits = 31 if encoding == "gzip" else _deflate_wbits(body)
    for _ in range(MAX_MEMBERS):
        decompressor = isal_zlib.decompressobj(wbits=wbits)
        consumed = 0
        while not decompressor.eof and consumed < len(data):
            step = data[consumed : consumed + _INPUT_STEP]
            consumed += len(step)
            yield from _drain(decompressor, step)
        if not decompressor.eof:
            raise _truncated(encoding)
        data = data[consumed - len(decompressor.unused_data) :]
        if not _is_another_member(data, encoding):
            return
    raise malformed(f"the body has more than {MAX_MEMBERS} gzip members")


def _drain(decompressor: Any, step: Any) -> Iterator[bytes]:
    while not decompressor.eof:
        output = decompressor.decompress(step, _OUTPUT_STEP)
        step = decompressor.unconsumed_tail
        if output:
            yield output
        elif not step:
            return


def _deflate_wbits(body: bytes) -> int:
    """HTTP's deflate is zlib's format; some senders mean raw deflate."""
    zlib_header = len(body) > 1 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0
    return 15 if zlib_header else -15


def _is_another_member(data: memoryview, encoding: Encoding) -> bool:
    if encoding == "gzip" and bytes(data[:2]) == _GZIP_MAGIC:
        return True
    if any(data):
        raise malformed(f"something follows the {encoding} data")
    return False


def _zstd(body: bytes) -> Iterator[bytes]:
    data = memoryview(body)
    for _ in range(MAX_MEMBERS):
        decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
        consumed = 0
        while not decompressor.eof and consumed < len(data):
            step = data[consumed : consumed + _ZSTD_STEP]
            consumed += len(step)
            # The stub says bytes; any buffer is taken.
            yield decompressor.decompress(cast(bytes, step))
        if not decompressor.eof:
            raise _truncated("zstd")
        data = data[consumed - len(decompressor.unused_data) :]
        if not data:
            return
    raise malformed(f"the body has more than {MAX_MEMBERS} zstd frames")


def _truncated(encoding: str) -> Refusal:
    return malformed(f"the {encoding} body ends too early")
