"""Archives as their readers see them: DuckDB, pandas and pyarrow, over a directory and over an S3 server."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pandas
import pytest
from export_records import parcel_of, records_of
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from otlp_requests import export_request, protobuf
from pyarrow import fs, parquet
from s3_server import S3Server, s3_server

from collector.destinations import Destination
from collector.exporters.api import Away, Record
from collector.exporters.archive import build
from collector.exporters.archive.columns import SCHEMA, VERSION, VERSION_KEY

DAY = "2026-11-22"
NAMES = ["shop", "../../etc/passwd", "/etc", "..", "a=b&c%2F d", "é", "A", "a", "", "x" * 250, "ж" * 250, "0", "07"]


def of_project(name: str, trace: int = 0) -> list[Record]:
    message = export_request(trace, range(3))
    message.resource_spans[0].resource.attributes.add(key="openinference.project.name").value.string_value = name
    return records_of(protobuf(message))


def send(endpoint: str, *parcels: Sequence[Record], secret: str | None = None, **options: Any) -> str:
    """What ``check`` says once all was sent, under one key for each."""

    async def run() -> str:
        secrets = {"api_key": secret} if secret else {}
        exporter = build(Destination("archive", "archive", endpoint, options=options), secrets)
        assert exporter.needs.bundles
        try:
            for number, records in enumerate(parcels):
                await exporter.send(parcel_of(records, f"{number:016x}"))
            return await exporter.check()
        finally:
            await exporter.close()

    return asyncio.run(run())


def query(folder: Path, select: str) -> list[tuple[Any, ...]]:
    source = f"read_parquet('{folder}/**/*.parquet', hive_partitioning=true, hive_types={{'project': VARCHAR}})"
    with duckdb.connect() as connection:
        return connection.sql(select.replace("SPANS", source)).fetchall()


def test_whatever_projects_are_called_they_are_kept_apart_within_the_archive(tmp_path: Path) -> None:
    archive = tmp_path / "of" / "traces"
    send(str(archive), [record for number, name in enumerate(NAMES) for record in of_project(name, number)])
    assert [path.name for path in tmp_path.iterdir()] == ["of"]
    assert all(path.is_relative_to(archive) for path in tmp_path.rglob("*.parquet"))
    kept = [name or "tests" for name in NAMES]  # without a name, it is the service's
    assert sorted(query(archive, "SELECT project_name, count(*) FROM SPANS GROUP BY 1")) == [
        (name, 3) for name in sorted(kept)
    ]
    partitions = query(archive, f"SELECT DISTINCT project, project_name FROM SPANS WHERE day = '{DAY}'")
    assert len(partitions) == len(NAMES)
    assert {one for one, other in partitions if one != other} == {one for one, _ in partitions if "~" in one}


def test_the_same_spans_are_the_same_file_again(tmp_path: Path) -> None:
    send(f"file://{tmp_path}", of_project("shop"), of_project("shop", 1))
    first = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    assert len(first) == 2
    send(str(tmp_path), list(reversed(of_project("shop"))), of_project("shop", 1))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == first


def test_every_reader_sees_the_same(tmp_path: Path) -> None:
    records = [*of_project("shop"), *of_project("web", 1)]
    send(str(tmp_path), records)
    ids = sorted(record.facts.span_id.hex() + record.facts.trace_id.hex() for record in records)
    assert sorted(row[0] for row in query(tmp_path, "SELECT span_id || trace_id FROM SPANS")) == ids
    frame = pandas.read_parquet(tmp_path)
    assert sorted(frame["span_id"] + frame["trace_id"]) == ids
    assert list(frame.columns[:-2]) == SCHEMA.names and set(frame.columns[-2:]) == {"project", "day"}
    table = parquet.read_table(tmp_path)
    assert sorted(table.column("project").to_pylist()) == ["shop"] * 3 + ["web"] * 3
    for file in tmp_path.rglob("*.parquet"):
        schema = parquet.read_schema(file)
        assert schema.equals(SCHEMA)
        assert schema.metadata[VERSION_KEY.encode()] == VERSION.encode()
    started = query(tmp_path, "SELECT min(epoch_ns(start_time)) FROM SPANS")
    assert started == [(min(record.facts.start_ns for record in records),)]


def test_originals_can_be_sent_anywhere_again(tmp_path: Path) -> None:
    records = of_project("shop")
    send(str(tmp_path), records)
    (rows,) = zip(*query(tmp_path, "SELECT original FROM SPANS"), strict=True)
    again = records_of(b"".join(rows))
    assert len(TracesData.FromString(b"".join(rows)).resource_spans) == 3
    assert [(one.key, one.span.attributes, one.span.resource) for one in again] == [
        (one.key, one.span.attributes, one.span.resource) for one in of_project("shop")
    ]


def test_what_cannot_be_written_comes_again(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Away, match="cannot be written"):
        send(str(tmp_path / "file" / "archive"), of_project("shop"))
    (tmp_path / "archive" / "project=shop").mkdir(parents=True)
    (tmp_path / "archive" / "project=shop" / f"day={DAY}").write_text("in the way")
    with pytest.raises(Away):
        send(str(tmp_path / "archive"), of_project("shop"))


_WRITER = """
import asyncio, sys
from export_records import parcel_of, records_of
from otlp_requests import export_request, protobuf
from collector.destinations import Destination
from collector.exporters.archive import build

