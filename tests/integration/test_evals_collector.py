"""An experiment from the command line with a collector: the dataset comes from it, traces and results go there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from collector_process import JSON, CollectorProcess, collectors, until
from judge_server import KEY, Answer, judge_server

from tracekit.evals.examples import Example
from tracekit.evals.remote import Collector, Refused
from tracekit.evals.results import Experiment, Run, RunScore

ROOT = Path(__file__).parents[2]
TASK = """
from tracekit import trace

@trace.llm(name="chat", model="gpt-4o")
def chat(text):
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    return {"choices": [{"message": {"role": "assistant", "content": text.upper()}}], "usage": usage}

def task(text):
    if text == "b":
        raise RuntimeError("no b")
    return chat(text)["choices"][0]["message"]["content"]

def right(output, expected):
    return output == expected
"""
CONFIG = """
name = "first"
task = "program:task"
dataset = "letters@{version}"
repetitions = 2
project = "experiments"
[metadata]
prompt = "a"
[[evaluators]]
function = "program:right"
"""


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    with collectors(tmp_path_factory.mktemp("collector")) as start:
        process = start()
        post(process, "/api/v1/datasets", {"name": "letters"})
        examples = [{"input": letter, "expected": letter.upper(), "split": "test"} for letter in "abc"]
        post(process, "/api/v1/datasets/letters/changes", {"add": examples})
        post(process, "/api/v1/datasets/letters/changes", {"add": [{"input": "d", "expected": "D"}]})
        yield process


def post(collector: CollectorProcess, path: str, body: Any) -> Any:
    answer = collector.post(path, json.dumps(body), JSON)
    assert answer.status < 300, answer
    return answer.json()


def items(collector: CollectorProcess, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = collector.get(path).json()["items"]
    return found


def test_a_dataset_of_the_collector_and_back(collector: CollectorProcess, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(TASK)
    (tmp_path / "eval.toml").write_text(CONFIG.format(version=1))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TRACEKIT_", "OTEL_"))}
    environment = kept | {"TRACEKIT_ENDPOINT": collector.http, "PYTHONPATH": str(ROOT), "NO_PROXY": "*"}
    command = [sys.executable, "-m", "collector", "eval", "run", "eval.toml"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    assert "6, 2 failed, 2 for each example" in done.stdout
    [experiment] = items(collector, "/api/v1/experiments?dataset=letters&name=first")
    assert (experiment["version"], experiment["state"], experiment["run_count"]) == (1, "done", 6)
    assert (experiment["error_count"], experiment["metadata"]["prompt"]) == (2, "a")
    runs = items(collector, f"/api/v1/experiments/{experiment['id']}/runs")
    good = next(run for run in runs if run["output"] == "A")
    assert (good["total_tokens"], good["scores"]) == (15, [{"name": "right", "score": 1.0}])
    assert float(good["cost"]) == pytest.approx(75e-6)
    until(lambda: collector.span_names(good["trace_id"]) == ["task", "chat"])
    trace = collector.get(f"/api/v1/traces/{good['trace_id']}").json()
    assert trace["project"] == "experiments"
    assert trace["metadata"]["experiment"] == "first"


def test_versions_tags_and_what_is_not_there(collector: CollectorProcess) -> None:
    collector.request("PUT", "/api/v1/datasets/letters/tags/old", json.dumps({"version": 1}), JSON)
    client = Collector(collector.http)
    newest, old = client.dataset("letters"), client.dataset("letters@old")
    assert [one.input for one in newest.examples] == list("abcd")
    assert (newest.version, old.version) == ("2", "1")
    assert [one.metadata for one in old.examples] == [{"split": "test"}] * 3
    with pytest.raises(Refused) as refused:
        client.dataset("numbers")
    assert refused.value.status == 404
    with pytest.raises(Refused):
        client.dataset("letters@nine")


def test_the_same_experiment_again_replaces_its_runs(collector: CollectorProcess) -> None:
    client = Collector(collector.http)
    found = client.dataset("letters@1")

    def experiment(output: str) -> Experiment:
        first: Example = found.examples[0]
        run = Run(first.id, output=output, cost_usd=0.25, scores=(RunScore("s", 0.5, explanation="e"),))
        return Experiment("again", "task", {"name": "letters", "version": found.version}, runs=(run,))

    assert client.put(experiment("x")) == client.put(experiment("y"))
    [stored] = items(collector, "/api/v1/experiments?name=again")
    [run] = items(collector, f"/api/v1/experiments/{stored['id']}/runs")
    assert (run["output"], float(run["cost"]), run["scores"][0]["explanation"]) == ("y", 0.25, "e")


def test_a_judge_over_http_that_is_busy_at_first(collector: CollectorProcess, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(TASK)
    with judge_server() as server:
        config = f"""
name = "judged"
task = "program:task"
dataset = "letters@1"
evaluators = [{{type = "helpfulness"}}]
judge = {{provider = "openai", model = "gpt-4o", base_url = "{server.base}/v1", api_key = "env:JUDGE_KEY"}}
"""
        (tmp_path / "eval.toml").write_text(config)
        server.script = [Answer("busy", 429, {"retry-after": "0"})]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TRACEKIT_", "OTEL_"))}
        environment = kept | {"TRACEKIT_ENDPOINT": collector.http, "PYTHONPATH": str(ROOT), "NO_PROXY": "*"}
        command = [sys.executable, "-m", "collector", "eval", "run", "eval.toml", "--json", "report.json"]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=environment | {"JUDGE_KEY": KEY},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, ""), done
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["judge"]["calls"] - report["judge"]["failed"] == 2
    assert report["judge"]["cost_usd"] > 0
    assert report["means"].keys() == {"helpfulness"}
    assert KEY not in (tmp_path / ".tracekit" / "experiments" / "judged.json").read_text()
    judges = "/api/v1/traces?project=tracekit-judges"
    until(lambda: len(items(collector, judges)) == report["judge"]["calls"])


def test_nobody_there() -> None:
    with pytest.raises(OSError, match="cannot be reached"):
        Collector("http://127.0.0.1:9").dataset("letters")
