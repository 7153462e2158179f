"""``AnnotationStore`` over a dict: the contract at its plainest."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from collector.annotations import Annotation, Target, id_of, key_of
from collector.storage import cursor, keyset
from collector.storage.annotations_api import MAX_OF_TRACE, AnnotationPage, AnnotationQuery
from collector.storage.evaluation_api import Replaced


class MemoryAnnotations(ABC):
    """``AnnotationStore`` over a dict."""

    def __init__(self) -> None:
        self._annotations: dict[bytes, Annotation] = {}
        self._history: dict[bytes, list[Replaced]] = {}
        self._annotations_lock = threading.RLock()

    @abstractmethod
    def project_of(self, trace_id: bytes | None) -> str | None:
        """The project of a trace that has been summarised."""

    @abstractmethod
    def span_ids_of(self, trace_id: bytes) -> set[bytes]:
        """The spans of a trace that are stored."""

    @abstractmethod
    def queue_annotations(self, ids: Sequence[bytes]) -> None:
        """Leave an item for each destination that takes annotations."""

    def put_annotations(self, annotations: Sequence[Annotation]) -> Future[list[Annotation]]:
        return _done(self._put_all(annotations))

    def _put_all(self, annotations: Sequence[Annotation]) -> list[Annotation]:
        with self._annotations_lock:
            now = time.time_ns()
            before = dict(self._annotations)
            kept = [self._put_annotation(item, now + number) for number, item in enumerate(annotations)]
            new = {item.id: item for item in kept if item.id is not None and _is_news(item, before.get(item.id))}
            if new:
                self.queue_annotations(list(new))
            for said in (before[number] for number in new if number in before):
                self._remember(said)
            return kept

    def _remember(self, said: Annotation) -> None:
        assert said.id is not None
        self._history.setdefault(said.id, []).append(Replaced(said, time.time_ns()))

    def change_annotation(self, annotation_id: bytes, changes: Mapping[str, Any]) -> Future[Annotation | None]:
        with self._annotations_lock:
            known = self._annotations.get(annotation_id)
            if known is None:
                return _done(None)
            self._remember(known)
            changed = replace(known, **changes, updated_ns=time.time_ns())
            self._annotations[annotation_id] = changed
            self.queue_annotations([annotation_id])
            return _done(replace(changed))

    def delete_annotation(self, annotation_id: bytes) -> Future[bool]:
        with self._annotations_lock:
            known = self._annotations.pop(annotation_id, None)
            if known is not None:
                self._remember(known)
            return _done(known is not None)

    def get_annotation(self, annotation_id: bytes) -> Annotation | None:
        with self._annotations_lock:
            found = self._annotations.get(annotation_id)
            return replace(found) if found else None

    def annotations_of_trace(self, trace_id: bytes) -> list[Annotation]:
        query = AnnotationQuery(trace_id=trace_id, newest_first=False, limit=MAX_OF_TRACE)
        return self.list_annotations(query).items

    def list_annotations(self, query: AnnotationQuery) -> AnnotationPage:
        mark = cursor.annotation_mark(query)
        after = keyset.decode(mark, query.cursor)
        spans = self.span_ids_of(query.trace_id) if query.trace_id else set()
        with self._annotations_lock:
            found = {
                _place(item): item
                for item in self._annotations.values()
                if _matches(query, item, spans)
                and (query.project is None or self.project_of(item.target.trace_id) == query.project)
            }
        places = sorted(found, reverse=query.newest_first)
        if after is not None:
            places = [place for place in places if (place < after if query.newest_first else place > after)]
        page = places[query.offset :][: query.limit]
        more = page and len(places) > query.offset + len(page)
        return AnnotationPage(
            [replace(found[place]) for place in page], keyset.encode(mark, *page[-1]) if more else None
        )

    def _put_annotation(self, annotation: Annotation, now: int) -> Annotation:
        key = key_of(annotation)
        known = next((item for item in self._annotations.values() if key_of(item) == key), None)
        same_id = self._annotations.pop(annotation.id, None) if annotation.id else None
        created = next((item.created_ns for item in (known, same_id) if item), annotation.created_ns)
        kept = replace(
            annotation,
            id=known.id if known else annotation.id or id_of(key),
            created_ns=now if created is None else created,
            updated_ns=now,
        )
        assert kept.id is not None
        self._annotations[kept.id] = kept
        return replace(kept)


def _is_news(annotation: Annotation, before: Annotation | None) -> bool:
    return before is None or _undated(before) != _undated(annotation)


def _undated(annotation: Annotation) -> Annotation:
    return replace(annotation, created_ns=None, updated_ns=None)


def _place(annotation: Annotation) -> tuple[int, bytes]:
    assert annotation.created_ns is not None and annotation.id is not None
    return annotation.created_ns, annotation.id


def _matches(query: AnnotationQuery, annotation: Annotation, spans: set[bytes]) -> bool:
    target = annotation.target
    return (
        (query.trace_id is None or _is_of_trace(query.trace_id, target, spans))
        and query.span_id in (None, target.span_id)
        and query.session_id in (None, target.session_id)
        and (not (query.spans or query.whole_traces) or _is_about_one(query, target))
        and (not query.names or annotation.name in query.names)
        and (not query.kinds or annotation.annotator_kind in query.kinds)
    )


def _is_of_trace(trace_id: bytes, target: Target, spans: set[bytes]) -> bool:
    return target.trace_id == trace_id or (target.trace_id is None and target.span_id in spans)


def _is_about_one(query: AnnotationQuery, target: Target) -> bool:
    return target.span_id in query.spans if target.span_id else target.trace_id in query.whole_traces


def _done(result: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(result)
    return future
