"""From live traffic to the gate, as the example shows it: a real collector, a real judge (the stand-in) over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from collector_process import Start

ROOT = Path(__file__).parents[2]


def test_the_whole_loop(start_collector: Start, tmp_path: Path) -> None:
    collector = start_collector("--grpc-port", "off")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TRACEKIT_", "OTEL_"))}
    done = subprocess.run(
        [sys.executable, "-m", "examples.eval_loop"],
        check=False,
        cwd=tmp_path,
        env=kept | {"TRACEKIT_ENDPOINT": collector.http, "PYTHONPATH": str(ROOT), "NO_PROXY": "*"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert "rule grounded-answers: {'done': 45}" in done.stdout
    assert done.stdout.rstrip().endswith("gate: better, exit code 0")
    # What the judge was asked is traced in a project of its own, priced, and judged by nobody.
    judged = collector.get("/api/v1/traces?project=tracekit-judges&limit=500").json()["items"]
    assert len(judged) >= 45
    assert all(one["cost"]["status"] == "computed" for one in judged)
    # The dataset keeps where each example came from, and the experiments' runs lead to their traces.
    examples = collector.get("/api/v1/datasets/eval-loop-failures/examples?limit=500").json()["items"]
    assert examples and all(one["expected"] and one["source"] for one in examples)
    trace_id = examples[0]["source"].partition(":")[0]
    scores = [
        one for one in collector.get(f"/api/v1/traces/{trace_id}").json()["annotations"] if one["score"] is not None
    ]
    assert [(one["name"], one["annotator_kind"]) for one in scores] == [("faithfulness", "llm")]
    explained = collector.get(f"/api/v1/traces/{trace_id}/evaluations").json()
    (rule,) = explained["rules"]
    assert rule["decisions"][0]["state"] == "done"
    experiments = {one["name"] for one in collector.get("/api/v1/experiments").json()["items"]}
    assert {"loop-before", "loop-after"} <= experiments
