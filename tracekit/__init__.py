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

from tracekit import autostart
from tracekit.context import context
from tracekit.decorator import trace
from tracekit.instrument import instrument, uninstrument
from tracekit.propagation import continue_trace, inject
from tracekit.provider import flush, init, shutdown, stats
from tracekit.span import Span, current_span

__all__ = [
    "Span",
    "context",
    "continue_trace",
    "current_span",
    "flush",
    "init",
    "inject",
    "instrument",
    "shutdown",
    "stats",
    "trace",
    "uninstrument",
]

if autostart.wanted():
    autostart.begin()
