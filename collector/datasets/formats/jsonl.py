"""One JSON object on each line, with every field of an example. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from collector.datasets.formats.fields import Columns, collected, parsed
from collector.datasets.model import MAX_EXAMPLES, Example, Invalid, canonical, document_of


def write(examples: Iterable[Example]) -> bytes:
    """Keys in alphabetical order, so that a line changes only where its example does."""
    return b"".join(canonical(document_of(example)) + b"\n" for example in examples)


def read(data: bytes, columns: Columns | None = None, bound: int = MAX_EXAMPLES) -> list[Example]:
    """Ours, or anybody's with columns that ``fields`` knows. Raises ``BadFile``."""
    return collected(_rows(data), columns or Columns(), bound)


def _rows(data: bytes) -> Iterator[tuple[int, Mapping[str, Any] | Exception]]:
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if line.strip():
            yield number, _row(line)


def _row(line: bytes) -> Mapping[str, Any] | Exception:
    try:
        found = parsed(line)
    except Invalid as fault:
        return fault
    return found if isinstance(found, dict) else Invalid("is no JSON object")
