"""What becomes of spans on their way to a destination: all of them arrive, whatever it does."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "contract"))

from forwarding_stage import Clock, MemoryDestination, Stage
from store_data import Sent, batch, llm, send, span_id, trace_id

from collector.annotations import Annotation, Target
from collector.destinations import Destination, Masking
from collector.exporters.api import Away, Failed, Needs, Parcel, Receipt, Rejected
from collector.storage.sql.store import open_store

SetUp = Callable[..., Stage]
BACKEND = Destination("backend", "otlp", "http://127.0.0.1:1")
PHOENIX = Destination("phoenix", "phoenix", "http://127.0.0.1:1")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    url = f"sqlite:///{tmp_path}/x.db" if request.param == "sqlite" else request.getfixturevalue("postgres_tables")
    opened = open_store(url)
    yield opened
    opened.close()


@pytest.fixture
def set_up(store: Any) -> Iterator[SetUp]:
    stages: list[Stage] = []

    def new(destination: Destination = BACKEND, exporter: MemoryDestination | None = None) -> Stage:
        clock = stages[0].clock if stages else Clock(time.time_ns())
        added = store.add_destination(destination, from_ns=None, now_ns=clock()).result(30)
        stages.append(Stage(store, added, exporter or MemoryDestination(), clock))
        return stages[-1]

    yield new
    for stage in stages:
        stage.close()


def keys(*pairs: tuple[int, int]) -> set[tuple[bytes, bytes]]:
    return {(trace_id(trace), span_id(span)) for trace, span in pairs}


def now(stage: Stage) -> None:
    """What was stored meanwhile is due."""
    stage.clock.now = max(stage.clock.now, time.time_ns())


def stored(stage: Stage, *spans: Sent) -> None:
    send(stage.store, *spans)
    now(stage)


def test_every_span_arrives_once(set_up: SetUp) -> None:
    stage = set_up()
    stored(stage, llm(1, 0), llm(1, 1, 0))
    stored(stage, llm(2, 0))
    stage.work()
    assert dict(stage.exporter.sent) == dict.fromkeys(keys((1, 0), (1, 1), (2, 0)), 1)
    assert (stage.status.tally.sent, stage.status.waiting, stage.status.lag_ns) == (3, 0, 0)


def test_records_have_facts_and_originals(set_up: SetUp) -> None:
    stage = set_up()
    stored(stage, llm(1, 0, text="where is it?", user="ada"))
    stage.work()
    (record,) = stage.exporter.kept.values()
    assert (record.facts.kind, record.facts.user_id, record.span.attributes["input.value"]) == (
        "llm",
        "ada",
        "where is it?",
    )
    assert record.content.input == "where is it?"
    assert record.via == (stage.store.collector_id,)


def test_projects_filter_and_sample_say_what_goes(set_up: SetUp) -> None:
    stage = set_up(replace(BACKEND, projects=("p",), filter="kind == 'llm' and 'refund' in input"))
    half = set_up(replace(BACKEND, name="half", sample_rate=0.5))
    stored(stage, llm(1, 0, text="a refund"), Sent(1, 1, 0), llm(2, 0, text="a refund", project="q"), llm(3, 0))
    stored(stage, *(llm(n, 0) for n in range(10, 60)), *(Sent(n, 1, 0) for n in range(10, 60)))
    stage.work()
    half.work()
    assert set(stage.exporter.kept) == keys((1, 0))
    assert stage.status.tally.skipped == 103
    traces = {trace for trace, _ in half.exporter.kept}
    assert 10 < len(traces) < 45
    assert all((trace, span_id(1)) in half.exporter.kept for trace in traces if trace >= trace_id(10))


def test_what_is_masked_for_a_destination_is_whole_in_the_store(set_up: SetUp) -> None:
    stage = set_up(replace(BACKEND, masking=Masking(("email",), ("colour",))))
    stored(
        stage, llm(1, 0, text="write to ada@example.org", attributes={"colour": "red", "user.id": "bob@example.org"})
    )
    stage.work()
    (record,) = stage.exporter.kept.values()
    raw = record.original.raw
    assert b"ada@" not in raw and b"bob@" not in raw and b"red" not in raw
    assert "ada@" not in str(record.content.input) and "bob" not in str(record.facts.user_id)
    assert "ada@example.org" in stage.store.get_spans(trace_id(1))[0].attributes["input.value"]


def test_an_hour_away_loses_and_doubles_nothing(set_up: SetUp) -> None:
    stage, other = set_up(), set_up(replace(BACKEND, name="other"))
    begin = stage.clock()

    def away(_parcel: Parcel) -> None:
        if stage.clock() < begin + 3600 * 10**9:
            raise Away("connection refused")

    stage.exporter.fault = away
    wanted = set()
    for minute in range(60):
        send(stage.store, llm(minute, 0))
        wanted |= keys((minute, 0))
        stage.work_for(60, 20)
        other.work()
        assert other.status.lag_ns == 0
    assert stage.exporter.requests < 200
    assert stage.status.last_error == "connection refused"
    stage.work_for(120, 5)
    assert dict(stage.exporter.sent) == dict.fromkeys(wanted, 1)
    assert dict(other.exporter.sent) == dict.fromkeys(wanted, 1)
    assert (stage.status.waiting, stage.status.buried) == (0, 0)


def test_the_time_that_a_destination_asks_for_is_given(set_up: SetUp) -> None:
    stage = set_up()
    begin, asked = stage.clock(), []

    def away(_parcel: Parcel) -> None:
        asked.append(stage.clock() - begin)
        if len(asked) == 1:
            raise Away("answered 429", after_s=90)

    stage.exporter.fault = away
    stored(stage, llm(1, 0))
    stage.work_for(100)
    assert len(asked) == 2
    assert 90 * 10**9 <= asked[1] - asked[0] < 95 * 10**9


def test_half_of_all_requests_failing_loses_nothing(set_up: SetUp) -> None:
    stage = set_up(exporter=MemoryDestination(Needs(spans=3)))
    requests = iter(range(10**6))

    def failing(parcel: Parcel) -> None:
        if crc32(f"{parcel.key}{next(requests)}".encode()) % 2:
            raise Failed("answered 500")

    stage.exporter.fault = failing
    for trace in range(20):
        stored(stage, *(llm(trace, span, 0 if span else None) for span in range(5)))
    stage.work_for(400)
    assert set(stage.exporter.kept) == keys(*((trace, span) for trace in range(20) for span in range(5)))
    assert (stage.status.waiting, stage.status.buried) == (0, 0)
    assert stage.status.tally.sent == 100


def test_a_refused_span_is_found_among_many_and_buried_with_the_reason(set_up: SetUp) -> None:
    stage = set_up()

    def refusing(parcel: Parcel) -> None:
        if any(record.key == (trace_id(7), span_id(3)) for record in parcel.records):
            raise Rejected("answered 400: cannot parse attribute x")

    stage.exporter.fault = refusing
    stored(stage, *(llm(trace, span, 0 if span else None) for trace in range(20) for span in range(50)))
    stage.work()
    assert len(stage.exporter.kept) == 999
    assert (stage.status.tally.sent, stage.status.buried, stage.status.waiting) == (999, 1, 0)
    (buried,) = stage.store.queue.buried(stage.destination.consumer)
    assert buried.reason == "answered 400: cannot parse attribute x"
    assert buried.payload["spans"] == [f"{trace_id(7).hex()}:{span_id(3).hex()}"]
    stage.exporter.fault = lambda _parcel: None
    assert stage.store.revive_buried("backend").result(30) == 1
    now(stage)
    stage.work()
    assert len(stage.exporter.kept) == 1000
    assert max(stage.exporter.sent.values()) == 1
    assert stage.status.buried == 0


def test_a_span_that_a_destination_fails_over_is_found_once_it_takes_others(set_up: SetUp) -> None:
    stage = set_up()

    def failing(parcel: Parcel) -> None:
        if any(record.key == (trace_id(1), span_id(2)) for record in parcel.records):
            raise Failed("answered 500: boom")

    stage.exporter.fault = failing
    stored(stage, *(llm(1, span, 0 if span else None) for span in range(8)))
    for minute in range(60):
        stored(stage, llm(100 + minute, 0))
        stage.work_for(60, 5)
    assert len(stage.exporter.kept) == 7 + 60
    (buried,) = stage.store.queue.buried(stage.destination.consumer)
    assert "boom" in buried.reason and buried.payload["n"] == 1


def test_an_exporter_that_stumbles_over_a_span_does_not_take_the_others_along(set_up: SetUp) -> None:
    stage = set_up()

    def stumbling(parcel: Parcel) -> None:
        if any(record.key == (trace_id(1), span_id(2)) for record in parcel.records):
            raise KeyError("surprise")

    stage.exporter.fault = stumbling
    stored(stage, *(llm(1, span, 0 if span else None) for span in range(8)))
    stage.work()
    assert len(stage.exporter.kept) == 7
    (buried,) = stage.store.queue.buried(stage.destination.consumer)
    assert "KeyError" in buried.reason


def test_a_destination_that_never_took_anything_buries_nothing(set_up: SetUp) -> None:
    stage = set_up()

    def refusing(_parcel: Parcel) -> None:
        raise Rejected("answered 415")

    stage.exporter.fault = refusing
    stored(stage, *(llm(trace, 0) for trace in range(200)))
    stage.work_for(300, 10)
    assert (stage.status.buried, stage.status.waiting) == (0, 200)
    assert "refuses everything" in stage.status.last_error
    stage.exporter.fault = lambda _parcel: None
    stage.work_for(120)
    assert (stage.status.tally.sent, stage.status.waiting) == (200, 0)


def test_a_partial_refusal_is_counted_and_shown(set_up: SetUp) -> None:
    stage = set_up()
    stage.exporter.receipt = lambda parcel: Receipt(rejected=1, reason="too old")
    stored(stage, llm(1, 0), llm(1, 1, 0))
    stage.work()
    assert (stage.status.tally.sent, stage.status.tally.rejected) == (1, 1)
    (buried,) = stage.store.queue.buried(stage.destination.consumer)
    assert buried.reason == "1 of 2 spans were refused: too old"


def test_acknowledged_spans_that_are_not_there_are_sent_again(set_up: SetUp) -> None:
    stage = set_up(PHOENIX, MemoryDestination(Needs(verifies=True, spans=4)))
    losing = {(trace_id(1), span_id(1)): 2, (trace_id(1), span_id(3)): 1}

    def lose(record: Any) -> bool:
        losing[record.key] = losing.get(record.key, 0) - 1
        return losing[record.key] >= 0

    stage.exporter.lose = lose
    stored(stage, *(llm(1, span, 0 if span else None) for span in range(5)))
    stage.work()
    assert stage.status.tally.sent == 0 and stage.status.unverified == 5
    stage.work_for(120)
    assert len(stage.exporter.kept) == 5
    assert stage.exporter.sent[trace_id(1), span_id(1)] == 3
    assert stage.exporter.sent[trace_id(1), span_id(0)] == 1
    assert (stage.status.tally.sent, stage.status.unverified, stage.status.waiting) == (5, 0, 0)


def test_what_is_never_there_is_buried(set_up: SetUp) -> None:
    stage = set_up(PHOENIX, MemoryDestination(Needs(verifies=True)))
    stage.exporter.lose = lambda record: record.key == (trace_id(1), span_id(1))
    stored(stage, llm(1, 0), llm(1, 1, 0))
    stage.work_for(300)
    (buried,) = stage.store.queue.buried(stage.destination.consumer)
    assert buried.reason == "acknowledged 6 times, and still not there"
    assert (stage.status.tally.sent, stage.status.buried) == (1, 1)


def test_children_wait_for_what_is_above_them_but_not_for_ever(set_up: SetUp) -> None:
    stage = set_up(exporter=MemoryDestination(Needs(ancestry=True)))
    stored(stage, llm(1, 2, 1), llm(2, 0))
    stage.work()
    assert set(stage.exporter.kept) == keys((2, 0))
    stored(stage, llm(1, 1, 0), llm(1, 0))
    stage.work_for(5)
    record = stage.exporter.kept[trace_id(1), span_id(2)]
    assert [span.span_id for span in record.ancestry] == [span_id(0), span_id(1)]
    assert record.is_rooted
    stored(stage, llm(3, 2, 1))
    stage.work_for(40)
    assert not stage.exporter.kept[trace_id(3), span_id(2)].is_rooted


def test_annotations_follow_their_spans_whenever_they_come(set_up: SetUp) -> None:
    stage = set_up(PHOENIX, MemoryDestination(Needs(verifies=True, annotations=True)))
    early = Annotation("early", Target(trace_id(1), span_id(0)), score=1.0)
    stage.store.put_annotations([early]).result(30)
    now(stage)
    stage.work()
    assert stage.exporter.said == []
    stored(stage, llm(1, 0))
    stage.work_for(10)
    assert [one.annotation.name for one in stage.exporter.said] == ["early"]
    late = [
        Annotation("late", Target(span_id=span_id(0)), score=1.0),
        Annotation("whole", Target(trace_id(1)), label="a"),
    ]
    stage.store.put_annotations(late).result(30)
    now(stage)
    stage.work()
    assert [(one.annotation.name, one.project) for one in stage.exporter.said] == [
        ("early", "p"),
        ("late", "p"),
        ("whole", "p"),
    ]
    assert stage.exporter.said[1].annotation.target.trace_id == trace_id(1)
    assert stage.status.tally.annotated == 3


def test_annotations_that_a_destination_does_not_know_the_target_of_are_sent_again(set_up: SetUp) -> None:
    stage = set_up(PHOENIX, MemoryDestination(Needs(annotations=True)))
    stored(stage, llm(1, 0))
    stage.work()
    begin = stage.clock()
    stage.exporter.knows = lambda said: stage.clock() > begin + 60 * 10**9
    stage.store.put_annotations([Annotation("good", Target(trace_id(1), span_id(0)), score=1.0)]).result(30)
    now(stage)
    stage.work_for(50)
    assert stage.exporter.said == []
    stage.work_for(30)
    assert len(stage.exporter.said) == 1


def test_nothing_goes_back_to_the_collector_that_it_came_from(set_up: SetUp) -> None:
    peer = "00000000000000cc"
    stage = set_up()
    stage.exporter.receipt = lambda _parcel: Receipt(peer=peer)
    stored(stage, llm(1, 0))
    stage.work()
    found = batch(llm(2, 0))
    found.chunks[0].via = f"00000000000000bb,{peer}"
    stage.store.submit(found).result(30)
    now(stage)
    learned = next(one for one in stage.store.destinations() if one.id == stage.destination.id)
    assert learned.peer == peer
    stage.lane.choice.destination = learned
    stage.work()
    assert set(stage.exporter.kept) == keys((1, 0))
    assert stage.status.tally.skipped == 1


def test_batches_are_bundled_before_they_are_sent(set_up: SetUp) -> None:
    stage = set_up(replace(BACKEND, kind="archive"), MemoryDestination(Needs(bundles=True, spans=100)))
    fails = [True]

    def failing(_parcel: Parcel) -> None:
        if fails:
            fails.pop()
            raise Away("the disk is full")

    stage.exporter.fault = failing
    for trace in range(5):
        stored(stage, llm(trace, 0))
    stage.work()
    stored(stage, llm(9, 0))
    stage.work_for(5)
    assert [len(parcel.records) for parcel in stage.exporter.parcels] == [5, 1]
    assert len({parcel.key for parcel in stage.exporter.parcels}) == 2
    assert (stage.status.tally.sent, stage.status.waiting) == (6, 0)
