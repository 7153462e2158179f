"""Laws of exports over hostile spans: nothing raises, nothing is lost, nothing leads out of its folder."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
from export_records import records_of
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from pyarrow import parquet
from test_dialect_laws import foreign_spans
from test_processors import TEXTS, VALUES, law, spans

from collector.codec.otlp import Original, compress
from collector.exporters import genai
from collector.exporters.api import Record
from collector.exporters.archive.partitions import file_of, path_of
from collector.exporters.jsontext import json_of
from collector.exporters.otlp import DIALECTS, bodies
from collector.model import Attributes, Span


def wired(span: Span) -> bytes:
    """The span as a sender could have sent it."""
    data = TracesData()
    resource_spans = data.resource_spans.add()
    bodies.put(resource_spans.resource.attributes, span.resource)
    scope_spans = resource_spans.scope_spans.add()
    message = scope_spans.spans.add(trace_id=b"\1" * 16, span_id=span.span_id)
    message.name = span.name.encode("utf-8", "replace").decode()
    message.start_time_unix_nano, message.end_time_unix_nano = span.start_ns, span.end_ns
    message.status.code = {"unset": 0, "ok": 1, "error": 2}[span.status]
    bodies.put(message.attributes, span.attributes)
    for event in span.events:
        added = message.events.add(name=event.name, time_unix_nano=min(event.time_ns, 2**64 - 1))
        bodies.put(added.attributes, event.attributes)
    return bytes(data.SerializeToString())


HOSTILE = (spans() | foreign_spans()).map(wired)


@law(80)
@given(st.lists(HOSTILE, min_size=1, max_size=3))
def test_translations_keep_every_attribute_or_say_where_it_went(sent: list[bytes]) -> None:
    for record in records_of(*sent):
        genai.attributes(record)  # without the net that ``translated`` spreads
    records = records_of(*sent)
    before = [_attributes(body) for body in sent]
    assert repr([_attributes(DIALECTS["original"]([one])) for one in records]) == repr(before)
    for record, known in zip(records, before, strict=True):
        told = _attributes(DIALECTS["genai"]([record]))
        kept = {key: told.get(genai.REPLACED + key, told.get(key)) for key in known}
        assert repr(kept) == repr(known)
        assert _attributes(DIALECTS["openinference"]([record])).keys() >= {"openinference.span.kind"} or not known


@law(40)
@given(st.lists(HOSTILE, min_size=1, max_size=3))
def test_a_file_can_be_made_of_anything(sent: list[bytes]) -> None:
    records = records_of(*sent)
    rows = parquet.read_table(pa.BufferReader(file_of(records))).to_pylist()
    assert len(rows) == len({record.key for record in records})
    for row in rows:
        for name in ("metadata", "input", "output", "input_messages", "documents", "tool", "parameters"):
            if row[name] is not None:
                json.loads(row[name], parse_constant=_refuse)


@law(100)
@given(st.lists(TEXTS | st.text(min_size=150, max_size=300), min_size=2, max_size=2, unique=True), TEXTS)
def test_a_project_is_one_folder_whatever_it_is_called(names: list[str], key: str) -> None:
    encodable = [name.encode("utf-8", "replace").decode() for name in names]
    paths = [PurePosixPath(path_of(name, "2026-01-01", key)) for name in encodable]
    for path, name in zip(paths, encodable, strict=True):
        assert len(path.parts) == 3 and not path.is_absolute() and ".." not in path.parts
        assert all(len(part.encode()) <= 255 and part.isascii() and part.isprintable() for part in path.parts)
        folder = unquote(path.parts[0].removeprefix("project="))
        assert folder == name or "~" in folder or not name
    assert (paths[0] == paths[1]) == (encodable[0] == encodable[1])
    assert paths[0].name.lower() != paths[1].name.lower() or encodable[0] == encodable[1]


@law(100)
@given(VALUES)
def test_json_of_anything_is_json(value: Any) -> None:
    read = json.loads(json_of(value), parse_constant=_refuse)
    assert json.loads(json_of(read)) == read


def _attributes(body: bytes) -> Attributes:
    (span,) = [Original(compress(body)).span(0)]
    return span.attributes


def _refuse(constant: str) -> None:
    raise AssertionError(constant)


def test_the_records_are_real() -> None:
    (record,) = records_of(wired(Span(bytes(16), b"\2" * 8, None, "n", 1, 2, attributes={"gen_ai.system": "openai"})))
    assert isinstance(record, Record) and record.span.attributes == {"gen_ai.system": "openai"}
