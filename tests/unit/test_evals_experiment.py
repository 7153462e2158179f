"""Experiments: what is run, judged, counted, kept and gone on with."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tracekit
from tracekit import trace
from tracekit.evals.api import JudgeAnswer, NotApplicable, Score, Subject, Temporary
from tracekit.evals.evaluating import FunctionEvaluator, evaluators_of, judged
from tracekit.evals.examples import Example
from tracekit.evals.experiment import evaluate
from tracekit.evals.gate import Rule, Settings
from tracekit.evals.results import Experiment, Run, RunScore
from tracekit.evals.store import Journal, load
from tracekit.testing import Spans, capture

LETTERS = [{"id": letter, "input": letter, "expected": letter.upper()} for letter in "abcdefgh"]


@pytest.fixture
def spans() -> Iterator[Spans]:
    with capture() as captured:
        yield captured


@trace.llm(name="chat", model="gpt-4o")
def chat(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text.upper()}
    return {"choices": [{"message": message}], "usage": {"prompt_tokens": 10, "completion_tokens": 5}}


@trace.retriever(name="search")
def search(text: str) -> list[dict[str, Any]]:
    return [{"id": "d", "text": f"about {text}"}]


def answer(text: str) -> str:
    search(text)
    return str(chat(text)["choices"][0]["message"]["content"])


def right(output: str, expected: str) -> bool:
    return output == expected


def test_every_call_is_traced_judged_and_counted(spans: Spans, tmp_path: Path) -> None:
    found = evaluate(answer, LETTERS, [right], repetitions=2, name="letters", directory=tmp_path, metadata={"v": 1})
    assert [(run.example_id, run.repetition) for run in found.runs] == [(x, n) for n in (0, 1) for x in "abcdefgh"]
    assert all(run.scores == (RunScore("right", 1.0),) for run in found.runs)
    assert {(run.input_tokens, run.output_tokens, run.total_tokens) for run in found.runs} == {(10, 5, 15)}
    assert found.total("cost_usd") == pytest.approx(16 * (10 * 2.5 + 5 * 10) / 1e6)
    roots = spans.roots()
    assert {root.trace_id for root in roots} == {run.trace_id for run in found.runs}
    assert len(roots) == 16
    metadata = json.loads(spans.find("chat")[0].attributes["metadata"])
    assert (metadata["experiment"], metadata["dataset"]) == ("letters", "examples")
    assert {metadata["example"]} <= set("abcdefgh")
    assert load("letters", tmp_path) == load(found.path or "") and load("letters", tmp_path).runs == found.runs


def test_tasks_may_be_coroutines_and_take_the_example(spans: Spans, tmp_path: Path) -> None:
    async def task(example: Example) -> Any:
        await asyncio.sleep(0)
        return [answer(example.input), example.expected, tracekit.current_span().trace_id]

    found = evaluate(task, LETTERS, directory=tmp_path)
    assert all(run.output[:2] == [run.example_id.upper()] * 2 for run in found.runs)
    assert all(run.output[2] == run.trace_id for run in found.runs)
    assert {run.total_tokens for run in found.runs} == {15}


def test_documents_are_those_that_the_retrievers_found(spans: Spans, tmp_path: Path) -> None:
    def seen(documents: list[Any]) -> Score:
        return Score("seen", len(documents), label=documents[0].text)

    found = evaluate(answer, LETTERS[:1], [seen], directory=tmp_path)
    assert found.runs[0].scores[0].label == "about a"


class Stern:
    """A judge of the tests: it fails once in a while, and counts tokens."""

    model, provider = "gpt-4o", "openai"

    def __init__(self) -> None:
        self.calls = 0

    def complete(self, messages: Any, *, schema: Any = None) -> JudgeAnswer:
        self.calls += 1
        if self.calls == 2:
            raise Temporary("busy")
        return JudgeAnswer(json.dumps({"explanation": "so", "label": "helpful"}), self.model, 100, 20)


def test_judges_are_traced_apart_and_counted(spans: Spans, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracekit.evals.evaluating.MAX_WAIT", 0.0)
    found = evaluate(answer, LETTERS[:3], ["helpfulness"], judge=Stern(), concurrency=1, directory=tmp_path)
    assert [run.scores[0].error for run in found.runs] == [None] * 3
    assert found.judge is not None
    assert (found.judge["calls"], found.judge["failed"], found.judge["input_tokens"]) == (4, 1, 300)
    assert found.judge["cost_usd"] == pytest.approx(3 * (100 * 2.5 + 20 * 10) / 1e6)
    assert {run.total_tokens for run in found.runs} == {15}
    judges = [span for span in spans.roots() if span.name == "judge gpt-4o"]
    asked = [json.loads(span.attributes["metadata"])["asked_in_trace"] for span in judges]
    assert set(asked) == {run.trace_id for run in found.runs} and len(asked) == 4
    assert load(found.path or "").judge == found.judge


def test_failures_are_results(spans: Spans, tmp_path: Path) -> None:
    def task(text: str) -> str:
        if text == "b":
            raise RuntimeError("no such letter")
        if text == "c":
            sys.exit("no")
        return text.upper()

    found = evaluate(task, LETTERS, [right], directory=tmp_path, baseline=None, gate=Settings())
    assert [run.error for run in found.runs[:3]] == [None, "RuntimeError: no such letter", "SystemExit: no"]
    assert (found.failed, found.runs[1].scores, found.runs[1].output) == (2, (), None)
    assert sum(span.status == "error" for span in spans.roots()) == 2
    assert found.decision is not None and found.decision.metrics[0].candidate_mean == 6 / 8


def test_evaluators_that_fail_each_time_are_missed(spans: Spans, tmp_path: Path) -> None:
    def broken(output: str) -> float:
        raise KeyError("k")

    found = evaluate(answer, LETTERS, [broken], directory=tmp_path, gate=Settings())
    assert found.decision is not None
    assert (found.decision.exit_code, found.decision.metrics[0].metric) == (3, "broken")
    assert found.evaluator_errors() == ["broken: KeyError: 'k' (8 times)"]


def test_tasks_that_take_too_long_are_given_up(spans: Spans, tmp_path: Path) -> None:
    release = threading.Event()

    async def forever(text: str) -> None:
        await asyncio.Event().wait()

    def blocked(text: str) -> None:
        release.wait()

    try:
        for task in (forever, blocked):
            found = evaluate(task, LETTERS[:2], directory=tmp_path, timeout=0.05)
            assert [run.error for run in found.runs] == ["TaskTimeout: took longer than 0.05 s"] * 2
    finally:
        release.set()


def test_it_can_be_called_within_a_loop_and_within_a_trace(spans: Spans, tmp_path: Path) -> None:
    async def notebook() -> Experiment:
        with trace.span("cell"):
            return evaluate(answer, LETTERS[:2], directory=tmp_path)

    found = asyncio.run(notebook())
    assert found.failed == 0
    assert len({root.trace_id for root in spans.roots()}) == 3


def test_a_baseline_and_a_gate(spans: Spans, tmp_path: Path) -> None:
    examples = [{"id": str(at), "input": str(at), "expected": str(at)} for at in range(40)]
    evaluate(lambda text: text, examples, [right], name="good", directory=tmp_path)
    bad = evaluate(
        lambda text: text * (int(text) % 3), examples, [right], name="bad", baseline="good", directory=tmp_path
    )
    assert bad.decision is not None
    assert (bad.decision.verdict, bad.decision.exit_code, bad.baseline) == ("worse", 1, "good")
    with pytest.raises(ValueError, match="no experiment 'other'"):
        evaluate(answer, examples, baseline="other", directory=tmp_path)


def test_what_is_done_is_not_run_again(spans: Spans, tmp_path: Path) -> None:
    calls: list[str] = []

    def task(text: str) -> str:
        calls.append(text)
        return text

    with pytest.raises(KeyboardInterrupt), pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "add", _interrupted_at(3))
        evaluate(task, LETTERS, name="n", concurrency=1, directory=tmp_path)
    calls.clear()
    found = evaluate(task, LETTERS, name="n", directory=tmp_path)
    assert sorted(calls) == list("defgh")
    assert [run.output for run in found.runs] == list("abcdefgh")
    assert [path.name for path in tmp_path.iterdir()] == ["n.json"]


def _interrupted_at(number: int) -> Any:
    add, counts = Journal.add, iter(range(100))

    def interrupted(journal: Journal, run: Run) -> None:
        if next(counts) == number:
            raise KeyboardInterrupt
        add(journal, run)

    return interrupted


def test_after_a_kill_it_goes_on(tmp_path: Path) -> None:
    """A process that is killed in the middle, and its last line torn."""
    script = tmp_path / "program.py"
    script.write_text(
        "import os, signal, sys\n"
        "from tracekit.evals.experiment import evaluate\n"
        "def task(text):\n"
        "    open('calls', 'a').write(text)\n"
        "    if text == 'e' and not os.path.exists('again'):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return text\n"
        "letters = [{'id': x, 'input': x} for x in 'abcdefgh']\n"
        "print(len(evaluate(task, letters, name='n', concurrency=1, directory='.').runs))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    first = subprocess.run([sys.executable, script], cwd=tmp_path, env=environment, check=False, timeout=60)
    assert first.returncode == -signal.SIGKILL
    with (tmp_path / "n.partial.jsonl").open("a") as journal:
        journal.write('{"example_id": "torn')
    (tmp_path / "again").touch()
    kept = len((tmp_path / "n.partial.jsonl").read_text().splitlines()) - 2
    second = subprocess.run(
        [sys.executable, script], cwd=tmp_path, env=environment, check=True, timeout=60, capture_output=True, text=True
    )
    assert second.stdout == "8\n"
    assert kept == 4
    assert (tmp_path / "calls").read_text() == "abcde" + "abcdefgh"[kept:]


def test_other_examples_and_other_evaluators_begin_anew(tmp_path: Path) -> None:
    run = Run("a", output="x")
    with Journal(tmp_path / "j", {"v": 1}) as journal:
        journal.add(run)
    with Journal(tmp_path / "j", {"v": 1}) as journal:
        assert list(journal.runs.values()) == [run]
    with Journal(tmp_path / "j", {"v": 2}) as journal:
        assert journal.runs == {}


def test_evaluators_of_all_kinds() -> None:
    subject = Subject(input="q", output="a", expected="a", metadata={"k": 1})

    class Flaky:
        name, version, annotator_kind = "flaky", "1", "llm"
        calls = 0

        def __call__(self, subject: Subject) -> list[Score]:
            self.calls += 1
            if self.calls < 3:
                raise Temporary("busy", after_s=7)
            return [Score("flaky", 0.5)]

    def away(output: Any) -> float:
        raise Temporary("away")

    def broken(output: Any) -> float:
        raise KeyError("k")

    def none(output: Any) -> None:
        return None

    def nan(output: Any) -> float:
        return float("nan")

    def whole(anything: Subject) -> dict[str, Any]:
        return {"score": 1, "explanation": anything.input}

    def some(metadata: Any, expected: Any) -> list[Any]:
        return [Score("first", True), "label"]

    waits: list[float] = []
    given = evaluators_of([Flaky(), away, broken, none, nan, whole, some, {"type": "exact_match"}])
    found = {score.name: score for score in judged(given, subject, waits.append)}
    assert found["flaky"].score == 0.5 and waits[:2] == [7, 7]
    assert found["away"].error == "after 4 attempts: away"
    assert found["broken"].error == "KeyError: 'k'"
    assert found["none"].not_applicable is not None
    assert found["nan"].error == "the score is no finite number"
    assert (found["whole"].score, found["whole"].explanation) == (1.0, "q")
    assert (found["first"].score, found["some"].label) == (1.0, "label")
    assert found["exact_match"].score == 1.0


def test_evaluators_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="two evaluators are named 'right'"):
        evaluators_of([right, right])
    with pytest.raises(ValueError, match="it takes answer, context"):
        FunctionEvaluator(lambda answer, context: 1.0)
    with pytest.raises(ValueError, match="no evaluator"):
        evaluators_of([3])
    with pytest.raises(ValueError, match="no evaluator 'unheard'"):
        evaluators_of(["unheard"])


def test_an_evaluators_not_applicable_is_no_zero(spans: Spans, tmp_path: Path) -> None:
    def only_a(input: str) -> float:
        if input != "a":
            raise NotApplicable("not a")
        return 1.0

    found = evaluate(answer, LETTERS, [only_a], directory=tmp_path)
    assert (found.mean("only_a"), found.metrics()) == (1.0, ["only_a"])
    decision = found.compare(found, Settings(rules={"only_a": Rule()}))
    assert decision.metrics[0].missing == 0 and decision.metrics[0].comparison is not None
    assert decision.metrics[0].comparison.examples == 1
