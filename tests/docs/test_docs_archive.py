"""What the page about archives says is so: its columns, its queries, and its way back."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from collector_process import collectors
from export_records import records_of

from benchmarks.ingest.bodies import SPANS_PER_REQUEST, request
from collector.exporters.archive.columns import FLAG, JSON, SCHEMA, TEXTS, TIME, USD
from collector.exporters.archive.partitions import file_of, partitioned, path_of

PAGE = (Path(__file__).parents[2] / "docs" / "archive.md").read_text("utf-8")
TYPES = {
    "string": JSON,
    "string, JSON": JSON,
    "int64": pa.int64(),
    "boolean": FLAG,
    "binary": pa.binary(),
    "list of strings": TEXTS,
    "timestamp, ns, UTC": TIME,
    "decimal(20, 12)": USD,
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where ``archive`` is, as the page calls it."""
    root = tmp_path_factory.mktemp("docs")
    for (project, day), records in partitioned(records_of(request(0))).items():
        path = root / "archive" / path_of(project, day, "0123456789abcdef")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file_of(records))
    return root


def test_the_columns_are_these() -> None:
    told = {
        name: type_.strip()
        for names, type_ in re.findall(r"^\| (`[^|]*) \| ([^|]+) \|", PAGE.partition("## Columns")[2], re.M)
        for name in re.findall(r"`(\w+)`", names)
    }
    assert {told.pop("project"), told.pop("day")} == {"by the folders"}
    assert list(told) == SCHEMA.names
    assert {name: TYPES[type_] for name, type_ in told.items()} == {field.name: field.type for field in SCHEMA}


def test_the_queries_run_and_find_something(folder: Path) -> None:
    view, *queries = blocks("sql")
    with duckdb.connect() as connection:
        connection.execute(view.replace("archive/", f"{folder}/archive/"))
        assert connection.sql("SELECT count(*) FROM spans").fetchall() == [(SPANS_PER_REQUEST,)]
        for query in queries:
            rows = connection.sql(query).fetchall()
            assert rows and all(value is not None for value in rows[0][:2]), query


def test_the_way_back_leads_into_a_collector(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = blocks("python")
    with collectors(tmp_path) as start:
        collector = start()
        monkeypatch.chdir(folder)
        exec(compile(code.replace("http://127.0.0.1:4318", collector.http), "archive.md", "exec"), {})
        (trace, *_) = {record.facts.trace_id for record in records_of(request(0))}
        assert len(collector.span_names(trace.hex())) == 8
