"""Evaluators that are functions: what they are given, what they may return, and from where they are loaded."""

from __future__ import annotations

import asyncio
import linecache
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tracekit
from tracekit.evals import functions
from tracekit.evals.api import Evaluator, NotApplicable, RetrievedDocument, Score, Subject
from tracekit.evals.functions import FunctionEvaluator, load_file, scores_of
from tracekit.evals.registry import make

SUBJECT = Subject(
    input="question", output="answer", expected="right", documents=[RetrievedDocument("text")], latency_ms=5.0
)


def said(function: Any, subject: Subject = SUBJECT) -> Any:
    (found,) = tracekit.evaluator(function)(subject)
    return found.score if found.label is None else found.label


def test_a_function_is_given_what_its_parameters_name() -> None:
    assert said(lambda output: output == "answer") is True
    assert said(lambda subject: subject.latency_ms) == 5
    assert said(lambda run: run.latency_ms) == 5  # the only one, whatever it is called
    assert said(lambda input, output, expected: f"{input} {output} {expected}") == "question answer right"
    assert said(lambda inputs, outputs, reference_outputs: f"{inputs} {outputs} {reference_outputs}") == (
        "question answer right"
    )
    assert said(lambda contexts, latency_ms: len(contexts) + latency_ms) == 6
    assert said(lambda output, cost_usd=7: cost_usd) == 7  # what is not known leaves the default
    assert said(lambda output, **more: len(more)) == 0


def test_what_a_function_cannot_be_given_is_said_when_it_is_made() -> None:
    for wrong in (lambda output, colour: 1, lambda a, b: 1, lambda: 1, lambda *many: 1):
        with pytest.raises(TypeError, match="an evaluator is given subject"):
            tracekit.evaluator(wrong)
    with pytest.raises(ValueError, match="kind: must be one of human, code, llm"):
        tracekit.evaluator(kind="robot")  # type: ignore[call-overload]


def test_without_what_it_expects_a_function_is_not_called() -> None:
    @tracekit.evaluator
    def right(output: str, expected: str) -> bool:
        raise AssertionError("called")

    with pytest.raises(NotApplicable, match="no expected output"):
        right(Subject(output="a"))
    assert said(lambda output, expected=None: expected is None, Subject(output="a")) is True


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (True, [Score("f", True)]),
        (3, [Score("f", 3)]),
        (0.5, [Score("f", 0.5)]),
        (np.float32(0.5), [Score("f", 0.5)]),
        (np.bool_(True), [Score("f", True)]),
        ("good", [Score("f", label="good")]),
        (Score("mine", 1), [Score("mine", 1)]),
        (Score("", 1), [Score("f", 1)]),
        ({"score": 1, "explanation": "so"}, [Score("f", 1, explanation="so")]),
        ({"key": "k", "score": 0.5, "comment": "c"}, [Score("k", 0.5, explanation="c")]),
        ({"key": "k", "value": "blue"}, [Score("k", label="blue")]),
        ({"name": "n", "label": "x", "metadata": {"a": 1}}, [Score("n", label="x", metadata={"a": 1})]),
        (
            {"tone": 0.5, "short": True, "kind": "x"},
            [Score("tone", 0.5), Score("short", True), Score("kind", label="x")],
        ),
        ({"tone": {"score": 1, "reason": "r"}}, [Score("tone", 1, explanation="r")]),
        ([True, {"name": "b", "score": 2}], [Score("f", True), Score("b", 2)]),
        ([], []),
    ],
)
def test_what_a_function_may_return(found: Any, expected: list[Score]) -> None:
    assert list(scores_of(found, "f")) == expected


