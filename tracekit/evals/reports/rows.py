"""What all reports show, as texts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tracekit.evals.gate import FAILED, MEASURES, Decision, MetricDecision
from tracekit.evals.results import Experiment, Run, by_example
from tracekit.evals.statistics import Interval

HEADINGS = ("metric", "baseline", "candidate", "difference", "interval", "p", "verdict")


@dataclass(frozen=True, slots=True)
class Changed:
    """An example whose mean score changed: ``by`` is positive where it became better."""

    metric: str
    example_id: str
    baseline: float
    candidate: float
    by: float


def number(value: float | None) -> str:
    """Four digits that mean something; an en dash for what is unknown."""
    return "–" if value is None else f"{value:.4g}"


def signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.4g}"


def percent(share: float) -> str:
    return f"{share * 100:.4g} %"


def cells(one: MetricDecision) -> tuple[str, ...]:
    """Below ``HEADINGS``."""
    compared = one.comparison
    arrow = "" if one.higher_is_better else " (lower is better)"
    if compared is None:
        return (one.metric + arrow, "–", number(one.candidate_mean), "–", "–", "–", one.verdict)
    return (
        one.metric + arrow,
        number(compared.baseline_mean),
        number(compared.candidate_mean),
        signed(compared.difference),
        interval(compared.interval),
        "–" if one.p_value is None else f"{one.p_value:.3g}",
        one.verdict,
    )


def interval(found: Interval) -> str:
    return f"{signed(found.low)} … {signed(found.high)}"


def headline(experiment: Experiment) -> str:
    """One sentence: the verdict, and against what."""
    decision = experiment.decision
    if decision is None:
        return f"{experiment.name}: {len(experiment.runs)} runs"
    against = f" than {experiment.baseline}" if experiment.baseline else ""
    words = {
        "better": f"{experiment.name} is better{against}",
        "worse": f"{experiment.name} is worse{against or ' than its bounds allow'}",
        "no difference": f"{experiment.name} is no different from {experiment.baseline}",
        "inconclusive": f"{experiment.name} and {experiment.baseline}: inconclusive",
        "not compared": f"{experiment.name} is within its bounds; there is no baseline",
    }
    return words[decision.verdict]


def facts(experiment: Experiment) -> list[tuple[str, str]]:
    """Name and value, in order."""
    dataset = experiment.dataset
    version = f" version {dataset['version']}" if dataset.get("version") else ""
    found = [
        ("dataset", f"{dataset.get('name', '?')}{version}, {dataset.get('examples', '?')} examples"),
        ("runs", f"{len(experiment.runs)}, {experiment.failed} failed, {experiment.repetitions} for each example"),
        ("latency", _latency(experiment)),
        ("tokens", number(experiment.total("total_tokens"))),
        ("cost", _cost(experiment)),
    ]
    if experiment.judge is not None:
        found.append(("judge", _judge(experiment.judge)))
    if experiment.decision is not None and experiment.baseline:
        found.append(("false alarms", f"at most {percent(experiment.decision.alpha)} where nothing differs"))
    return found


def _latency(experiment: Experiment) -> str:
    times = sorted(run.latency_ms for run in experiment.runs if run.latency_ms is not None)
    return f"{times[len(times) // 2]:.0f} ms in the median, {times[-1]:.0f} ms at most" if times else "–"


def _cost(experiment: Experiment) -> str:
    total = experiment.total("cost_usd")
    if total is None:
        return "unknown"
    called = [run for run in experiment.runs if run.total_tokens is not None]
    unknown = sum(run.cost_usd is None for run in called)
    return f"{total:.6f} USD" + (f", {unknown} runs unpriced" if unknown else "")


def _judge(judge: Mapping[str, Any]) -> str:
    cost = judge.get("cost_usd")
    price = "cost unknown" if not isinstance(cost, (int, float)) else f"{cost:.6f} USD"
    return f"{judge.get('model')}, {judge.get('calls')} calls, {judge.get('failed')} failed, {price}"


def means(experiment: Experiment) -> list[tuple[str, str]]:
    """Of an experiment that nothing was compared with."""
    return [(name, number(experiment.mean(name))) for name in experiment.metrics()]


def notes(experiment: Experiment) -> list[str]:
    """Why each metric has its verdict, then what else there is to know."""
    found = []
    if experiment.decision is not None:
        found += [f"{one.metric}: {one.verdict}: {one.reason}" for one in experiment.decision.metrics]
        found += list(experiment.decision.warnings)
    failures = [run for run in experiment.runs if run.error is not None]
    found += [f"run failed: {run.example_id}: {run.error}" for run in failures[:5]]
    if len(failures) > 5:
        found.append(f"and {len(failures) - 5} more failed runs")
    found += [f"evaluator failed: {said}" for said in experiment.evaluator_errors()[:5]]
    return found


def changed(experiment: Experiment, baseline: Experiment | None, most: int = 10) -> list[Changed]:
    """The examples that changed most, worse ones first, of each score (not of latency, tokens and cost)."""
    if baseline is None or experiment.decision is None:
        return []
    found: list[Changed] = []
    for one in experiment.decision.metrics:
        if one.metric in (*MEASURES, FAILED):
            continue
        found += _changed(one, experiment, baseline)
    return sorted(found, key=lambda change: (change.by, change.metric, change.example_id))[:most]


def _changed(one: MetricDecision, experiment: Experiment, baseline: Experiment) -> Iterator[Changed]:
    before = _means_of(baseline, one.metric)
    for example, new in _means_of(experiment, one.metric).items():
        old = before.get(example)
        if old is not None and new is not None and old != new:
            yield Changed(one.metric, example, old, new, (new - old) * (1 if one.higher_is_better else -1))


def _means_of(experiment: Experiment, metric: str) -> dict[str, float | None]:
    return {example: mean_of(runs, metric) for example, runs in by_example(experiment)}


def mean_of(runs: list[Run], metric: str) -> float | None:
    """Over an example's repetitions."""
    found = [value for run in runs if (value := run.metric(metric)) is not None]
    return sum(found) / len(found) if found else None


def decision_of(experiment: Experiment) -> Decision:
    """Raises ``ValueError`` where there is none."""
    if experiment.decision is None:
        raise ValueError("nothing was decided")
    return experiment.decision
