"""LangSmith's runs: what a client says of one in pieces, and how the pieces become one document. Pure.

A run is told in a ``post`` (who it is, its inputs) and in any number of ``patch``es (outputs, end, error), in any
order, in one request or in several, and some of them more than once. A document is what they say together, in the
client's own names (``inputs``, ``outputs``, ``extra``, ``dotted_order`` ...), without ``null`` anywhere at its top.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

ChangeKind = Literal["post", "patch"]
RunStatus = Literal["pending", "success", "error"]
Document = dict[str, Any]

#: Where a document keeps which patch each of its fields is from; taken off before a document is shown.
RANKS: Final = "__ranks__"
#: What ``POST /runs`` sends beside the run and no reader of a run may get.
_NOT_OF_A_RUN: Final = frozenset({"attachments", RANKS})
#: Fields whose entries are told apart: a patch that says one thing more does not undo the others.
_MERGED: Final = ("extra", "extra.metadata")
DEFAULT_PROJECT: Final = "default"
_MAX_TYPE: Final = 64
_MAX_DEPTH: Final = 1_000
#: Entries of a document, and of what is merged in it; more are left out.
MAX_ENTRIES: Final = 1_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Attachment:
    name: str
    mime_type: str
    data: bytes


@dataclass(slots=True)
class RunHead:
    """A run as its document says it, with the facts that it is found by.

    ``trace_id`` is the UUID's 16 bytes: a run of which no trace is known yet is its own. The span of a run is
    (``trace_id``, ``span_id``), where ``span_id`` is the last 8 bytes of ``run_id``: of UUIDs made in a row the first
    ones are the same. ``end_ns`` is None while the run is pending.
    """

    run_id: bytes
    trace_id: bytes
    parent_run_id: bytes | None
    project: str
    name: str
    run_type: str
    start_ns: int
    end_ns: int | None
    status: RunStatus
    reference_example_id: bytes | None
    document: Document
    #: the collectors that the latest change came through (``collector.via``)
    via: str | None = None

    @property
    def span_id(self) -> bytes:
        return self.run_id[8:]

    @property
    def is_root(self) -> bool:
        return self.parent_run_id is None


@dataclass(frozen=True, slots=True)
class RunChange:
    """What one message says of a run. ``run_id`` is a UUID's 16 bytes; ``fields`` are JSON values by LangSmith's
    names; ``size`` is roughly how many bytes they were."""

    run_id: bytes
    kind: ChangeKind
    fields: Document = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    size: int = 0
    via: str | None = None


def merged(document: Document | None, changes: Iterable[RunChange]) -> Document:
    """The document with the changes in it; a new one, the given one is left alone.

    A patch overwrites a post, a patch with a later ``end_time`` one with an earlier, and of equals the one that comes
    later, whatever the order they come in. Null and empty values never overwrite; ``extra`` and ``extra.metadata``
    are merged entry by entry.
    """
    result = dict(document or {})
    ranks = _ranks_of(result)
    for change in changes:
        rank = _rank(change)
        for name, value in change.fields.items():
            if name not in _NOT_OF_A_RUN:
                _set(result, ranks, name, name, value, rank)
    _keep_ranks(result, ranks)
    return result


def head_of(run_id: bytes, document: Document) -> RunHead:
    """The facts of a document. What it does not say is taken from its ``dotted_order`` or from its id."""
    path = _path(document.get("dotted_order"))
    said = uuid_bytes(document.get("parent_run_id"))
    parent = said or (path[-2][1] if len(path) > 1 else None)
    start = time_ns(document.get("start_time")) or (path[-1][0] if path else None) or _time_of_uuid(run_id)
    end = time_ns(document.get("end_time"))
    error = document.get("error")
    return RunHead(
        run_id,
        uuid_bytes(document.get("trace_id")) or (path[0][1] if path else run_id),
        None if parent == run_id else parent,
        _text(document.get("session_name")) or DEFAULT_PROJECT,
        _text(document.get("name")) or "run",
        (_text(document.get("run_type")) or "chain")[:_MAX_TYPE].replace("\0", "").lower(),
        start if start is not None else end or 0,
        end,
        "error" if error else "pending" if end is None else "success",
        uuid_bytes(document.get("reference_example_id")),
        document,
    )


def shown(document: Mapping[str, Any]) -> Document:
    """The document as its client wrote it."""
    return {name: value for name, value in document.items() if name != RANKS}


def time_ns(value: Any) -> int | None:
    """An ISO 8601 time (UTC where it does not say) or milliseconds as nanoseconds since the epoch."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return int(value * 1_000_000) if 0 <= value < 2**43 else None
    if not isinstance(value, str) or not 10 <= len(value) <= 40:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    ns = (found - _EPOCH) // _MICROSECOND * 1000
    return ns if 0 <= ns < 2**63 else None


