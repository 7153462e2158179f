"""A run as version 2 of LangSmith's protocol tells it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from collector.processors.values import json_text
from collector.receivers.langsmith.faults import Fault
from collector.receivers.langsmith.feedback_json import stats
from collector.receivers.langsmith.run_reads_fields import Figures, Need, RunView, usd_number, uuid_text
from collector.receivers.langsmith.run_reads_json import LinkOf, input_details, output_details, page_path, time

_PREVIEW: Final = 500


def run(view: RunView, selects: frozenset[str], link_of: LinkOf, *, subtree: bool) -> dict[str, Any]:
    """What ``selects`` names. With ``subtree``, tokens and cost are of the run and of all below it."""
    figures = view.subtree if subtree else view.own
    return {name.lower(): of(view, figures, link_of) for name, of in _FIELDS.items() if name in selects}


def check_selects(selects: frozenset[str]) -> None:
    """Raises the 422 ``Fault`` for a name that nobody knows."""
    if unknown := sorted(selects - SELECTABLE):
        raise Fault(422, f"selects: there is no {unknown[0][:100]!r}; there are {', '.join(sorted(SELECTABLE))}")


def needs(selects: frozenset[str]) -> set[Need]:
    found: set[Need] = {"figures"} if selects & _OF_FIGURES else set()
    return found | ({"feedback"} if "FEEDBACK_STATS" in selects else set())


def _document(name: str) -> _Of:
    return lambda view, _figures, _link: view.run.document.get(name)


def _preview(name: str) -> _Of:
    def preview(view: RunView, _figures: Figures, _link: LinkOf) -> str | None:
        value = view.run.document.get(name)
        return None if value is None else (value if isinstance(value, str) else json_text(value))[:_PREVIEW]

    return preview


def _nothing(_view: RunView, _figures: Figures, _link: LinkOf) -> None:
    return None


_Of = Callable[[RunView, Figures, LinkOf], Any]
_FIELDS: Final[dict[str, _Of]] = {
    "ID": lambda view, *_: uuid_text(view.run.run_id),
    "NAME": lambda view, *_: view.run.name,
    "RUN_TYPE": lambda view, *_: view.run.run_type.upper(),
    "STATUS": lambda view, *_: view.run.status.upper(),
    "START_TIME": lambda view, *_: time(view.run.start_ns),
    "END_TIME": lambda view, *_: time(view.run.end_ns),
    "LATENCY_SECONDS": lambda view, *_: view.latency_s,
    "FIRST_TOKEN_TIME": lambda _, figures, __: time(figures.first_token_ns),
    "ERROR": _document("error"),
    "ERROR_PREVIEW": _preview("error"),
    "EXTRA": _document("extra"),
    "METADATA": lambda view, *_: view.metadata,
    "EVENTS": _document("events"),
    "INPUTS": _document("inputs"),
    "INPUTS_PREVIEW": _preview("inputs"),
    "OUTPUTS": _document("outputs"),
    "OUTPUTS_PREVIEW": _preview("outputs"),
    "MANIFEST": _document("serialized"),
    "PARENT_RUN_IDS": lambda view, *_: [uuid_text(ancestor) for ancestor in view.ancestors],
    "PROJECT_ID": lambda view, *_: uuid_text(view.project_id),
    "TRACE_ID": lambda view, *_: uuid_text(view.run.trace_id),
    "THREAD_ID": lambda view, *_: view.thread_id,
    "DOTTED_ORDER": lambda view, *_: view.dotted_order,
    "IS_ROOT": lambda view, *_: view.run.is_root,
    "REFERENCE_EXAMPLE_ID": lambda view, *_: uuid_text(view.run.reference_example_id),
    "REFERENCE_DATASET_ID": _nothing,
    "TOTAL_TOKENS": lambda _, figures, __: figures.usage.total_tokens,
    "PROMPT_TOKENS": lambda _, figures, __: figures.usage.input_tokens,
    "COMPLETION_TOKENS": lambda _, figures, __: figures.usage.output_tokens,
    "TOTAL_COST": lambda _, figures, __: usd_number(figures.cost.total),
    "PROMPT_COST": lambda _, figures, __: usd_number(figures.cost.input),
    "COMPLETION_COST": lambda _, figures, __: usd_number(figures.cost.output),
    "PROMPT_TOKEN_DETAILS": lambda _, figures, __: {"raw": input_details(figures.usage)},
    "COMPLETION_TOKEN_DETAILS": lambda _, figures, __: {"raw": output_details(figures.usage)},
    "PROMPT_COST_DETAILS": _nothing,
    "COMPLETION_COST_DETAILS": _nothing,
    "PRICE_MODEL_ID": _nothing,
    "TAGS": lambda view, *_: view.run.document.get("tags") or [],
    "APP_PATH": lambda view, *_: page_path(view.run),
    "ATTACHMENTS": lambda view, _, link: {a.name: link(view.run.run_id, a.name) for a in view.run.attachments},
    "THREAD_EVALUATION_TIME": _nothing,
    "IS_IN_DATASET": lambda *_: False,
    "LAST_QUEUED_AT": _nothing,
    "SHARE_URL": _nothing,
    "FEEDBACK_STATS": lambda view, *_: stats(view.annotations),
    "LS_USER_ID": _nothing,
}
SELECTABLE: Final = frozenset(_FIELDS)
_OF_FIGURES: Final = frozenset(
    name for name in _FIELDS if name.endswith(("_TOKENS", "_COST", "_TOKEN_DETAILS")) or name == "FIRST_TOKEN_TIME"
)
