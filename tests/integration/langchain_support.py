"""What LangChain's tests share beside the applications: spans in memory, and a tool with a span of its own."""

from __future__ import annotations

from typing import Any

from langchain_core.tools import tool
from langchain_parts import Scripted
from langchain_parts import agent as plain_agent
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import tracekit


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    with tracekit.trace.span("look out"):
        return f"fine in {city}"


def agent(model: Scripted | None = None, **options: Any) -> Any:
    return plain_agent(model, tools=[weather], **options)


class Spans:
    """What tracing recorded in memory."""

    def __init__(self, **settings: Any) -> None:
        self._memory = InMemorySpanExporter()
        provider = tracekit.init(export=False, set_global=False, **settings)
        provider.add_span_processor(SimpleSpanProcessor(self._memory))

    def all(self) -> list[ReadableSpan]:
        return sorted(self._memory.get_finished_spans(), key=lambda span: span.start_time or 0)

    def named(self, name: str) -> list[dict[str, Any]]:
        """The attributes of the spans with a name, in start order."""
        return [dict(span.attributes or {}) for span in self.all() if span.name == name]

    def trees(self) -> list[str]:
        """Each trace as nested names, children in start order: ``a(b c(d))``."""
        spans = self.all()
        ids = {span.context.span_id for span in spans if span.context}
        return [_tree(span, spans) for span in spans if span.parent is None or span.parent.span_id not in ids]

    def take(self) -> list[str]:
        """The trees, which are forgotten."""
        found = self.trees()
        self._memory.clear()
        return found

    def close(self) -> None:
        self._memory.shutdown()


def _tree(span: ReadableSpan, spans: list[ReadableSpan]) -> str:
    own = span.context.span_id if span.context else 0
    children = [_tree(one, spans) for one in spans if one.parent is not None and one.parent.span_id == own]
    return f"{span.name}({' '.join(children)})" if children else span.name


#: An agent that asks for the weather once; what is within the tool is the application's own span.
AGENT_TREE = "weather-agent(model(Scripted) tools(weather(look out)) model(Scripted))"
RAG_TREE = (
    "RunnableSequence(RunnableParallel<context,question>(RunnableSequence(Shelf _joined) RunnablePassthrough) "
    "ChatPromptTemplate Scripted StrOutputParser)"
)
