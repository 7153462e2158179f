"""Runs with what is derived of them, and pages of those that somebody asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from collector.annotations import Annotation
from collector.codec.runs import uuid_bytes
from collector.receivers.langsmith.faults import Fault
from collector.receivers.langsmith.run_reads_fields import Figures, Need, RunView, figures_of, uuid_text
from collector.receivers.langsmith.run_reads_filter import matches, needs
from collector.receivers.langsmith.run_reads_query import Asked
from collector.storage.annotations_api import AnnotationQuery, AnnotationReader
from collector.storage.api import SummaryStore
from collector.storage.projects_api import ProjectStore, project_uuid
from collector.storage.runs_api import Run, RunQuery, RunStore

#: Runs that are read at once, and how many a filter may look through for one page.
STEP: Final = 25
MAX_SCANNED: Final = 20_000
MAX_ANNOTATIONS: Final = 10_000
_MAX_DEPTH: Final = 200
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class RunStores(RunStore, ProjectStore, AnnotationReader, SummaryStore, Protocol):
    """What runs are read from."""


class Views:
    """Makes views of runs; what several of them share is read once."""

    def __init__(self, store: RunStores, wanted: set[Need]) -> None:
        self.wanted = wanted
        self._store = store
        self._projects = {project.name: project.uuid for project in store.described_projects()}
        self._figures: dict[bytes, dict[bytes, tuple[Figures, Figures]]] = {}

    @property
    def projects(self) -> dict[bytes, str]:
        return {uuid: name for name, uuid in self._projects.items()}

    def of(self, runs: Sequence[Run]) -> list[RunView]:
        """In their order."""
        orders = self._orders(runs)
        if "figures" in self.wanted:
            self._read_figures(runs)
        about = self._annotations(runs) if "feedback" in self.wanted else {}
        return [
            RunView(
                run,
                self._projects.get(run.project) or project_uuid(run.project),
                orders[run.run_id],
                _ancestors(orders[run.run_id]),
                *self._figures.get(run.trace_id, {}).get(run.span_id, (Figures(), Figures())),
                about.get(run.run_id, []),
            )
            for run in runs
        ]

    def _read_figures(self, runs: Sequence[Run]) -> None:
        new = {run.trace_id for run in runs} - self._figures.keys()
        spans = self._store.spans_of_traces(sorted(new)) if new else {}
        self._figures |= {trace_id: figures_of(found) for trace_id, found in spans.items()}

    def _annotations(self, runs: Sequence[Run]) -> dict[bytes, list[Annotation]]:
        query = AnnotationQuery(
            spans=tuple(run.span_id for run in runs),
            whole_traces=tuple(run.trace_id for run in runs if run.is_root),
            newest_first=False,
            limit=MAX_ANNOTATIONS,
        )
        found = self._store.list_annotations(query).items if runs else []
        by_span: dict[bytes, list[Run]] = {}
        for run in runs:
            by_span.setdefault(run.span_id, []).append(run)
        roots = {run.trace_id: run for run in runs if run.is_root}
        about: dict[bytes, list[Annotation]] = {}
        for annotation in found:
            for run in _meant(annotation, by_span, roots):
                about.setdefault(run.run_id, []).append(annotation)
        return about

    def _orders(self, runs: Sequence[Run]) -> dict[bytes, str]:
        """Each run's dotted order: as its client said it, else made of those of its parents."""
        known = {run.run_id: run for run in runs}
        missing = {run.parent_run_id for run in runs if not _said(run)} - {None, *known}
        for _ in range(_MAX_DEPTH):
            above = self._store.get_runs([run_id for run_id in missing if run_id]) if missing else {}
            known |= above
            missing = {run.parent_run_id for run in above.values() if not _said(run)} - {None, *known}
        return {run.run_id: _order(run, known) for run in runs}


