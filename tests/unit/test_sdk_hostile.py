"""Objects that raise from whatever is asked of them, ``__class__`` included, harm nobody but their own span."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from sdk_support import Recorded, spans

from tracekit import trace

__all__ = ["spans"]

KINDS = ("chain", "llm", "retriever", "embedding", "reranker", "tool", "agent", "guardrail", "evaluator", None)
METHODS = ("set_input", "set_output", "set_usage", "set_model", "add_documents", "set_embeddings", "record_error")


class Hostile:
    def __getattribute__(self, name: str) -> Any:
        raise SystemExit(name)

    def __repr__(self) -> str:
        raise SystemExit("repr")

    __str__ = __repr__


class Lazy:
    """As proxies do it: to tell what it is, it makes up what it stands for."""

    made = 0

    def __getattribute__(self, name: str) -> Any:
        type(self).made += 1
        return object.__getattribute__(self, name)


def places() -> list[Any]:
    """Not made before the test: who looks for tests asks everything in a module what it is."""
    hostile = Hostile()
    return [
        hostile,
        [hostile],
        (hostile, hostile),
        ("a", hostile),
        {"a": hostile},
        {"content": hostile, "role": hostile},
        [{"text": hostile, "metadata": hostile}],
        [SimpleNamespace(page_content=hostile, metadata=hostile)],
        [(hostile, 1.0)],
        {"documents": [hostile]},
        {"messages": [{"role": hostile, "content": hostile}]},
        {
            "choices": [{"message": {"role": hostile, "content": hostile, "tool_calls": [hostile]}}],
            "usage": {"prompt_tokens": hostile},
        },
        {"role": hostile, "content": "x", "usage": hostile, "model": hostile},
        SimpleNamespace(x=hostile, choices=hostile, usage=hostile),
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_as_arguments_and_results(spans: Recorded, kind: str | None) -> None:
    @trace(kind=kind)
    def call(given: Any, model: Any, messages: Any, query: Any, documents: Any, texts: Any) -> Any:
        return given

    for place in places():
        assert call(place, place, place, place, place, place) is place
    assert len(spans.all()) == len(places())


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind])
def test_as_what_a_span_is_told(spans: Recorded, kind: str) -> None:
    for place in places():
        with trace.span("told", kind=kind) as span:
            for name in METHODS:
                getattr(span, name)(place)
            span.set_attribute("key", place)
            span.set_prompt(place, place, place, place)
            span.add_event("event", {"key": place})
    assert len(spans.all()) == len(places())


def test_what_is_lazy_stays_so(spans: Recorded) -> None:
    @trace.tool
    def call(given: Any) -> Any:
        return given

    lazy = Lazy()
    call(lazy)
    call([lazy])
    call({"a": lazy})
    spans.all()
    assert Lazy.made == 0
