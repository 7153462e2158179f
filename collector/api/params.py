"""Query parameters as queries of the store. Pure: the time comes in as an argument.

A parameter that is empty counts as not given; one that is unknown, given twice or cannot be read is a fault.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeVar, get_args

from collector.api.values import time_of
from collector.filters.parse import parse
from collector.storage.annotations_api import AnnotationQuery
from collector.storage.api import SortKey, TraceQuery, UsageQuery

T = TypeVar("T")

MAX_TEXT: Final = 1000
DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 500
MAX_GROUPS: Final = 6
STATUSES: Final = ("ok", "error", "unset")
SORTS: Final[dict[str, tuple[SortKey, bool]]] = {
    f"{sign}{key}": (key, descending) for key in get_args(SortKey) for sign, descending in (("-", True), ("", False))
}
GROUPS: Final = ("user_id", "session_id", "project", "model", "provider", "day", "hour")


class Faulty(ValueError):
    """``faults``: parameter name to what is wrong with it."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__("; ".join(faults.values()))
        self.faults = faults


class Parameters:
    """Takes parameters one by one and collects everything that is wrong with them."""

    def __init__(self, pairs: Iterable[tuple[str, str]], known: tuple[str, ...]) -> None:
        self.faults: dict[str, str] = {}
        self._given: dict[str, str] = {}
        for name, value in pairs:
            if name not in known:
                self.faults[name[:MAX_TEXT]] = f"there is no such parameter; there are {', '.join(known)}"
            elif value and name in self._given:
                self.faults[name] = "given more than once"
            elif value:
                self._given[name] = value

    def take(self, name: str, read: Callable[[str], T], default: T) -> T:
        value = self._given.get(name)
        if value is None:
            return default
        try:
            return read(value)
        except ValueError as fault:
            self.faults[name] = str(fault)
            return default

    def text(self, name: str) -> str | None:
        return self.take(name, _text, None)

    def time(self, name: str, now_ns: int) -> int | None:
        return self.take(name, lambda value: time_of(value, now_ns), None)

    def check(self) -> None:
        if self.faults:
            raise Faulty(self.faults)


LIST_PARAMETERS: Final = (
    "project", "session_id", "user_id", "from", "to", "status", "filter", "q", "sort", "limit", "cursor"
)  # fmt: skip
ANNOTATION_PARAMETERS: Final = ("trace_id", "span_id", "session_id", "name", "limit", "cursor")
USAGE_PARAMETERS: Final = ("project", "from", "to", "group_by")


def trace_query(pairs: Iterable[tuple[str, str]], now_ns: int) -> TraceQuery:
    """Raises ``Faulty``."""
    reader = Parameters(pairs, LIST_PARAMETERS)
    sort, descending = reader.take("sort", _sort, SORTS["-start_time"])
    query = TraceQuery(
        project=reader.text("project"),
        session_id=reader.text("session_id"),
        user_id=reader.text("user_id"),
        from_ns=reader.time("from", now_ns),
        to_ns=reader.time("to", now_ns),
        status=reader.take("status", _status, None),
        q=reader.text("q"),
        filter=reader.take("filter", lambda value: parse(value, "trace"), None),
        sort=sort,
        descending=descending,
        limit=reader.take("limit", limit, DEFAULT_LIMIT),
        cursor=reader.text("cursor"),
    )
    reader.check()
    return query


def usage_query(pairs: Iterable[tuple[str, str]], now_ns: int) -> UsageQuery:
    """Raises ``Faulty``."""
    reader = Parameters(pairs, USAGE_PARAMETERS)
    query = UsageQuery(
        project=reader.text("project"),
        from_ns=reader.time("from", now_ns),
        to_ns=reader.time("to", now_ns),
        group_by=reader.take("group_by", _groups, ()),
    )
    reader.check()
    return query


def annotation_query(pairs: Iterable[tuple[str, str]]) -> AnnotationQuery:
    """Raises ``Faulty``."""
    reader = Parameters(pairs, ANNOTATION_PARAMETERS)
    name = reader.text("name")
    query = AnnotationQuery(
        trace_id=reader.take("trace_id", lambda value: _identifier(value, 16), None),
        span_id=reader.take("span_id", lambda value: _identifier(value, 8), None),
        session_id=reader.text("session_id"),
        names=() if name is None else (name,),
        limit=reader.take("limit", limit, DEFAULT_LIMIT),
        cursor=reader.text("cursor"),
    )
    reader.check()
    return query


def wants_payload(pairs: Iterable[tuple[str, str]]) -> bool:
    """Raises ``Faulty``."""
    reader = Parameters(pairs, ("payload",))
    wanted = reader.take("payload", boolean, True)
    reader.check()
    return wanted


def no_parameters(pairs: Iterable[tuple[str, str]]) -> None:
    """Raises ``Faulty`` where there are any."""
    faults = {name[:MAX_TEXT]: "there are no parameters here" for name, _ in pairs}
    if faults:
        raise Faulty(faults)


_HEX: Final = re.compile(r"[0-9a-fA-F]+", re.ASCII)


def identifier(name: str, text: str, size: int) -> bytes:
    """``size`` bytes from twice as many hexadecimal digits. Raises ``Faulty``."""
    try:
        return _identifier(text, size)
    except ValueError as fault:
        raise Faulty({name: str(fault)}) from None


def _identifier(text: str, size: int) -> bytes:
    if len(text) != 2 * size or not _HEX.fullmatch(text):
        raise ValueError(f"must be {2 * size} hexadecimal digits")
    return bytes.fromhex(text)


def _text(value: str) -> str:
    if len(value) > MAX_TEXT:
        raise ValueError(f"longer than {MAX_TEXT} characters")
    if "\0" in value:
        raise ValueError("holds a NUL character")
    return value


def _status(value: str) -> str | None:
    if value not in STATUSES:
        raise ValueError(f"must be one of {', '.join(STATUSES)}")
    return value


def _sort(value: str) -> tuple[SortKey, bool]:
    if value not in SORTS:
        raise ValueError(f"must be one of {', '.join(SORTS)}")
    return SORTS[value]


def limit(value: str) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) < 10 and 1 <= int(value) <= MAX_LIMIT):
        raise ValueError(f"must be a whole number from 1 to {MAX_LIMIT}")
    return int(value)


def boolean(value: str) -> bool:
    if value not in ("true", "false"):
        raise ValueError("must be true or false")
    return value == "true"


def _groups(value: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in _text(value).split(","))
    if len(names) > MAX_GROUPS:
        raise ValueError(f"more than {MAX_GROUPS} names")
    if len(set(names)) < len(names):
        raise ValueError("names one thing twice")
    for name in names:
        if name not in GROUPS and not (name.startswith("tag:") and len(name) > len("tag:")):
            raise ValueError(f"each must be one of {', '.join(GROUPS)} or tag:NAME")
    return names
