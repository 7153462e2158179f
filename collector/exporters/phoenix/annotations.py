"""Annotations as Phoenix takes them. Pure.

A score of true or false becomes 1 or 0 with that for its label. What Phoenix has no field for (``value``,
``correction``, the sender's own) is in its metadata, under ``tracekit``. Annotations of documents have no identifier
there: it goes into their name, so that two statements stay two. ``note`` is Phoenix's name for remarks without score
and label, which only people make: other annotations of that name get another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from collector.annotations import Annotation
from collector.exporters.api import Said
from collector.exporters.attributes import clean, json_text
from collector.exporters.phoenix.spans import session_in

Kind = Literal["span", "document", "trace", "session"]

NOTE: Final = "note"
#: What an annotation is called that may not be called ``note``.
_NO_NOTE: Final = "note (annotation)"
#: Without one, every note that is sent again would be another.
_NOTE_IDENTIFIER: Final = "tracekit"


@dataclass(frozen=True, slots=True)
class Statement:
    """``subject``: the span's or trace's id in hex, or the session's; ``name`` and ``identifier`` as Phoenix has
    them, ``is_note`` for what goes where its notes go."""

    said: Said
    kind: Kind
    subject: str
    name: str
    identifier: str
    is_note: bool
    label: str | None
    score: float | None
    explanation: str | None

    def body(self) -> dict[str, Any]:
        """What its request has in ``data``."""
        named: dict[str, Any] = {f"{_id_of(self.kind)}": self.subject}
        if self.is_note:
            return named | {"note": self.explanation, "identifier": self.identifier}
        annotation = self.said.annotation
        if self.kind == "document":
            named["document_position"] = annotation.target.document_position
        return named | {
            "name": self.name,
            "annotator_kind": annotation.annotator_kind.upper(),
            "result": {"label": self.label, "score": self.score, "explanation": self.explanation},
            "metadata": _metadata(annotation),
            "identifier": self.identifier,
        }

    def is_told_by(self, found: dict[str, Any]) -> bool:
        """Whether an annotation that Phoenix shows is this one, as it is now."""
        result = found.get("result") or {}
        mine = (self.subject, self.name, self.identifier, self.label, self.score, self.explanation)
        told = tuple(result.get(name) for name in ("label", "score", "explanation"))
        return mine == (found.get(_id_of(self.kind)), found.get("name"), found.get("identifier"), *told)


def statement_of(said: Said, by_project: bool, span_id: bytes | None = None) -> Statement:
    """``span_id``: what the span is called there, where not by its own."""
    annotation, target = said.annotation, said.annotation.target
    kind: Kind = "trace"
    subject = target.trace_id.hex() if target.trace_id else ""
    if said.span is not None or target.span_id is not None:
        kind = "span" if target.document_position is None else "document"
        subject = (span_id or (said.span.span_id if said.span else target.span_id) or b"").hex()
    elif target.session_id is not None:
        kind = "session"
        subject = session_in(said.project, target.session_id) if by_project else target.session_id
    label, score = _label_and_score(annotation)
    name, identifier = clean(annotation.name), clean(annotation.identifier)
    explanation = None if annotation.explanation is None else clean(annotation.explanation)
    is_note = _is_note(annotation, kind)
    if is_note:
        identifier, explanation = identifier or _NOTE_IDENTIFIER, (explanation or "").strip()
    elif name == NOTE and kind != "document":
        name = _NO_NOTE
    if kind == "document" and identifier.strip():
        name, identifier = f"{name} ({identifier})", ""
    return Statement(said, kind, clean(subject), name, identifier, is_note, label, score, explanation)


def _id_of(kind: Kind) -> str:
    return "span_id" if kind == "document" else f"{kind}_id"


def _is_note(annotation: Annotation, kind: Kind) -> bool:
    told = annotation.score, annotation.label, annotation.value, annotation.correction
    return (
        annotation.name == NOTE
        and kind != "document"
        and annotation.annotator_kind == "human"
        and told == (None, None, None, None)
        and not annotation.metadata
        and bool(clean(annotation.explanation or "").strip())
    )


def _label_and_score(annotation: Annotation) -> tuple[str | None, float | None]:
    label, score, value = annotation.label, annotation.score, annotation.value
    if isinstance(score, bool):
        label = label if label is not None else str(score).lower()
    elif label is None and score is None and isinstance(value, str):
        label = value
    return None if label is None else clean(label), None if score is None else float(score)


def _metadata(annotation: Annotation) -> dict[str, Any]:
    beside = {
        name: value
        for name in ("value", "correction", "source")
        if (value := getattr(annotation, name)) not in (None, {})
    }
    if annotation.target.document_position is not None and annotation.identifier:
        beside["identifier"] = annotation.identifier
    return annotation.metadata | {"tracekit": beside} if beside else annotation.metadata


def body_of(statements: list[Statement]) -> bytes:
    """A request of annotations of one kind; of a single note where it is one."""
    data: Any = statements[0].body() if statements[0].is_note else [statement.body() for statement in statements]
    return json_text({"data": data}).encode()
