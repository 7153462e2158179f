"""Comma-separated values (RFC 4180), UTF-8, with a head line. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from collector.datasets.formats import table
from collector.datasets.formats.fields import BadFile, Columns, collected
from collector.datasets.model import MAX_EXAMPLE_BYTES, MAX_EXAMPLES, Example, Invalid

#: The module's own bound is 128 KiB, for all of the process.
csv.field_size_limit(MAX_EXAMPLE_BYTES)


def write(examples: Sequence[Example]) -> bytes:
    columns = table.table(examples, nulls=False)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue().encode()


def read(data: bytes, columns: Columns | None = None, bound: int = MAX_EXAMPLES) -> list[Example]:
    """An empty cell is nothing. Raises ``BadFile``."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadFile([(data.count(b"\n", 0, error.start) + 1, "is not UTF-8")]) from None
    return collected(_rows(text), columns or Columns(), bound)


def _rows(text: str) -> Iterator[tuple[int, Mapping[str, Any] | Exception]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    head: list[str] | None = None
    line = 1
    try:
        for cells in reader:
            if head is None:
                head = cells
                if len(set(head)) < len(head):
                    yield line, Invalid("a column is named twice")
                    return
            elif cells:
                if len(cells) == len(head):
                    yield line, table.row_of(dict(zip(head, cells, strict=True)), nulls=False)
                else:
                    yield line, Invalid(f"has {len(cells)} cells, the head line {len(head)}")
            line = reader.line_num + 1
    except csv.Error as error:
        yield line, Invalid(f"is no CSV: {error}")
    if head is None:
        yield 0, Invalid("the file is empty")
