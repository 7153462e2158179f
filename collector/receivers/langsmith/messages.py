"""What LangSmith's clients send, as changes of runs. Pure.

One run that cannot be read is left out and counted; the others of its request are stored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from collector.codec.runs import Attachment, ChangeKind, RunChange, uuid_bytes
from collector.processors.sanitize import clean
from collector.processors.values import INT64_MAX, shallow
from collector.receivers.langsmith.multipart import Part, boundary_of, parts_of
from collector.receivers.refusal import Refusal, malformed

#: Fields that come as parts of their own.
_FIELDS: Final = frozenset({"inputs", "outputs", "events", "extra", "error", "serialized"})
_MAX_REASONS: Final = 8
_MAX_NAME: Final = 256


@dataclass(slots=True)
class Received:
    """What one request brought. ``feedback`` are FeedbackCreate objects as they were sent. ``rejected`` runs or
    feedbacks could not be read, for ``reasons``."""

    changes: list[RunChange] = field(default_factory=list)
    feedback: list[dict[str, Any]] = field(default_factory=list)
    rejected: int = 0
    reasons: list[str] = field(default_factory=list)

    def reject(self, reason: str) -> None:
        self.rejected += 1
        if len(self.reasons) < _MAX_REASONS and reason not in self.reasons:
            self.reasons.append(reason)


@dataclass(slots=True)
class _Told:
    """One run in one request, as far as its parts have been read."""

    run_id: bytes
    kind: ChangeKind
    fields: dict[str, Any] | None = None
    others: dict[str, Any] = field(default_factory=dict)
    size: int = 0


def of_multipart(body: bytes, content_type: str) -> Received:
    """``POST /runs/multipart``. Raises ``Refusal`` where it is no multipart body or nothing in it can be read."""
    received = Received()
    told: dict[tuple[str, str], _Told] = {}
    attached: dict[bytes, list[Attachment]] = {}
    for part in parts_of(body, boundary_of(content_type)):
        kind, _, rest = part.name.partition(".")
        if kind == "feedback":
            _add_feedback(received, _value(part.data))
        elif kind == "attachment":
            _attach(received, attached, rest, part)
        elif kind in ("post", "patch"):
            _tell(received, told, kind, rest, part.data)
        else:
            received.reject(f"a part is called {part.name[:50]!r}")
    received.changes = list(_changes(received, told.values(), attached))
    return _checked(received)


def of_batch(body: bytes) -> Received:
    """``POST /runs/batch``: ``{"post": [run], "patch": [run]}``. Raises ``Refusal``."""
    document = _object(body)
    received = Received()
    for kind in ("post", "patch"):
        runs = document.get(kind) or []
        if not isinstance(runs, list):
            raise Refusal(422, 3, f"{kind} must be an array of runs")
        for run in runs:
            _add_run(received, kind, run, len(body) // len(runs))
    return _checked(received)


def of_run(body: bytes, kind: ChangeKind, run_id: str | None = None) -> Received:
    """``POST /runs`` and ``PATCH /runs/{run_id}``. Raises ``Refusal``."""
    run = _object(body)
    received = Received()
    _add_run(received, kind, run if run_id is None else run | {"id": run_id}, len(body))
    return _checked(received)


def _checked(received: Received) -> Received:
    if received.rejected and not received.changes and not received.feedback:
        raise Refusal(422, 3, "; ".join(received.reasons))
    return received


def _tell(received: Received, told: dict[tuple[str, str], _Told], kind: Any, rest: str, data: bytes) -> None:
    name, _, member = rest.partition(".")
    run = told.get((kind, name))
    if run is None:
        run_id = uuid_bytes(name)
        if run_id is None:
            received.reject(f"a run's id is {name[:50]!r}, which is no UUID")
            return
        run = told[kind, name] = _Told(run_id, kind)
    run.size += len(data)
    if member in _FIELDS:
        run.others[member] = _value(data)
    elif not member:
        value = _value(data)
        run.fields = value if isinstance(value, dict) else None


def _changes(received: Received, told: Any, attached: dict[bytes, list[Attachment]]) -> Iterator[RunChange]:
    for run in told:
        if run.fields is None:
            received.reject(f"the {run.kind} of a run is no JSON object")
            continue
        attachments = tuple(attached.pop(run.run_id, ()))
        yield RunChange(run.run_id, run.kind, run.fields | run.others, attachments, run.size)
    for run_id, alone in attached.items():
        yield RunChange(run_id, "post", {}, tuple(alone))


def _attach(received: Received, attached: dict[bytes, list[Attachment]], rest: str, part: Part) -> None:
    run, _, name = rest.partition(".")
    run_id, known = uuid_bytes(run), clean(name, _MAX_NAME)
    if run_id is None or known is None:
        received.reject("an attachment names no run")
        return
    mime_type = clean(part.content_type.partition(";")[0].strip(), _MAX_NAME) or "application/octet-stream"
    attached.setdefault(run_id, []).append(Attachment(known, mime_type, part.data))


def _add_feedback(received: Received, value: Any) -> None:
    if isinstance(value, dict):
        received.feedback.append(value)
    else:
        received.reject("a feedback is no JSON object")


def _add_run(received: Received, kind: Any, run: Any, size: int) -> None:
    run_id = uuid_bytes(run.get("id")) if isinstance(run, dict) else None
    if run_id is None:
        received.reject("a run has no id that is a UUID")
    else:
        received.changes.append(RunChange(run_id, kind, _plain(run), (), size))


def _plain(run: dict[str, Any]) -> dict[str, Any]:
    """Fields that nest deeper than serialisers write stay text."""
    return {name: value if shallow(value) else json.dumps(value) for name, value in run.items()}


def _object(body: bytes) -> dict[str, Any]:
    value = _loaded(body)
    if not isinstance(value, dict):
        raise malformed("the body must be a JSON object")
    return value


def _value(data: bytes) -> Any:
    """The JSON value; what is none, or nests too deep to be written again, as text."""
    try:
        value = _loaded(data)
    except Refusal:
        return data.decode("utf-8", "replace")
    if data.count(b"{") + data.count(b"[") > 64 and not shallow(value):
        return data.decode("utf-8", "replace")
    return value


def _loaded(data: bytes) -> Any:
    """Raises the 400 ``Refusal``. NaN is null; integers beyond 64 bits are floats; lone surrogates are replaced."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass
    try:
        value = json.loads(data.decode("utf-8", "replace"), parse_constant=lambda _: None, parse_int=_integer)
        return orjson.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise malformed("the body is not valid JSON") from None


def _integer(digits: str) -> int | float:
    value = float(digits)
    return int(digits) if abs(value) < INT64_MAX else value
