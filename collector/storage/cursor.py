"""The keyset cursors of trace lists, and the marks of other lists. Pure."""

from __future__ import annotations

from collector.storage import keyset
from collector.storage.annotations_api import AnnotationQuery
from collector.storage.api import TraceQuery
from collector.storage.datasets_api import ExampleQuery, ExperimentQuery, ExperimentRunQuery


def encode(query: TraceQuery, value: int, trace_id: bytes) -> str:
    """The cursor of a page whose last row has this sort value and trace id."""
    return keyset.encode(_mark(query), value, trace_id)


def decode(query: TraceQuery) -> tuple[int, bytes] | None:
    """(sort value, trace id) after which the page begins; None for the first page. Raises ``BadCursor``."""
    return keyset.decode(_mark(query), query.cursor)


def _mark(query: TraceQuery) -> int:
    """The time range is left out: relative ranges move between two pages, and a keyset page does not mind."""
    return keyset.mark(
        query.sort, query.descending, query.project, query.session_id, query.user_id, query.status, query.q,
        query.filter,
    )  # fmt: skip


def annotation_mark(query: AnnotationQuery) -> int:
    return keyset.mark(
        query.project, query.trace_id, query.span_id, query.session_id, query.spans, query.whole_traces, query.names,
        query.kinds, query.newest_first,
    )  # fmt: skip


def example_mark(query: ExampleQuery) -> int:
    """The version is left out: whoever reads on says the one that the first page was of."""
    return keyset.mark("examples", query.dataset, query.split)


def experiment_mark(query: ExperimentQuery) -> int:
    return keyset.mark("experiments", query.dataset, query.name, query.baseline)


def experiment_run_mark(query: ExperimentRunQuery) -> int:
    return keyset.mark("experiment runs", query.experiment_id)
