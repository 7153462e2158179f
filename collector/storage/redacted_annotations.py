"""An ``AnnotationStore`` that masks what it is given before another one stores it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from collector.annotations import SAID, Annotation
from collector.storage.annotations_api import AnnotationPage, AnnotationQuery, AnnotationStore

#: What of ``Annotation.source`` only says what is meant.
_IDS: Final = frozenset(
    {"protocol", "run_id", "trace_id", "session_id", "comparative_experiment_id", "feedback_group_id"}
)


class RedactedAnnotations:
    """``redact`` gives a JSON value as it may be kept, a text for a text."""

    def __init__(self, store: AnnotationStore, redact: Callable[[Any], Any]) -> None:
        self._store = store
        self._redact = redact

    def put_annotations(self, annotations: Sequence[Annotation]) -> Future[list[Annotation]]:
        return self._store.put_annotations([redacted(annotation, self._redact) for annotation in annotations])

    def change_annotation(self, annotation_id: bytes, changes: Mapping[str, Any]) -> Future[Annotation | None]:
        kept = {name: value if name == "score" else self._redact(value) for name, value in changes.items()}
        return self._store.change_annotation(annotation_id, kept)

    def delete_annotation(self, annotation_id: bytes) -> Future[bool]:
        return self._store.delete_annotation(annotation_id)

    def list_annotations(self, query: AnnotationQuery) -> AnnotationPage:
        return self._store.list_annotations(query)

    def get_annotation(self, annotation_id: bytes) -> Annotation | None:
        return self._store.get_annotation(annotation_id)

    def annotations_of_trace(self, trace_id: bytes) -> list[Annotation]:
        return self._store.annotations_of_trace(trace_id)


def redacted(annotation: Annotation, redact: Callable[[Any], Any]) -> Annotation:
    """Everything that somebody wrote; ids, times and scores stay."""
    written = {name: getattr(annotation, name) for name in SAID if name != "score"}
    ours = annotation.id is not None and annotation.identifier == str(UUID(bytes=annotation.id))
    metadata, source = redact(annotation.metadata), annotation.source
    rest = redact({name: value for name, value in source.items() if name not in _IDS})
    ids = {name: value for name, value in source.items() if name in _IDS}
    return replace(
        annotation,
        **{name: redact(value) for name, value in written.items() if value is not None},
        name=redact(annotation.name),
        identifier=annotation.identifier if ours else redact(annotation.identifier),
        metadata=metadata if isinstance(metadata, dict) else {},
        source=ids | (rest if isinstance(rest, dict) else {}),
    )
