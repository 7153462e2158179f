"""One file of the spool: a head with a version and how far it has been delivered, then requests, each with its length,
number of spans and checksum.

A process that is killed while it writes leaves a last record that is cut short or does not match its checksum: reading
ends there. Files of another version are left alone.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tracekit.batch import Batch

VERSION: Final = 1
SUFFIX: Final = ".spool"
_MAGIC: Final = b"TKSPOOL"
#: magic, version, where the first undelivered record begins
_HEAD: Final = struct.Struct("<7sBQ")
#: length of the body, spans, CRC-32 of the body, whether the writer itself ended these spans
_RECORD: Final = struct.Struct("<III?")


class Foreign(Exception):
    """The file was not written by this version."""


@dataclass(frozen=True, slots=True)
class Record:
    """Where a record begins and ends, and what its head says."""

    at: int
    end: int
    spans: int
    checksum: int
    own: bool


def create(path: Path) -> int:
    """A new, empty segment's descriptor; for its owner's eyes only."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    _write(descriptor, _HEAD.pack(_MAGIC, VERSION, _HEAD.size), 0)
    return descriptor


def append(descriptor: int, at: int, batch: Batch) -> int:
    """Write a batch at the end, ``at``; gives the new end. On OSError the segment is as before."""
    head = _RECORD.pack(len(batch.body), batch.spans, zlib.crc32(batch.body), batch.own)
    try:
        return _write(descriptor, head + batch.body, at)
    except OSError:
        os.ftruncate(descriptor, at)
        raise


def begin(path: Path) -> int:
    """Where the first undelivered record begins. Raises Foreign, OSError."""
    head = _read(path, 0, _HEAD.size)
    if len(head) < _HEAD.size:
        return _HEAD.size  # killed before anything was in it
    magic, version, cursor = _HEAD.unpack(head)
    if magic != _MAGIC or version != VERSION:
        raise Foreign
    return int(cursor) if _HEAD.size <= cursor <= path.stat().st_size else _HEAD.size


def mark(path: Path, at: int) -> None:
    """Remember that everything before ``at`` has been delivered."""
    descriptor = os.open(path, os.O_WRONLY | getattr(os, "O_BINARY", 0))
    try:
        _write(descriptor, _HEAD.pack(_MAGIC, VERSION, at), 0)
    finally:
        os.close(descriptor)


def record(path: Path, at: int) -> Record | None:
    """The record at ``at``; None where there is none, or not a whole one."""
    return next(records(path, at), None)


def records(path: Path, at: int) -> Iterator[Record]:
    """All whole records from ``at`` on, in one reading."""
    with path.open("rb") as file:
        end = path.stat().st_size
        while True:
            file.seek(at)
            head = file.read(_RECORD.size)
            if len(head) < _RECORD.size:
                return
            length, spans, checksum, own = _RECORD.unpack(head)
            after = at + _RECORD.size + length
            if after > end:
                return
            yield Record(at, after, spans, checksum, own)
            at = after


def batch(path: Path, found: Record, own: bool) -> Batch | None:
    """A record's batch, or None where its checksum does not match."""
    start = found.at + _RECORD.size
    body = _read(path, start, found.end - start)
    if len(body) < found.end - start or zlib.crc32(body) != found.checksum:
        return None
    return Batch(body, found.spans, own and found.own)


def _read(path: Path, at: int, size: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        file.seek(at)
        return file.read(size) or b""


def _write(descriptor: int, data: bytes, at: int) -> int:
    os.lseek(descriptor, at, os.SEEK_SET)
    view = memoryview(data)
    while view:
        done = os.write(descriptor, view)
        view = view[done:]
        at += done
    return at
