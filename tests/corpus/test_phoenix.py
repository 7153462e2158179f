"""What a real Phoenix shows of everything that was captured, and of what is hostile, annotated, or twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from export_records import parcel_of, records_of
from langsmith_records import records_of_changes
from langsmith_runs import ended, started
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from phoenix_datasets import test_phoenix_has_the_dataset_and_follows_its_changes  # noqa: F401 - one Phoenix for both
from phoenix_stage import NS, STORED_SECONDS, annotations_of, exporter_of, graphql, records, run, said, sent, span
from phoenix_view import corpus_records, get, ours, spans_in, theirs

import tracekit
from collector.annotations import Target
from collector.codec.run_spans import PENDING
from collector.destinations import Destination
from collector.exporters.api import Away, Record, Rejected
from collector.exporters.phoenix import build
from collector.exporters.phoenix.spans import other_id
from collector.local_phoenix import LocalPhoenix, free_port
from collector.model import Event, Link
from tracekit import testing, trace

#: Of two tools' results in one message the instrumentation keeps the id of the last; the other convention on that span,
#: which we believe, says that they are two.
KNOWN = {("openinference-pydantic-ai/parallel_tools", "input_messages")}

Corpus = list[tuple[str, list[Record]]]


@pytest.fixture(scope="module")
def corpus(phoenix_server: LocalPhoenix) -> Iterator[tuple[Corpus, Record]]:
    """Every captured case, sent and stored; and the span that was annotated before it came."""
    cases = list(corpus_records())
    early = cases[0][1][0]

    async def go() -> None:
        async with exporter_of(phoenix_server) as exporter:
            about = said(early, "early", score=0.5)
            assert await exporter.annotate([about]) == [about]
            await sent(exporter, [record for _, found in cases for record in found])

    run(go())
    yield cases, early


@pytest.fixture(scope="module")
def shown(phoenix_server: LocalPhoenix, corpus: tuple[Corpus, Record]) -> dict[str, dict[str, Any]]:
    """Every span of the corpus as Phoenix shows it, by its id."""
    projects = sorted({case.partition("/")[0] for case, _ in corpus[0]})
    return {name: span for project in projects for name, span in spans_in(phoenix_server.url, project).items()}


@pytest.mark.timeout(180)
def test_phoenix_shows_every_captured_span_as_we_have_it(
    corpus: tuple[Corpus, Record], shown: dict[str, dict[str, Any]]
) -> None:
    faults = []
    for case, found in corpus[0]:
        for record in found:
            mine, there = ours(record), theirs(shown[record.facts.span_id.hex()], record)
            faults += [
                f"{case} {record.facts.name} {name}:\n  ours   {mine[name]!s:.300}\n  theirs {there[name]!s:.300}"
                for name in mine
                if mine[name] != there[name] and (case, name) not in KNOWN
            ]
    assert not faults, "\n".join(faults)
    assert len(shown) == sum(len(found) for _, found in corpus[0])


def test_phoenix_shows_what_went_in_and_out_of_every_span_that_said_so(
    corpus: tuple[Corpus, Record], shown: dict[str, dict[str, Any]]
) -> None:
    for case, found in corpus[0]:
        for record in found:
            attributes, content = shown[record.facts.span_id.hex()]["attributes"], record.content
            if content.input_messages or content.input is not None:
                assert attributes["input.value"] is not None and attributes["input.mime_type"], case
            if content.output_messages or content.output is not None:
                assert attributes["output.value"] is not None and attributes["output.mime_type"], case


def test_phoenix_adds_up_the_tokens_of_a_trace(phoenix_server: LocalPhoenix, corpus: tuple[Corpus, Record]) -> None:
    cases, _ = corpus
    expected: dict[str, tuple[int, int]] = {}
    for _, found in cases:
        for record in found:
            prompt, completion = expected.get(record.facts.trace_id.hex(), (0, 0))
            usage = record.facts.usage if record.facts.kind == "llm" else None
            if usage is not None:
                prompt, completion = prompt + (usage.input_tokens or 0), completion + (usage.output_tokens or 0)
            expected[record.facts.trace_id.hex()] = prompt, completion
    told = {}
    for project in {case.partition("/")[0] for case, _ in cases}:
        for one in get(f"{phoenix_server.url}/v1/projects/{project}/traces?limit=1000")["data"]:
            told[one["trace_id"]] = one["token_count_prompt"], one["token_count_completion"]
    assert told == expected


def test_an_annotation_that_came_before_its_span_is_attached(
    phoenix_server: LocalPhoenix, corpus: tuple[Corpus, Record]
) -> None:
    _, early = corpus
    end = time.monotonic() + 40
    while True:
        found = annotations_of(phoenix_server, "span", early.facts.project, early.facts.span_id.hex())
        if found or time.monotonic() > end:
            break
        time.sleep(0.25)
    assert [(one["name"], one["result"]["score"]) for one in found] == [("early", 0.5)]


def test_nothing_hostile_loses_itself_or_what_is_sent_with_it(phoenix_server: LocalPhoenix) -> None:
    exception = Event("exception", NS, {"exception.type": "E", "exception.message": "no\0", "raw": b"\xff"})
    hostile = [
        span(100, 100, raw=b"\x00\xff", nested={"a": [b"\x01", float("nan")]}, mixed=[1, "a", None, float("inf")]),
        span(101, 100, 100, **{"a.².b": 1, "": "empty", "x" + ".y" * 900: "deep", "n.99999999999.m": 2}),
        span(102, 100, 100, metadata='{"a": NaN, "b": "\\u0000", "c": "\\ud800"}', **{"session.id": "s\0"}),
        span(103, 100, 100, metadata="[" * 900 + "]" * 900, **{"openinference.span.kind": "[]"}),
        span(104, 100, 100, **{"retrieval.documents": '[{"content": "d"}]', "openinference.span.kind": "retriever"}),
        span(105, 100, 100, **{"openinference.span.kind": "llm", "llm.token_count.prompt": "12", "llm": "in the way"}),
        span(106, 100, 100, **{"embedding.embeddings.0.embedding.vector": [1, float("nan")], "input.value": 3}),
    ]
    hostile[2].name, hostile[3].events, hostile[3].status = "na\0me", [exception], "error"
    hostile[4].links = [Link(bytes(16), bytes(8)), Link(b"\1" * 16, b"\2" * 8, {"why": b"\3"})]
    hostile[5].start_ns, hostile[5].end_ns = 2**64 - 1, 1

    async def go() -> None:
        async with exporter_of(phoenix_server) as exporter:
            await sent(exporter, records("hostile", *hostile))

    run(go())
    shown = spans_in(phoenix_server.url, "hostile")
    said_of = {int(name[-4:], 16): one["attributes"] for name, one in shown.items()}
    assert sorted(said_of) == [100, 101, 102, 103, 104, 105, 106]
    assert said_of[100]["raw"] == "AP8=" and said_of[100]["nested"] == '{"a":["AQ==","NaN"]}'
    assert shown[hostile[4].span_id.hex()]["span_kind"] == "RETRIEVER"
    assert said_of[104]["tracekit.original.retrieval.documents"] == '[{"content": "d"}]'
    assert said_of[105]["llm.token_count.prompt"] == 12 and said_of[105]["tracekit.original.llm"] == "in the way"
    assert shown[hostile[3].span_id.hex()]["events"][0]["name"] == "exception"


@trace.retriever(name="search")
def search(query: str) -> list[dict[str, Any]]:
    return [{"id": "d-1", "text": "1.7 litres", "score": 0.9, "metadata": {"page": 3}}]


@trace.llm(name="chat", model="gpt-4o")
def chat(messages: list[dict[str, str]]) -> dict[str, Any]:
    message = {"role": "assistant", "content": "It holds 1.7 litres."}
    usage = {"prompt_tokens": 12, "completion_tokens": 6, "total_tokens": 18}
    return {"model": "gpt-4o-2024-08-06", "choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}


@trace.tool
def convert(litres: float) -> float:
    raise ValueError(f"not {litres}")


@trace.agent(name="answer")
def answer(question: str) -> dict[str, Any]:
    with tracekit.context(session_id="s-1", user_id="u-1", tags=["a"], metadata={"k": [1]}):
        search(question)
        with pytest.raises(ValueError):
            convert(1.7)
        return chat([{"role": "user", "content": question}])


def test_what_our_sdk_traces_and_what_langsmiths_client_sends(phoenix_server: LocalPhoenix) -> None:
    with testing.capture() as captured:
        answer("How much does it hold?")
    traced = records_of(encode_spans([one.otel for one in captured.all()]).SerializeToString())
    texts = {"inputs": {"messages": [{"role": "user", "content": "hi"}]}, "outputs": {"answer": "ho"}}
    runs = records_of_changes(
        *(started(0), started(1, 0, 0, run_type="llm", **texts), ended(1, 0, 0), ended(0, outputs={"x": 1})),
        started(2, 0, 0),
    )
    for record in (*traced, *runs):
        record.facts.project = "sdks"

    async def go() -> None:
        async with exporter_of(phoenix_server) as exporter:
            await sent(exporter, [*traced, *runs])

    run(go())
    shown = spans_in(phoenix_server.url, "sdks")
    found = [record for record in (*traced, *runs) if record.facts.name != "run 2"]
    assert len(found) == len(shown) == 6
    for record in found:
        assert theirs(shown[record.facts.span_id.hex()], record) == ours(record)
    tool = next(one for one in shown.values() if one["name"] == "convert")
    assert (tool["status_code"], tool["attributes"]["metadata.k"]) == ("ERROR", [1])
    assert "not 1.7" in tool["status_message"] and tool["attributes"]["tag.tags"] == ["a"]
    assert [event["name"] for event in tool["events"]] == ["exception"]


def test_projects_of_any_name_are_found_again_and_annotated(phoenix_server: LocalPhoenix) -> None:
    names = ["a/b?c#d", "проект", " spaced ", "plain"]
    found = [record for number, name in enumerate(names, 200) for record in records(name, span(number, number))]

    async def go() -> None:
        async with exporter_of(phoenix_server) as exporter:
            await sent(exporter, found)
            assert await exporter.annotate([said(record, "good", score=True) for record in found]) == []

    run(go())
    assert {project["name"] for project in get(f"{phoenix_server.url}/v1/projects?limit=500")["data"]} >= set(names)


def test_a_run_that_is_still_going_on_waits_for_its_end(phoenix_server: LocalPhoenix) -> None:
    found = records("pending", span(300, 300, **{PENDING: True}), span(301, 300, 300))

    async def go() -> None:
        async with exporter_of(phoenix_server) as exporter:
            await sent(exporter, found)
            assert await exporter.missing(found) == []

    run(go())
    assert list(spans_in(phoenix_server.url, "pending")) == [found[1].facts.span_id.hex()]


def test_a_span_id_that_phoenix_has_in_another_trace_gets_another(phoenix_server: LocalPhoenix) -> None:
    first = records("first", span(400, 400), span(401, 400, 400))
    again = records("again", span(400, 401), span(401, 401, 400))
    stays = records("again", span(402, 401, 400))

    async def go() -> None:
        async with exporter_of(phoenix_server) as exporter:
            await sent(exporter, first)
            await exporter.send(parcel_of(again))
            await exporter.send(parcel_of(first))
            end = time.monotonic() + STORED_SECONDS
            while lost := list(await exporter.missing(again)):
                assert time.monotonic() < end
                await exporter.send(parcel_of(lost))
                await asyncio.sleep(0.25)
            await sent(exporter, stays)
            about = said(again[1], "which", label="again")
            assert await exporter.annotate([about]) == []
        async with exporter_of(phoenix_server) as forgetful:
            assert await forgetful.missing(first + again + stays) == []

    run(go())
    assert set(spans_in(phoenix_server.url, "first")) == {record.facts.span_id.hex() for record in first}
    shown = spans_in(phoenix_server.url, "again")
    root, child = (other_id(record.key).hex() for record in again)
    parents = {name: one["parent_id"] for name, one in shown.items()}
    assert parents == {root: None, child: root, stays[0].facts.span_id.hex(): root}
    assert [one["result"]["label"] for one in annotations_of(phoenix_server, "span", "again", child)] == ["again"]


def test_a_trace_of_two_projects_is_whole_and_counts_as_delivered(phoenix_server: LocalPhoenix) -> None:
    one, other = records("whole", span(500, 500)), records("part", span(501, 500, 500))

    async def go() -> None:
        async with exporter_of(phoenix_server) as exporter:
            await sent(exporter, one)
            await sent(exporter, other)
            assert await exporter.annotate([said(other[0], "seen", label="yes")]) == []

    run(go())
    assert len(spans_in(phoenix_server.url, "whole")) == 2


def test_two_projects_sessions_of_one_name_stay_two(phoenix_server: LocalPhoenix) -> None:
    talks = [span(600, 600, **{"session.id": "talk"}), span(601, 601, **{"session.id": "talk"})]
    here, there = (records(name, talk) for name, talk in zip(("here", "there"), talks, strict=True))
    whole = [
        said(record, "mood", label=record.facts.project, target=Target(session_id="talk")) for record in here + there
    ]

    async def go() -> None:
        async with exporter_of(phoenix_server) as exporter:
            await sent(exporter, here + there)
            assert await exporter.annotate(whole) == []
        async with exporter_of(phoenix_server, sessions="as_sent") as exporter:
            await sent(exporter, records("unique", span(602, 602, **{"session.id": "only-one"})))

    run(go())
    for name in ("here", "there"):
        sessions = get(f"{phoenix_server.url}/v1/projects/{name}/sessions")["data"]
        assert [session["session_id"] for session in sessions] == [f"{name}:talk"]
        moods = annotations_of(phoenix_server, "session", name, f"{name}:talk")
        assert [mood["result"]["label"] for mood in moods] == [name]
    unique = get(f"{phoenix_server.url}/v1/projects/unique/sessions")["data"]
    assert [session["session_id"] for session in unique] == ["only-one"]


def test_annotations_of_every_kind_are_attached_and_updated(phoenix_server: LocalPhoenix) -> None:
    documents = {f"retrieval.documents.{number}.document.content": "text" for number in range(2)}
    (record,) = records("annotated", span(700, 700, **{"openinference.span.kind": "RETRIEVER", **documents}))
    trace = Target(record.facts.trace_id)
    told = [
        said(record, "correct", score=True, annotator_kind="code", identifier="a", explanation="why\0"),
        said(record, "correct", score=False, annotator_kind="llm", identifier="b", metadata={"n": 1}),
        said(record, "topic", value="kettles", correction={"answer": 1}, source={"id": str(UUID(int=1))}),
        said(record, "note", explanation="  a remark  "),
        said(record, "note", score=1.0),
        said(record, "relevant", score=0.25, position=1, identifier="x"),
        said(record, "quality", label="good", target=trace),
        said(record, "note", explanation="about all of it", target=trace),
    ]

    async def go() -> None:
        async with exporter_of(phoenix_server) as exporter:
            lost = await exporter.annotate(told)
            assert lost == told
            await sent(exporter, [record])
            assert await exporter.annotate(told) == []
            changed = said(record, "correct", score=0.75, identifier="a")
            assert await exporter.annotate([changed]) == []
            with pytest.raises(Rejected, match="out of bounds"):
                await exporter.annotate([said(record, "relevant", score=1.0, position=9)])

    run(go())
    hex_id = record.facts.span_id.hex()
    shown = [
        (one["name"], one["identifier"], one["annotator_kind"], *one["result"].values())
        for one in annotations_of(phoenix_server, "span", "annotated", hex_id)
    ]
    assert shown == [
        ("correct", "a", "HUMAN", None, 0.75, None),
        ("correct", "b", "LLM", "false", 0.0, None),
        ("note", "tracekit", "HUMAN", None, None, "a remark"),
        ("note (annotation)", "", "HUMAN", None, 1.0, None),
        ("topic", "", "HUMAN", "kettles", None, None),
    ]
    of_trace = annotations_of(phoenix_server, "trace", "annotated", record.facts.trace_id.hex())
    assert [one["name"] for one in of_trace] == ["note", "quality"]
    query = f'{{ getSpanByOtelId(spanId: "{hex_id}") {{ documentEvaluations {{ name documentPosition score }} }} }}'
    (document,) = graphql(phoenix_server, query)["getSpanByOtelId"]["documentEvaluations"]
    assert document == {"name": "relevant (x)", "documentPosition": 1, "score": 0.25}


def test_the_check_tells_phoenix_from_what_is_not(phoenix_server: LocalPhoenix, unused_port: int) -> None:
    async def check(endpoint: str) -> str:
        exporter = build(Destination("phoenix", "phoenix", endpoint), {"api_key": "secret-key"})
        try:
            return await exporter.check()
        finally:
            await exporter.close()

    assert run(check(phoenix_server.url + "/v1/traces")).startswith("Phoenix 20.")
    with pytest.raises(Away) as away:
        run(check(f"http://127.0.0.1:{unused_port}"))
    assert "secret" not in str(away.value)


def test_a_span_without_an_id_is_refused_by_itself(phoenix_server: LocalPhoenix) -> None:
    (good,) = records("nameless", span(800, 800))
    bad = replace(good, facts=replace(good.facts, span_id=bytes(8)))

    async def go() -> None:
        async with exporter_of(phoenix_server) as exporter:
            receipt = await exporter.send(parcel_of([good, bad]))
            assert receipt.rejected == 1 and "span id" in receipt.reason
            assert await exporter.missing([bad]) == []

    run(go())


def test_options_that_there_are_not_are_named() -> None:
    with pytest.raises(ValueError, match=r"options\.session: there is no such option"):
        build(Destination("phoenix", "phoenix", "http://x", options={"session": "plain"}), {})


@pytest.fixture
def unused_port() -> int:
    return free_port("127.0.0.1", 0)
