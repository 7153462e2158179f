"""A run with what is derived of it, and the names that LangSmith's filters call that by. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from uuid import UUID

from collector.annotations import Annotation
from collector.model import PICO_USD, Cost, Span, Usage
from collector.processors.values import json_text
from collector.receivers.langsmith.feedback_json import feedback
from collector.storage.runs_api import Run
from collector.summarise.sums import total_cost, total_usage
from collector.summarise.tree import tree_of

#: What is read of a run beside the run itself.
Need = Literal["figures", "feedback"]


@dataclass(slots=True)
class Figures:
    """Of the counted model calls of a span, or of a span and all below it. Unknown is None."""

    usage: Usage = field(default_factory=Usage)
    cost: Cost = field(default_factory=Cost)
    first_token_ns: int | None = None


@dataclass(slots=True)
class RunView:
    """``own`` figures and those of the ``subtree``; ``ancestors`` from the root down to the parent."""

    run: Run
    project_id: bytes
    dotted_order: str
    ancestors: list[bytes]
    own: Figures = field(default_factory=Figures)
    subtree: Figures = field(default_factory=Figures)
    annotations: list[Annotation] = field(default_factory=list)

    @property
    def latency_s(self) -> float | None:
        return None if self.run.end_ns is None else (self.run.end_ns - self.run.start_ns) / 1e9

    @property
    def metadata(self) -> dict[str, Any]:
        extra = self.run.document.get("extra")
        found = extra.get("metadata") if isinstance(extra, dict) else None
        return found if isinstance(found, dict) else {}

    @property
    def thread_id(self) -> str | None:
        found = (self.metadata.get(name) for name in ("session_id", "thread_id", "conversation_id"))
        return next((str(value) for value in found if value), None)


def figures_of(spans: Sequence[Span]) -> dict[bytes, tuple[Figures, Figures]]:
    """(own, subtree) of every span of one trace, by span id."""
    tree = tree_of(spans)
    below: list[list[Span]] = [[] for _ in tree.spans]
    for index, span in enumerate(tree.spans):
        if span.counted and (span.usage or span.cost or span.time_to_first_token_ns is not None):
            at = index
            while at >= 0:
                below[at].append(span)
                at = tree.parents[at]
    return {
        span.span_id: (_figures([found for found in calls if found is span]), _figures(calls))
        for span, calls in zip(tree.spans, below, strict=True)
    }


def _figures(calls: Sequence[Span]) -> Figures:
    first = [call.start_ns + call.time_to_first_token_ns for call in calls if call.time_to_first_token_ns is not None]
    return Figures(
        total_usage(call.usage for call in calls), total_cost(call.cost for call in calls), min(first, default=None)
    )


def usd_number(pico: int | None) -> float | None:
    return None if pico is None else pico / PICO_USD


def uuid_text(raw: bytes | None) -> str | None:
    return None if raw is None else str(UUID(bytes=raw))


def text_of(run: RunView) -> str:
    """Everything of a run that free text is looked for in."""
    document = run.run.document
    parts = [run.run.name, *(json_text(document[name]) for name in ("inputs", "outputs", "extra") if name in document)]
    return "\n".join([*parts, str(document.get("error") or ""), *map(str, document.get("tags") or ())])


@dataclass(frozen=True, slots=True)
class Field:
    of: Callable[[RunView], Any]
    need: Need | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """Several values under names that belong together."""

    fields: tuple[str, ...]
    of: Callable[[RunView], Iterable[dict[str, Any]]]
    need: Need | None = None


def _entries(key: str, value: str, of: Callable[[RunView], Any]) -> Callable[[RunView], Iterator[dict[str, Any]]]:
    def entries(run: RunView) -> Iterator[dict[str, Any]]:
        found = of(run)
        return ({key: name, value: item} for name, item in (found.items() if isinstance(found, dict) else ()))

    return entries


def _feedback(run: RunView) -> Iterator[dict[str, Any]]:
    for told in map(feedback, run.annotations):
        score = told["score"]
        yield {
            "feedback_key": told["key"],
            "feedback_score": None if score is None else float(score),
            "feedback_value": told["value"],
            "feedback_comment": told["comment"],
            "feedback_source": told["feedback_source"].get("type"),
        }


TIMES: Final = frozenset({"start_time", "end_time"})

FIELDS: Final[dict[str, Field]] = {
    "id": Field(lambda view: uuid_text(view.run.run_id)),
    "trace_id": Field(lambda view: uuid_text(view.run.trace_id)),
    "parent_run_id": Field(lambda view: uuid_text(view.run.parent_run_id)),
    "session_id": Field(lambda view: uuid_text(view.project_id)),
    "reference_example_id": Field(lambda view: uuid_text(view.run.reference_example_id)),
    "name": Field(lambda view: view.run.name),
    "run_type": Field(lambda view: view.run.run_type),
    "status": Field(lambda view: view.run.status),
    "error": Field(lambda view: view.run.document.get("error")),
    "is_root": Field(lambda view: view.run.is_root),
    "start_time": Field(lambda view: view.run.start_ns),
    "end_time": Field(lambda view: view.run.end_ns),
    "latency": Field(lambda view: view.latency_s),
    "tags": Field(lambda view: view.run.document.get("tags") or []),
    "metadata": Field(lambda view: view.metadata),
    "thread_id": Field(lambda view: view.thread_id),
    "total_tokens": Field(lambda view: view.subtree.usage.total_tokens, "figures"),
    "prompt_tokens": Field(lambda view: view.subtree.usage.input_tokens, "figures"),
    "completion_tokens": Field(lambda view: view.subtree.usage.output_tokens, "figures"),
    "total_cost": Field(lambda view: usd_number(view.subtree.cost.total), "figures"),
    "prompt_cost": Field(lambda view: usd_number(view.subtree.cost.input), "figures"),
    "completion_cost": Field(lambda view: usd_number(view.subtree.cost.output), "figures"),
}
FAMILIES: Final[dict[str, Family]] = {
    "metadata": Family(
        ("metadata_key", "metadata_value"), _entries("metadata_key", "metadata_value", lambda view: view.metadata)
    ),
    "inputs": Family(
        ("input_key", "input_value"),
        _entries("input_key", "input_value", lambda view: view.run.document.get("inputs")),
    ),
    "outputs": Family(
        ("output_key", "output_value"),
        _entries("output_key", "output_value", lambda view: view.run.document.get("outputs")),
    ),
    "feedback": Family(
        ("feedback_key", "feedback_score", "feedback_value", "feedback_comment", "feedback_source"),
        _feedback,
        "feedback",
    ),
}
