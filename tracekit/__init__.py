"""See what happens inside LLM applications: traces of RAG steps, agents, tools and model calls, as OpenTelemetry spans.

    import tracekit
    from tracekit import trace

    tracekit.init(project="support-bot")

    @trace.retriever
    def search(query: str, k: int = 5): ...

    @trace
    def answer(question: str) -> str:
        with tracekit.context(user_id="u-17", session_id="s-3"):
            ...

Nothing in here raises into the application, blocks it, or keeps it from ending.
"""

from typing import TYPE_CHECKING, Any

from tracekit import autostart
from tracekit.context import context
from tracekit.decorator import trace
from tracekit.instrument import instrument, uninstrument
from tracekit.propagation import continue_trace, inject
from tracekit.provider import flush, init, shutdown, stats
from tracekit.span import Span, current_span

if TYPE_CHECKING:
    from tracekit.annotating import annotate, current_trace_id
    from tracekit.evals.datasets import dataset
    from tracekit.evals.experiment import evaluate
    from tracekit.evals.functions import evaluator

__all__ = [
    "Span",
    "annotate",
    "context",
    "continue_trace",
    "current_span",
    "current_trace_id",
    "dataset",
    "evaluate",
    "evaluator",
    "flush",
    "init",
    "inject",
    "instrument",
    "shutdown",
    "stats",
    "trace",
    "uninstrument",
]


def __getattr__(name: str) -> Any:
    """``annotate``, ``current_trace_id``, ``dataset``, ``evaluate`` and ``evaluator`` are imported when they are asked
    for: an application that is traced needs none of it."""
    if name in ("annotate", "current_trace_id"):
        from tracekit import annotating

        return getattr(annotating, name)
    if name == "dataset":
        from tracekit.evals.datasets import dataset

        return dataset
    if name == "evaluate":
        from tracekit.evals.experiment import evaluate

        return evaluate
    if name == "evaluator":
        from tracekit.evals.functions import evaluator

        return evaluator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if autostart.wanted():
    autostart.begin()
