"""The decision and its figures as JSON; the runs are in the experiment's own file. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from tracekit.evals.results import Experiment


def render(experiment: Experiment) -> str:
    """One object; unknown figures are null."""
    return json.dumps(document(experiment), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def document(experiment: Experiment) -> dict[str, Any]:
    decision = experiment.decision
    return {
        "experiment": experiment.name,
        "baseline": experiment.baseline,
        "path": experiment.path,
        "dataset": dict(experiment.dataset),
        "runs": len(experiment.runs),
        "failed": experiment.failed,
        "means": {name: experiment.mean(name) for name in experiment.metrics()},
        "total_tokens": experiment.total("total_tokens"),
        "cost_usd": experiment.total("cost_usd"),
        "judge": experiment.judge,
        "verdict": decision.verdict if decision is not None else None,
        "exit_code": decision.exit_code if decision is not None else 0,
        "alpha": decision.alpha if decision is not None else None,
        "metrics": [asdict(one) for one in decision.metrics] if decision is not None else [],
        "warnings": list(decision.warnings) if decision is not None else [],
        "evaluator_errors": experiment.evaluator_errors(),
    }
