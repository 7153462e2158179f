"""What the page about the RAG verdict says is what the code gives: its example, its figures, its settings."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from benchmarks.rag_verdict.__main__ import judging, of_part
from benchmarks.rag_verdict.cases import make_cases
from benchmarks.rag_verdict.measure import measure
from benchmarks.rag_verdict.report import accuracies, confusion, ways
from tracekit.evals.verdict import LABELS, Thresholds

PAGE = (Path(__file__).parents[2] / "docs/rag-verdict.md").read_text("utf-8")


def test_the_example_runs() -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
    names: dict[str, Any] = {}
    exec(compile(block, "rag-verdict.md", "exec"), names)
    assert names["found"].label == "contradicted"


def test_the_figures_of_the_held_out_part_are_those_of_this_code() -> None:
    cases = make_cases()
    result = measure("local, words", "held-out", of_part(cases, "held-out"), judging())
    row = accuracies([result]).splitlines()[-1].rpartition("|")[0].rpartition("|")[0]  # without the time
    assert row in PAGE
    assert confusion(result) in PAGE and ways(result) in PAGE
    assert f"on {len(cases)} cases" in PAGE


@pytest.mark.parametrize("part", ["held-out", "development"])
def test_there_are_enough_cases_of_each_verdict(part: str) -> None:
    made = [case.verdict for case in make_cases() if case.part == part]
    assert len(made) > 100 and min(made.count(label) for label in LABELS) > 20
    assert make_cases() == make_cases() and make_cases(6) != make_cases()


def test_every_verdict_and_threshold_is_described() -> None:
    for name in (*LABELS, *(one.name for one in fields(Thresholds))):
        assert f"`{name}`" in PAGE
