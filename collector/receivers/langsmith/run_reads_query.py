"""``POST /runs/query``, in both versions, as one question. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson

from collector.codec.runs import time_ns
from collector.receivers.langsmith import run_reads_filter
from collector.receivers.langsmith.faults import Fault
from collector.receivers.langsmith.parameters import MAX_TEXT, MAX_VALUES, uuid
from collector.receivers.langsmith.run_reads_filter import FilterFault, Node, Search
from collector.storage import keyset
from collector.storage.api import BadCursor
from collector.storage.runs_api import RunQuery

PAGE_V1: Final = 100
PAGE_V2: Final = 1_000
DAY_NS: Final = 86_400 * 10**9
_V1: Final = frozenset({
    "session", "session_id", "id", "run_type", "trace", "trace_id", "parent_run", "reference_example", "is_root",
    "error", "start_time", "end_time", "query", "filter", "trace_filter", "tree_filter", "select", "limit", "order",
    "cursor", "skip_pagination",
})  # fmt: skip
_V2: Final = frozenset({
    "project_ids", "ids", "run_type", "trace_id", "reference_examples", "is_root", "has_error", "min_start_time",
    "max_start_time", "filter", "trace_filter", "tree_filter", "selects", "page_size", "cursor",
    "include_subtree_usage",
})  # fmt: skip
#: What pages differ in and their question does not.
_NOT_ASKED: Final = ("cursor", "limit", "page_size", "select", "selects", "skip_pagination")


@dataclass(frozen=True, slots=True)
class Asked:
    """``query`` is what the store can find by; ``filters`` hold for the run, ``of_trace`` for its trace's root, and
    ``of_tree`` for any run of its trace. ``projects`` are ids, None for all. ``mark`` is the question's."""

    query: RunQuery
    projects: tuple[bytes, ...] | None
    filters: tuple[Node, ...]
    of_trace: Node | None
    of_tree: Node | None
    ended_by_ns: int | None
    selects: frozenset[str] | None
    mark: int
    subtree: bool = field(default=True)

    @property
    def is_plain(self) -> bool:
        """Whether the store's answer is the whole answer."""
        return not (self.filters or self.of_trace or self.of_tree or self.ended_by_ns is not None)


def of_v1(body: Mapping[str, Any]) -> Asked:
    """Raises ``Fault``."""
    given = _Body(body, _V1)
    order = body.get("order") or "desc"
    if order not in ("asc", "desc"):
        raise Fault(422, "order: must be asc or desc")
    query = RunQuery(
        run_ids=given.uuids("id"),
        trace_id=given.uuid("trace") or given.uuid("trace_id"),
        parent_run_id=given.uuid("parent_run"),
        is_root=given.flag("is_root"),
        run_type=given.lower("run_type"),
        error=given.flag("error"),
        reference_example_ids=given.uuids("reference_example"),
        from_ns=given.time("start_time"),
        descending=order == "desc",
        limit=min(given.whole("limit", PAGE_V1), PAGE_V1),
    )
    projects = given.uuids("session")
    return given.asked(query, projects if projects is not None else given.uuids("session_id"), "select", "end_time")


def of_v2(body: Mapping[str, Any], now_ns: int) -> Asked:
    """Without ``min_start_time`` the last day. Raises ``Fault``."""
    given = _Body(body, _V2)
    limit = given.whole("page_size", PAGE_V1)
    if not 1 <= limit <= PAGE_V2:
        raise Fault(422, f"page_size: must be a whole number from 1 to {PAGE_V2}")
    latest = given.time("max_start_time")
    query = RunQuery(
        run_ids=given.uuids("ids"),
        trace_id=given.uuid("trace_id"),
        is_root=given.flag("is_root"),
        run_type=given.lower("run_type"),
        error=given.flag("has_error"),
        reference_example_ids=given.uuids("reference_examples"),
        from_ns=given.time("min_start_time") if body.get("min_start_time") is not None else now_ns - DAY_NS,
        to_ns=None if latest is None else latest + 1,
        limit=limit,
    )
    projects = given.uuids("project_ids")
    if projects is None:
        raise Fault(422, "project_ids: must be given")
    asked = given.asked(query, projects, "selects", None)
    return replace(asked, subtree=bool(given.flag("include_subtree_usage")), selects=asked.selects or frozenset({"ID"}))


class _Body:
    def __init__(self, body: Mapping[str, Any], known: frozenset[str]) -> None:
        self._body = body
        for name in body:
            if name not in known and body[name] is not None:
                raise Fault(422, f"{name[:100]}: is not supported; there are {', '.join(sorted(known))}")

    def asked(self, query: RunQuery, projects: tuple[bytes, ...] | None, selects: str, ended_by: str | None) -> Asked:
        asked = {name: value for name, value in self._body.items() if name not in _NOT_ASKED}
        mark = keyset.mark(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS))
        text = self._text("query") if "query" in self._body else None
        filters = [self._filter("filter"), Search(text) if text else None]
        try:
            after = keyset.decode(mark, self._text("cursor"))
        except BadCursor as fault:
            raise Fault(422, f"cursor: {fault}") from None
        return Asked(
            replace(query, after=after),
            projects,
            tuple(node for node in filters if node is not None),
            self._filter("trace_filter"),
            self._filter("tree_filter"),
            self.time(ended_by) if ended_by else None,
            self._selects(selects),
            mark,
        )

    def uuid(self, name: str) -> bytes | None:
        value = self._body.get(name)
        return None if value is None else uuid(value, name)

    def uuids(self, name: str) -> tuple[bytes, ...] | None:
        """Of a list, or of one by itself."""
        value = self._body.get(name)
        if value is None:
            return None
        values = value if isinstance(value, list) else [value]
        if len(values) > MAX_VALUES:
            raise Fault(422, f"{name}: more than {MAX_VALUES} values")
        return tuple(uuid(item, name) for item in values)

    def flag(self, name: str) -> bool | None:
        value = self._body.get(name)
        if value is None:
            return None
        if value not in (True, False):
            raise Fault(422, f"{name}: must be true or false")
        return bool(value)

    def whole(self, name: str, default: int) -> int:
        value = self._body.get(name, default)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise Fault(422, f"{name}: must be a whole number from 1")
        return value

    def lower(self, name: str) -> str | None:
        value = self._text(name)
        return None if value is None else value.lower()

    def time(self, name: str) -> int | None:
        value = self._body.get(name)
        if value is None:
            return None
        found = time_ns(value)
        if found is None:
            raise Fault(422, f"{name}: must be an ISO 8601 time")
        return found

    def _text(self, name: str) -> str | None:
        value = self._body.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or len(value) > MAX_TEXT or "\0" in value:
            raise Fault(422, f"{name}: must be a text of at most {MAX_TEXT} characters")
        return value

    def _filter(self, name: str) -> Node | None:
        value = self._body.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise Fault(422, f"{name}: must be a text")
        try:
            return run_reads_filter.parse(value)
        except FilterFault as fault:
            raise Fault(400, f"{name}: {fault}") from None

    def _selects(self, name: str) -> frozenset[str] | None:
        value = self._body.get(name)
        return None if value is None else selected(value, name)


def selected(value: Sequence[Any], name: str) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value) or len(value) > MAX_TEXT:
        raise Fault(422, f"{name}: must be a list of names")
    return frozenset(value)
