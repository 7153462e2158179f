"""What people, programs and models say about a trace, a span, a document of a span or a session. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Final, Literal

AnnotatorKind = Literal["human", "code", "llm"]
DataType = Literal["numeric", "boolean", "categorical", "text"]

ANNOTATOR_KINDS: Final[tuple[AnnotatorKind, ...]] = ("human", "code", "llm")
DATA_TYPES: Final[tuple[DataType, ...]] = ("numeric", "boolean", "categorical", "text")


@dataclass(slots=True, frozen=True)
class Target:
    """What an annotation is about. ``span_id`` alone names a span whose trace the sender did not know; ``session_id``
    alone a whole session; ``document_position`` a retrieved document of the span, counted from 0."""

    trace_id: bytes | None = None
    span_id: bytes | None = None
    session_id: str | None = None
    document_position: int | None = None


@dataclass(slots=True)
class Annotation:
    """One statement. ``score`` is a number, or true or false; ``value`` and ``correction`` are any JSON value;
    ``identifier`` tells statements of one name about one target apart; ``source`` keeps what a foreign protocol says
    beyond these fields. ``id`` is None until it is stored, unless the sender chose one. ``updated_ns`` is the store's.
    """

    name: str
    target: Target
    annotator_kind: AnnotatorKind = "human"
    identifier: str = ""
    score: float | bool | None = None
    label: str | None = None
    value: Any = None
    correction: Any = None
    explanation: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    source: dict[str, Any] = field(default_factory=dict)
    id: bytes | None = None
    created_ns: int | None = None
    updated_ns: int | None = None


#: Characters, and bytes of JSON, that one may have.
MAX_NAME: Final = 200
MAX_LABEL: Final = 1_000
MAX_SESSION: Final = 1_000
MAX_EXPLANATION: Final = 65_536
MAX_JSON_BYTES: Final = 64 * 1024

#: What of an annotation can be changed by itself.
SAID: Final = ("score", "label", "value", "correction", "explanation")


def data_type(annotation: Annotation) -> DataType | None:
    """How it is to be added up: by its score, else its label, else not at all."""
    if isinstance(annotation.score, bool):
        return "boolean"
    if annotation.score is not None:
        return "numeric"
    if annotation.label is not None:
        return "categorical"
    return None if annotation.explanation is None else "text"


def key_of(annotation: Annotation) -> bytes:
    """16 bytes that are the same for the same target, name and identifier, and for nothing else."""
    target = annotation.target
    parts = [
        target.trace_id.hex() if target.trace_id else None,
        target.span_id.hex() if target.span_id else None,
        target.session_id,
        target.document_position,
        annotation.name,
        annotation.identifier,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).digest()[:16]


def id_of(key: bytes) -> bytes:
    """The id of an annotation whose sender chose none: a UUID of version 8 made of its key."""
    number = int.from_bytes(key, "big") & ~(0xF << 76 | 0x3 << 62) | 0x8 << 76 | 0x2 << 62
    return number.to_bytes(16, "big")
