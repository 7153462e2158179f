"""Spans captured from real instrumentation libraries, held against what the applications really did.

``data/LIBRARY/CASE.pb`` are the OTLP requests of a case in the order they came, ``CASE.expect.json`` what must be
recovered from them. ``passing.txt`` lists the cases that hold entirely; a case once in it stays in it.
"""

from __future__ import annotations

import json

import pytest
from corpus_cases import DATA, spans_in, traces_in
from corpus_checks import Case

PASSING = (DATA.parent / "passing.txt").read_text().split()
ALL = sorted(f"{path.parent.name}/{path.stem}" for path in DATA.glob("*/*.pb"))


@pytest.mark.parametrize("name", PASSING)
def test_case_is_recovered(name: str) -> None:
    expect = json.loads((DATA / f"{name}.expect.json").read_text())
    assert Case(expect, traces_in(DATA / f"{name}.pb")).run() == []


@pytest.mark.parametrize("name", ALL)
def test_every_span_of_every_case_arrives(name: str) -> None:
    expect = json.loads((DATA / f"{name}.expect.json").read_text())
    spans = spans_in(DATA / f"{name}.pb")
    assert len(spans) == expect["captured"]["spans"]
    assert len({span.trace_id for span in spans}) == expect["captured"]["traces"]


def test_the_libraries_of_both_conventions_are_recovered() -> None:
    for library in ("openinference-openai", "otel-genai-openai-span"):
        assert {name for name in ALL if name.startswith(f"{library}/")} <= set(PASSING)