def uuid_bytes(value: Any) -> bytes | None:
    """The 16 bytes of a UUID in text; None for anything else."""
    if not isinstance(value, str) or len(value) not in (32, 36):
        return None
    try:
        return UUID(value).bytes
    except ValueError:
        return None


def _path(dotted_order: Any) -> list[tuple[int | None, bytes]]:
    """(start, run id) of every run from the root down, of ``20260102T030405678901Z{uuid}.20260102...``."""
    found = []
    for part in dotted_order.split(".")[:_MAX_DEPTH] if isinstance(dotted_order, str) else ():
        time, separator, name = part.partition("Z")
        run_id = uuid_bytes(name)
        if not separator or run_id is None:
            return []
        found.append((_compact_time_ns(time), run_id))
    return found


def _compact_time_ns(value: str) -> int | None:
    try:
        return time_ns(datetime.strptime(value, "%Y%m%dT%H%M%S%f").isoformat())
    except ValueError:
        return None


def _time_of_uuid(run_id: bytes) -> int | None:
    """A version 7 UUID begins with its milliseconds."""
    return int.from_bytes(run_id[:6], "big") * 1_000_000 if run_id[6] >> 4 == 7 else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _rank(change: RunChange) -> int:
    """0 for a post; patches by the end they know of."""
    if change.kind == "post":
        return 0
    return 1 + (time_ns(change.fields.get("end_time")) or 0)


def _ranks_of(document: Document) -> dict[str, int]:
    kept = document.pop(RANKS, {})
    usual = kept.get("", 0)
    return {path: kept.get(path, usual) for path in _paths(document)}


def _keep_ranks(document: Document, ranks: Mapping[str, int]) -> None:
    """Those that differ from the one that most fields have, which stands under the empty name."""
    every = {path: ranks.get(path, 0) for path in _paths(document)}
    counts = Counter(every.values())
    usual = max(counts, key=lambda rank: (counts[rank], rank), default=0)
    kept = {path: rank for path, rank in every.items() if rank != usual}
    if usual:
        kept[""] = usual
    if kept:
        document[RANKS] = kept


def _paths(document: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in document.items():
        path = f"{prefix}{name}"
        if path in _MERGED and isinstance(value, dict):
            yield from _paths(value, f"{path}.")
        else:
            yield path


def _set(target: Document, ranks: dict[str, int], name: str, path: str, value: Any, rank: int) -> None:
    if value is None or (name not in target and len(target) >= MAX_ENTRIES):
        return
    if path in _MERGED and isinstance(value, dict):
        known = target.get(name)
        inner = dict(known) if isinstance(known, dict) else {}
        for key, item in value.items():
            _set(inner, ranks, key, f"{path}.{key}", item, rank)
        target[name] = inner
        return
    if name in target and (_is_empty(value) or rank < ranks.get(path, 0)) and not _is_empty(target[name]):
        return
    if _is_empty(value):
        target.setdefault(name, value)
        return
    target[name] = value
    ranks[path] = rank


def _is_empty(value: Any) -> bool:
    return value.__class__ in (dict, list, str) and not value
