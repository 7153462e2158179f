"""Evaluators that ask a judge: faithfulness, relevance, correctness, toxicity, helpfulness and questions of your own.

A judge has to choose one label of a rubric and to explain itself first. What fits nothing is asked again with what was
wrong, and then raises ``UnfitAnswer``: a score is never made up. What of a subject stands in a prompt, and how it is
kept from talking to the judge, is in ``judge_prompt``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tracekit.evals.api import (
    AnnotatorKind,
    Evaluator,
    Judge,
    JudgeAnswer,
    NotApplicable,
    RetrievedDocument,
    Score,
    Subject,
    Temporary,
)
from tracekit.evals.judge_prompt import (
    DEFAULT_MAX_CHARS,
    VARIABLES,
    check_template,
    clipped,
    document_subject,
    prompt,
    texts_for,
    variables_of,
)
from tracekit.evals.judge_templates import QUESTIONS, Question
from tracekit.evals.registry import register
from tracekit.evals.rubric import Rubric, Unfit, Verdict, rubric_of

#: How often a judge whose answer fits nothing is asked again.
ASKED_AGAIN: Final = 2
DEFAULT_MAX_DOCUMENTS: Final = 20
#: How often documents whose call failed are gone through again within one evaluation.
_PASSES_AGAIN: Final = 3
_ECHOED: Final = 2_000
#: Part of every version: raised when the reading of answers or the frame of prompts changes what may be said.
_FORM: Final = 1


class UnfitAnswer(Temporary):
    """The judge was asked three times and never chose one of the labels. It may do better later, so this is
    ``Temporary``; whoever gives up after some attempts has a message that can be read."""


@dataclass(frozen=True, slots=True)
class Decision:
    """``asked``: how many calls it took. Tokens are summed over them; None where the judge did not count."""

    verdict: Verdict
    model: str
    asked: int
    input_tokens: int | None
    output_tokens: int | None

    @property
    def metadata(self) -> dict[str, Any]:
        found = {"judge": self.model, "asked": self.asked}
        tokens = {"input_tokens": self.input_tokens, "output_tokens": self.output_tokens}
        return found | {name: count for name, count in tokens.items() if count is not None}


def decide(judge: Judge, messages: Sequence[Mapping[str, str]], rubric: Rubric, title: str) -> Decision:
    """Ask until an answer fits, at most three times. Raises ``UnfitAnswer``, and what the judge raises."""
    schema = rubric.schema(title)
    asked: list[Mapping[str, str]] = list(messages)
    answers: list[JudgeAnswer] = []
    faults: list[str] = []
    for _ in range(1 + ASKED_AGAIN):
        answers.append(judge.complete(asked, schema=schema))
        try:
            verdict = rubric.read(answers[-1].text)
        except Unfit as unfit:
            faults.append(str(unfit))
            asked = [*messages, *_objection(answers[-1].text, unfit, rubric)]
            continue
        return Decision(
            verdict,
            answers[-1].model,
            len(answers),
            _sum(answer.input_tokens for answer in answers),
            _sum(answer.output_tokens for answer in answers),
        )
    raise UnfitAnswer(
        f"the judge {answers[-1].model} gave no answer that fits, asked {len(answers)} times: {faults[-1]}"
    )


def _objection(text: str, unfit: Unfit, rubric: Rubric) -> list[dict[str, str]]:
    return [
        {"role": "assistant", "content": clipped(text, _ECHOED) if text.strip() else "(empty)"},
        {"role": "user", "content": f"That answer cannot be used: {unfit.told}.\n\n{rubric.instructions()}"},
    ]


def _sum(counts: Any) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


@dataclass(frozen=True)
class JudgeEvaluator:
    """Asks ``judge`` a question about a subject. ``optional``: variables of the template that a subject may lack.

    per_document: the question is asked about each of the first ``max_documents`` documents alone, and each score has
        its ``document_position``.
    max_chars: how much of each variable the judge is shown.
    Raises ``ValueError`` for a template or settings that cannot be.
    """

    name: str
    judge: Judge
    template: str
    rubric: Rubric
    optional: Sequence[str] = ()
    per_document: bool = False
    max_chars: int = DEFAULT_MAX_CHARS
    max_documents: int = DEFAULT_MAX_DOCUMENTS
    annotator_kind: AnnotatorKind = field(default="llm", init=False)
    #: 16 hex digits: a hash of template, rubric, settings and the judge's model
    version: str = field(default="", init=False)

    def __post_init__(self) -> None:
        check_template(self.template)
        if self.per_document and "documents" not in variables_of(self.template):
            raise ValueError("asks about each document, and its template does not name {documents}")
        object.__setattr__(self, "version", self._hash())

    def _hash(self) -> str:
        said = {
            "form": _FORM,
            "name": self.name,
            "template": self.template,
            "choices": [[choice.label, choice.score, choice.description] for choice in self.rubric.choices],
            "optional": sorted(self.optional),
            "per_document": self.per_document,
            "max_chars": self.max_chars,
            "max_documents": self.max_documents,
            "model": self.judge.model,
        }
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]

    def __call__(self, subject: Subject) -> list[Score]:
        if not self.per_document:
            return [self._judged(subject)]
        documents = sorted(subject.documents, key=lambda document: document.position)[: self.max_documents]
        if not documents:
            raise NotApplicable("there are no documents")
        return self._each(subject, documents)

    def _each(self, subject: Subject, documents: Sequence[RetrievedDocument]) -> list[Score]:
        """Documents whose call failed in a way that may pass are asked about again after the others: twenty calls to
        a judge that fails now and then would else never all succeed at once, and each attempt pays for all of them."""
        found: dict[int, Score] = {}
        passes = 0
        while True:
            passes += 1
            faults: list[Temporary] = []
            for at, document in enumerate(documents):
                if at in found:
                    continue
                try:
                    found[at] = self._judged(document_subject(subject, document), document)
                except Temporary as fault:
                    if isinstance(fault, UnfitAnswer) or fault.after_s > 0:  # asked enough, or told when to come again
                        raise
                    faults.append(fault)
            if not faults:
                return [found[at] for at in range(len(documents))]
            if not found or passes > _PASSES_AGAIN:  # the judge is away
                raise faults[-1]

    def messages(self, subject: Subject) -> list[dict[str, str]]:
        """What the judge would be sent, to look at before it costs anything. Raises ``NotApplicable``."""
        texts = texts_for(self.template, subject, self.optional)
        return prompt(self.template, texts, self.rubric, self.max_chars)

    def _judged(self, subject: Subject, document: RetrievedDocument | None = None) -> Score:
        decision = decide(self.judge, self.messages(subject), self.rubric, self.name)
        return Score(
            self.name,
            score=decision.verdict.choice.score,
            label=decision.verdict.choice.label,
            explanation=decision.verdict.explanation,
            metadata=decision.metadata,
            document_position=None if document is None else document.position,
        )


def _built_in(type_name: str) -> Callable[[Mapping[str, Any], Judge | None], Evaluator]:
    def maker(settings: Mapping[str, Any], judge: Judge | None) -> Evaluator:
        return _made(type_name, QUESTIONS[type_name], settings, judge)

    return maker


def _custom(settings: Mapping[str, Any], judge: Judge | None) -> Evaluator:
    """``template`` and ``choices`` are what a question of your own needs, and a ``name`` to find it by."""
    missing = [f"{name}: is needed" for name in ("name", "template", "choices") if name not in settings]
    if missing:
        raise ValueError("; ".join(missing))
    return _made("judge", None, settings, judge)


def _made(type_name: str, question: Question | None, settings: Mapping[str, Any], judge: Judge | None) -> Evaluator:
    """Raises ``ValueError`` with everything that is wrong with the settings."""
    if judge is None:
        raise ValueError(f"{type_name} asks a judge, and none is configured")
    read = _Settings(settings)
    template = read.take("template", _template, question.template if question else "")
    rubric = read.take("choices", rubric_of, question.rubric if question else None)
    instructions = read.take("instructions", _text, "")
    found = {
        "name": read.take("name", _text, type_name),
        "optional": read.take("optional", _names, question.optional if question else ()),
        "per_document": read.take("per_document", _flag, question.per_document if question else False),
        "max_chars": read.take("max_chars", _bounded(200, 1_000_000), DEFAULT_MAX_CHARS),
        "max_documents": read.take("max_documents", _bounded(1, 50), DEFAULT_MAX_DOCUMENTS),
    }
    read.done()
    if instructions:  # the operator's own words stand outside all blocks
        template = f"{template}\n\nFurther instructions for this judgement:\n{instructions}"
    return JudgeEvaluator(judge=judge, template=template, rubric=rubric, **found)


class _Settings:
    """Reads settings one by one and remembers what is wrong with them."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._left = dict(given)
        self._faults: list[str] = []

    def take(self, name: str, parse: Callable[[Any], Any], otherwise: Any) -> Any:
        if name not in self._left:
            return otherwise
        try:
            return parse(self._left.pop(name))
        except ValueError as fault:
            self._faults.append(f"{name}: {fault}")
            return otherwise

    def done(self) -> None:
        """Raises ``ValueError``."""
        self._faults += [f"{name}: there is no such setting" for name in sorted(map(str, self._left))]
        if self._faults:
            raise ValueError("; ".join(self._faults))


def _template(value: Any) -> str:
    check_template(value)
    return str(value)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > 20_000:
        raise ValueError("must be a text")
    for name in variables_of(value):
        raise ValueError(f"{{{name}}} can only stand in a template")
    return value.strip()


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise ValueError("must be a list of variables' names")
    if wrong := [name for name in value if name not in VARIABLES and not name.startswith("metadata.")]:
        raise ValueError(f"there is no {', '.join(wrong)}")
    return tuple(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _bounded(least: int, most: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"must be a whole number from {least:,} to {most:,}")
        return value

    return parse


for _name in QUESTIONS:
    register(_name, _built_in(_name), needs_judge=True)
register("judge", _custom, needs_judge=True)
