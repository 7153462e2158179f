"""Every captured span goes to LangSmith's stand-in without a rejection, and what arrives says the same as ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from corpus_cases import DATA, requests_of
from langsmith.schemas import Run as ClientRun
from langsmith.schemas import UsageMetadata
from langsmith_records import records_of
from langsmith_strict import KEY, Strict, serving
from langsmith_strict_rules import RUN_TYPES

from collector.codec.otlp import decode_traces
from collector.destinations import Destination
from collector.exporters.api import Parcel, Record
from collector.exporters.langsmith import build
from collector.exporters.langsmith.ids import Roots, place_of
from collector.model import CALL_KINDS, Message, SpanBatch
from collector.processors.chain import process
from collector.processors.dialects.bodies import answered_in, asked_in
from collector.processors.dialects.documents import documents_in

CASES = sorted(f"{path.parent.name}/{path.stem}" for path in DATA.glob("*/*.pb"))
_TYPES = {"reranker": "retriever"}


def records_in(case: str) -> list[Record]:
    """Of all requests of a case together."""
    whole = SpanBatch()
    for body in requests_of(DATA / f"{case}.pb"):
        batch = process(decode_traces(body))
        for span in batch.spans:
            span.chunk += len(whole.chunks)
        whole.spans += batch.spans
        whole.chunks += batch.chunks
    return records_of(whole)


@pytest.fixture(scope="module")
def records() -> dict[str, list[Record]]:
    return {case: records_in(case) for case in CASES}


@pytest.fixture(scope="module")
def arrived(records: dict[str, list[Record]]) -> Iterator[Strict]:
    with serving(Strict()) as strict:
        _send(strict.url, [record for of_case in records.values() for record in of_case])
        yield strict


def _send(url: str, every: list[Record], **options: Any) -> None:
    async def send() -> None:
        exporter = build(Destination("ls", "langsmith", url, options=options), {"api_key": KEY})
        try:
            for start in range(0, len(every), exporter.needs.spans):
                await exporter.send(Parcel(every[start : start + exporter.needs.spans], "k"))
        finally:
            await exporter.close()

    asyncio.run(send())


def pairs(records: dict[str, list[Record]], arrived: Strict) -> Iterator[tuple[Record, dict[str, Any]]]:
    for of_case in records.values():
        for record in of_case:
            yield record, arrived.runs[str(place_of(record, Roots()).run_id)]


def test_every_span_is_taken(records: dict[str, list[Record]], arrived: Strict) -> None:
    assert arrived.refused == []
    assert {status for *_, status, _ in arrived.seen} == {200, 202}
    assert len(arrived.runs) == sum(map(len, records.values())) > 700
    for run in arrived.runs.values():
        ClientRun(**run)


def test_the_trees_are_ours(records: dict[str, list[Record]], arrived: Strict) -> None:
    for record, run in pairs(records, arrived):
        above = record.ancestry[-1] if record.ancestry else None
        parent = arrived.runs[run["parent_run_id"]] if run.get("parent_run_id") else None
        assert (above.span_id.hex() if above else None) == (
            parent["extra"]["metadata"]["tracekit.span_id"] if parent else None
        )
        if record.is_rooted:
            assert run["trace_id"].replace("-", "") == record.facts.trace_id.hex()


def test_kinds_status_and_owner_are_ours(records: dict[str, list[Record]], arrived: Strict) -> None:
    for record, run in pairs(records, arrived):
        span = record.facts
        named = _TYPES.get(span.kind, span.kind)
        expected = named if named in RUN_TYPES else "chain"
        assert run["run_type"] == expected or (expected, run["run_type"]) == ("chain", "parser")
        assert bool(run.get("error")) == (span.status == "error")
        metadata = run["extra"]["metadata"]
        assert (run.get("tags") or None, run["session_name"]) == (span.tags, span.project)
        for name, value in (("session_id", span.session_id), ("user_id", span.user_id)):
            assert value is None or metadata[name] == value
        for name, value in (span.metadata or {}).items():
            assert name.startswith(("ls_", "session_id", "user_id")) or metadata[name] == value


def test_usage_and_models_are_ours(records: dict[str, list[Record]], arrived: Strict) -> None:
    counted = 0
    for record, run in pairs(records, arrived):
        span, metadata = record.facts, run["extra"]["metadata"]
        usage = metadata.get("usage_metadata", {})
        assert usage.keys() <= UsageMetadata.__annotations__.keys()
        if span.kind not in CALL_KINDS or span.usage is None:
            assert not usage or span.cost is not None
            continue
        counted += 1
        entering, leaving = usage.get("input_token_details", {}), usage.get("output_token_details", {})
        assert (usage.get("input_tokens"), usage.get("output_tokens"), usage.get("total_tokens")) == (
            span.usage.input_tokens, span.usage.output_tokens, span.usage.total_tokens,
        )  # fmt: skip
        assert (entering.get("cache_read"), entering.get("cache_creation"), leaving.get("reasoning")) == (
            span.usage.cache_read_tokens, span.usage.cache_write_tokens, span.usage.reasoning_tokens,
        )  # fmt: skip
        assert metadata.get("ls_model_name") == (span.request_model or span.response_model)
    assert counted > 200


def test_messages_and_documents_are_ours(records: dict[str, list[Record]], arrived: Strict) -> None:
    messages = documents = 0
    for record, run in pairs(records, arrived):
        content, kind = record.content, record.facts.kind
        if kind == "llm" and content.input_messages:
            assert _said(asked_in(run["inputs"])) == _said(content.input_messages)
            messages += 1
        if kind == "llm" and content.output_messages:
            assert _said(answered_in(run["outputs"])) == _said(content.output_messages)
        if kind in ("retriever", "reranker") and content.documents:
            found = documents_in(run["outputs"])
            assert [(one.id, one.text, one.score) for one in found] == [
                (one.id, one.text or "", one.score) for one in content.documents
            ]
            documents += 1
    assert messages > 200 and documents > 5


def _said(messages: list[Message]) -> list[Any]:
    """(role, what) of every part that is not empty: messages with several results are told one by one."""
    every = [(message.role, part) for message in messages for part in sorted(message.parts, key=_calls_last)]
    return [(role, *_what(part)) for role, part in every if part != {"type": "text", "text": ""}]


def _calls_last(part: dict[str, Any]) -> bool:
    return part["type"] == "tool_call"


def _what(part: dict[str, Any]) -> tuple[Any, ...]:
    kind = part["type"]
    if kind == "tool_call":
        return kind, part.get("id"), part.get("name") or "", json.dumps(part.get("arguments") or {}, sort_keys=True)
    if kind == "tool_result":
        return "text", _text(part.get("result"))
    if kind in ("image", "audio", "file"):
        return (kind,)
    return kind, _text(part.get("text"))


def _text(value: Any) -> str:
    try:
        return json.dumps(json.loads(value) if isinstance(value, str) else value, sort_keys=True)
    except ValueError:
        return str(value)


@pytest.fixture(scope="module")
def by_otlp(records: dict[str, list[Record]]) -> Iterator[Strict]:
    every = [record for of_case in records.values() for record in of_case]
    with serving(Strict()) as strict:
        _send(strict.url, every, protocol="otlp")
        yield strict


def test_by_otlp_every_span_arrives_in_its_project(records: dict[str, list[Record]], by_otlp: Strict) -> None:
    found = {
        (project, span.trace_id, span.span_id) for project, body in by_otlp.traces for span in decode_traces(body).spans
    }
    sent = {(record.facts.project, *record.key) for of_case in records.values() for record in of_case}
    assert found == sent


def test_by_otlp_spans_say_the_same_and_langsmith_s_own_attributes_beside(
    records: dict[str, list[Record]], by_otlp: Strict
) -> None:
    ours = {record.key: record for of_case in records.values() for record in of_case}
    for _, body in by_otlp.traces:
        for span in process(decode_traces(body)).spans:
            record = ours[span.trace_id, span.span_id]
            get = span.attributes.get
            assert (span.name, span.start_ns, span.status) == (
                record.facts.name, record.facts.start_ns, record.facts.status,
            )  # fmt: skip
            assert get("langsmith.span.kind") in RUN_TYPES
            assert get("langsmith.trace.session_name") == record.facts.project
            assert get("langsmith.metadata.tracekit.span_id") == span.span_id.hex()
            assert span.usage == record.facts.usage or record.facts.kind not in CALL_KINDS
            if record.facts.kind == "llm" and record.content.input_messages:
                assert _said(asked_in(get("gen_ai.prompt"))) == _said(record.content.input_messages)
            if record.facts.kind == "llm" and record.content.output_messages:
                assert _said(answered_in(get("gen_ai.completion"))) == _said(record.content.output_messages)