def page_of(store: RunStores, views: Views, asked: Asked) -> Iterator[tuple[RunView, bool]]:
    """The runs that were asked for, each with whether there may be more after it, until the caller has enough.

    Raises the 400 ``Fault`` where a filter finds too little in too many.
    """
    query = replace(asked.query, projects=_names(views, asked))
    rest = _Filter(store, views, asked)
    scanned = found = 0
    while True:
        wanted = query.limit - found if asked.is_plain else STEP
        page = store.query_runs(replace(query, limit=max(1, min(STEP, wanted))))
        for number, view in enumerate(views.of(page.items), 1):
            if rest.lets(view):
                found += 1
                yield view, number < len(page.items) or page.next_after is not None
        scanned += len(page.items)
        if page.next_after is None:
            return
        if scanned >= MAX_SCANNED:
            raise Fault(400, f"the filter looked through {scanned} runs: give a project, or a narrower time")
        query = replace(query, after=page.next_after)


def _names(views: Views, asked: Asked) -> tuple[str, ...] | None:
    if asked.projects is None:
        return None
    known = views.projects
    return tuple(known[uuid] for uuid in asked.projects if uuid in known)


class _Filter:
    """What of a question the store cannot answer by itself."""

    def __init__(self, store: RunStores, views: Views, asked: Asked) -> None:
        self._store = store
        self._views = views
        self._asked = asked
        self._of_trace: dict[bytes, bool] = {}
        nodes = (*asked.filters, asked.of_trace, asked.of_tree)
        views.wanted |= {need for node in nodes if node for need in needs(node)}

    def lets(self, view: RunView) -> bool:
        by = self._asked.ended_by_ns
        if by is not None and (view.run.end_ns is None or view.run.end_ns > by):
            return False
        return all(matches(node, view) for node in self._asked.filters) and self._trace_is_meant(view.run.trace_id)

    def _trace_is_meant(self, trace_id: bytes) -> bool:
        if trace_id not in self._of_trace:
            self._of_trace[trace_id] = self._root_matches(trace_id) and self._any_matches(trace_id)
        return self._of_trace[trace_id]

    def _root_matches(self, trace_id: bytes) -> bool:
        node = self._asked.of_trace
        if node is None:
            return True
        roots = self._store.query_runs(RunQuery(trace_id=trace_id, is_root=True, limit=1)).items
        return any(matches(node, view) for view in self._views.of(roots))

    def _any_matches(self, trace_id: bytes) -> bool:
        node = self._asked.of_tree
        query = RunQuery(trace_id=trace_id, limit=STEP)
        while node is not None:
            page = self._store.query_runs(query)
            if any(matches(node, view) for view in self._views.of(page.items)):
                return True
            if page.next_after is None:
                return False
            query = replace(query, after=page.next_after)
        return True


def _meant(annotation: Annotation, by_span: dict[bytes, list[Run]], roots: dict[bytes, Run]) -> list[Run]:
    target = annotation.target
    if target.span_id is None:
        return [roots[target.trace_id]] if target.trace_id in roots else []
    if target.document_position is not None:
        return []
    return [run for run in by_span.get(target.span_id, ()) if target.trace_id in (None, run.trace_id)]


def _said(run: Run) -> str:
    order: Any = run.document.get("dotted_order")
    return order if isinstance(order, str) else ""


def _order(run: Run, known: dict[bytes, Run]) -> str:
    parts: list[str] = []
    at: Run | None = run
    seen: set[bytes] = set()
    while at is not None and at.run_id not in seen:
        seen.add(at.run_id)
        if said := _said(at):
            parts.append(said)
            break
        start = _EPOCH + timedelta(microseconds=at.start_ns // 1000)
        parts.append(f"{start:%Y%m%dT%H%M%S%f}Z{uuid_text(at.run_id)}")
        at = known.get(at.parent_run_id) if at.parent_run_id else None
    return ".".join(reversed(parts))


def _ancestors(dotted_order: str) -> list[bytes]:
    """The run ids before the last one."""
    ids = (uuid_bytes(part.partition("Z")[2]) for part in dotted_order.split(".")[:-1])
    return [found for found in ids if found is not None]
