"""LangSmith's sessions, which are projects: what a request asks for and what one looks like. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson

from collector.annotations import Annotation
from collector.api.values import timestamp, usd
from collector.codec.runs import time_ns
from collector.processors.sanitize import MAX_ID, clean
from collector.receivers.langsmith.faults import Fault
from collector.receivers.langsmith.feedback_json import stats
from collector.receivers.langsmith.parameters import Given, uuid
from collector.storage.api import TraceStats
from collector.storage.projects_api import TENANT, Project

MAX_LIMIT: Final = 1_000
_MAX_EXTRA: Final = 64 * 1024
_MAX_DESCRIPTION: Final = 20_000
_PARAMETERS: Final = (
    "name", "name_contains", "id", "metadata", "include_stats", "limit", "offset", "reference_dataset",
    "reference_free", "dataset_version",
)  # fmt: skip
#: What a client says beside the session itself: of datasets, of which there are none.
_OF_EXPERIMENTS: Final = ("reference_dataset_id", "num_examples", "num_repetitions", "evaluator_keys", "tag_value_ids")
_NEW: Final = ("id", "name", "extra", "description", "start_time", "end_time", *_OF_EXPERIMENTS)
_CHANGED: Final = ("name", "extra", "description", "end_time")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which sessions a list has: all conditions must hold."""

    name: str | None
    name_contains: str | None
    ids: tuple[bytes, ...]
    metadata: Mapping[str, Any]
    nothing: bool
    include_stats: bool
    limit: int
    offset: int

    def of(self, projects: Sequence[Project]) -> list[Project]:
        """The page of these projects, latest first."""
        found = [project for project in projects if self._has(project)]
        found.sort(key=lambda project: (-project.start_ns, project.name))
        return found[self.offset :][: self.limit]

    def _has(self, project: Project) -> bool:
        metadata = project.extra.get("metadata")
        known = metadata if isinstance(metadata, dict) else {}
        return (
            not self.nothing
            and self.name in (None, project.name)
            and (self.name_contains is None or self.name_contains.lower() in project.name.lower())
            and (not self.ids or project.uuid in self.ids)
            and all(name in known and known[name] == value for name, value in self.metadata.items())
        )


def wanted(pairs: Sequence[tuple[str, str]]) -> Wanted:
    """Raises the 422 ``Fault``."""
    given = Given(pairs, _PARAMETERS)
    # No project is of a dataset: who asks for those of one gets none.
    of_dataset = given.text("reference_dataset") is not None or given.flag("reference_free") is False
    return Wanted(
        given.text("name"),
        given.text("name_contains"),
        tuple(given.uuids("id")),
        _metadata(given.text("metadata")),
        of_dataset,
        bool(given.flag("include_stats")),
        given.whole("limit", 100, 1, MAX_LIMIT),
        given.whole("offset", 0, 0, 2**31 - 1),
    )


def wants_stats(pairs: Sequence[tuple[str, str]]) -> bool:
    """Of a request for one session. Raises the 422 ``Fault``."""
    return bool(Given(pairs, ("include_stats", "limit")).flag("include_stats"))


def new_project(body: Mapping[str, Any], now_ns: int) -> Project:
    """Of a POST. Raises the 422 ``Fault``, and the 404 one for a dataset."""
    _known(body, _NEW)
    if body.get("reference_dataset_id") is not None:
        raise Fault(404, "there is no such dataset")
    name = body.get("name")
    if not isinstance(name, str) or not name.strip() or clean(name, MAX_ID) != name:
        raise Fault(422, f"name: must be given, with at most {MAX_ID} characters")
    given_id = body.get("id")
    return Project(
        name,
        uuid(given_id, "id") if given_id is not None else b"",
        time_ns(body.get("start_time")) or now_ns,
        time_ns(body.get("end_time")),
        _description(body),
        _extra(body) or {},
    )


def changes(body: Mapping[str, Any], project: Project) -> dict[str, Any]:
    """What a PATCH changes: what is null stays. Raises the 422 ``Fault``."""
    _known(body, _CHANGED)
    name = body.get("name")
    if name is not None and name != project.name:
        raise Fault(422, "name: a project cannot be renamed, because what sends to it knows it by its name")
    found: dict[str, Any] = {"extra": _extra(body), "description": _description(body)}
    if body.get("end_time") is not None:
        found["end_ns"] = time_ns(body["end_time"])
        if found["end_ns"] is None:
            raise Fault(422, "end_time: must be an ISO 8601 time")
    return {name: value for name, value in found.items() if value is not None}


def session(project: Project) -> dict[str, Any]:
    return {
        "id": str(UUID(bytes=project.uuid)),
        "name": project.name,
        "tenant_id": str(TENANT),
        "start_time": timestamp(project.start_ns),
        "end_time": None if project.end_ns is None else timestamp(project.end_ns),
        "description": project.description,
        "extra": project.extra or None,
        "reference_dataset_id": None,
        "trace_tier": None,
    }


def session_stats(
    found: TraceStats, last_ns: int | None, of_runs: list[Annotation], of_session: list[Annotation]
) -> dict[str, Any]:
    """``run_count`` counts traces, as LangSmith's pages do. Latencies are in seconds."""
    return {
        "run_count": found.traces,
        "latency_p50": None if found.p50_ns is None else found.p50_ns / 1e9,
        "latency_p99": None if found.p99_ns is None else found.p99_ns / 1e9,
        "total_tokens": found.tokens,
        "total_cost": usd(found.cost),
        "error_rate": found.errors / found.traces if found.traces else None,
        "last_run_start_time": None if last_ns is None else timestamp(last_ns),
        "feedback_stats": stats(of_runs),
        "session_feedback_stats": stats(of_session),
    }


def _known(body: Mapping[str, Any], names: tuple[str, ...]) -> None:
    if unknown := sorted(body.keys() - set(names)):
        raise Fault(422, f"{unknown[0][:100]}: there is no such field; there are {', '.join(names)}")


def _metadata(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise Fault(422, "metadata: must be a JSON object")
    return document


def _extra(body: Mapping[str, Any]) -> dict[str, Any] | None:
    extra = body.get("extra")
    if extra is None:
        return None
    try:
        size = len(orjson.dumps(extra))
    except orjson.JSONEncodeError:
        size = _MAX_EXTRA + 1
    if not isinstance(extra, dict) or size > _MAX_EXTRA:
        raise Fault(422, f"extra: must be a JSON object of at most {_MAX_EXTRA} bytes")
    return extra


def _description(body: Mapping[str, Any]) -> str | None:
    value = body.get("description")
    if value is not None and not isinstance(value, str):
        raise Fault(422, "description: must be a string")
    return clean(value, _MAX_DESCRIPTION)
