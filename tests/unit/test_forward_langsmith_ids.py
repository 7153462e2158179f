"""Where spans are in LangSmith: ids, parents, order."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from langsmith.run_trees import _create_current_dotted_order, _parse_dotted_order
from langsmith_records import records_of_changes
from langsmith_runs import ended, run_uuid, started

from collector.codec.otlp import Original, compress
from collector.exporters.api import Record
from collector.exporters.langsmith.ids import Roots, place_of, time
from collector.exporters.langsmith.options import Options, options_of
from collector.exporters.langsmith.runs import runs_of
from collector.model import Span

TRACE = bytes(range(16))
EMPTY = Original(compress(b""))


def span(number: int, parent: int | None = None, start_us: int = 1_000_000, trace: bytes = TRACE) -> Span:
    parent_id = None if parent is None else parent.to_bytes(8)
    start = start_us * 1000 + 999
    return Span(trace, number.to_bytes(8), parent_id, f"s{number}", start, start + 5_000)


def record(*path: Span, is_rooted: bool = True) -> Record:
    return Record(path[-1], EMPTY, path[:-1], is_rooted)


def test_the_root_has_the_trace_s_id_and_others_one_of_both() -> None:
    root, child = span(1), span(2, 1)
    roots = Roots()
    above, below = place_of(record(root), roots), place_of(record(root, child), roots)
    assert above.run_id == above.trace_id == below.trace_id == below.parent_run_id == UUID(bytes=TRACE)
    assert above.parent_run_id is None
    assert below.run_id == UUID("e89d9519-5c25-572d-b5f0-91344585ea82")  # stays so: what was sent is found by it
    assert below.dotted_order == (f"19700101T000001000000Z{UUID(bytes=TRACE)}.19700101T000001000000Z{below.run_id}")


def test_the_order_is_as_the_client_writes_and_reads_it() -> None:
    place = place_of(record(span(1, start_us=1_767_323_045_678_901)), Roots())
    ((start, run),) = _parse_dotted_order(place.dotted_order)
    assert (_create_current_dotted_order(start, run), run) == (place.dotted_order, place.run_id)
    assert time(place.start_us) == "2026-01-02T03:04:05.678901+00:00"


def test_nothing_begins_before_its_parent() -> None:
    """Clocks differ; LangSmith sorts by the order, and its client corrects starts the same way."""
    root, child = span(1, start_us=2_000_000), span(2, 1, start_us=1_000_000)
    place = place_of(record(root, child), Roots())
    assert place.start_us == 2_000_000
    assert [part.partition("Z")[0] for part in place.dotted_order.split(".")] == ["19700101T000002000000"] * 2


def test_what_has_lost_its_ancestors_is_a_trace_of_its_own() -> None:
    top, child = span(3, 2), span(4, 3)
    roots = Roots()
    above = place_of(record(top, is_rooted=False), roots)
    below = place_of(record(top, child, is_rooted=False), roots)
    assert above.run_id == above.trace_id == below.trace_id == below.parent_run_id != UUID(bytes=TRACE)
    assert below.dotted_order.startswith(above.dotted_order + ".")


def test_of_several_roots_one_is_the_trace_s_and_none_is_lost() -> None:
    first, second = span(1, start_us=1_000), span(2, start_us=2_000)
    roots = Roots()
    runs = runs_of([record(second), record(first), record(second, span(3, 2))], roots)
    assert len({run.run_id for run in runs}) == 3
    assert place_of(record(first), roots).run_id == UUID(bytes=TRACE)
    other = place_of(record(second), roots)
    assert other.run_id == other.trace_id != UUID(bytes=TRACE)
    assert place_of(record(second, span(3, 2)), roots).trace_id == other.trace_id


def test_roots_are_remembered_within_bounds() -> None:
    roots = Roots(limit=3)
    for number in range(1, 6):
        assert roots.has(span(1, trace=number.to_bytes(16)))
    assert not roots.has(span(2, trace=(5).to_bytes(16)))
    assert roots.has(span(2, trace=(1).to_bytes(16)))


def test_a_span_below_a_run_of_langsmith_s_names_that_run() -> None:
    (above,) = records_of_changes(started(1), ended(1))
    child = Span(above.facts.trace_id, b"\1" * 8, above.facts.span_id, "c", above.facts.start_ns, above.facts.end_ns)
    found = Record(child, EMPTY, (above.facts,), True, {above.facts.span_id: run_uuid(1).bytes})
    place = place_of(found, Roots())
    assert (place.trace_id, place.parent_run_id) == (run_uuid(1), run_uuid(1))
    assert place.dotted_order.split(".")[0] == f"20260102T030001000000Z{run_uuid(1)}"


def test_parents_are_sent_before_their_children() -> None:
    root, child, grandchild = span(1), span(2, 1), span(3, 2)
    found = runs_of([record(root, child, grandchild), record(root), record(root, child)], Roots())
    assert [run.dotted_order.count(".") for run in found] == [0, 1, 2]
    again = runs_of([record(root), record(root, child), record(root, child, grandchild)], Roots())
    assert again == found


def test_options() -> None:
    assert options_of({}) == Options()
    assert options_of({"project": "p", "protocol": "otlp", "timeout_s": 5}) == replace(
        Options(), project="p", protocol="otlp", timeout_s=5
    )
    wrong = (
        {"projct": "p"},
        {"project": 3},
        {"project": " "},
        {"protocol": "grpc"},
        {"timeout_s": 0},
        {"timeout_s": True},
    )
    for given in wrong:
        with pytest.raises(ValueError, match=rf"options\.{next(iter(given))}: "):
            options_of(given)
