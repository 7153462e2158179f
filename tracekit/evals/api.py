"""What an evaluator is given, and what it says. Pure.

One evaluator works on live traffic (rules of the collector) and in experiments (``tracekit.evaluate``): it sees a
``Subject`` and gives ``Score``s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

AnnotatorKind = Literal["human", "code", "llm"]


@dataclass(frozen=True, slots=True)
class RetrievedDocument:
    """``position`` counts from 0 in the order it came back. ``relevant``: a label, where there is one."""

    text: str
    position: int = 0
    id: str | None = None
    score: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    relevant: bool | float | None = None


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A tool that was called: ``arguments`` is a JSON value."""

    name: str
    arguments: Any = None
    result: Any = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing to judge: a span, a whole trace, a session, or one run of an experiment's task.

    ``input`` and ``output`` are text, or a JSON value; ``expected`` is what an example says would be right.
    ``input_text`` and ``output_text`` give them as text. Unknown is None, never 0. ``cost_usd`` in US dollars.
    ``messages`` are ``{"role", "content"}`` in order, where it was a conversation.
    """

    input: Any = None
    output: Any = None
    expected: Any = None
    documents: Sequence[RetrievedDocument] = ()
    messages: Sequence[Mapping[str, Any]] = ()
    tools: Sequence[ToolUse] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "chain"
    status: Literal["ok", "error", "unset"] = "unset"
    error: str | None = None
    latency_ms: float | None = None
    time_to_first_token_ms: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cost_usd: float | None = None
    model: str | None = None

    @property
    def input_text(self) -> str:
        return text_of(self.input)

    @property
    def output_text(self) -> str:
        return text_of(self.output)

    @property
    def expected_text(self) -> str:
        return text_of(self.expected)


def text_of(value: Any) -> str:
    """Text as it is, nothing as an empty text, any other JSON value as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    import json

    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    except (TypeError, ValueError):
        return str(value)


@dataclass(frozen=True, slots=True)
class Score:
    """One statement. At least one of ``score``, ``label`` and ``explanation`` is there. ``score``: larger is better
    unless the evaluator says otherwise. ``document_position``: it is about this document alone."""

    name: str
    score: float | bool | None = None
    label: str | None = None
    explanation: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    document_position: int | None = None


class NotApplicable(Exception):
    """The evaluator has nothing to say about this subject (no documents, no expected answer ...). The message says
    why. Nobody's fault, and never a score of 0."""


class Temporary(Exception):
    """The evaluator may succeed later: its judge is away or overloaded. ``after_s``: when it asked to come again."""

    def __init__(self, message: str, after_s: float = 0.0) -> None:
        super().__init__(message)
        self.after_s = after_s


@runtime_checkable
class Evaluator(Protocol):
    """``name`` is that of its (first) score; ``version`` changes whenever the same subject may be judged otherwise."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def annotator_kind(self) -> AnnotatorKind: ...

    def __call__(self, subject: Subject) -> Sequence[Score]:
        """May block (a judge is called over the network), is called from threads, and may be called again for the same
        subject. Raises ``NotApplicable`` and ``Temporary``; anything else is its own fault."""
        ...


class Judge(Protocol):
    """A model that is asked: text in, text out. Raises ``Temporary`` for what may pass, ``ValueError`` for what it
    refuses for good."""

    @property
    def model(self) -> str: ...

    def complete(
        self, messages: Sequence[Mapping[str, str]], *, schema: Mapping[str, Any] | None = None
    ) -> JudgeAnswer:
        """``schema``: a JSON Schema that the answer's text has to fit, where the model can be made to."""
        ...


@dataclass(frozen=True, slots=True)
class JudgeAnswer:
    """``input_tokens`` and ``output_tokens`` as the model counted them."""

    text: str
    model: str
    input_tokens: int | None = None
    output_tokens: int | None = None
