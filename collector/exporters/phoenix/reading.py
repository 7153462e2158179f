"""What Phoenix has: reading back by ids.

Within a project by the query that Phoenix's own client uses (``get_spans_dataframe``), which answers with ids alone,
some thirty times less than its spans, and takes any project's name. Over all projects by GraphQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import orjson

from collector.exporters.api import Away, Failed
from collector.exporters.http import Answer, Http, checked, shown

JSON: Final = {"Content-Type": "application/json", "Accept": "application/json"}
#: Span ids in one question (700 take Phoenix 70 ms), and what its answer has at most.
_MOST_IDS: Final = 500
_MOST_BYTES: Final = 64 * 1024 * 1024
#: Phoenix refuses more fields in one GraphQL question.
_MOST_FIELDS: Final = 50
#: What gateways answer that let through what programs need, and not what pages need.
_CLOSED: Final = (400, 403, 404, 405)
_FIELDS: Final = {
    "span": "getSpanByOtelId(spanId: %s) { trace { traceId } project { id name } }",
    "trace": "getTraceByOtelId(traceId: %s) { project { id name } }",
    "session": "getProjectSessionById(sessionId: %s) { project { id name } }",
    "project": "getProjectByName(name: %s) { id name }",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is: ``project_id`` is Phoenix's, for its paths. ``trace_id`` of spans alone, in hex."""

    project: str
    project_id: str
    trace_id: str | None = None


class Reader:
    def __init__(self, http: Http, base: str) -> None:
        self._http = http
        self._base = base

    async def traces_of(self, project: str, span_ids: Iterable[str]) -> dict[str, str]:
        """The trace id of each of the spans that the project has, all in hex; nothing for an unknown project."""
        found: dict[str, str] = {}
        for some in _chunks(sorted(set(span_ids)), _MOST_IDS):
            found |= await self._traces_of(project, some)
        return found

    async def _traces_of(self, project: str, span_ids: Sequence[str]) -> dict[str, str]:
        query = {
            "select": {"span_id": {"key": "span_id"}, "trace_id": {"key": "trace_id"}},
            "filter": {"condition": f"span_id in {list(span_ids)!r}"},
        }
        answer = await self._http.request(
            "POST",
            f"{self._base}/v1/spans",
            params={"project_name": project},
            body=orjson.dumps({"queries": [query], "limit": len(span_ids)}),
            headers=JSON,
            most=_MOST_BYTES,
        )
        if answer.status == 404:  # a project that Phoenix has not seen yet
            return {}
        return _table(checked(answer))

    async def places(self, kind: str, ids: Iterable[str]) -> dict[str, Place]:
        """Where spans or traces (hex), sessions or projects (names) are, whatever their project; nothing for those
        that are nowhere, and nothing at all where GraphQL is not let through."""
        found: dict[str, Place] = {}
        for some in _chunks(sorted(set(ids)), _MOST_FIELDS):
            field = _FIELDS[kind]
            lines = [f"f{number}: {field % orjson.dumps(name).decode()}" for number, name in enumerate(some)]
            body = orjson.dumps({"query": "{ " + "\n".join(lines) + " }"})
            url = f"{self._base}/graphql"
            answer = await self._http.request("POST", url, body=body, headers=JSON, most=_MOST_BYTES)
            if answer.status in _CLOSED:
                return found
            told = checked(answer).json()
            data = told.get("data") if isinstance(told, dict) else None
            for number, name in enumerate(some):
                place = _place(kind, data.get(f"f{number}") if isinstance(data, dict) else None)
                if place is not None:
                    found[name] = place
        return found

    async def annotations(self, kind: str, project_id: str, ids: Iterable[str]) -> list[dict[str, Any]]:
        """Those of spans, traces (hex) or sessions of a project; ``project_id``: its id, or its name (``path_of``)."""
        found: list[dict[str, Any]] = []
        # Sessions' ids are as long as their senders like, and all of it has to fit into one request line.
        for some in _chunks(sorted(set(ids)), 20 if kind == "session" else 100):
            cursor: str | None = None
            while True:
                params = [(f"{kind}_ids", name) for name in some] + [("limit", "1000")]
                answer = await self._http.request(
                    "GET",
                    f"{self._base}/v1/projects/{path_of(project_id)}/{kind}_annotations",
                    params=params + ([("cursor", cursor)] if cursor else []),
                    most=_MOST_BYTES,
                )
                if answer.status == 404:
                    break
                page = checked(answer).json()
                found += page["data"]
                cursor = page.get("next_cursor")
                if not cursor:
                    break
        return found


def taken(answer: Answer) -> Answer:
    """``checked``, for what changes something: 507 is a full disk of Phoenix's, so what was sent comes again."""
    if answer.status == 507:
        raise Away(f"answered 507: {shown(answer.body)}")
    return checked(answer)


def path_of(project: str) -> str:
    return quote(project, safe="")


def _chunks(items: Sequence[str], most: int) -> list[Sequence[str]]:
    return [items[start : start + most] for start in range(0, len(items), most)]


def _table(answer: Answer) -> dict[str, str]:
    """Span id -> trace id of a multipart answer whose one part is a table as pandas writes it. Raises ``Failed``."""
    start, end = answer.body.find(b"{"), answer.body.rfind(b"}")
    try:
        rows = orjson.loads(answer.body[start : end + 1])["data"]
        found: dict[str, str] = {}
        for row in rows:
            named = {name.rpartition(".")[2]: value for name, value in row.items()}
            found[named["span_id"]] = named["trace_id"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Failed("answered a query for spans with what is no table of them") from None
    return found


def _place(kind: str, found: Any) -> Place | None:
    try:
        project = found if kind == "project" else found["project"]
        trace_id = found["trace"]["traceId"] if kind == "span" else None
        return Place(str(project["name"]), str(project["id"]), trace_id)
    except (TypeError, KeyError):
        return None
