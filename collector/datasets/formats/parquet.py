"""Parquet, by pyarrow. Pure: bytes to bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from collector.datasets.formats import table
from collector.datasets.formats.fields import BadFile, Columns, collected
from collector.datasets.model import MAX_EXAMPLES, Example, Invalid

#: What a file may unpack to, and the rows that are unpacked at once: small files can say very long things.
MAX_UNPACKED: Final = 256 * 1024 * 1024
_ROWS: Final = 16


def arrow_table(examples: Sequence[Example]) -> Any:
    """A ``pyarrow.Table`` of text columns."""
    import pyarrow as pa

    columns = table.table(examples, nulls=True)
    return pa.table({name: pa.array(cells, pa.string()) for name, cells in columns.items()})


def write(examples: Sequence[Example]) -> bytes:
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pq.write_table(arrow_table(examples), out, compression="zstd")
    return out.getvalue()


def read(data: bytes, columns: Columns | None = None, bound: int = MAX_EXAMPLES) -> list[Example]:
    """Raises ``BadFile``; its lines are rows."""
    return collected(_rows(data, bound), columns or Columns(), bound)


def _rows(data: bytes, bound: int) -> Iterator[tuple[int, Mapping[str, Any] | Exception]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = unpacked = 0
    try:
        file = pq.ParquetFile(io.BytesIO(data))
        groups = range(file.metadata.num_row_groups)
        said = sum(file.metadata.row_group(group).total_byte_size for group in groups)
        if file.metadata.num_rows > bound or said > MAX_UNPACKED:
            raise BadFile([(0, f"more than {bound} rows, or more than {MAX_UNPACKED} bytes when it is unpacked")])
        for batch in file.iter_batches(_ROWS, use_threads=False):
            unpacked += batch.nbytes
            if unpacked > MAX_UNPACKED:
                raise BadFile([(number, f"more than {MAX_UNPACKED} bytes when it is unpacked")])
            for cells in batch.to_pylist():
                number += 1
                yield number, _row(cells)
    except (pa.ArrowException, OSError) as error:
        raise BadFile([(number, f"is no Parquet file that can be read: {str(error)[:200]}")]) from None


def _row(cells: dict[str, Any]) -> Mapping[str, Any] | Exception:
    try:
        plain = orjson.loads(orjson.dumps(cells))  # dates become text
    except (TypeError, orjson.JSONDecodeError) as error:
        return Invalid(f"holds what is no JSON: {error}")
    return table.row_of(plain, nulls=True)
