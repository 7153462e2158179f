"""Which file of an archive a span is in, and a file's bytes. Pure.

``project=NAME/day=YYYY-MM-DD/KEY-PROJECT.parquet``: Hive's way to name folders, which DuckDB, pandas, pyarrow and Spark
read as columns. The same spans are the same file with the same bytes, whenever they are written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import quote

import pyarrow as pa
from pyarrow import parquet

from collector.exporters import originals
from collector.exporters.api import Record
from collector.exporters.archive.columns import COLUMNS, SCHEMA

#: What Hive calls a folder whose value is empty.
_EMPTY: Final = "__HIVE_DEFAULT_PARTITION__"
#: Bytes of a folder's name, which file systems bound at 255.
_MAX_NAME: Final = 180
_KEY: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}\Z", re.ASCII)
_ZSTD_LEVEL: Final = 3


def partitioned(records: Sequence[Record]) -> dict[tuple[str, str], list[Record]]:
    """By (project, day of the start in UTC), each in the order of time."""
    found: dict[tuple[str, str], list[Record]] = {}
    for record in sorted(records, key=lambda record: (record.facts.start_ns, record.key)):
        day = datetime.fromtimestamp(record.facts.start_ns // 10**9, UTC).date().isoformat()
        found.setdefault((record.facts.project, day), []).append(record)
    return found


def path_of(project: str, day: str, key: str) -> str:
    """Below the archive, with ``/``. Whatever the project is called, it is one folder's name and leads nowhere else.

    The file's name has the project too, for file systems where ``a`` and ``A`` are one folder.
    """
    if not _KEY.match(key):
        key = _digest(key, 16)
    return f"project={_folder(project)}/day={day}/{key}-{_digest(project, 4)}.parquet"


def file_of(records: Sequence[Record]) -> Any:
    """The bytes of a Parquet file (a ``pyarrow.Buffer``). The records have forgotten afterwards what they decoded."""
    rows = {record.key: row for record, row in _rows(records)}
    ordered = [rows[key] for key in dict.fromkeys(record.key for record in records)]
    columns = zip(zip(*ordered, strict=True), SCHEMA, strict=True)
    table = pa.Table.from_arrays([pa.array(values, field.type) for values, field in columns], schema=SCHEMA)
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink, compression="zstd", compression_level=_ZSTD_LEVEL)
    return sink.getvalue()


def _rows(records: Sequence[Record]) -> Iterator[tuple[Record, tuple[Any, ...]]]:
    for record, original in originals.each(records):
        yield record, (*(column.value(record) for column in COLUMNS), original)
        _forget(record)


def _forget(record: Record) -> None:
    """What it decoded is several times what it came as, and a file has thousands."""
    record.__dict__.pop("content", None)
    if record.__dict__.pop("span", None):
        facts = record.facts
        facts.resource, facts.attributes, facts.events, facts.links = {}, {}, (), ()


def _folder(name: str) -> str:
    told = quote(name, safe="", errors="replace") or _EMPTY
    if len(told) <= _MAX_NAME:
        return told
    return re.sub(r"%[0-9A-F]?\Z", "", told[:_MAX_NAME]) + "~" + _digest(name, 8)


def _digest(text: str, size: int) -> str:
    return blake2b(text.encode("utf-8", "replace"), digest_size=size).hexdigest()
