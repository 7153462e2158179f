"""What the page about datasets says is so: its commands, its code and its requests are run, in their order."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from collector_process import collectors
from typer.testing import CliRunner

from collector.cli import app
from collector.datasets.formats.registry import FORMATS, READERS
from collector.datasets.model import FIELDS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/datasets.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "cases.csv").write_text("question,answer\nWhere is my refund?,In five days.\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_its_commands_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEKIT_DATABASE_URL", f"sqlite:///{folder}/x.db")
    commands = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("tracekit")]
    assert len(commands) == 11
    for command in commands:
        if "--to" in command:
            continue  # tests of Phoenix and LangSmith do that
        done = CliRunner().invoke(app, shlex.split(command)[1:])
        assert done.exit_code == 0, (command, done.output)
    assert {"cases.parquet", "golden-hf", "data"} <= {path.name for path in folder.iterdir()}


def test_its_code_and_its_requests_run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with collectors(tmp_path_factory.mktemp("collector")) as start:
        run_shown(folder, start().http)
    assert "Where is my refund?" in (folder / "golden.csv").read_text()


def run_shown(folder: Path, http: str) -> None:
    environ = {**os.environ, "TRACEKIT_ENDPOINT": http, "COLLECTOR": http, "PYTHONPATH": str(ROOT)}
    (code,) = blocks("python")
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=environ, check=True, timeout=60)
    for block in blocks("sh"):
        for command in re.findall(r"^(curl (?:.|\n(?!curl))*)", block, re.M):
            command = command.replace("curl -s", "curl -sS --fail-with-body")
            done = subprocess.run(["sh", "-c", command], cwd=folder, env=environ, capture_output=True, check=False)
            assert done.returncode == 0, (command, done.stdout, done.stderr)


def test_every_field_and_format_is_in_its_table() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \|", PAGE, re.M)
    assert rows[: len(FIELDS) + 1] == ["id", *FIELDS]
    assert tuple(rows[len(FIELDS) + 1 :]) == FORMATS
    assert set(re.findall(r"^\| `(\w+)` \| yes", PAGE, re.M)) == set(READERS)
