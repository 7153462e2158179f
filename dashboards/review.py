"""What a reviewer is shown of a trace: the question, the answer, what it was answered from, what others said. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from collector.annotations import Annotation
from collector.model import Content, Document, Span, TraceSummary
from collector.processors.inout import trace_input_output
from dashboards import format as fmt
from dashboards.annotations import Listed, of_trace
from dashboards.rows import error_line
from dashboards.values import Table, Text, block

#: More documents than this are counted, not listed; each is cut to a few lines.
MAX_DOCUMENTS: Final = 10
_DOCUMENT_CHARS: Final = 400


@dataclass(slots=True, frozen=True)
class ShortDocument:
    id: str
    text: str
    score: str


@dataclass(slots=True, frozen=True)
class Shown:
    trace_id: str
    name: str
    started_ns: int
    figures: str
    question: Text | Table | None
    answer: Text | Table | None
    error: str
    documents: list[ShortDocument]
    more_documents: int
    said: Listed


def shown(
    summary: TraceSummary, spans: Sequence[Span], content_of: Callable[[Span], Content], said: Sequence[Annotation]
) -> Shown:
    """Without ``spans`` (there are too many) question and answer are cut, and documents left out."""
    question, answer = summary.input, summary.output
    documents: dict[tuple[Any, Any], Document] = {}
    if spans:
        contents = {span.span_id: content_of(span) for span in spans}
        question, answer = trace_input_output(spans, lambda span: contents[span.span_id])
        found = (document for content in contents.values() for document in content.documents)
        documents = {(document.id, document.text): document for document in found}
    return Shown(
        summary.trace_id.hex(),
        summary.name or "(no name)",
        summary.start_ns,
        fmt.duration(summary.duration_ns),
        block(question),
        block(answer),
        error_line(summary.error) if summary.status == "error" else "",
        [_short(document) for document in list(documents.values())[:MAX_DOCUMENTS]],
        max(0, len(documents) - MAX_DOCUMENTS),
        of_trace(said),
    )


def _short(document: Document) -> ShortDocument:
    score = "" if document.score is None else fmt.score(document.score)
    return ShortDocument(document.id or "", fmt.line(document.text, _DOCUMENT_CHARS), score)
