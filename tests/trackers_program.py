"""Pushes an experiment to MLflow or to W&B with their own clients, and prints as JSON what is there then.

Run by the interpreter of the environment that has them: ``trackers_program.py mlflow ADDRESS``, ``... wandb FOLDER``.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from tracekit.evals.results import Experiment, Run, RunScore
from tracekit.evals.trackers import to_mlflow, to_wandb


def experiment(name: str, right: int) -> Experiment:
    runs = tuple(
        Run(
            f"e{at}",
            output=f"secret {at}",
            latency_ms=5.0,
            total_tokens=3,
            scores=(RunScore("right/ä", float(at < right)),),
        )
        for at in range(40)
    )
    dataset = {"name": "set", "sha256": "ab", "examples": 40}
    return Experiment(name, "task", dataset, {"prompt": "b" * 600, "k:?": 1}, runs=runs, repetitions=1)


def decided() -> Experiment:
    old, new = experiment("old", 30), experiment("new", 10)
    return replace(new, decision=new.compare(old), baseline="old")


def mlflow(address: str) -> dict[str, Any]:
    from mlflow.tracking import MlflowClient  # type: ignore[import-not-found,unused-ignore]

    client = MlflowClient(address)
    found = {}
    for outputs in (False, True):
        run_id = to_mlflow(decided(), address, outputs=outputs)
        run = client.get_run(run_id)
        found[str(outputs)] = {
            "status": run.info.status,
            "experiment": run.info.experiment_id,
            "metrics": run.data.metrics,
            "tags": dict(run.data.tags),
            "params": run.data.params,
            "artifacts": [file.path for file in client.list_artifacts(run_id)],
        }
    return found


def wandb(folder: str) -> dict[str, Any]:
    run_id = to_wandb(decided(), mode="offline", dir=folder)
    [kept] = [path for path in (Path(folder) / "wandb").iterdir() if path.name.endswith(run_id)]
    [table] = kept.rglob("*.table.json")
    return {"bytes": next(kept.glob("*.wandb")).stat().st_size, "table": table.read_text()}


if __name__ == "__main__":
    os.environ["WANDB_SILENT"] = "true"
    told = mlflow(sys.argv[2]) if sys.argv[1] == "mlflow" else wandb(sys.argv[2])
    print(json.dumps(told))
