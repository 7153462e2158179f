"""Checks of what was measured: time, tokens, cost, and whether it went well. Pure."""

from __future__ import annotations

from collections.abc import Callable

from tracekit.evals.api import NotApplicable, Score, Subject
from tracekit.evals.options import Options, define, is_number, verdict

Function = Callable[[Subject], Score]


def _bound(field: str, unit: str, decimals: int = 0) -> Callable[[Options], Function]:
    """``min`` and ``max``, each may be reached. What is unknown is not judged, never taken for 0."""

    def maker(options: Options) -> Function:
        measured = _field(options, field)
        low, high = options.maybe_number("min"), options.maybe_number("max")
        if low is None and high is None:
            raise ValueError("max: give min, max or both")

        def check(subject: Subject) -> Score:
            value = getattr(subject, measured)
            if not is_number(value):
                raise NotApplicable(f"{measured} is not known")
            over = high is not None and value > high
            passed = not over and (low is None or value >= low)
            bound = f"more than {high:g}" if over else f"less than {low:g}" if low is not None else ""
            there = f"{value:.{decimals}f} {unit}"
            told = verdict(options.name, passed, f"{there}: {bound}", there)
            return Score(told.name, told.score, explanation=told.explanation, metadata={measured: value})

        return check

    return maker


def _field(options: Options, field: str) -> str:
    if field != "tokens":
        return field
    return f"{options.choice('count', ('total', 'input', 'output'), 'total')}_tokens"


def status_ok(options: Options) -> Function:
    """The run did not end in an error. ``require_ok``: and its status says so (it often is "unset")."""
    strict = options.flag("require_ok", False)

    def check(subject: Subject) -> Score:
        passed = subject.status == "ok" or (subject.status == "unset" and not strict and not subject.error)
        told = f": {subject.error[:200]}" if subject.error else ""
        return verdict(options.name, passed, f"the status is {subject.status}{told}")

    return check


define("latency_ms", _bound("latency_ms", "ms"))
define("time_to_first_token_ms", _bound("time_to_first_token_ms", "ms"))
define("tokens", _bound("tokens", "tokens"))
define("cost_usd", _bound("cost_usd", "USD", decimals=6))
define("status_ok", status_ok)
