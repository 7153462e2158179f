"""Annotations as LangSmith's feedback (``FeedbackCreate`` of its client). Pure.

Of a span it is about that span's run; of a trace about its root run; of a retrieved document about the run, with the
document's number beside it. LangSmith knows no feedback on a thread, and a session here is a thread there: what is said
of one cannot be sent, unless the session is a project, as it is in feedback that came by LangSmith's protocol.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from collector.annotations import Annotation, AnnotatorKind, id_of, key_of
from collector.codec.runs import uuid_bytes
from collector.exporters.api import Said
from collector.exporters.langsmith.ids import Roots, run_id, time

Json = dict[str, Any]

#: LangSmith's ``feedback_source.type``; a program is whoever calls its API.
SOURCES: Final[dict[AnnotatorKind, str]] = {"human": "app", "code": "api", "llm": "model"}
#: What LangSmith's own feedback says beyond that, and is told again.
_TOLD_AGAIN: Final = (
    "feedback_config", "start_time", "comparative_experiment_id", "feedback_group_id", "error",
)  # fmt: skip
#: The API keeps no more, and refuses more (``_format_feedback_score`` of the client).
_DECIMALS: Final = 4


def is_of_project(said: Said) -> bool:
    """Whether it is about a project as a whole: it came by LangSmith's protocol, and names a project alone."""
    target, source = said.annotation.target, said.annotation.source
    return (
        target.session_id is not None
        and target.trace_id is None
        and target.span_id is None
        and source.get("protocol") == "langsmith"
    )


def has_place(said: Said) -> bool:
    """Whether LangSmith has anything that this could be about."""
    target = said.annotation.target
    return target.trace_id is not None or target.span_id is not None or is_of_project(said)


def feedback_id(annotation: Annotation) -> UUID:
    return UUID(bytes=annotation.id or id_of(key_of(annotation)))


def feedback_of(said: Said, roots: Roots, session_id: str | None) -> Json:
    """Only of what ``has_place``. ``session_id``: LangSmith's id of the project, where it is known."""
    annotation = said.annotation
    source = annotation.source if annotation.source.get("protocol") == "langsmith" else {}
    run, trace = (None, None) if is_of_project(said) else _about(said, source, roots)
    told: Json = {
        "id": str(feedback_id(annotation)),
        "run_id": run,
        "trace_id": trace,
        "session_id": session_id,
        "key": annotation.name,
        **changes_of(annotation),
        "feedback_source": _source(annotation, source),
        "created_at": _time(annotation.created_ns),
        "modified_at": _time(annotation.updated_ns or annotation.created_ns),
        "extra": _extra(annotation),
        **{name: source[name] for name in _TOLD_AGAIN if source.get(name) is not None},
    }
    if said.span is not None and "start_time" not in told:
        told["start_time"] = time(said.span.start_ns // 1000)
    # Both have to be there, whatever they are.
    return {name: value for name, value in told.items() if value is not None or name in ("run_id", "trace_id")}


def changes_of(annotation: Annotation) -> Json:
    """What can be changed of a feedback that is there."""
    value = annotation.label if annotation.value is None else annotation.value
    correction = annotation.correction
    score = annotation.score
    return {
        "score": round(score, _DECIMALS) if isinstance(score, float) else score,
        "value": {"value": value} if isinstance(value, list) else value,
        "comment": annotation.explanation,
        "correction": correction if correction is None or isinstance(correction, str | dict) else {"value": correction},
    }


def was_changed(annotation: Annotation) -> bool:
    created, updated = annotation.created_ns, annotation.updated_ns
    return created is not None and updated is not None and updated > created


def _about(said: Said, source: Json, roots: Roots) -> tuple[str | None, str | None]:
    """The ids of run and trace."""
    target, span = said.annotation.target, said.span
    trace = target.trace_id or (span.trace_id if span is not None else None)
    if said.run_id is not None:
        run: UUID | None = UUID(bytes=said.run_id)
    elif span is not None:
        run = run_id(span, is_root=span.parent_span_id is None and roots.has(span))
    elif (known := uuid_bytes(source.get("run_id"))) is not None:
        run = UUID(bytes=known)
    else:
        run = UUID(bytes=trace) if trace is not None and target.span_id is None else None
    return str(run) if run else None, str(UUID(bytes=trace)) if trace else None


def _source(annotation: Annotation, source: Json) -> Json:
    told = source.get("feedback_source")
    if isinstance(told, dict) and isinstance(told.get("type"), str):
        return told
    about: Json = {"tracekit.annotator_kind": annotation.annotator_kind}
    if annotation.identifier:
        about["tracekit.identifier"] = annotation.identifier
    return {"type": SOURCES[annotation.annotator_kind], "metadata": about}


def _extra(annotation: Annotation) -> Json | None:
    position = annotation.target.document_position
    document = {} if position is None else {"document_position": position}
    return annotation.metadata | document or None


def _time(ns: int | None) -> str | None:
    return None if ns is None else time(min(max(ns, 0), 2**63 - 1) // 1000)
