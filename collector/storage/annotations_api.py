"""What storage promises about annotations. One suite in ``tests/contract`` runs over all engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from collector.annotations import Annotation, AnnotatorKind


@dataclass(slots=True, frozen=True)
class AnnotationQuery:
    """Which annotations: all conditions must hold. ``trace_id`` finds what is about the trace or anything of it,
    also by a span id alone; ``project`` what is about its traces that have been summarised. With ``spans`` or
    ``whole_traces``, what is about one of these spans or (without a span) traces. ``names`` and ``kinds``: one of them,
    any where empty. By time of creation, then id."""

    project: str | None = None
    trace_id: bytes | None = None
    span_id: bytes | None = None
    session_id: str | None = None
    spans: tuple[bytes, ...] = ()
    whole_traces: tuple[bytes, ...] = ()
    names: tuple[str, ...] = ()
    kinds: tuple[AnnotatorKind, ...] = ()
    newest_first: bool = True
    limit: int = 50
    offset: int = 0
    cursor: str | None = None


@dataclass(slots=True)
class AnnotationPage:
    """``next_cursor`` is None on the last page. Pages are keyset pages."""

    items: list[Annotation]
    next_cursor: str | None = None


class AnnotationReader(Protocol):
    """Reads what is committed."""

    def list_annotations(self, query: AnnotationQuery) -> AnnotationPage:
        """Raises ``BadCursor``."""
        ...

    def get_annotation(self, annotation_id: bytes) -> Annotation | None: ...

    def annotations_of_trace(self, trace_id: bytes) -> list[Annotation]:
        """Everything about the trace, its spans and their documents, oldest first, ``MAX_OF_TRACE`` at most."""
        ...


#: Annotations that are read and shown with their trace.
MAX_OF_TRACE = 5_000


class AnnotationStore(AnnotationReader, Protocol):
    def put_annotations(self, annotations: Sequence[Annotation]) -> Future[list[Annotation]]:
        """Store all of them in one transaction, or none; the future resolves after the commit, in their order,
        which is also that of their times of creation.

        One with the same target, name and identifier as a stored one replaces what that says and keeps its id and its
        time of creation; so does one with the same id (its target may change then). Neither needs its trace to be
        there. The future raises ``Unavailable``, or ``Refused`` where a value fits no column.
        """
        ...

    def change_annotation(self, annotation_id: bytes, changes: Mapping[str, Any]) -> Future[Annotation | None]:
        """Set fields of ``SAID`` and leave the others; None where there is no such annotation."""
        ...

    def delete_annotation(self, annotation_id: bytes) -> Future[bool]:
        """False where there is none."""
        ...
