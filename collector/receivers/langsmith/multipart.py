"""``multipart/form-data`` (RFC 7578) as LangSmith's clients write it: many small parts, told by their names. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from collector.receivers.refusal import malformed, too_large, unsupported

MAX_PARTS: Final = 100_000
_MAX_HEADERS: Final = 8 * 1024
_BOUNDARY: Final = re.compile(r';\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.I)
_NAME: Final = re.compile(rb';\s*name=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))', re.I)
_DEFAULT_TYPE: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    content_type: str
    data: bytes


def boundary_of(content_type: str) -> bytes:
    """Raises the 415 ``Refusal`` for anything but multipart/form-data, the 400 one without a boundary."""
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        raise unsupported(f"Content-Type {content_type[:100]!r} is not multipart/form-data")
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise malformed("the Content-Type names no boundary")
    return (found[1] or found[2]).encode("latin-1")


def parts_of(body: bytes, boundary: bytes) -> Iterator[Part]:
    """Every part with a name. Raises ``Refusal``: 400 where the body is cut off or has no such boundary, 413 where it
    has more than ``MAX_PARTS`` parts."""
    delimiter = b"\r\n--" + boundary
    start = 0 if body.startswith(delimiter[2:]) else body.find(delimiter) + 2
    if start == 1:
        raise malformed("the body does not begin with its boundary")
    position = start + len(delimiter) - 2
    for number in range(MAX_PARTS + 1):
        if body.startswith(b"--", position):
            return
        if number == MAX_PARTS:
            raise too_large(f"a request may have {MAX_PARTS} parts")
        head = body.find(b"\r\n\r\n", position, position + _MAX_HEADERS)
        if head < 0:
            raise malformed("a part ends in its headers")
        headers = _headers(body[position:head])
        end = _end(body, head + 4, headers, delimiter)
        name = _NAME.search(headers.get(b"content-disposition", b""))
        if name is not None:
            content_type = headers.get(b"content-type", b"").decode("latin-1") or _DEFAULT_TYPE
            yield Part(_text(name[1] if name[1] is not None else name[2]), content_type, body[head + 4 : end])
        position = end + len(delimiter)


def _headers(head: bytes) -> dict[bytes, bytes]:
    lines = (line.partition(b":") for line in head.split(b"\r\n"))
    return {name.strip().lower(): value.strip() for name, _, value in lines}


def _end(body: bytes, start: int, headers: dict[bytes, bytes], delimiter: bytes) -> int:
    """Where a part's data ends: where its length says so, if a boundary is there, else at the next boundary."""
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and len(declared) < 12 and body.startswith(delimiter, start + int(declared)):
        return start + int(declared)
    end = body.find(delimiter, start)
    if end < 0:
        raise malformed("the body ends in the middle of a part")
    return end


def _text(name: bytes) -> str:
    """Quotes and line ends are percent-encoded, or escaped by older senders."""
    found = name.decode("utf-8", "replace")
    if "\\" in found:
        found = re.sub(r"\\(.)", r"\1", found)
    for code, character in (("%22", '"'), ("%0D", "\r"), ("%0A", "\n")):
        found = found.replace(code, character)
    return found
