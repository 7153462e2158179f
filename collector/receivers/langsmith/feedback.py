"""LangSmith's feedback as annotations. Pure.

Feedback on a run is about that run's span, whether the trace is known or not; feedback on a session alone is about
the session of its UUID. Its id is the annotation's id and its identifier.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import orjson

from collector.annotations import (
    ANNOTATOR_KINDS,
    MAX_EXPLANATION,
    MAX_JSON_BYTES,
    MAX_LABEL,
    MAX_NAME,
    Annotation,
    AnnotatorKind,
    Target,
)
from collector.codec.runs import time_ns, uuid_bytes
from collector.processors.sanitize import clean

#: LangSmith's ``feedback_source.type`` to who says it.
KINDS: Final[dict[str, AnnotatorKind]] = {"api": "human", "app": "human", "model": "llm", "auto_eval": "llm"}
#: Kept as they came, and told again.
KEPT: Final = (
    "run_id", "trace_id", "session_id", "feedback_source", "feedback_config", "start_time",
    "comparative_experiment_id", "feedback_group_id", "error", "address",
)  # fmt: skip
_CHANGEABLE: Final = ("score", "value", "correction", "comment")


class FeedbackFault(ValueError):
    """What is wrong with it, in a line."""


def _annotator(source: Mapping[str, Any]) -> AnnotatorKind:
    """What another collector says of it, for LangSmith has no word for code; else what the source's type means."""
    about, kind = source.get("metadata"), source.get("type")
    told = about.get("tracekit.annotator_kind") if isinstance(about, dict) else None
    said: AnnotatorKind | None = next((one for one in ANNOTATOR_KINDS if one == told), None)
    return said or (KINDS.get(kind, "human") if isinstance(kind, str) else "human")


def feedback_annotation(body: Mapping[str, Any]) -> Annotation:
    """Of a FeedbackCreate object. Raises ``FeedbackFault``."""
    feedback_id = _uuid(body, "id")
    name = clean(body.get("key"), MAX_NAME)
    if not name:
        raise FeedbackFault("key: must be given")
    source = body.get("feedback_source")
    return Annotation(
        name=name,
        target=_target(body),
        annotator_kind=_annotator(source) if isinstance(source, dict) else "human",
        identifier=str(UUID(bytes=feedback_id)) if feedback_id else "",
        metadata=_object(body, "extra"),
        source={"protocol": "langsmith"} | {name: _json(body, name) for name in KEPT if body.get(name) is not None},
        id=feedback_id,
        created_ns=time_ns(body.get("created_at")),
        **changes_of({name: body.get(name) for name in _CHANGEABLE}),
    )


def changes_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an annotation that a PATCH sets; null clears. Raises ``FeedbackFault``."""
    changes: dict[str, Any] = {}
    if "score" in body:
        changes["score"] = _score(body["score"])
    if "value" in body:
        value = _json(body, "value")
        changes |= {"value": value, "label": clean(value, MAX_LABEL) if isinstance(value, str) else None}
    if "correction" in body:
        changes["correction"] = _json(body, "correction")
    if "comment" in body:
        comment = body["comment"]
        if comment is not None and not isinstance(comment, str):
            raise FeedbackFault("comment: must be a string")
        changes["explanation"] = clean(comment, MAX_EXPLANATION)
    return changes


def unknown_changes(body: Mapping[str, Any]) -> list[str]:
    return sorted(body.keys() - set(_CHANGEABLE))


def _target(body: Mapping[str, Any]) -> Target:
    run_id, trace_id, session_id = (_uuid(body, name) for name in ("run_id", "trace_id", "session_id"))
    if run_id is not None:
        return Target(trace_id, run_id[8:])
    if trace_id is not None:
        return Target(trace_id)
    if session_id is None:
        raise FeedbackFault("run_id, trace_id or session_id must be given")
    return Target(session_id=str(UUID(bytes=session_id)))


def _uuid(body: Mapping[str, Any], name: str) -> bytes | None:
    value = body.get(name)
    if value is None:
        return None
    found = uuid_bytes(value)
    if found is None:
        raise FeedbackFault(f"{name}: must be a UUID")
    return found


def _score(value: Any) -> float | bool | None:
    if value is None or isinstance(value, bool):
        return value
    if not isinstance(value, (int, float)):
        raise FeedbackFault("score: must be a number, true or false")
    try:
        score = float(value)
    except OverflowError:
        score = math.inf
    if not math.isfinite(score):
        raise FeedbackFault("score: must be a number, true or false")
    return score


def _object(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = _json(body, name)
    return value if isinstance(value, dict) else {}


def _json(body: Mapping[str, Any], name: str) -> Any:
    """The value as it came, which is bounded and can be written as JSON again."""
    value = body.get(name)
    try:
        size = len(orjson.dumps(value))
    except orjson.JSONEncodeError:
        raise FeedbackFault(f"{name}: cannot be stored as JSON") from None
    if size > MAX_JSON_BYTES:
        raise FeedbackFault(f"{name}: longer than {MAX_JSON_BYTES} bytes as JSON")
    return value
