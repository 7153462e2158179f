"""The body of ``POST /api/v1/annotations`` as annotations. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar, get_args

import orjson

from collector.annotations import (
    ANNOTATOR_KINDS,
    MAX_EXPLANATION,
    MAX_JSON_BYTES,
    MAX_LABEL,
    MAX_NAME,
    MAX_SESSION,
    SAID,
    Annotation,
    AnnotatorKind,
    Target,
)
from collector.api.values import MAX_DEPTH

T = TypeVar("T")

MAX_ANNOTATIONS: Final = 1_000
MAX_POSITION: Final = 2**31 - 1

TARGET_FIELDS: Final = ("trace_id", "span_id", "session_id", "document_position")
FIELDS: Final = (
    "name", "target", "annotator_kind", "label", "score", "explanation", "identifier", "metadata", "value", "correction"
)  # fmt: skip
_HEX: Final = re.compile(r"[0-9a-fA-F]+", re.ASCII)


class FaultyBody(ValueError):
    """``faults``: JSON pointer into the body to what is wrong there."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{pointer or 'the body'}: {detail}" for pointer, detail in faults.items()))
        self.faults = faults


def annotations_of(body: bytes) -> list[Annotation]:
    """One object, or an array of them. Raises ``FaultyBody`` with everything that is wrong."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise FaultyBody({"": f"not valid JSON: {error}"}) from None
    items, prefix = (document, "/{}") if isinstance(document, list) else ([document], "")
    if not 0 < len(items) <= MAX_ANNOTATIONS:
        raise FaultyBody({"": f"an array has 1 to {MAX_ANNOTATIONS} annotations"})
    readers = [_Object(item, prefix.format(number)) for number, item in enumerate(items)]
    found = [_annotation(reader) for reader in readers]
    faults = {pointer: detail for reader in readers for pointer, detail in reader.faults.items()}
    if faults:
        raise FaultyBody(dict(list(faults.items())[:MAX_ANNOTATIONS]))
    return found


class _Object:
    """A JSON object read field by field; what is wrong is collected."""

    def __init__(self, value: Any, at: str, faults: dict[str, str] | None = None) -> None:
        self.at = at
        self.faults: dict[str, str] = {} if faults is None else faults
        self.is_object = isinstance(value, dict)
        self.values: dict[str, Any] = value if isinstance(value, dict) else {}
        if not self.is_object:
            self.fault("", "must be an object")

    def fault(self, name: str, detail: str) -> None:
        self.faults[f"{self.at}/{_escaped(name)}" if name else self.at] = detail

    def known(self, names: tuple[str, ...]) -> None:
        for name in self.values:
            if name not in names:
                self.fault(name[:MAX_NAME], f"there is no such field; there are {', '.join(names)}")

    def text(self, name: str, longest: int, default: str | None = None) -> str | None:
        value = self.values.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            self.fault(name, "must be a string")
        elif len(value) > longest:
            self.fault(name, f"longer than {longest} characters")
        elif "\0" in value:
            self.fault(name, "holds a NUL character")
        else:
            return value
        return default

    def json(self, name: str) -> Any:
        value = self.values.get(name)
        if _depth(value) > MAX_DEPTH:
            self.fault(name, f"nested deeper than {MAX_DEPTH}")
        elif value is not None and len(orjson.dumps(value)) > MAX_JSON_BYTES:
            self.fault(name, f"longer than {MAX_JSON_BYTES} bytes as JSON")
        else:
            return value
        return None

    def identifier(self, name: str, size: int) -> bytes | None:
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or len(value) != 2 * size or not _HEX.fullmatch(value):
            self.fault(name, f"must be {2 * size} hexadecimal digits")
            return None
        return bytes.fromhex(value)


def _annotation(given: _Object) -> Annotation:
    name = given.text("name", MAX_NAME) or ""
    if given.is_object and not name.strip():
        given.faults.setdefault(f"{given.at}/name", "must be given")
    given.known(FIELDS)
    annotation = Annotation(
        name=name,
        target=_target(given),
        annotator_kind=_kind(given),
        identifier=given.text("identifier", MAX_NAME, "") or "",
        score=_score(given),
        label=given.text("label", MAX_LABEL),
        value=given.json("value"),
        correction=given.json("correction"),
        explanation=given.text("explanation", MAX_EXPLANATION),
        metadata=_metadata(given),
    )
    if given.is_object and all(given.values.get(field) is None for field in SAID):
        given.fault("", f"says nothing: give one of {', '.join(SAID)}")
    return annotation


def _target(given: _Object) -> Target:
    if given.values.get("target") is None:
        if given.is_object:
            given.fault("target", "must be given")
        return Target()
    inner = _Object(given.values["target"], f"{given.at}/target", given.faults)
    inner.known(TARGET_FIELDS)
    target = Target(
        inner.identifier("trace_id", 16),
        inner.identifier("span_id", 8),
        inner.text("session_id", MAX_SESSION),
        _position(inner),
    )
    has = {name for name in TARGET_FIELDS if inner.values.get(name) is not None}
    if not has & {"trace_id", "session_id", "span_id"}:
        inner.faults.setdefault(inner.at, "names nothing: give trace_id or session_id")
    if "span_id" in has and "trace_id" not in has:
        inner.fault("trace_id", "must be given with span_id")
    if "document_position" in has and "span_id" not in has:
        inner.fault("span_id", "must be given with document_position")
    return target


def _kind(given: _Object) -> AnnotatorKind:
    value = given.values.get("annotator_kind", "human")
    for kind in get_args(AnnotatorKind):
        if value == kind:
            found: AnnotatorKind = kind
            return found
    given.fault("annotator_kind", f"must be one of {', '.join(ANNOTATOR_KINDS)}")
    return "human"


def _score(given: _Object) -> float | bool | None:
    value = given.values.get("score")
    if value is None or isinstance(value, bool):
        return value
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        given.fault("score", "must be a number, true or false")
        return None
    return float(value)


def _position(given: _Object) -> int | None:
    value = given.values.get("document_position")
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_POSITION:
        given.fault("document_position", f"must be a whole number from 0 to {MAX_POSITION}")
        return None
    return value


def _metadata(given: _Object) -> dict[str, Any]:
    value = given.json("metadata")
    if value is not None and not isinstance(value, dict):
        given.fault("metadata", "must be an object")
    return value if isinstance(value, dict) else {}


def _depth(value: Any) -> int:
    """How deep it is nested, as far as it matters."""
    depth, level = 0, [value]
    while level and depth <= MAX_DEPTH:
        level = [
            inner
            for item in level
            if isinstance(item, (dict, list))
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
        depth += bool(level)
    return depth


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
