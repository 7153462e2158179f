"""An experiment in a real MLflow server, and in W&B's offline mode.

Both are large, so ``make test`` installs them into an environment beside the project's own.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trackers_program
from beside import needed
from trackers_program import decided

from tracekit.evals.trackers import figures, labels

PROGRAM = Path(trackers_program.__file__)
PYTHON = Path(sys.prefix) / "trackers" / "bin" / "python"


def test_figures_and_labels() -> None:
    found = figures(decided())
    assert (found["mean/right/ä"], found["difference/right/ä"], found["total_tokens"]) == (0.25, -0.5, 120.0)
    assert "cost_usd" not in found
    assert labels(decided()) == {
        "task": "task", "dataset": "set", "dataset_sha256": "ab", "baseline": "old", "verdict": "worse"
    }  # fmt: skip


def pushed(tracker: str, where: str, folder: Path) -> Any:
    """What the tracker has then."""
    environ = os.environ | {"PYTHONPATH": str(PROGRAM.parents[1]), "HOME": str(folder), "DO_NOT_TRACK": "true"}
    command = [needed(PYTHON), str(PROGRAM), tracker, where]
    done = subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def mlflow_server(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [needed(PYTHON), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    stores = ["--backend-store-uri", f"sqlite:///{tmp_path}/m.db", "--artifacts-destination", str(tmp_path / "files")]
    with (tmp_path / "log").open("wb") as log:
        environ = os.environ | {"DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}
        server = subprocess.Popen(
            [*command, *stores], stdout=log, stderr=log, cwd=tmp_path, env=environ, start_new_session=True
        )
    address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 100
    while True:
        try:
            urllib.request.urlopen(f"{address}/health", timeout=5).close()
            break
        except OSError:
            assert server.poll() is None and time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.2)
    yield address
    os.killpg(server.pid, 15)
    server.wait(30)


def test_mlflow(mlflow_server: str, tmp_path: Path) -> None:
    found = pushed("mlflow", mlflow_server, tmp_path)
    plain, whole = found["False"], found["True"]
    assert plain["status"] == "FINISHED"
    assert plain["metrics"]["mean/right/_"] == 0.25
    assert plain["metrics"]["difference/right/_"] == -0.5
    assert (plain["tags"]["tracekit.verdict"], plain["params"]["k__"]) == ("worse", "1")
    assert plain["artifacts"] == ["report.json"]
    assert whole["artifacts"] == ["experiment.json", "report.html", "report.json"]
    assert whole["experiment"] == plain["experiment"]


def test_wandb_offline(tmp_path: Path) -> None:
    found = pushed("wandb", str(tmp_path), tmp_path)
    assert found["bytes"] > 0 and "secret" not in found["table"]
    table = json.loads(found["table"])
    assert table["columns"][-1] == "right/ä" and len(table["data"]) == 40
