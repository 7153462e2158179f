"""An experiment in MLflow and in Weights & Biases: its means, what the gate says, and its files.

Needs the extras ``mlflow`` and ``wandb``. Neither gets inputs and outputs unless ``outputs`` is True.
"""

from __future__ import annotations

import json
from typing import Any, Final

from tracekit.evals.reports import html
from tracekit.evals.reports import json as json_report
from tracekit.evals.results import Experiment, to_json

#: what MLflow takes as a parameter's value
_MAX_PARAMETER: Final = 500
_DEFAULT: Final = "tracekit"


def figures(experiment: Experiment) -> dict[str, float]:
    """Name to number: ``mean/SCORE``, ``runs``, ``failed``, ``total_tokens``, ``cost_usd``, ``latency_ms``; of what was
    compared ``difference/METRIC`` and ``p/METRIC``. Unknown ones are left out."""
    found: dict[str, float | None] = {f"mean/{name}": experiment.mean(name) for name in experiment.metrics()}
    found |= {"runs": float(len(experiment.runs)), "failed": float(experiment.failed)}
    found |= {name: experiment.total(name) for name in ("total_tokens", "cost_usd")}
    found["latency_ms"] = experiment.mean("latency_ms")
    for one in experiment.decision.metrics if experiment.decision is not None else ():
        if one.comparison is not None:
            found[f"difference/{one.metric}"] = one.comparison.difference
            found[f"p/{one.metric}"] = one.p_value
    return {name: value for name, value in found.items() if value is not None}


def labels(experiment: Experiment) -> dict[str, str]:
    """What it was, as texts."""
    decision = experiment.decision
    found = {
        "task": experiment.task,
        "dataset": str(experiment.dataset.get("name", "")),
        "dataset_version": str(experiment.dataset.get("version") or ""),
        "dataset_sha256": str(experiment.dataset.get("sha256", "")),
        "baseline": experiment.baseline or "",
        "verdict": decision.verdict if decision is not None else "",
    }
    return {name: value for name, value in found.items() if value}


def to_mlflow(
    experiment: Experiment, tracking_uri: str | None = None, *, name: str = _DEFAULT, outputs: bool = False
) -> str:
    """A run of the MLflow experiment ``name``; its id. tracking_uri: default as MLflow finds it.

    ``report.json`` is its artifact, with ``outputs`` also ``report.html`` and ``experiment.json``. Raises
    ``ModuleNotFoundError`` without the extra ``mlflow``, and MLflow's own exceptions.
    """
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=tracking_uri)
    parent = client.get_experiment_by_name(name)
    number = parent.experiment_id if parent is not None else client.create_experiment(name)
    run = client.create_run(number, run_name=experiment.name, tags=_prefixed(labels(experiment)))
    run_id = str(run.info.run_id)
    status = "FAILED"
    try:
        for key, value in experiment.metadata.items():
            client.log_param(run_id, _named(key), str(value)[:_MAX_PARAMETER])
        for key, number_ in figures(experiment).items():
            client.log_metric(run_id, _named(key), number_)
        for file, text in _files(experiment, outputs).items():
            client.log_text(run_id, text, file)
        status = "FINISHED"
    finally:
        client.set_terminated(run_id, status)
    return run_id


def to_wandb(
    experiment: Experiment, project: str = _DEFAULT, *, mode: str | None = None, outputs: bool = False, **settings: Any
) -> str:
    """A run of the project; its id. mode: "online", "offline", "disabled"; default as W&B finds it. settings: more of
    ``wandb.init`` (``entity``, ``dir``, ``group``). A table ``examples`` has each run's scores, with ``outputs`` also
    what came out. Raises ``ModuleNotFoundError`` without the extra ``wandb``, and W&B's own exceptions."""
    import wandb

    config = {**experiment.metadata, **labels(experiment)}
    run = wandb.init(project=project, name=experiment.name, config=config, mode=mode, **settings)
    try:
        run.summary.update(figures(experiment))
        columns, data = _table(experiment, outputs)
        run.log({"examples": wandb.Table(columns=columns, data=data)})
    finally:
        run.finish()
    return str(run.id)


def _table(experiment: Experiment, outputs: bool) -> tuple[list[str], list[list[Any]]]:
    names = experiment.metrics()
    columns = ["example", "repetition", "trace_id", "error", "latency_ms", "total_tokens", "cost_usd", *names]
    data: list[list[Any]] = []
    for run in experiment.runs:
        row = [run.example_id, run.repetition, run.trace_id, run.error, run.latency_ms, run.total_tokens, run.cost_usd]
        row += [run.metric(name) for name in names]
        data.append([*row, json.dumps(run.output, ensure_ascii=False)] if outputs else row)
    return [*columns, "output"] if outputs else columns, data


def _files(experiment: Experiment, outputs: bool) -> dict[str, str]:
    found = {"report.json": json_report.render(experiment)}
    if outputs:
        found["report.html"] = html.render(experiment)
        found["experiment.json"] = json.dumps(to_json(experiment), indent=1)
    return found


def _prefixed(found: dict[str, str]) -> dict[str, str]:
    return {f"tracekit.{name}": value for name, value in found.items()} | {"mlflow.source.name": "tracekit"}


def _named(text: str) -> str:
    """MLflow takes letters, digits, and ``_-./ :`` in names."""
    kept = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_-./ ") else "_" for letter in text)
    return kept.strip("/. ")[:250] or "unnamed"


__all__ = ["figures", "labels", "to_mlflow", "to_wandb"]