@pytest.mark.parametrize(
    ("found", "error"),
    [
        (None, NotApplicable),
        ({}, NotApplicable),
        ({"score": None}, NotApplicable),
        (float("nan"), ValueError),
        (float("inf"), ValueError),
        ({"score": float("nan")}, ValueError),
        (object(), TypeError),
        (b"bytes", TypeError),
        ([1] * 1001, ValueError),
    ],
)
def test_what_is_no_score(found: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        scores_of(found, "f")


def test_a_function_stays_a_function_and_raises_what_it_raises() -> None:
    @tracekit.evaluator(name="shouting", version="7", kind="llm")
    def loud(output: str) -> bool:
        """Whether it is loud."""
        return output.isupper()

    assert isinstance(loud, Evaluator)
    assert loud("LOUD") is True and loud(output="quiet") is False
    assert (loud.name, loud.version, loud.annotator_kind, loud.__doc__) == (
        "shouting",
        "7",
        "llm",
        "Whether it is loud.",
    )
    with pytest.raises(AttributeError):
        loud(Subject(output=3))


def test_coroutines_are_awaited_with_and_without_a_running_loop() -> None:
    @tracekit.evaluator
    async def slow(output: str) -> bool:
        await asyncio.sleep(0)
        return output == "answer"

    @tracekit.evaluator
    async def broken(output: str) -> bool:
        raise KeyError("gone")

    async def inside() -> Any:
        with pytest.raises(KeyError, match="gone"):
            broken(SUBJECT)
        return slow(SUBJECT)

    assert slow(SUBJECT) == asyncio.run(inside()) == [Score("slow", True)]


def test_the_version_follows_the_source() -> None:
    def made(text: str) -> FunctionEvaluator:
        scope: dict[str, Any] = {}
        exec(text, scope)
        return tracekit.evaluator(scope["f"])

    told = "len(output)", "len(output)", "max(output)", "1", "2", "output in {'a', 'b'}", "[n for n in output]"
    versions = [made(f"def f(output): return {what}").version for what in told]
    assert versions[0] == versions[1] and len(set(versions)) == len(told) - 1

    linecache.cache["<string>"] = (9, None, ["def f(output): return 'something else'\n"], "<string>")
    try:  # as Python 3.13 has it for programs that are given by -c
        assert [made(f"def f(output): return {what}").version for what in told] == versions
    finally:
        del linecache.cache["<string>"]

    def f(output: str) -> int:
        return 1

    def g(output: str) -> int:
        return 2

    assert tracekit.evaluator(f).version != tracekit.evaluator(g).version == tracekit.evaluator(g).version


# --- files ------------------------------------------------------------------------------------------------------------

FILE = """
from __future__ import annotations
from dataclasses import dataclass
import tracekit

@dataclass
class Limit:
    words: int

@tracekit.evaluator
def short(output: str) -> bool:
    return len(output.split()) <= Limit(3).words

@tracekit.evaluator(name="tone", kind="llm")
def other(output): return "fine"

def helper(output): return 1
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    allowed = tmp_path / "allowed"
    (allowed / "deep").mkdir(parents=True)
    (allowed / "mine.py").write_text(FILE)
    (allowed / "deep" / "more.py").write_text(FILE)
    (tmp_path / "outside.py").write_text(FILE)
    monkeypatch.setenv(functions.VARIABLE, str(allowed))
    return allowed


def test_evaluators_of_a_file(folder: Path) -> None:
    found = load_file("mine.py", folder)
    assert sorted(found) == ["other", "short"]
    assert found["short"](Subject(output="one two three")) == [Score("short", True)]
    made = make({"type": "function", "file": "deep/more.py", "function": "other"})
    assert (made.name, made.annotator_kind) == ("tone", "llm") and made(SUBJECT) == [Score("tone", label="fine")]
    named = make({"type": "function", "file": "mine.py", "function": "short", "name": "brief"})
    assert named(SUBJECT) == [Score("brief", True)]
    assert found["short"].version != found["other"].version


def test_a_file_is_run_once_for_each_content_and_its_version_is_its_content(folder: Path) -> None:
    counter = folder / "counter.py"
    counter.write_text(FILE + f"\nopen({str(folder / 'runs')!r}, 'a').write('x')\n")
    one, again = load_file("counter.py", folder)["short"], load_file("counter.py", folder)["short"]
    assert one.version == again.version and (folder / "runs").read_text() == "x"
    counter.write_text(FILE.replace("Limit(3)", "Limit(1)"))
    changed = load_file("counter.py", folder)["short"]
    assert changed.version != one.version and changed(Subject(output="a b")) == [Score("short", False)]


def test_what_leads_out_of_the_folder_is_refused(folder: Path) -> None:
    (folder / "link.py").symlink_to(folder.parent / "outside.py")
    (folder / "linked").symlink_to(folder.parent)
    (folder / "text.txt").write_text(FILE)
    os.mkfifo(folder / "pipe.py")
    wrong = [
        "../outside.py",
        str(folder.parent / "outside.py"),
        "link.py",
        "linked/outside.py",
        "deep/../../outside.py",
    ]
    for file in [*wrong, "text.txt", "deep", "", ".", "nothing.py", "a\0b.py", "pipe.py", "x" * 5_000]:
        with pytest.raises(ValueError, match=r"^file: .* evaluators' folder$"):
            make({"type": "function", "file": file, "function": "short"})


def test_files_that_cannot_be_loaded_say_why_and_leave_nothing_behind(folder: Path) -> None:
    broken = {
        "syntax": "def (",
        "raises": "1 / 0",
        "exits": "raise SystemExit(3)",
        "parameters": FILE + "@tracekit.evaluator\ndef no(): 1",
    }
    before = set(sys.modules)
    for name, text in broken.items():
        (folder / f"{name}.py").write_text(text)
        with pytest.raises(ValueError, match=rf"^file: {name}\.py cannot be loaded: "):
            load_file(f"{name}.py", folder)
    assert set(sys.modules) == before
    (folder / "huge.py").write_text("#" * 1_000_001)
    with pytest.raises(ValueError, match="more than 1000000 bytes"):
        load_file("huge.py", folder)
    with pytest.raises(ValueError, match=r"function: mine\.py has no evaluator 'helper'"):
        make({"type": "function", "file": "mine.py", "function": "helper"})


def test_without_a_folder_that_is_allowed_no_file_is_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(functions.VARIABLE)
    with pytest.raises(ValueError, match="no folder of evaluators is allowed"):
        make({"type": "function", "file": "mine.py", "function": "short"})


def test_an_application_that_is_traced_imports_nothing_of_it() -> None:
    code = "import sys, tracekit; print(sorted(m for m in sys.modules if m.startswith(('tracekit.evals', 'numpy'))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_a_file_that_says_something_else_by_now(tmp_path: Path) -> None:
    file = tmp_path / "changed.py"
    names: dict[str, Any] = {}
    exec(compile("def check(output):\n    return bool(output)\n", str(file), "exec"), names)
    file.write_text("def check(output):\n    return 'no end of it\n")
    made = functions.evaluator(names["check"])
    assert (
        made.version == functions.evaluator(names["check"]).version != functions.evaluator(lambda output: False).version
    )
