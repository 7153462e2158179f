"""A real collector that evaluates: from the command line and the SDK to scores, and why there are none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from collector_process import JSON, PROTOBUF, CollectorProcess, collectors, until
from otlp_requests import export_request, protobuf, trace_id_of
from typer.testing import CliRunner

from collector.cli import app

SAID = {"input.value": "Where is it?", "output.value": "I cannot help with that."}
ANNOTATES = """
import tracekit
tracekit.init(endpoint={address!r}, project="feedback")
with tracekit.trace.span("work"):
    found = tracekit.current_trace_id()
    assert tracekit.annotate("grounded", score=0.5, annotator_kind="code")
assert tracekit.annotate("thumbs", score=True, trace_id=found, explanation="Just so.", identifier="user")
assert tracekit.flush(20).pending == 0
stats = tracekit.stats()
assert (stats.annotated, stats.annotations_pending, stats.annotations_lost) == (2, 0, 0), stats
print(found)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("evaluation")


@pytest.fixture(scope="module")
def collector(folder: Path) -> Iterator[CollectorProcess]:
    with collectors(folder) as start:
        yield start(env={"TRACEKIT_EVALUATION_QUIET_S": "1"})


def command(folder: Path, *arguments: str, code: int = 0) -> str:
    """What ``tracekit eval`` says, run within this process: starting one each time takes a second."""
    environ = {name: None for name in os.environ if name.startswith("TRACEKIT_")}
    where = {"TRACEKIT_DATABASE_URL": f"sqlite:///{folder / 'tracekit.db'}"}
    ran = CliRunner().invoke(app, ["eval", *arguments], env=environ | where)
    assert ran.exit_code == code, ran.output
    return ran.output


def rule(folder: Path, name: str) -> dict[str, Any]:
    items = json.loads(command(folder, "rule", "list", "--json"))["items"]
    return next(one for one in items if one["name"] == name)


def send(collector: CollectorProcess, number: int, spans: tuple[int, ...] = (0, 1)) -> str:
    assert (
        collector.post("/v1/traces", protobuf(export_request(number, spans, attributes=SAID)), PROTOBUF).status == 200
    )
    return trace_id_of(number).hex()


def scores(collector: CollectorProcess, trace_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = collector.get(f"/api/v1/annotations?trace_id={trace_id}").json()["items"]
    return found


def test_from_the_command_line_to_a_score_and_back(collector: CollectorProcess, folder: Path) -> None:
    before = send(collector, 1)
    until(lambda: not collector.get(f"/api/v1/traces/{before}").json()["stale"])
    assert "added refused" in command(folder, "rule", "add", "refused", "--evaluator", "refusal")
    assert "a back-fill scores it" in command(folder, "explain", before)
    after = send(collector, 2)
    until(lambda: bool(scores(collector, after)))
    (score,) = scores(collector, after)
    assert (score["annotator_kind"], score["identifier"]) == ("code", "rule:refused@1")
    assert command(folder, "explain", after).startswith("refused (version 1, trace): scored")
    told = command(folder, "backfill", "refused", "--from", "2026-01-01", "--to", "2027-01-01", "--yes")
    assert "targets to be scored" in told and "were gone over" in told
    until(lambda: bool(scores(collector, before)))
    assert rule(folder, "refused")["decisions"]["done"] == 2
    assert "is paused" in command(folder, "rule", "pause", "refused")
    assert "0 targets wait again" in command(folder, "retry", "refused")
    assert "there is no rule nobody" in command(folder, "retry", "nobody", code=2)
    assert "there is no evaluator" in command(folder, "rule", "add", "x", "--evaluator", "nothing", code=2)
    assert "TRACE_ID: must be 32" in command(folder, "explain", "xyz", code=2)
    assert "removed refused" in command(folder, "rule", "remove", "refused")
    assert len(scores(collector, after)) == 1


def test_a_trace_whose_root_never_comes_is_scored_when_it_is_quiet(collector: CollectorProcess) -> None:
    given = {"name": "ok", "evaluator": {"type": "status_ok"}}
    assert collector.post("/api/v1/rules", json.dumps(given).encode(), JSON).status == 201
    found = send(collector, 3, (1, 2))
    until(lambda: bool(scores(collector, found)))
    assert collector.request("DELETE", "/api/v1/rules/ok").status == 204


def test_applications_annotate_the_running_trace_and_any_other(collector: CollectorProcess, tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("TRACEKIT_", "OTEL_"))}
    program = ANNOTATES.format(address=collector.http)
    ran = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        env=environ | {"XDG_STATE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    found = {one["name"]: one for one in scores(collector, ran.stdout.strip())}
    assert (found["grounded"]["score"], found["grounded"]["annotator_kind"]) == (0.5, "code")
    assert (found["thumbs"]["score"], found["thumbs"]["explanation"]) == (True, "Just so.")
