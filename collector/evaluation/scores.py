"""What an evaluator said as annotations: checked, bounded, and with where it comes from. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from collector.annotations import MAX_EXPLANATION, MAX_JSON_BYTES, MAX_LABEL, MAX_NAME, Annotation, Target
from collector.evaluation.rules import Rule, Subject
from collector.evaluation.subjects import Prepared
from tracekit.evals.api import AnnotatorKind, Score

#: Scores of one evaluation at most.
MOST_SCORES: Final = 600


def annotations_of(
    rule: Rule,
    subject: Subject,
    prepared: Prepared,
    scores: Sequence[Score],
    kind: AnnotatorKind,
    about: Mapping[str, Any],
) -> tuple[Annotation, ...]:
    """``about`` goes into the metadata of each. Raises ``ValueError`` for what is no score."""
    if len(scores) > MOST_SCORES:
        raise ValueError(f"the evaluator gave {len(scores)} scores, more than {MOST_SCORES}")
    found = [_annotation(rule, subject, prepared, score, kind, about) for score in scores]
    keys = [(one.name, one.target) for one in found]
    if len(set(keys)) < len(keys):
        raise ValueError("the evaluator gave two scores of one name about one thing")
    return tuple(found)


def _annotation(
    rule: Rule, subject: Subject, prepared: Prepared, score: Score, kind: AnnotatorKind, about: Mapping[str, Any]
) -> Annotation:
    if not isinstance(score, Score):
        raise ValueError(f"the evaluator gave no Score but {type(score).__name__}")
    name = _text(score.name, MAX_NAME)
    if not name:
        raise ValueError("the evaluator gave a score without a name")
    value = score.score
    if value is not None and not isinstance(value, bool):
        value = float(value)
        if not math.isfinite(value):
            raise ValueError(f"the score {name} is {value}: no number")
    label, explanation = _text(score.label, MAX_LABEL), _text(score.explanation, MAX_EXPLANATION)
    if value is None and label is None and explanation is None:
        raise ValueError(f"the evaluator said nothing about {name}")
    return Annotation(
        name=name,
        target=_target(subject, prepared, score.document_position),
        annotator_kind=kind,
        identifier=rule.identifier,
        score=value,
        label=label,
        explanation=explanation,
        metadata=_metadata(score.metadata, about),
    )


def _target(subject: Subject, prepared: Prepared, position: int | None) -> Target:
    if position is None:
        return Target(subject.trace_id, subject.span_id, subject.session_id)
    if not 0 <= position < len(prepared.places):
        raise ValueError(f"there is no document {position}")
    trace_id, span_id, rank = prepared.places[position]
    if subject.session_id is not None:
        raise ValueError("what is said of a session's document would not go with the session")
    return Target(trace_id, span_id, None, rank)


def _metadata(said: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Any]:
    """What the evaluator says beyond its score, as JSON that fits; ``about`` always."""
    try:
        encoded = orjson.dumps(dict(said), default=str, option=orjson.OPT_NON_STR_KEYS)
    except (TypeError, ValueError, RecursionError):
        return dict(about)
    if len(encoded) > MAX_JSON_BYTES // 2:
        return {"left_out": f"{len(encoded)} bytes of metadata", **about}
    return {**orjson.loads(encoded), **about}


def _text(value: str | None, most: int) -> str | None:
    """PostgreSQL's texts hold no NUL, UTF-8 no lone surrogates."""
    if value is None:
        return None
    return str(value)[:most].replace("\0", "").encode("utf-8", "replace").decode() or None
