"""The marker ``tracekit_eval`` in a pytest run of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = """
import pytest
from tracekit.evals.gate import Rule, Settings

EXAMPLES = [{"input": n, "expected": n * 2} for n in range(20)]

def right(output, expected):
    return output == expected

@pytest.mark.tracekit_eval(task=lambda n: n * 2, dataset=EXAMPLES, evaluators=[right], name="double")
def test_good(tracekit_experiment):
    assert tracekit_experiment.mean("right") == 1.0

@pytest.mark.tracekit_eval(task=lambda n: n * 3, dataset=EXAMPLES, evaluators=[right], baseline="double")
def test_bad():
    raise AssertionError("never reached")

HALF = Settings(rules={"right": Rule(minimum=0.5)})

@pytest.mark.tracekit_eval(task=lambda n: n * 3, dataset=EXAMPLES, evaluators=[right], gate=HALF)
def test_below():
    pass

@pytest.mark.tracekit_eval("EXAMPLES/eval.toml")
def test_of_a_file(tracekit_experiment):
    assert len(tracekit_experiment.runs) == 90

@pytest.mark.tracekit_eval("none.toml")
def test_without_a_file():
    pass

def test_unmarked():
    pass
"""


def test_it_passes_and_fails_with_the_gates_words(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS.replace("EXAMPLES/", f"{ROOT / 'examples'}/"))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "--strict-markers", "--disable-plugin-autoload"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    command += ["-p", "tracekit_pytest"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert "3 failed, 3 passed" in done.stdout, done.stdout + done.stderr
    assert "test_bad is worse than double" in done.stdout
    assert "the mean 0.05 is below the minimum 0.5" in done.stdout
    assert "none.toml: No such file" in done.stdout
    assert "never reached" not in done.stdout
    assert (tmp_path / ".tracekit" / "experiments" / "double.json").is_file()