async def write():
    exporter = build(Destination("archive", "archive", sys.argv[1]), {})
    for number in range(100_000):
        await exporter.send(parcel_of(records_of(protobuf(export_request(number, range(50)))), f"{number:016x}"))
        print(number, flush=True)

asyncio.run(write())
"""


def test_what_was_acknowledged_before_a_kill_is_there_and_nothing_is_there_by_half(tmp_path: Path) -> None:
    paths = os.pathsep.join((str(Path(__file__).parents[1]), str(Path(__file__).parents[2])))
    for kill in range(2):
        archive = tmp_path / str(kill)
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(archive)],
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": paths},
        )
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()) for _ in range(5 + kill * 7)]
        writer.kill()
        acknowledged += [int(line) for line in writer.stdout.read().split(b"\n") if line.strip()]
        writer.wait()
        writer.stdout.close()
        files = {path.name.partition("-")[0]: path for path in archive.rglob("*.parquet")}
        assert files.keys() >= {f"{number:016x}" for number in acknowledged}
        assert all(parquet.read_table(path).num_rows == 50 for path in files.values())


def test_a_check_leaves_nothing_behind(tmp_path: Path) -> None:
    assert "can be written" in send(str(tmp_path / "new"))
    assert not any((tmp_path / "new").iterdir())


@pytest.mark.parametrize(
    ("endpoint", "options", "secret"),
    [
        ("relative/path", {}, None),
        ("https://bucket.example", {}, None),
        ("s3://", {}, None),
        ("s3://KEY:s3cret@bucket/prefix", {}, None),
        ("s3://bucket", {"s3_endpoint": "localhost:9000"}, None),
        ("s3://bucket", {"access_key": "KEY"}, None),
        ("s3://bucket", {}, "s3cret"),
        ("/archive", {"colour": "blue", "timeout_s": 0, "region": 3}, None),
    ],
)
def test_faults_of_a_destination_are_told(endpoint: str, options: dict[str, Any], secret: str | None) -> None:
    with pytest.raises(ValueError) as caught:
        send(endpoint, secret=secret, **options)
    assert "s3cret" not in str(caught.value)
    assert all(name in str(caught.value) for name in options if name != "s3_endpoint")


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


def test_a_bucket_holds_what_a_directory_would(s3: S3Server, tmp_path: Path) -> None:
    where = {"s3_endpoint": s3.endpoint, "access_key": s3.access_key, "region": "eu-central-1"}
    parcels = [of_project("a/../b"), of_project("shop", 1)]
    for _ in range(2):
        assert "can be written" in send("s3://archive/of/traces", *parcels, secret=s3.secret, **where)
    send(str(tmp_path), *parcels)
    server = s3.endpoint.partition("//")[2]
    bucket = fs.S3FileSystem(
        access_key=s3.access_key, secret_key=s3.secret, scheme="http", endpoint_override=server, region="us-east-1"
    )
    found = {
        info.path: bucket.open_input_file(info.path).read()
        for info in bucket.get_file_info(fs.FileSelector("archive/of/traces", recursive=True))
        if info.is_file
    }
    assert found == {
        f"archive/of/traces/{path.relative_to(tmp_path).as_posix()}": path.read_bytes()
        for path in tmp_path.rglob("*.parquet")
    }


def test_a_bucket_that_does_not_let_in_is_no_spans_fault(s3: S3Server) -> None:
    where = {"s3_endpoint": s3.endpoint, "access_key": s3.access_key}
    with pytest.raises(Away) as caught:
        send("s3://archive/of/traces", of_project("shop"), secret="not-the-s3cret", **where)
    assert "not-the-s3cret" not in str(caught.value)
    with pytest.raises(Away):
        where["s3_endpoint"] = "http://127.0.0.1:1"
        send("s3://archive/of/traces", of_project("shop"), secret=s3.secret, **where)
