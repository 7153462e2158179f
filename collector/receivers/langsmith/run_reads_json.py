"""A run as version 1 of LangSmith's protocol tells it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from collector.api.values import usd
from collector.model import Usage
from collector.receivers.langsmith.faults import Fault
from collector.receivers.langsmith.feedback_json import stats
from collector.receivers.langsmith.run_reads_fields import Need, RunView, uuid_text
from collector.storage.runs_api import Run

#: The address that an attachment of a run can be had at: run id, name.
LinkOf = Callable[[bytes, str], str]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIGURES: Final = (
    "prompt_tokens", "completion_tokens", "total_tokens", "prompt_token_details", "completion_token_details",
    "prompt_cost", "completion_cost", "total_cost", "prompt_cost_details", "completion_cost_details",
    "first_token_time",
)  # fmt: skip
#: Told whatever is selected: without them the client cannot make a run of it.
_ALWAYS: Final = (
    "id", "name", "run_type", "start_time", "end_time", "status", "trace_id", "dotted_order", "parent_run_id",
    "session_id",
)  # fmt: skip
_DOCUMENT: Final = ("inputs", "outputs", "extra", "error", "events", "tags", "serialized")
_OTHERS: Final = (
    "parent_run_ids", "reference_example_id", "feedback_stats", "app_path", "s3_urls", "thread_id", "is_root",
)  # fmt: skip
#: Names of LangSmith's own of which there is nothing here.
_UNKNOWN: Final = (
    "child_run_ids", "manifest_id", "in_dataset", "inputs_preview", "outputs_preview", "share_token", "trace_tier",
    "trace_first_received_at", "last_queued_at", "execution_order", "price_model_id", "reference_dataset_id",
    "inputs_s3_urls", "outputs_s3_urls", "messages", "ttl_seconds", "trace_upgrade", "manifest_s3_id",
    "thread_evaluation_time", "direct_child_run_ids", "latency",
)  # fmt: skip
SELECTABLE: Final = frozenset((*_ALWAYS, *_DOCUMENT, *_FIGURES, *_OTHERS))


def check_select(select: frozenset[str] | None) -> None:
    """Raises the 422 ``Fault`` for a name that nobody knows."""
    if unknown := sorted((select or frozenset()) - SELECTABLE - set(_UNKNOWN)):
        raise Fault(422, f"select: there is no {unknown[0][:100]!r}; there are {', '.join(sorted(SELECTABLE))}")


def needs(select: frozenset[str] | None) -> set[Need]:
    found: set[Need] = set()
    if select is None or select & set(_FIGURES):
        found.add("figures")
    if select is None or "feedback_stats" in select:
        found.add("feedback")
    return found


def run(view: RunView, select: frozenset[str] | None, link_of: LinkOf) -> dict[str, Any]:
    """The fields that are selected, all where None."""
    found = view.run
    told: dict[str, Any] = {
        "id": uuid_text(found.run_id),
        "name": found.name,
        "run_type": found.run_type,
        "start_time": time(found.start_ns),
        "end_time": time(found.end_ns),
        "status": found.status,
        "trace_id": uuid_text(found.trace_id),
        "dotted_order": view.dotted_order,
        "parent_run_id": uuid_text(found.parent_run_id),
        "session_id": uuid_text(view.project_id),
        **{name: found.document.get(name) for name in _DOCUMENT},
        **_figures(view),
        "parent_run_ids": [uuid_text(ancestor) for ancestor in view.ancestors],
        "reference_example_id": uuid_text(found.reference_example_id),
        "feedback_stats": stats(view.annotations),
        "app_path": page_path(found),
        "s3_urls": _links(view, link_of),
        "thread_id": view.thread_id,
        "is_root": found.is_root,
    }
    told["inputs"] = told["inputs"] if isinstance(told["inputs"], dict) else {}
    return told if select is None else {name: told[name] for name in told if name in select or name in _ALWAYS}


def page_path(found: Run) -> str:
    """The address of its page on this collector."""
    return f"/traces/{found.trace_id.hex()}?span={found.span_id.hex()}"


def time(ns: int | None) -> str | None:
    """ISO 8601 with microseconds, as LangSmith's clients keep times."""
    return None if ns is None else (_EPOCH + timedelta(microseconds=ns // 1000)).isoformat(timespec="microseconds")


def input_details(usage: Usage) -> dict[str, int]:
    """LangChain's names for the parts."""
    parts = {"cache_read": usage.cache_read_tokens, "cache_creation": usage.cache_write_tokens}
    return _known(parts | {"audio": usage.audio_input_tokens})


def output_details(usage: Usage) -> dict[str, int]:
    return _known({"reasoning": usage.reasoning_tokens, "audio": usage.audio_output_tokens})


def _figures(view: RunView) -> dict[str, Any]:
    usage, cost = view.subtree.usage, view.subtree.cost
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_token_details": input_details(usage) or None,
        "completion_token_details": output_details(usage) or None,
        "prompt_cost": usd(cost.input),
        "completion_cost": usd(cost.output),
        "total_cost": usd(cost.total),
        "prompt_cost_details": None,
        "completion_cost_details": None,
        "first_token_time": time(view.subtree.first_token_ns),
    }


def _links(view: RunView, link_of: LinkOf) -> dict[str, dict[str, str]] | None:
    links = {
        f"attachment.{attached.name}": {
            "presigned_url": link_of(view.run.run_id, attached.name),
            "mime_type": attached.mime_type,
        }
        for attached in view.run.attachments
    }
    return links or None


def _known(parts: dict[str, int | None]) -> dict[str, int]:
    return {name: value for name, value in parts.items() if value is not None}
