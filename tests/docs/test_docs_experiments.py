"""What the pages about experiments and the gate say is so, and the workflow does what it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.gate.worlds import WORLDS
from tracekit.evals import gate
from tracekit.evals.cli import options
from tracekit.evals.config import OUTPUTS, parse

ROOT = Path(__file__).parents[2]
EXPERIMENTS = (ROOT / "docs" / "experiments.md").read_text("utf-8")
GATE = (ROOT / "docs" / "gate.md").read_text("utf-8")
WORKFLOW = ROOT / "examples" / "github-actions" / "eval.yml"


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def shell(command: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("TRACEKIT_", "OTEL_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = kept | {"PYTHONPATH": str(ROOT), "PATH": path, **more}
    return subprocess.run(
        ["bash", "-e", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_code_runs(tmp_path: Path) -> None:
    first, test = blocks(EXPERIMENTS, "python")
    (tmp_path / "shown.py").write_text(first)
    done = shell("python shown.py", tmp_path)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "0.5 inconclusive\n")
    (tmp_path / "test_shown.py").write_text(test)
    for name in ("eval.toml", "eval_gate.py", "eval_questions.jsonl"):
        shutil.copy(ROOT / "examples" / name, tmp_path)
    done = shell("python -m pytest -q --disable-plugin-autoload -p tracekit_pytest test_shown.py", tmp_path)
    assert "1 passed" in done.stdout, done


def test_the_commands_run(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("corpus", "__pycache__"))
    codes = [shell(line.split("#")[0], tmp_path).returncode for line in blocks(EXPERIMENTS, "sh")[0].splitlines()]
    assert codes == [0, 1, 1]
    assert (tmp_path / "eval.md").is_file() and (tmp_path / "eval.html").is_file()


def test_the_settings_that_are_shown_are_settings(tmp_path: Path) -> None:
    config = parse(tomllib.loads(blocks(EXPERIMENTS, "toml")[0]), tmp_path)
    assert (config.task, config.repetitions, config.gate.rules["exact_match"].minimum) == (
        "my_app.answers:answer",
        3,
        0.8,
    )
    shown = tomllib.loads(blocks(GATE, "toml")[0])
    found = parse({"task": "a:b", "dataset": "c", **shown}, tmp_path).gate
    assert (found.alpha, found.power, found.fail_on_inconclusive) == (
        gate.Settings().alpha,
        gate.Settings().power,
        False,
    )
    assert found.rules["exact_match"] == gate.Rule(minimum=0.8)
    assert found.rules["latency_ms"].smallest_effect == gate.default_rule("latency_ms").smallest_effect
    for one in (*fields(gate.Rule), *fields(gate.Settings)):
        assert one.name in GATE or one.name in ("rules", "seed"), one.name


def test_options_metrics_and_exit_codes_are_named() -> None:
    for option in options() - {"--help"}:
        assert f"`{option}`" in EXPERIMENTS or f"{option}" in GATE, option
    assert all(f"`{name}`" in GATE for name in (*gate.MEASURES, gate.FAILED, *WORLDS))
    assert {name in EXPERIMENTS for name in OUTPUTS} == {True}
    codes = re.findall(r"^\| (\d+) \|", GATE, re.M)
    assert codes == [str(code) for code in (gate.PASS, gate.WORSE, gate.USAGE, gate.INCONCLUSIVE, 130)]


@pytest.mark.parametrize(("prompt", "code"), [("good", 0), ("bad", 1)])
def test_the_workflow_does_what_it_says(tmp_path: Path, prompt: str, code: int) -> None:
    """Its own commands, on two folders as it checks them out."""
    steps: dict[str, Any] = {}
    for step in yaml.safe_load(WORKFLOW.read_text("utf-8"))["jobs"]["eval"]["steps"]:
        steps[step.get("id") or step.get("name") or step["uses"]] = step
    for folder, name in (("baseline", "good"), ("candidate", prompt)):
        (tmp_path / folder).mkdir()
        for file in ("eval_gate.py", "eval_questions.jsonl"):
            shutil.copy(ROOT / "examples" / file, tmp_path / folder)
        config = (ROOT / "examples" / "eval_bad.toml").read_text().replace("eval_gate:bad", f"eval_gate:{name}")
        (tmp_path / folder / "eval.toml").write_text(config)
    assert steps["Install"]["run"] == "python -m pip install ./tracekit"
    for name, expected in (("baseline", 0), ("candidate", code)):
        command = steps[name]["run"].replace("tracekit eval", "python -m collector eval")
        done = shell(command, tmp_path / steps[name]["working-directory"])
        assert done.returncode == expected, done
    summary = tmp_path / "summary"
    assert shell(steps["Show"]["run"], tmp_path, GITHUB_STEP_SUMMARY=str(summary)).returncode == 0
    assert ("is worse than" in summary.read_text()) is (code == 1)
    assert {path.name for path in tmp_path.glob("eval.*")} == {"eval.md", "eval.xml", "eval.json", "eval.html"}
