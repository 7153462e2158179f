"""Annotations on their way: with the span or trace that they are about, whichever of the two came first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from collector.annotations import Annotation
from collector.codec.runs import uuid_bytes
from collector.exporters.api import Failed, Record, Rejected, Said
from collector.filters.matches import SpanRecord, matches
from collector.forwarding.lane import Lane
from collector.forwarding.load import ancestry_of, is_below_root
from collector.model import RUN_SCOPE, Span
from collector.processors.normalize import content
from collector.queue.api import Item
from collector.queue.retry import SECOND_NS, Poison, RetryLater
from collector.storage.api import TraceQuery
from collector.storage.forward_api import Follow, Settled, Tally
from collector.storage.projects_api import name_of

#: A destination that does not know yet what an annotation is about is asked again every so often, and so long.
AGAIN_NS: Final = 10 * SECOND_NS
GIVE_UP_NS: Final = 3600 * SECOND_NS
#: Projects that one session is looked for in.
_PROJECTS: Final = 20
_TEXTS: Final = ("label", "value", "correction", "explanation", "metadata")


class Annotating:
    """Sends the annotations that an item names."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    def __call__(self, item: Item) -> None:
        """Raises ``RetryLater``, ``Pause`` and ``Poison``."""
        annotations = self._lane.store.annotations_by_id(_ids(item))
        said: list[Said] = []
        waiting: list[Annotation] = []
        for annotation in annotations:
            found = self._resolved(annotation)
            if found is None:
                waiting.append(annotation)
            said += [self._masked(one) for one in found or ()]
        left, buried = self._send(said)
        self._settle(item, len(said), left, waiting, buried)

    def _send(self, said: list[Said]) -> tuple[list[Said], list[tuple[Said, str]]]:
        """(what the destination does not have yet, what it refuses and why)."""
        if not said:
            return [], []
        try:
            return list(self._lane.call(self._lane.exporter.annotate(said))), []
        except Failed as failed:
            self._lane.failed(str(failed))
            raise RetryLater(str(failed)) from None
        except Rejected as rejected:
            if len(said) == 1:
                return [], [(said[0], str(rejected))]
        left: list[Said] = []
        buried: list[tuple[Said, str]] = []
        for half in (said[: len(said) // 2], said[len(said) // 2 :]):
            more = self._send(half)
            left, buried = left + more[0], buried + more[1]
        return left, buried

    def _settle(
        self,
        item: Item,
        sent: int,
        left: Sequence[Said],
        waiting: Sequence[Annotation],
        buried: Sequence[tuple[Said, str]],
    ) -> None:
        now, consumer = self._lane.clock(), self._lane.destination.consumer
        since = int((item.payload or {}).get("since", now))
        later = [*(one.annotation for one in left), *waiting]
        follows = [Follow(consumer, _payload([one.annotation], now), now, reason) for one, reason in buried]
        if later and now - since < GIVE_UP_NS:
            follows.append(Follow(consumer, _payload(later, since), now + AGAIN_NS))
        elif later:
            reason = "the destination does not know what the annotation is about"
            follows.append(Follow(consumer, _payload(later, now), now, reason))
        tally = Tally(annotated=sent - len(left) - len(buried))
        self._lane.settle([Settled(item, tuple(follows))], tally, error=buried[-1][1] if buried else None)

    def _resolved(self, annotation: Annotation) -> list[Said] | None:
        """With what it is about; empty where that is not for this destination, or is not stored: then its batch will
        bring the annotation along. None where it cannot be told yet."""
        target = annotation.target
        if target.span_id is not None:
            return self._of_span(annotation, target.span_id, target.trace_id)
        if target.trace_id is not None:
            return self._of_trace(annotation, target.trace_id)
        return self._of_session(annotation, target.session_id or "")

    def _of_span(self, annotation: Annotation, span_id: bytes, trace_id: bytes | None) -> list[Said]:
        store = self._lane.store
        trace_id = trace_id or store.trace_of_span(span_id)
        spans = store.spans_of_traces([trace_id]).get(trace_id, []) if trace_id else []
        span = next((one for one in spans if one.span_id == span_id), None)
        if span is None or not self._takes(span):
            return []
        run_ids = store.run_ids_of([span.trace_id]) if span.scope == RUN_SCOPE else {}
        target = replace(annotation.target, trace_id=span.trace_id)
        by_id = {one.span_id: one for one in spans}
        ancestry, is_complete = ancestry_of(span, by_id)
        is_rooted = is_complete and is_below_root((*ancestry, span)[0], by_id)
        run_id = run_ids.get((span.trace_id, span.span_id))
        return [Said(replace(annotation, target=target), span.project, span, run_id, ancestry, is_rooted)]

    def _of_trace(self, annotation: Annotation, trace_id: bytes) -> list[Said]:
        spans = self._lane.store.spans_of_traces([trace_id]).get(trace_id, [])
        taken = [span for span in spans if self._takes(span)]
        return [Said(annotation, taken[0].project, run_id=trace_id)] if taken else []

    def _of_session(self, annotation: Annotation, session_id: str) -> list[Said] | None:
        # What LangSmith's clients say of a project names it by its id.
        named = name_of(uuid_bytes(session_id), self._lane.store.described_projects())
        if named is not None:
            return [Said(annotation, named)] if named in (self._lane.destination.projects or (named,)) else []
        # Summaries may lag behind: what is not found is looked for again.
        page = self._lane.store.list_traces(TraceQuery(session_id=session_id, limit=_PROJECTS))
        wanted = self._lane.destination.projects
        projects = dict.fromkeys(one.project for one in page.items if not wanted or one.project in wanted)
        return [Said(annotation, project) for project in projects] if page.items else None

    def _takes(self, span: Span) -> bool:
        choice = self._lane.choice
        if not choice.takes(span, (self._lane.store.collector_id,)):
            return False
        if choice.filter is None:
            return True
        full = self._lane.store.get_span(span.trace_id, span.span_id)
        return full is not None and matches(choice.filter, SpanRecord(full, content))

    def _masked(self, said: Said) -> Said:
        redaction = self._lane.loader.redaction
        if redaction is None:
            return said
        masked: dict[str, Any] = {name: redaction.redact_value(None, getattr(said.annotation, name)) for name in _TEXTS}
        return replace(said, annotation=replace(said.annotation, **masked))


def follow_of_annotations(lane: Lane, records: Iterable[Record], now: int) -> list[Follow]:
    """What was said of spans before they were sent."""
    if not lane.exporter.needs.annotations:
        return []
    facts = [record.facts for record in records]
    found = lane.store.annotations_about(
        [span.span_id for span in facts],
        list({span.trace_id for span in facts}),
        list({span.session_id for span in facts if span.session_id}),
    )
    if not found:
        return []
    annotations = [annotation for _, annotation in found]
    return [Follow(lane.destination.consumer, _payload(annotations, now), now)]


def _payload(annotations: Sequence[Annotation], since: int) -> dict[str, Any]:
    ids = [one.id.hex() for one in annotations if one.id is not None]
    return {"annotations": ids, "n": len(ids), "since": since}


def _ids(item: Item) -> list[bytes]:
    try:
        return [bytes.fromhex(one) for one in (item.payload or {})["annotations"]]
    except (KeyError, TypeError, ValueError):
        raise Poison("the item names no annotations") from None
