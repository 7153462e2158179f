"""Bodies about reviews as what the store takes. Pure. Whatever is wrong is named by JSON pointer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from collector.annotations import MAX_NAME
from collector.api.dataset_body import FaultyBody
from collector.api.params import MAX_TEXT, Faulty, identifier
from collector.api.values import time_of
from collector.filters.parse import parse
from collector.storage.api import TraceQuery
from collector.storage.reviews_api import ReviewQuery

NEXT_FIELDS: Final = ("name", "reviewer", "project", "filter", "from", "to", "each_reviewer")
SKIP_FIELDS: Final = ("trace_id", "name", "reviewer")


class _Fields:
    def __init__(self, body: dict[str, Any], known: tuple[str, ...]) -> None:
        told = f"there is no such field; there are {', '.join(known)}"
        self.faults = {_pointer(str(name)[:100]): told for name in body if name not in known}
        self._body = body

    def needed(self, name: str) -> str:
        found: str = self.take(name, lambda value: _text(value, MAX_NAME), "")
        if not found.strip():
            self.faults.setdefault(_pointer(name), "must be given")
        return found

    def take(self, name: str, read: Callable[[Any], Any], default: Any = None) -> Any:
        value = self._body.get(name)
        if value is None or value == "":
            return default
        try:
            return read(value)
        except Faulty as fault:
            self.faults[_pointer(name)] = fault.faults[name]
        except ValueError as fault:
            self.faults[_pointer(name)] = str(fault)
        return default

    def check(self) -> None:
        if self.faults:
            raise FaultyBody(self.faults)


def review_query(body: dict[str, Any], now_ns: int) -> ReviewQuery:
    """Raises ``FaultyBody``."""
    given = _Fields(body, NEXT_FIELDS)
    traces = TraceQuery(
        project=given.take("project", lambda value: _text(value, MAX_TEXT)),
        filter=given.take("filter", lambda value: parse(_text(value), "trace")),
        from_ns=given.take("from", lambda value: time_of(_text(value), now_ns)),
        to_ns=given.take("to", lambda value: time_of(_text(value), now_ns)),
    )
    each = given.take("each_reviewer", _flag, False)
    query = ReviewQuery(given.needed("name"), given.needed("reviewer"), traces, each)
    given.check()
    return query


def skipped(body: dict[str, Any]) -> tuple[bytes, str, str]:
    """(trace id, name, reviewer). Raises ``FaultyBody``."""
    given = _Fields(body, SKIP_FIELDS)
    trace_id: bytes = given.take("trace_id", lambda value: identifier("trace_id", _text(value), 16), b"")
    if not trace_id:
        given.faults.setdefault("/trace_id", "must be given")
    found = trace_id, given.needed("name"), given.needed("reviewer")
    given.check()
    return found


def _text(value: Any, longest: int | None = None) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string")
    if longest is not None and len(value) > longest:
        raise ValueError(f"longer than {longest} characters")
    if "\0" in value:
        raise ValueError("holds a NUL character")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _pointer(name: str) -> str:
    return f"/{name.replace('~', '~0').replace('/', '~1')}"
