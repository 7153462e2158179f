"""Annotations as LangSmith's feedback. Pure."""

from __future__ import annotations

import math
from typing import Any, Final
from uuid import UUID

from collector.annotations import Annotation, AnnotatorKind
from collector.api.values import timestamp
from collector.receivers.langsmith.feedback import KEPT

_TYPES: Final[dict[AnnotatorKind, str]] = {"human": "app", "code": "api", "llm": "model"}


def feedback(annotation: Annotation, run_id: bytes | None = None) -> dict[str, Any]:
    """As LangSmith tells it. ``run_id`` is the run of its target, where the annotation itself does not say it."""
    source, target = annotation.source, annotation.target
    of_langsmith = source.get("protocol") == "langsmith"
    known_run = run_id or (target.trace_id if target.span_id is None else None)
    trace = str(UUID(bytes=target.trace_id)) if target.trace_id else None
    told = {name: source.get(name) for name in KEPT if name not in ("feedback_config", "address")}
    return {
        **told,
        "id": str(UUID(bytes=annotation.id)),
        "created_at": timestamp(annotation.created_ns or 0),
        "modified_at": timestamp(annotation.updated_ns or 0),
        "run_id": source.get("run_id") or (str(UUID(bytes=known_run)) if known_run else None),
        "trace_id": source.get("trace_id") or trace,
        "session_id": source.get("session_id") if of_langsmith else None,
        "key": annotation.name,
        "score": annotation.score,
        "value": annotation.label if annotation.value is None else annotation.value,
        "comment": annotation.explanation,
        "correction": annotation.correction,
        "feedback_source": source.get("feedback_source") or {"type": _TYPES[annotation.annotator_kind], "metadata": {}},
        "extra": annotation.metadata or None,
    }


def stats(annotations: list[Annotation]) -> dict[str, dict[str, Any]]:
    """LangSmith's ``feedback_stats``: by key, how many, and their scores and values added up."""
    found: dict[str, list[Annotation]] = {}
    for annotation in annotations:
        found.setdefault(annotation.name, []).append(annotation)
    return {name: _stats(of_name) for name, of_name in sorted(found.items())}


def _stats(annotations: list[Annotation]) -> dict[str, Any]:
    scores = [float(item.score) for item in annotations if item.score is not None]
    average = math.fsum(scores) / len(scores) if scores else None
    values: dict[str, int] = {}
    for label in (item.label for item in annotations):
        if label is not None:
            values[label] = values.get(label, 0) + 1
    spread = None
    if average is not None and len(scores) > 1:
        spread = math.sqrt(math.fsum((score - average) ** 2 for score in scores) / (len(scores) - 1))
    return {
        "n": len(annotations),
        "avg": average,
        "stdev": spread,
        "min": min(scores, default=None),
        "max": max(scores, default=None),
        "errors": sum(bool(item.source.get("error")) for item in annotations),
        "values": values,
        "comments": [item.explanation for item in annotations if item.explanation][:10],
        "sources": sorted({feedback(item)["feedback_source"].get("type") or "api" for item in annotations}),
    }
