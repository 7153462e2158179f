"""A rule's scores, counted by name, label and when the traces began, on every engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from store_data import T0, Sent, catch_up, send, span_id, trace_id

from collector.annotations import Annotation, Target
from collector.storage.evaluation_api import ScoreCell

HOUR = 3_600 * 10**9
#: The first whole hour of the tests' time.
FIRST = -(-T0 // HOUR) * HOUR


def said(number: int, name: str = "faithful", **fields: Any) -> Annotation:
    identifier = fields.pop("identifier", "rule:faithful@1")
    return Annotation(name, Target(trace_id(number)), "llm", identifier, **fields)


def cells(store: Any, *, from_ns: int = FIRST, to_ns: int = FIRST + 3 * HOUR, rule: str = "rule:faithful@1") -> Any:
    return store.score_cells(rule, from_ns=from_ns, to_ns=to_ns, step_ns=HOUR)


@pytest.fixture
def filled(store: Any) -> Any:
    """Traces at 0, 10, 20 minutes of the first hour, one in the second, one in the fourth."""
    offset = (FIRST - T0) / 10**9
    for number, minutes in enumerate((0, 10, 20, 60, 180), 1):
        send(store, Sent(number, 0, at=offset + minutes * 60))
    catch_up(store)
    store.put_annotations(
        [
            said(1, score=1.0, label="faithful"),
            said(2, score=0.0, label="unfaithful"),
            said(3, score=1.0, label="faithful"),
            said(4, score=0.5),
            said(5, score=1.0, label="faithful"),
            said(1, name="tone", label="curt"),
            said(1, name="other", score=1.0, identifier="rule:faithful@2"),
        ]
    ).result(30)
    return store


def test_scores_are_counted_where_their_traces_began(filled: Any) -> None:
    assert cells(filled) == [
        ScoreCell("faithful", FIRST, "faithful", 2, 2, 2.0),
        ScoreCell("faithful", FIRST, "unfaithful", 1, 1, 0.0),
        ScoreCell("faithful", FIRST + HOUR, None, 1, 1, 0.5),
        ScoreCell("tone", FIRST, "curt", 1, 0, 0.0),
    ]


def test_the_window_is_half_open_and_the_version_counts(filled: Any) -> None:
    assert [cell.start_ns for cell in cells(filled, from_ns=FIRST + 1, to_ns=FIRST + HOUR)] == [FIRST, FIRST]
    assert [cell.count for cell in cells(filled, from_ns=FIRST + HOUR, to_ns=FIRST + HOUR + 1)] == [1]
    assert [cell.name for cell in cells(filled, rule="rule:faithful@2")] == ["other"]
    assert cells(filled, rule="rule:nobody@1") == []


def test_what_belongs_to_no_stored_trace_counts_when_it_was_said(store: Any) -> None:
    (kept,) = store.put_annotations(
        [replace(said(1, score=1.0), target=Target(session_id="s")), said(9, score=1.0)][:1]
    ).result(30)
    now = kept.created_ns
    found = cells(store, from_ns=now, to_ns=now + 1)
    assert [(cell.start_ns, cell.count) for cell in found] == [(now // HOUR * HOUR, 1)]
    assert cells(store, from_ns=now + 1, to_ns=now + HOUR) == []


def test_a_score_of_a_span_counts_with_its_trace(filled: Any) -> None:
    about = Target(trace_id(4), span_id(0))
    filled.put_annotations([replace(said(4, score=0.0), target=about)]).result(30)
    assert ScoreCell("faithful", FIRST + HOUR, None, 2, 2, 0.5) in cells(filled)
