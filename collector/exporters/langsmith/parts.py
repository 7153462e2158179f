"""Runs and feedback as the bodies of requests: what the client itself sends, byte for byte. Pure.

Each part says its own length, and none has a filename; compressed it is one zstd stream of level 1 whose frame does not
say its size (``langsmith._internal._operations`` and ``_compressed_traces`` of langsmith 0.15.0).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

import zstandard

from collector.codec.runs import Attachment
from collector.exporters.langsmith.jsons import encode
from collector.exporters.langsmith.runs import Run

Way = Literal["zstd", "multipart", "batch"]

JSON: Final = "application/json"
_LEVEL: Final = 1
_MIME: Final = re.compile(r"[\w.+*-]{1,100}/[\w.+*-]{1,100}(?:; *[\w.+-]{1,50}=[\w.+-]{1,100})?\Z", re.ASCII)
#: What LangSmith does not take in the name of an attachment, and what would end a header.
_NOT_IN_NAMES: Final = re.compile(r'[.\x00-\x1f\x7f"\\]')


@dataclass(frozen=True, slots=True)
class Item:
    """What is sent as a whole: a run with its attachments, or a feedback. ``parts`` are (name, type, data)."""

    parts: Sequence[tuple[str, str, bytes]]
    run: Run | None = None

    @property
    def size(self) -> int:
        """Bytes that it takes in a request, without its compression; a little more rather than less."""
        return sum(len(name) + len(kind) + len(data) + _AROUND for name, kind, data in self.parts)


@dataclass(frozen=True, slots=True)
class Body:
    content: bytes
    headers: dict[str, str]


def item_of_run(run: Run) -> Item:
    parts = [(f"post.{run.run_id}", JSON, run.head)]
    parts += [(f"post.{run.run_id}.{name}", JSON, value) for name, value in run.fields.items()]
    parts += [
        (f"attachment.{run.run_id}.{_attachment_name(one, index)}", _mime(one.mime_type), one.data)
        for index, one in enumerate(run.attachments)
    ]
    return Item(parts, run)


def item_of_feedback(feedback: dict[str, Any]) -> Item:
    return Item([(f"feedback.{UUID(feedback['id'])}", JSON, encode(feedback))])


def groups_of(items: Iterable[Item], most: int, size: int) -> Iterator[list[Item]]:
    """In their order, each of at most ``most`` items and ``size`` bytes; one that is larger by itself is alone."""
    group: list[Item] = []
    filled = 0
    for item in items:
        if group and (len(group) >= most or filled + item.size > size):
            yield group
            group, filled = [], 0
        group.append(item)
        filled += item.size
    if group:
        yield group


def body_of(items: Sequence[Item], way: Way, boundary: str) -> Body:
    if way == "batch":
        runs = b",".join(item.run.document() for item in items if item.run is not None)
        return Body(b'{"post":[' + runs + b'],"patch":[]}', {"Content-Type": JSON})
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    pieces = _multipart(items, boundary)
    if way == "multipart":
        return Body(b"".join(pieces), headers)
    compressor = zstandard.ZstdCompressor(level=_LEVEL).compressobj()
    content = b"".join([*(compressor.compress(piece) for piece in pieces), compressor.flush()])
    before = sum(len(data) for item in items for _, _, data in item.parts)
    sizes = {"X-Pre-Compressed-Size": str(before), "X-Post-Compressed-Size": str(len(content))}
    return Body(content, headers | {"Content-Encoding": "zstd"} | sizes)


def _multipart(items: Sequence[Item], boundary: str) -> Iterator[bytes]:
    for item in items:
        for name, kind, data in item.parts:
            yield (
                f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n'
                f"Content-Type: {kind}\r\nContent-Length: {len(data)}\r\n\r\n"
            ).encode()
            yield data
            yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _attachment_name(one: Attachment, index: int) -> str:
    return _NOT_IN_NAMES.sub("_", one.name)[:200].encode("utf-8", "replace").decode() or f"attachment_{index}"


def _mime(mime_type: str) -> str:
    return mime_type if _MIME.match(mime_type) else "application/octet-stream"


#: Of a part: boundary, names of headers, line ends.
_AROUND: Final = 150
