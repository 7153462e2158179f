"""What the model calls of a trace cost: counted from the spans that end while an experiment runs.

Of a call that two instrumentations record, the outer one counts; what agents and chains repeat of their calls does not.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from tracekit import semconv
from tracekit.cost import PRICED, cost_attributes, installed

#: spans of one trace that are kept until it is totalled
MAX_SPANS: Final = 20_000
#: of one retriever
MAX_DOCUMENTS: Final = 200
#: characters of an attribute that a price may depend on
_MAX_VALUE: Final = 1_000
_OPERATIONS: Final = ("chat", "text_completion", "generate_content", "embeddings")
_TOKENS: Final = {
    "input_tokens": (semconv.GEN_AI_INPUT_TOKENS, semconv.LLM_TOKENS_PROMPT),
    "output_tokens": (semconv.GEN_AI_OUTPUT_TOKENS, semconv.LLM_TOKENS_COMPLETION),
}


@dataclass(frozen=True, slots=True)
class Totals:
    """Of a trace. Cost in US dollars; None where a call has no known price, or where there was no call. ``documents``
    (``id``, ``text``, ``score``) are those that its retrievers found, in their order."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cost_usd: float | None = None
    documents: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class _Seen:
    parent: int | None
    tokens: dict[str, int] | None
    attributes: Mapping[str, Any]
    start_ns: int
    documents: tuple[Any, ...] = ()

    @property
    def cost(self) -> float | None:
        cost = self.attributes.get(semconv.LLM_COST_TOTAL)
        if cost is None and self.tokens and installed():
            cost = cost_attributes(self.attributes, self.start_ns).get(semconv.LLM_COST_TOTAL)
        return float(cost) if isinstance(cost, (int, float)) else None


class Tally(SpanProcessor):
    """Keeps what counts of the traces that are watched."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._traces: dict[int, dict[int, _Seen]] = {}

    def watch(self, trace_id: str) -> None:
        with self._lock:
            self._traces[int(trace_id, 16)] = {}

    def take(self, trace_id: str) -> Totals:
        """The totals of what has ended; the trace is forgotten."""
        with self._lock:
            seen = self._traces.pop(int(trace_id, 16), {})
        counted = [one for one in seen.values() if one.tokens is not None and not _within_a_call(one, seen)]
        documents = tuple(document for one in seen.values() for document in one.documents)
        if not counted:
            return Totals(documents=documents)
        sums = {name: sum((one.tokens or {}).get(name, 0) for one in counted) for name in _TOKENS}
        costs = [one.cost for one in counted]
        known = [cost for cost in costs if cost is not None]
        cost = sum(known) if len(known) == len(costs) else None
        return Totals(**sums, total_tokens=sum(sums.values()), cost_usd=cost, documents=documents)

    def on_end(self, span: ReadableSpan) -> None:
        try:
            context = span.get_span_context()
            seen = self._traces.get(context.trace_id) if context is not None else None
            if context is None or seen is None or len(seen) >= MAX_SPANS:
                return
            one = _seen(span)
            with self._lock:
                seen[context.span_id] = one
        except Exception as error:  # noqa: BLE001 - never the application's fault
            from tracekit.guard import swallow

            swallow("tally", error)


def _seen(span: ReadableSpan) -> _Seen:
    """Runs within the task's time: prices are looked up later."""
    attributes = span.attributes or {}
    parent = span.parent.span_id if span.parent is not None else None
    if not _is_a_call(attributes):
        retriever = attributes.get(semconv.SPAN_KIND) == semconv.OPENINFERENCE_KINDS["retriever"]
        return _Seen(parent, None, {}, 0, tuple(_documents(attributes)) if retriever else ())
    tokens: dict[str, int] = {}
    for name, keys in _TOKENS.items():
        found = next((attributes[key] for key in keys if key in attributes), None)
        if isinstance(found, int):
            tokens[name] = found
    known = tokens or semconv.LLM_COST_TOTAL in attributes
    kept = {key: value for key, value in attributes.items() if not isinstance(value, str) or len(value) <= _MAX_VALUE}
    return _Seen(parent, tokens if known else None, kept, span.start_time or 0)


def _is_a_call(attributes: Mapping[str, Any]) -> bool:
    """Spans of other instrumentations name no kind, but an operation."""
    kind = attributes.get(semconv.SPAN_KIND)
    return kind in PRICED if kind is not None else attributes.get(semconv.GEN_AI_OPERATION_NAME) in _OPERATIONS


def _documents(attributes: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for at in range(MAX_DOCUMENTS):
        start = f"{semconv.RETRIEVAL_DOCUMENTS}.{at}.document."
        text = attributes.get(f"{start}content")
        if text is None:
            break
        yield {"id": attributes.get(f"{start}id"), "text": text, "score": attributes.get(f"{start}score")}
    else:
        return
    whole = attributes.get(semconv.GEN_AI_RETRIEVAL_DOCUMENTS)
    if at == 0 and isinstance(whole, str):
        for found in json.loads(whole)[:MAX_DOCUMENTS]:
            yield {"id": found.get("id"), "text": found.get("content"), "score": found.get("score")}


def _within_a_call(one: _Seen, seen: Mapping[int, _Seen]) -> bool:
    parent = one.parent
    for _ in range(len(seen)):
        above = seen.get(parent) if parent is not None else None
        if above is None:
            return False
        if above.tokens is not None:
            return True
        parent = above.parent
    return False


def warm() -> None:
    """Have the prices imported before anything is timed: that takes a third of a second."""
    if installed():
        call = {semconv.SPAN_KIND: "LLM", semconv.GEN_AI_REQUEST_MODEL: "gpt-4o", semconv.GEN_AI_INPUT_TOKENS: 1}
        cost_attributes(call, 0)


_tallies: WeakKeyDictionary[Any, Tally] = WeakKeyDictionary()
_lock = threading.Lock()


def tally_of(provider: Any) -> Tally | None:
    """The provider's own, added once; None where it takes no processors."""
    if not hasattr(provider, "add_span_processor"):
        return None
    with _lock:
        found = _tallies.get(provider)
        if found is None:
            found = _tallies[provider] = Tally()
            provider.add_span_processor(found)
        return found
