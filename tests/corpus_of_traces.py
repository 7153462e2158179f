"""Request bodies of captured applications (``tests/corpus/data``), for tests that send them somewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from google.protobuf.internal.decoder import _DecodeVarint32

DATA = Path(__file__).parent / "corpus" / "data"


def corpus_bodies(*libraries: str) -> Iterator[bytes]:
    """Of these libraries' cases, of all where none is named."""
    for path in sorted(DATA.glob("*/*.pb")):
        if libraries and path.parent.name not in libraries:
            continue
        data, at = path.read_bytes(), 0
        while at < len(data):
            size, at = _DecodeVarint32(data, at)
            yield data[at : at + size]
            at += size
