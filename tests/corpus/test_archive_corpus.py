"""Every captured case in a file of the archive: the facts in their columns, and the original as it came."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from corpus_cases import DATA, requests_of
from export_records import records_of
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from pyarrow import parquet

from collector.exporters.archive.columns import JSON, SCHEMA
from collector.exporters.archive.partitions import file_of
from collector.model import PICO_USD, Usage

CASES = sorted(DATA.rglob("*.pb"))
PLAIN = ("name", "kind", "status", "service", "scope", "provider", "request_model", "response_model", "response_id")
LISTED = ("finish_reasons", "tags", "session_id", "user_id", "time_to_first_token_ns", "counted", "duplicate_of")
CONTENT = ("input", "output", "input_messages", "output_messages", "documents", "embeddings", "tool", "prompt")


@pytest.mark.parametrize("case", CASES, ids=lambda path: str(path.relative_to(DATA).with_suffix("")))
def test_a_file_has_every_fact_and_the_original(case: Path) -> None:
    bodies = list(requests_of(case))
    records = {record.key: record for record in records_of(*bodies)}
    rows = parquet.read_table(pa.BufferReader(file_of(list(records.values())))).to_pylist()
    assert len(rows) == len(records)
    for row in rows:
        record = records[bytes.fromhex(row["trace_id"]), bytes.fromhex(row["span_id"])]
        facts = record.facts
        assert {name: row[name] for name in (*PLAIN, *LISTED)} == {
            name: getattr(facts, name) for name in (*PLAIN, *LISTED)
        }
        usage: Any = facts.usage or Usage()
        for name in Usage.__slots__:
            if name != "estimated":
                assert row[name] == getattr(usage, name)
        if facts.cost and facts.cost.total is not None:
            assert row["cost_total"] * PICO_USD == facts.cost.total
        assert row["end_time"].value - row["start_time"].value == row["duration_ns"] == facts.duration_ns
        for name in CONTENT:
            found = getattr(record.content, name)
            assert row[name] is None if found in (None, [], {}) else orjson.loads(row[name]) == _plain(found), name
    originals = TracesData.FromString(b"".join(row["original"] for row in rows))
    assert _spans(originals) == _spans(TracesData.FromString(b"".join(bodies)))


def test_columns_of_json_hold_json() -> None:
    assert {field.name for field in SCHEMA if field.type == JSON} >= {*CONTENT, "parameters", "metadata"}


def _plain(value: Any) -> Any:
    return orjson.loads(orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS))


def _spans(data: TracesData) -> dict[bytes, tuple[Any, ...]]:
    return {
        span.span_id: (span, resource.resource, resource.schema_url, scope.scope, scope.schema_url)
        for resource in data.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }
