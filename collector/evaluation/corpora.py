"""What a project's retrievers found lately: as much of its knowledge base as is known without asking for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from threading import Lock
from typing import Any, Final

from collector.evaluation.rules import Rule
from collector.evaluation.views import Reads, TraceView, views_of
from collector.filters.parse import parse
from collector.model import Document
from collector.queue.retry import SECOND_NS
from collector.storage.api import TraceQuery
from tracekit.evals.api import Subject
from tracekit.evals.verdict_types import MAX_DOCUMENT, NAME, PROJECT

#: So many of a project's latest traces that retrieved anything are looked at, so often at most.
TRACES: Final = 100
FRESH_NS: Final = 300 * SECOND_NS
#: So many documents and characters are kept of a project: each answer is held against all of them.
DOCUMENTS: Final = 200
CHARACTERS: Final = 150_000
#: Projects whose documents are kept.
_MOST: Final = 50
_RETRIEVED: Final = parse("any(span.kind == 'retriever')", "trace")


class Corpora:
    """Of all projects, kept for a while."""

    def __init__(self, store: Reads, clock: Callable[[], int] = time.time_ns) -> None:
        self._store = store
        self._clock = clock
        self._lock = Lock()
        self._kept: dict[str, tuple[int, list[dict[str, Any]]]] = {}

    def given(self, rule: Rule, subject: Subject, project: str) -> Subject:
        """The subject with the documents of its project, where the rule's evaluator asks for them and the subject says
        nothing of the kind itself. Raises ``StorageError``."""
        settings, metadata = rule.evaluator, subject.metadata
        if settings.get("type") != NAME or settings.get("corpus", PROJECT) != PROJECT:
            return subject
        if "corpus" in metadata or "expected_documents" in metadata:
            return subject
        here = {one.id for one in subject.documents if one.id is not None}
        corpus = [one for one in self._of(project) if one["id"] not in here]
        return replace(subject, metadata={**metadata, "corpus": corpus, "corpus_partial": True})

    def _of(self, project: str) -> list[dict[str, Any]]:
        with self._lock:
            now = self._clock()
            at, found = self._kept.get(project, (0, []))
            if project not in self._kept or now - at >= FRESH_NS:
                found = list(_bounded(self._documents(project)))
                if len(self._kept) >= _MOST:
                    self._kept.clear()
                self._kept[project] = (now, found)
            return found

    def _documents(self, project: str) -> Iterator[Document]:
        """The latest first."""
        query = TraceQuery(project=project, filter=_RETRIEVED, limit=TRACES)
        ids = [trace.trace_id for trace in self._store.list_traces(query).items]
        views: Mapping[bytes, TraceView] = views_of(self._store, ids)
        for trace_id in ids:
            view = views.get(trace_id)
            for span in view.spans if view is not None else ():
                if span.kind == "retriever" and view is not None:
                    yield from view.content(span).documents


def _bounded(documents: Iterator[Document]) -> Iterator[dict[str, Any]]:
    """Each once: by its id, else by its text."""
    seen: set[str] = set()
    left = CHARACTERS
    for document in documents:
        text = (document.text or "")[:MAX_DOCUMENT]
        key = document.id or text
        if not text.strip() or key in seen:
            continue
        seen.add(key)
        left -= len(text)
        if left < 0:
            return
        yield {"id": document.id, "text": text}
        if len(seen) >= DOCUMENTS:
            return
