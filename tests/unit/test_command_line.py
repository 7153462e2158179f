"""The command line: helpful, quick, and understandable where something is missing."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from collector.cli import app


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("verb", ["serve", "demo", "version"])
def test_every_verb_has_help(verb: str):
    result = CliRunner().invoke(app, [verb, "--help"], env={"NO_COLOR": "1", "COLUMNS": "200"})
    assert result.exit_code == 0
    assert "\x1b[" not in result.output


def test_help_shows_examples():
    output = CliRunner().invoke(app, ["serve", "--help"], env={"NO_COLOR": "1", "COLUMNS": "200"}).output
    assert "Examples" in output
    assert "tracekit serve --port 0" in output


def test_the_version_is_the_distributions():
    assert CliRunner().invoke(app, ["version"]).output.strip() == "0.1.0"


def test_help_imports_nothing_of_the_server():
    heavy = {"sqlalchemy", "uvicorn", "grpc", "starlette", "pydantic_settings"}
    assert run(f"import sys, collector.cli; print({heavy} & set(sys.modules))").stdout.strip() == "set()"


def test_without_the_extra_it_says_what_to_install():
    result = run("import sys; sys.modules['typer'] = None\nfrom collector.entry import main; main()")
    assert result.returncode == 2
    assert "tracekit-llm[collector]" in result.stderr
    assert "Traceback" not in result.stderr
