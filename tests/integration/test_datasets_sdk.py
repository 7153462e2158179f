"""A real collector, and an application that makes, fills, reads and tries a dataset of it; and the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from collector_process import CollectorProcess, Start
from typer.testing import CliRunner

import tracekit
from collector.cli import app
from tracekit.evals.remote import Refused

ODD = "é \0 \u2028 🎉 ' \" \\ <b>"


@pytest.fixture
def golden(collector_process: CollectorProcess) -> Any:
    found = tracekit.dataset("golden", endpoint=collector_process.http)
    return found.create(description="must work")


def test_an_application_makes_fills_and_reads_a_dataset(golden: Any) -> None:
    assert golden.create().info()["description"] == "must work"
    first = golden.add(
        {"input": ODD, "expected": {"n": [1, 2.5, None]}, "metadata": {"k": ODD}, "split": "test"}, {"input": "plain"}
    )
    assert (first["version"], first["added"]) == (1, 2)
    assert golden.add({"input": "plain"})["duplicates"] == 1
    golden.tag("prod")
    many = golden.add(*({"input": f"q{number}"} for number in range(1_100)), note="many")
    assert (many["added"], len(many["ids"])) == (1_100, 1_100)
    (one,) = golden.examples(split="test")
    assert (one["input"], one["expected"], one["metadata"]) == (ODD, {"n": [1, 2.5, None]}, {"k": ODD})
    assert len(list(golden.examples(version="prod"))) == 2
    everything = list(golden)
    assert len(everything) == 1_102 == len({one["id"] for one in everything})
    edited = golden.change(update=[{"id": first["ids"][1], "expected": "x"}], remove=many["ids"])
    assert golden.diff("prod")["changed_count"] == 1
    newest = golden.versions()[0]
    assert (newest["hash"], newest["removed"]) == (edited["hash"], 1_100)


def test_what_the_collector_refuses_is_said(golden: Any, collector_process: CollectorProcess) -> None:
    with pytest.raises(Refused, match="/add/0/input"):
        golden.add({"expected": 1})
    with pytest.raises(Refused) as caught:
        golden.change(base_version=99)
    assert caught.value.status == 409
    with pytest.raises(Refused, match="no dataset"):
        list(tracekit.dataset("nobody", endpoint=collector_process.http))
    with pytest.raises(OSError, match="cannot be reached"):
        tracekit.dataset("golden", endpoint="http://127.0.0.1:9").info()


def test_an_experiment_with_it_is_stored_with_its_runs(
    start_collector: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    collector = start_collector()
    monkeypatch.setenv("TRACEKIT_ENDPOINT", collector.http)
    golden = tracekit.dataset("golden").create()
    golden.add({"input": "a", "expected": "A"}, {"input": "b", "expected": "B"})
    program = (
        "import tracekit\n"
        "from tracekit.evals.registry import make\n"
        "tracekit.init(project='p')\n"
        "golden = tracekit.dataset('golden')\n"
        "tracekit.evaluate(lambda text: text.upper(), golden, [make({'type': 'exact_match'})], name='first')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    (experiment,) = collector.get("/api/v1/experiments?dataset=golden").json()["items"]
    assert (experiment["name"], experiment["state"], experiment["run_count"]) == ("first", "done", 2)
    runs = collector.get(f"/api/v1/experiments/{experiment['id']}/runs").json()["items"]
    assert sorted(run["output"] for run in runs) == ["A", "B"]
    assert all(run["scores"][0]["name"] and run["trace_id"] for run in runs)


def test_the_command_line_works_on_the_same_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{tmp_path}/x.db"
    (tmp_path / "cases.csv").write_text("question,answer\nq1,a1\nq2,a2\n")

    def run(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["dataset", *arguments, "--database-url", url])
        assert done.exit_code == code, done.output
        return done.stdout or done.stderr

    run("create", "qa", "--description", "golden")
    assert "version 1: 2 added" in run("import", "qa", "cases.csv", "--note", "first")
    assert "version 2: 1 added" in run("add", "qa", "--input", '{"q": 3}', "--expected", "a3", "--split", "test")
    assert "stays version 2" in run("add", "qa", "--input", "q1", "--expected", "a1")
    assert run("tag", "qa", "v1", "--version", "1") == "v1 is version 1\n"
    assert "1 added, 0 removed, 0 changed" in run("diff", "qa", "v1")
    lines = run("export", "qa").splitlines()
    assert [json.loads(line)["input"] for line in lines] == ["q1", "q2", {"q": 3}]
    run("export", "qa", "--dvc", "data", "--version", "v1")
    assert (tmp_path / "data/qa.jsonl").exists() and "md5" in (tmp_path / "data/qa.jsonl.dvc").read_text()
    versions = json.loads(run("list", "qa", "--json"))["items"]
    assert [(one["version"], one["tags"], one["note"]) for one in versions] == [
        (2, [], None), (1, ["v1"], "first"), (0, [], None),
    ]  # fmt: skip
    (tmp_path / "bad.jsonl").write_text('{"input": 1}\n{"colour": 2}\n')
    assert "bad.jsonl:2: input: there is no input" in run("import", "qa", "bad.jsonl", code=2)
    assert "there is no dataset nobody" in run("diff", "nobody", code=2)
    assert "never the key itself" in run(
        "export", "qa", "--to", "langsmith", "--endpoint", "x", "--api-key", "k", code=2
    )
