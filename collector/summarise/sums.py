"""Adding up usage and cost of calls: what is unknown stays out of the sum and is never taken for 0. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Final

from collector.model import Cost, CostStatus, Usage

MAX_SUM: Final = 2**63 - 1
USAGE_COUNTS: Final = (
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "audio_input_tokens",
    "reasoning_tokens",
    "audio_output_tokens",
)
_COUNTS = attrgetter(*USAGE_COUNTS)


def add(values: Iterable[int | None]) -> int | None:
    """The sum of what is known, None when nothing is. Stops at ``MAX_SUM``, so that columns and JSON can hold it."""
    known = [value for value in values if value is not None]
    return min(sum(known), MAX_SUM) if known else None


def total_usage(usages: Iterable[Usage | None]) -> Usage:
    known = [usage for usage in usages if usage is not None]
    if not known:
        return Usage()
    counts = dict(zip(USAGE_COUNTS, map(add, zip(*map(_COUNTS, known), strict=True)), strict=True))
    return Usage(**counts, estimated=any(usage.estimated for usage in known))


def total_cost(costs: Iterable[Cost | None]) -> Cost:
    """``reported`` only if every amount in the sum was; ``unpriced`` when there is no amount at all."""
    known = [cost for cost in costs if cost is not None]
    return Cost(
        status=sum_status({cost.status for cost in known if cost.total is not None}),
        total=add(cost.total for cost in known),
        input=add(cost.input for cost in known),
        output=add(cost.output for cost in known),
        reported_total=add(cost.reported_total for cost in known),
    )


def sum_status(statuses: set[CostStatus]) -> CostStatus:
    if not statuses:
        return "unpriced"
    return "computed" if "computed" in statuses else "reported"
