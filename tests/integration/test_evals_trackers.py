"""An experiment in a real MLflow server, and in W&B's offline mode; each where its client is installed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tracekit.evals.results import Experiment, Run, RunScore
from tracekit.evals.trackers import figures, labels, to_mlflow, to_wandb


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


def test_figures_and_labels() -> None:
    found = figures(decided())
    assert (found["mean/right/ä"], found["difference/right/ä"], found["total_tokens"]) == (0.25, -0.5, 120.0)
    assert "cost_usd" not in found
    assert labels(decided()) == {
        "task": "task", "dataset": "set", "dataset_sha256": "ab", "baseline": "old", "verdict": "worse"
    }  # fmt: skip


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("mlflow.server")
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/m.db", "--artifacts-destination", str(folder / "artifacts")]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, start_new_session=True)
    address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 100
    while True:
        try:
            urllib.request.urlopen(f"{address}/health", timeout=5).close()
            break
        except OSError:
            assert server.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.2)
    yield address
    os.killpg(server.pid, 15)
    server.wait(30)


def test_mlflow(mlflow_server: str) -> None:
    from mlflow.tracking import MlflowClient

    run_id = to_mlflow(decided(), mlflow_server)
    client = MlflowClient(mlflow_server)
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["mean/right/_"] == 0.25
    assert run.data.metrics["difference/right/_"] == -0.5
    assert (run.data.tags["tracekit.verdict"], run.data.params["k__"]) == ("worse", "1")
    assert [file.path for file in client.list_artifacts(run_id)] == ["report.json"]
    with_outputs = to_mlflow(decided(), mlflow_server, outputs=True)
    names = [file.path for file in client.list_artifacts(with_outputs)]
    assert names == ["experiment.json", "report.html", "report.json"]
    assert client.get_run(with_outputs).info.experiment_id == run.info.experiment_id


def test_wandb_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    run_id = to_wandb(decided(), mode="offline", dir=str(tmp_path))
    [folder] = [path for path in (tmp_path / "wandb").iterdir() if path.name.endswith(run_id)]
    assert next(folder.glob("*.wandb")).stat().st_size > 0
    [table] = folder.rglob("*.table.json")
    found = json.loads(table.read_text())
    assert found["columns"][-1] == "right/ä" and len(found["data"]) == 40
    assert "secret" not in table.read_text()
