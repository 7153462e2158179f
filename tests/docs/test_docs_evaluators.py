"""What the page about evaluators says is so: every type is in it, with the settings there are, and its examples run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tracekit.evals import functions
from tracekit.evals.api import JudgeAnswer, NotApplicable, RetrievedDocument, Subject, ToolUse
from tracekit.evals.json_schema import Schema
from tracekit.evals.languages import LANGUAGES
from tracekit.evals.registry import make, needs_judge, types

PAGE = (Path(__file__).parents[2] / "docs" / "evaluators.md").read_text("utf-8")
ROWS = {row[0]: row[1:] for row in re.findall(r"^\| `([\w-]+)` \| (.+) \| (.+) \| `(.+)` \|$", PAGE, re.M)}

SUBJECT = Subject(
    input="How long does a refund take, and what do I need for it?",
    output='{"city": "Bonn", "order": {"items": [{"sku": "A-17"}]}, "on": "2024-05-01", '
    '"text": "A refund takes [1] the 14 days."}',
    expected={"city": "Bonn", "tools": ["lookup"], "document_ids": {"faq-3": 2}},
    documents=[RetrievedDocument("Refunds take 14 days.", 0, "faq-3"), RetrievedDocument("Rex is a dog.", 1, "faq-4")],
    tools=[ToolUse("lookup", {})],
    latency_ms=900.0,
    time_to_first_token_ms=90.0,
    output_tokens=40,
    cost_usd=0.001,
)


#: what the scores of an example are called where that is not its type
NAMES = {
    "autoevals": "Levenshtein",
    "openevals": "exact_match",
    "phoenix-evals": "exact_match",
    "function": "polite",
    "judge": "politeness",
}


class Chooses:
    """A judge that chooses the first label that it is allowed."""

    model = "first-label"

    def complete(
        self, messages: Sequence[Mapping[str, str]], *, schema: Mapping[str, Any] | None = None
    ) -> JudgeAnswer:
        assert schema is not None
        return JudgeAnswer(json.dumps({"explanation": "so it is", "label": first_label(schema)}), self.model)


def first_label(schema: Mapping[str, Any]) -> str:
    return str(schema["properties"]["label"]["enum"][0])


def test_the_tables_have_every_type_once_and_no_other() -> None:
    assert sorted(ROWS) == types()
    assert len(re.findall(r'^\| .*`\{"type"', PAGE, re.M)) == len(ROWS)


#: its licence keeps it out of this environment: tests/unit/phoenix_evals_program.py runs where it is
ELSEWHERE = {"phoenix-evals"}


@pytest.mark.parametrize("name", sorted(set(ROWS) - ELSEWHERE))
def test_each_example_can_be_made_and_judges(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "support.py").write_text("import tracekit\n@tracekit.evaluator\ndef polite(output): return True\n")
    monkeypatch.setenv(functions.VARIABLE, str(tmp_path))
    example = json.loads(ROWS[name][2])
    assert example["type"] == name
    evaluator = make(example, Chooses())
    assert evaluator.name == NAMES.get(name, name)
    assert needs_judge(name) is (evaluator.annotator_kind == "llm")
    try:
        scores = evaluator(SUBJECT)
    except NotApplicable as error:
        assert name in ("language", "readability"), f"{name}: {error}"  # JSON is no prose
    else:
        assert scores and scores[0].name == evaluator.name
        assert all(score.score is not None or score.label is not None for score in scores)


@pytest.mark.parametrize(
    "name", sorted(set(ROWS) - {one for one in ROWS if needs_judge(one)} - {"rag_verdict"} - ELSEWHERE)
)
def test_each_row_names_the_settings_that_there_are(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "support.py").write_text("import tracekit\n@tracekit.evaluator\ndef polite(output): return True\n")
    monkeypatch.setenv(functions.VARIABLE, str(tmp_path))
    with pytest.raises(ValueError, match=r"there is no such setting; there are (.+)") as refused:
        make({**json.loads(ROWS[name][2]), "no such": 1})
    there = str(refused.value).partition("there are ")[2].split(", ")
    assert sorted(there) == sorted({"name", *re.findall(r"`(\w+)`", ROWS[name][1])})


def test_the_schema_keywords_and_the_languages_are_those_that_are_known() -> None:
    named = re.findall(r"`([$\w]+)`", PAGE.partition("these keywords are understood:")[2].partition(".\n`title`")[0])
    parts: dict[str, Any] = {
        "type": "string", "enum": [1], "required": ["a"], "uniqueItems": True, "pattern": "a", "$ref": "#/$defs/a",
        "properties": {}, "allOf": [True], "anyOf": [True], "oneOf": [True], "prefixItems": [True],
    }  # fmt: skip
    assert len(named) > 25
    for keyword in named:
        whole = keyword in ("not", "items", "additionalProperties", "propertyNames")
        Schema({keyword: parts.get(keyword, True if whole else 1), "$defs": {"a": True}})
    with pytest.raises(ValueError, match="not understood"):
        Schema({"dependentRequired": {}})
    told = re.search(r"It knows ([\w, \n]+)\.", PAGE)
    assert told is not None
    assert tuple(sorted(re.findall(r"\b[a-z]{2}\b", told.group(1).replace(" and ", " ")))) == LANGUAGES


@pytest.mark.parametrize("code", re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S))
def test_the_examples_in_python_run(code: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    exec(compile(code, "docs/evaluators.md", "exec"), {"__name__": "example"})
    assert "Score(" in capsys.readouterr().out
