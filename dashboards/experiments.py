"""Experiments, their runs, and two of them side by side, as the pages show them. Pure; verdicts are the gate's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from collector.datasets.experiments import Experiment, ExperimentRun
from collector.datasets.model import Example
from collector.model import PICO_USD
from dashboards import format as fmt
from dashboards.datasets import Value, value
from dashboards.operations import Reason, State, reason
from dashboards.rows import Figure
from tracekit.evals import results
from tracekit.evals.gate import FAILED, MEASURES

_NS_OF_MS: Final = 1_000_000
_LABELS: Final = {
    "latency_ms": "latency",
    "cost_usd": "cost",
    "total_tokens": "tokens",
    "input_tokens": "input tokens",
    "output_tokens": "output tokens",
    FAILED: "failed",
}
_STATES: Final = {"running": "active", "done": "active", "failed": "cannot", "cancelled": "paused"}


@dataclass(frozen=True, slots=True)
class ExperimentRow:
    id: str
    name: str
    dataset: str
    dataset_path: str
    version: str
    state: State
    baseline: str
    runs: str
    errors: str
    created_ns: int


@dataclass(frozen=True, slots=True)
class Chip:
    """One score of a run: its name, what it is, and why. ``failed``: the evaluator did."""

    name: str
    said: str
    note: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class RunRow:
    id: str
    repetition: str
    input: Value
    output: Value
    error: Reason | None
    chips: list[Chip]
    trace_id: str
    latency: str
    tokens: str
    cost: str


@dataclass(frozen=True, slots=True)
class Mean:
    metric: str
    mean: str
    runs: str
    total: str


@dataclass(frozen=True, slots=True)
class Compared:
    """``verdict`` is empty for what the gate was not asked about."""

    metric: str
    ours: str
    theirs: str
    delta: str
    verdict: str
    reason: str


def row(found: Experiment) -> ExperimentRow:
    return ExperimentRow(
        id=found.id.hex() if found.id else "",
        name=found.name,
        dataset=found.dataset,
        dataset_path=quote(found.dataset, safe=""),
        version=str(found.version),
        state=State(_STATES.get(found.state, "paused"), found.state),
        baseline=found.baseline or "",
        runs=fmt.count(found.run_count),
        errors=fmt.count(found.error_count) if found.error_count else "",
        created_ns=found.created_ns,
    )


def head(found: Experiment, result: results.Experiment) -> list[Figure]:
    shown = [Figure(fmt.count(found.run_count), "run" if found.run_count == 1 else "runs")]
    if found.error_count:
        shown.append(Figure(fmt.count(found.error_count), "failed", "The task raised, or took too long", "error"))
    shown.append(Figure(amount("latency_ms", result.mean("latency_ms")), "on average"))
    shown.append(Figure(amount("total_tokens", result.total("total_tokens")), "tokens"))
    shown.append(Figure(amount("cost_usd", result.total("cost_usd")), "in all"))
    return shown


def result_of(found: Experiment, runs: Sequence[ExperimentRun]) -> results.Experiment:
    """As the gate takes it."""
    return results.Experiment(found.name, runs=[_run(one) for one in runs])


def _run(found: ExperimentRun) -> results.Run:
    return results.Run(
        example_id=found.example_id.hex(),
        repetition=found.repetition,
        error=found.error,
        latency_ms=found.latency_ms,
        input_tokens=found.input_tokens,
        output_tokens=found.output_tokens,
        total_tokens=found.total_tokens,
        cost_usd=None if found.cost is None else found.cost / PICO_USD,
        scores=[
            results.RunScore(_text(one.get("name")), number(one.get("score")), error=_text(one.get("error")) or None)
            for one in found.scores
        ],
    )


def number(found: Any) -> float | None:
    """A finite number, or None; true and false count as 1 and 0."""
    if not isinstance(found, int | float):
        return None
    try:
        return float(found) if math.isfinite(found) else None
    except OverflowError:
        return None


def _text(found: Any) -> str:
    return fmt.line(found, 200)


def means(result: results.Experiment) -> list[Mean]:
    """Scores first, then what was measured."""
    measures = [name for name in MEASURES if result.mean(name) is not None]
    return [
        Mean(
            metric=_LABELS.get(name, name) if name in measures else name,
            mean=amount(name, result.mean(name)),
            runs=fmt.count(sum(one.metric(name) is not None for one in result.runs)),
            total=amount(name, result.total(name)) if name in measures and name != "latency_ms" else "",
        )
        for name in (*result.metrics(), *measures)
    ]


def amount(metric: str, found: float | None) -> str:
    """A mean or a sum, in its unit."""
    if found is None:
        return fmt.UNKNOWN
    if metric == "latency_ms":
        return fmt.duration(round(found * _NS_OF_MS))
    if metric == "cost_usd":
        return fmt.money(round(found * PICO_USD))
    if metric in MEASURES:
        return fmt.compact(round(found))
    return fmt.percent(found) if metric == FAILED else fmt.score(found)


def delta(metric: str, ours: float | None, theirs: float | None) -> str:
    """With sign and arrow: ``▲ +0.12``."""
    if ours is None or theirs is None:
        return fmt.UNKNOWN
    if ours == theirs:
        return "="
    sign, arrow = ("+", "▲") if ours > theirs else ("−", "▼")
    return f"{arrow} {sign}{amount(metric, abs(ours - theirs))}"


def compared(
    ours: results.Experiment, theirs: results.Experiment, *, judged: bool
) -> tuple[str, list[str], list[Compared]]:
    """The gate's verdict of all, what it warns of, and each metric. Scores have the verdict that ``tracekit eval run``
    gives; of what is measured, and where not all runs are known (``judged`` off), there are means alone."""
    decision = ours.compare(theirs) if judged else None
    said = {one.metric: one for one in decision.metrics} if decision else {}
    names = list(dict.fromkeys((*said, *ours.metrics(), *theirs.metrics(), *MEASURES)))
    rows = []
    for name in names:
        mean, other = ours.mean(name), theirs.mean(name)
        if mean is None and other is None and name not in said:
            continue
        one = said.get(name)
        rows.append(
            Compared(
                metric=_LABELS.get(name, name),
                ours=amount(name, mean),
                theirs=amount(name, other),
                delta=delta(name, mean, other),
                verdict=one.verdict if one else "",
                reason=one.reason if one else "",
            )
        )
    return decision.verdict if decision else "", list(decision.warnings) if decision else [], rows


def run(found: ExperimentRun, examples: Mapping[bytes, Example]) -> RunRow:
    example = examples.get(found.example_id)
    return RunRow(
        id=f"{found.example_id.hex()}-{found.repetition}",
        repetition=str(found.repetition + 1),
        input=value(example.input if example else None),
        output=value(found.output),
        error=reason(found.error) if found.error is not None else None,
        chips=[chip(one) for one in found.scores],
        trace_id=found.trace_id.hex() if found.trace_id else "",
        latency=amount("latency_ms", found.latency_ms),
        tokens=fmt.compact(found.total_tokens),
        cost=fmt.money(found.cost),
    )


def chip(found: Mapping[str, Any]) -> Chip:
    name, score = _text(found.get("name")) or "score", number(found.get("score"))
    if found.get("error"):
        return Chip(name, "failed", fmt.line(found["error"], 1_000), failed=True)
    said = " ".join(part for part in (fmt.score(score) if score is not None else "", _text(found.get("label"))) if part)
    return Chip(name, said or fmt.UNKNOWN, fmt.line(found.get("explanation") or found.get("not_applicable"), 1_000))
