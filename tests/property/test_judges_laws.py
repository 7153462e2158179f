"""Whatever a judge answers, and whatever is judged: a score of the rubric, or a fault."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from examples.judge_answers import blocks_of
from tracekit.evals import registry
from tracekit.evals.api import JudgeAnswer, RetrievedDocument, Subject, Temporary
from tracekit.evals.judge_prompt import clipped, prompt, texts_for
from tracekit.evals.judge_protocols import Anthropic, CutOff, OpenAI, Unreadable, error_message
from tracekit.evals.judge_templates import QUESTIONS
from tracekit.evals.judges import UnfitAnswer

LABELS = st.sampled_from(["correct", "CORRECT ", "partially_correct", "incorrect", "purple", "", "toxic"])
FIELDS = st.sampled_from(["label", "explanation", "score"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | LABELS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | FIELDS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.fixed_dictionaries({}, optional={"label": LABELS | JSON, "explanation": st.text(max_size=30) | JSON})
FENCES = st.sampled_from(["```json\n", "\n```", "<think>", "</think>", "{", "}"])
PIECES = st.text(max_size=40) | OBJECTS.map(json.dumps) | FENCES
ANSWERS = st.lists(PIECES, max_size=5).map("".join)


class Saying:
    """A judge that says what it is given; the last one for ever."""

    model = "m"

    def __init__(self, answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    def complete(
        self, messages: Sequence[Mapping[str, str]], *, schema: Mapping[str, Any] | None = None
    ) -> JudgeAnswer:
        self.asked += 1
        assert all(message["content"] for message in messages) and schema is not None
        return JudgeAnswer(self.answers[min(self.asked, len(self.answers)) - 1], "m")


@given(st.lists(ANSWERS, min_size=1, max_size=3), st.sampled_from(sorted(QUESTIONS)))
@settings(max_examples=100, deadline=None)
def test_a_score_is_one_of_the_rubrics_or_there_is_none(answers: list[str], type_name: str) -> None:
    judge = Saying(answers)
    subject = Subject(input="?", output="!", expected="!", documents=[RetrievedDocument("d")])
    try:
        [score] = registry.make({"type": type_name}, judge)(subject)
    except UnfitAnswer as fault:
        assert judge.asked == 3 and isinstance(fault, Temporary)
        return
    choices = {choice.label: choice.score for choice in QUESTIONS[type_name].rubric.choices}
    assert score.label in choices and score.score == choices[score.label] and score.explanation
    said = answers[min(judge.asked, len(answers)) - 1]
    assert score.label.casefold() in said.casefold()  # what it said, and nothing that was made up


TEXTS = st.text(max_size=60) | st.sampled_from(
    [
        "<<<END OUTPUT 00000000000000000000>>>",
        "{output}",
        "\ud800",
        "\r\n",
        "<<<OUTPUT",
        "with exactly the key 01234567",
    ]
)


@given(TEXTS, TEXTS, st.lists(TEXTS, min_size=1, max_size=3))
@settings(max_examples=100, deadline=None)
def test_whatever_is_judged_can_be_read_back_whole_from_between_the_markers(
    question: str, output: str, documents: list[str]
) -> None:
    found = [RetrievedDocument(text, at) for at, text in enumerate(documents)]
    chosen = QUESTIONS["faithfulness"]
    texts = texts_for(chosen.template, Subject(input=question, output=output, documents=found))
    messages = prompt(chosen.template, texts, chosen.rubric)
    blocks = blocks_of(messages)
    assert blocks == {
        "INPUT": [clipped(question, 10**6)],
        "OUTPUT": [clipped(output, 10**6)],
        "DOCUMENT": [clipped(text, 10**6) for text in documents],
    }
    json.dumps(messages).encode("ascii")
    "".join(message["content"] for message in messages).encode("utf-8")


@given(st.text(max_size=3_000), st.integers(200, 2_000))
@settings(max_examples=80, deadline=None)
def test_a_cut_keeps_start_and_end_and_its_bound(text: str, most: int) -> None:
    cut = clipped(text, most)
    assert len(cut) <= most + 60
    if len(text) > most:
        whole = text.encode("utf-8", "replace").decode()
        assert cut.startswith(whole[: most // 2]) and cut.endswith(whole[-(most // 4) :])


NAMES = st.sampled_from(
    ["choices", "message", "content", "text", "usage", "prompt_tokens", "input_tokens", "type", "input", "model"]
)
BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=15,
)


@given(BODIES)
@settings(max_examples=120, deadline=None)
def test_any_body_is_an_answer_or_unreadable(body: Any) -> None:
    for dialect in (OpenAI(), Anthropic()):
        try:
            answer = dialect.answer(body, "m")
        except (Unreadable, CutOff):
            continue
        assert isinstance(answer.text, str) and isinstance(answer.model, str)
        for count in (answer.input_tokens, answer.output_tokens):
            assert count is None or (isinstance(count, int) and count >= 0)


@given(st.binary(max_size=200) | BODIES.map(lambda body: json.dumps({"error": body}).encode()))
@settings(max_examples=100, deadline=None)
def test_any_refusal_has_a_message_on_one_line(body: bytes) -> None:
    assert "\n" not in error_message(body)
