"""What evaluators are given of what is stored, and what becomes of what they say."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "contract"))

from store_data import Sent, catch_up, llm, send, span_id, trace_id

from collector.annotations import Target
from collector.evaluation.rules import Rule, Subject, changed, subject_of
from collector.evaluation.scores import annotations_of
from collector.evaluation.settings import FaultyRule, configured, rule_of
from collector.evaluation.subjects import Prepared, digest_of, of_session, of_span, of_trace
from collector.evaluation.views import TraceView, views_of
from collector.queue.memory import MemoryQueue
from collector.storage.memory import MemoryStore
from tracekit.evals.api import Score

FUNCTION = """
import tracekit

@tracekit.evaluator
def short(output: str) -> bool:
    return len(output) < 5
"""
RULE = Rule("tone", {"type": "refusal"}, id=3)


def retrieved(*texts: str) -> dict[str, Any]:
    found: dict[str, Any] = {"openinference.span.kind": "RETRIEVER", "input.value": "warranty"}
    for number, text in enumerate(texts):
        found[f"retrieval.documents.{number}.document.content"] = text
        found[f"retrieval.documents.{number}.document.id"] = f"d{number}"
        found[f"retrieval.documents.{number}.document.score"] = 0.5
    return found


def chat(question: str, answer: str) -> dict[str, Any]:
    return {
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": question,
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": answer,
    }


@pytest.fixture
def view() -> TraceView:
    root = {"openinference.span.kind": "CHAIN", "input.value": "How long?", "output.value": "Two years."}
    root |= {"session.id": "s", "user.id": "ada", "metadata": json.dumps({"tier": "gold"})}
    tool = {"openinference.span.kind": "TOOL", "tool.name": "lookup", "input.value": '{"id": 7}', "output.value": "7"}
    store = MemoryStore(MemoryQueue())
    send(
        store,
        Sent(1, 0, name="answer", attributes=root, lasts=3),
        Sent(1, 1, 0, name="search", at=0.1, attributes=retrieved("Two years of warranty.", "Returns.", "Returns.")),
        Sent(1, 2, 0, name="lookup", at=1.2, attributes=tool, status="error", message="ValueError: gone"),
        llm(1, 3, 0, at=2, tokens=(100, 20), cost=0.25, attributes=chat("How long?", "Two years.")),
    )
    catch_up(store)
    return views_of(store, [trace_id(1)])[trace_id(1)]


def test_a_trace_is_its_question_answer_documents_tools_and_sums(view: TraceView) -> None:
    prepared = of_trace(view)
    subject = prepared.subject
    assert (subject.input, subject.output, subject.kind) == ("How long?", "Two years.", "chain")
    assert [(one.text, one.position, one.id) for one in subject.documents] == [
        ("Two years of warranty.", 0, "d0"),
        ("Returns.", 1, "d1"),
        ("Returns.", 2, "d2"),
    ]
    assert prepared.places[1] == (trace_id(1), span_id(1), 1)
    (tool,) = subject.tools
    assert (tool.name, tool.arguments, tool.error) == ("lookup", {"id": 7}, "ValueError: gone")
    assert [message["content"] for message in subject.messages] == ["How long?", "Two years."]
    assert (subject.total_tokens, subject.cost_usd, subject.model, subject.latency_ms) == (120, 0.25, "gpt-4o", 3000.0)
    assert subject.metadata == {"name": "answer", "session_id": "s", "user_id": "ada", "tier": "gold"}


def test_a_span_is_its_own_content(view: TraceView) -> None:
    call = of_span(view, view.spans[3]).subject
    assert (call.input, call.output, call.kind, call.output_tokens) == ("How long?", "Two years.", "llm", 20)
    assert of_span(view, view.spans[2]).subject.error == "ValueError: gone"
    search = of_span(view, view.spans[1])
    assert len(search.subject.documents) == 3 and search.subject.total_tokens is None


def test_a_session_is_a_conversation(view: TraceView) -> None:
    subject = of_session("s", [view, view]).subject
    assert [message["role"] for message in subject.messages] == ["user", "assistant"] * 2
    assert (subject.total_tokens, subject.cost_usd, subject.latency_ms) == (240, 0.5, 6000.0)
    assert subject.metadata["tier"] == "gold"


def test_the_digest_tells_what_an_evaluator_would_see(view: TraceView) -> None:
    subject = of_trace(view).subject
    assert digest_of(subject, "1") == digest_of(replace(subject), "1")
    assert digest_of(subject, "1") != digest_of(subject, "2")
    assert digest_of(subject, "1") != digest_of(replace(subject, output="Three years."), "1")
    assert len(digest_of(replace(subject, input={1: float("nan"), "x": {"y"}}), "1")) == 16


def said(*scores: Score, prepared: Prepared | None = None) -> Any:
    places = ((trace_id(1), span_id(1), 0),)
    found = prepared or Prepared(None, places)  # type: ignore[arg-type]
    return annotations_of(RULE, Subject(trace_id(1)), found, scores, "code", {"rule": "tone"})


def test_scores_become_annotations_of_the_rules_version() -> None:
    whole, document = said(
        Score("tone", True, "good", "why\0not \ud800", {"k": {1, 2}}), Score("relevant", 0.5, document_position=0)
    )
    assert (whole.identifier, whole.target, whole.score) == ("rule:tone@1", Target(trace_id(1)), True)
    assert (whole.explanation, whole.metadata["rule"]) == ("whynot ?", "tone")
    assert document.target == Target(trace_id(1), span_id(1), None, 0)
    (large,) = said(Score("tone", 1, metadata={"x": "y" * 100_000}))
    assert large.metadata["rule"] == "tone" and len(json.dumps(large.metadata)) < 100


@pytest.mark.parametrize(
    ("scores", "why"),
    [
        ([Score("tone", float("inf"))], "is inf"),
        ([Score("", 1.0)], "without a name"),
        ([Score("tone")], "said nothing"),
        ([Score("tone", 1.0), Score("tone", 0.0)], "two scores of one name"),
        ([Score("tone", 1.0, document_position=4)], "there is no document 4"),
        ([1.0], "no Score"),
        ([Score(f"s{number}", 1.0) for number in range(700)], "more than 600"),
    ],
)
def test_what_is_no_score_is_a_fault(scores: list[Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        said(*scores)


def test_stricter_samples_are_parts_of_larger_ones() -> None:
    ids = [number.to_bytes(16) for number in range(2_000)]
    tenth, half = ({one for one in ids if replace(RULE, sample_rate=rate).samples(one)} for rate in (0.1, 0.5))
    assert tenth < half
    assert 150 < len(tenth) < 250 and 900 < len(half) < 1_100


def test_subjects_are_named_and_found_by_their_names() -> None:
    for subject in (Subject(trace_id(1)), Subject(trace_id(1), span_id(2)), Subject(session_id="a:b")):
        assert subject_of(subject.key) == subject
    for wrong in ("", "trace:12", "span:" + "0" * 32, "session:", "planet:x", "trace:" + "g" * 32):
        with pytest.raises(ValueError, match=r"names no|non-hex"):
            subject_of(wrong)


def test_only_what_may_change_a_score_makes_a_version() -> None:
    assert changed(RULE, {"sample_rate": 0.1, "state": "paused"}, 9).version == 1
    assert changed(RULE, {"evaluator": {"type": "refusal"}}, 9).version == 1
    assert changed(RULE, {"evaluator": {"type": "pii"}}, 9).version == 2


def test_functions_come_from_the_operators_folder_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from collector.evaluation.makers import Makers, allow_functions
    from tracekit.evals.functions import VARIABLE

    monkeypatch.delenv(VARIABLE, raising=False)
    (tmp_path / "mine.py").write_text(FUNCTION)
    given = {"name": "short", "evaluator": {"type": "function", "file": "mine.py", "function": "short"}}
    with pytest.raises(FaultyRule, match="evaluator"):
        rule_of(given)
    monkeypatch.setenv(VARIABLE, "")  # put back when the test ends
    allow_functions(tmp_path)
    rule = rule_of(given)
    evaluator = Makers(None).evaluator(rule, None)  # type: ignore[arg-type]
    (score,) = evaluator(replace(of_empty(), output="Yes."))
    assert score.score is True


def of_empty() -> Any:
    from tracekit.evals.api import Subject as Judged

    return Judged()


def test_everything_wrong_in_a_file_is_said_with_its_rule() -> None:
    with pytest.raises(FaultyRule) as faulty:
        configured({"a": {"evaluator": {"type": "nope"}}, "b": {"evaluator": {"type": "refusal"}, "sample_rate": 3}})
    assert faulty.value.faults.keys() == {"a.evaluator", "b.sample_rate"}
