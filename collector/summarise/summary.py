"""One trace's summary from its spans: root, extent, status, who and what, counted calls and their sums. Pure.

Always made from all spans of the trace, so that a late span or a late root repairs whatever was said before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from collector.model import PREVIEW_CHARS, Call, Content, ErrorInfo, Span, Status, SummaryUpdate, TraceSummary, Usage
from collector.processors.inout import trace_input_output
from collector.processors.values import json_text
from collector.summarise.counting import Counting, count
from collector.summarise.sums import total_cost, total_usage
from collector.summarise.tree import Tree, tree_of


def summarise(spans: Sequence[Span], content_of: Callable[[Span], Content]) -> SummaryUpdate:
    """``spans`` are all of one trace, at least one, with facts and distinct ids, in any order.

    ``content_of`` is asked for the few spans that question and answer are found in, and where a call was seen twice.
    What ``counted`` and ``duplicate_of`` said before has no influence.
    """
    tree = tree_of(spans)
    counting = count(tree, content_of)
    root = tree.spans[tree.root]
    calls = _calls(tree, counting)
    question, answer = trace_input_output(tree.spans, content_of)
    costs = [call.cost for call in calls]
    usage = total_usage(call.usage for call in calls)
    failed = [number for number, span in enumerate(tree.spans) if span.status == "error"]
    status = _status(root, bool(failed))
    summary = TraceSummary(
        trace_id=root.trace_id,
        project=root.project,
        name=root.name,
        start_ns=tree.spans[0].start_ns,
        end_ns=max([span.end_ns for span in tree.spans]),
        status=status,
        span_count=len(tree.spans),
        error_count=len(failed),
        root_span_id=root.span_id,
        session_id=root.session_id or _first([span.session_id for span in tree.spans]),
        user_id=root.user_id or _first([span.user_id for span in tree.spans]),
        tags=root.tags or _first([span.tags for span in tree.spans]) or [],
        metadata=root.metadata or _first([span.metadata for span in tree.spans]) or {},
        input=preview(question),
        output=preview(answer),
        error=_error(tree, failed) if status == "error" else None,
        usage=None if usage == Usage() else usage,
        cost=total_cost(costs) if calls else None,
        llm_calls=sum([call.kind == "llm" for call in calls]),
        unpriced_calls=sum([cost is None or cost.total is None for cost in costs]),
        time_to_first_token_ns=_time_to_first_token(root, calls, tree.spans[0].start_ns),
    )
    _inherit(tree, counting, calls, summary)
    return SummaryUpdate(summary, calls, _uncounted(tree, counting))


def preview(value: Any) -> Any:
    """Text, or a value that JSON can hold, of at most ``PREVIEW_CHARS``; what is longer as JSON is cut as text."""
    if isinstance(value, str):
        return value[:PREVIEW_CHARS]
    try:
        encoded = orjson.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return json_text(value)[:PREVIEW_CHARS]
    return value if len(encoded) <= PREVIEW_CHARS else encoded.decode()[:PREVIEW_CHARS]


def _first(values: Sequence[Any]) -> Any:
    return next((value for value in values if value), None)


def _status(root: Span, any_failed: bool) -> Status:
    """The root's word, if it has one: an error that it survived is not the trace's. Else an error anywhere."""
    return "error" if root.status == "unset" and any_failed else root.status


def _error(tree: Tree, failed: Sequence[int]) -> ErrorInfo | None:
    """The root's, or that of the first span that failed with nothing beneath it failing: where it came from."""
    root = tree.spans[tree.root]
    if root.status == "error" and root.error is not None:
        return root.error
    above = {tree.parents[number] for number in failed}
    deepest = [number for number in failed if number not in above]
    return next((error for number in (*deepest, *failed) if (error := tree.spans[number].error)), None)


def _calls(tree: Tree, counting: Counting) -> list[Call]:
    """The counted calls, in the trace's project, each with its own session and user only."""
    project = tree.spans[tree.root].project
    return [
        Call(
            span.trace_id,
            span.span_id,
            project,
            span.kind,
            span.start_ns,
            span.end_ns - span.start_ns,
            span.status,
            span.response_model or span.request_model,
            span.provider,
            span.session_id,
            span.user_id,
            span.usage,
            span.cost,
            span.time_to_first_token_ns,
        )
        for span in (tree.spans[number] for number in counting.calls)
    ]


def _inherit(tree: Tree, counting: Counting, calls: Sequence[Call], summary: TraceSummary) -> None:
    """Sessions and users of calls from the nearest ancestor that has one, else from the trace."""
    for name, of_trace in (("session_id", summary.session_id), ("user_id", summary.user_id)):
        if of_trace is None or all(getattr(call, name) for call in calls):
            continue
        inherited = tree.inherited([getattr(span, name) or None for span in tree.spans])
        for number, call in zip(counting.calls, calls, strict=True):
            setattr(call, name, inherited[number] or of_trace)


def _time_to_first_token(root: Span, calls: Sequence[Call], start_ns: int) -> int | None:
    """The root's own, else from the trace's start to the first token of any counted call."""
    if root.time_to_first_token_ns is not None:
        return root.time_to_first_token_ns
    firsts = [call.start_ns + call.time_to_first_token_ns for call in calls if call.time_to_first_token_ns is not None]
    return min(firsts) - start_ns if firsts else None


def _uncounted(tree: Tree, counting: Counting) -> dict[bytes, str | None]:
    spans = tree.spans
    return {
        spans[number].span_id: None if call is None else f"{spans[call].trace_id.hex()}:{spans[call].span_id.hex()}"
        for number, call in counting.uncounted.items()
    }
