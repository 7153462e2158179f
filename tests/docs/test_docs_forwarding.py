"""What the page about forwarding says is so: its commands and examples, its settings, options and metrics."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from typer.testing import CliRunner

from collector import cli, config
from collector.api import build_api
from collector.destinations import KINDS
from collector.exporters import archive, otlp
from collector.exporters.langsmith import options as langsmith
from collector.exporters.phoenix import options as phoenix
from collector.forwarding import backoff, deliver, said
from collector.forwarding.settings import FIELDS, configured
from collector.metrics import Metrics
from collector.queue.memory import MemoryQueue
from collector.storage.memory import MemoryStore

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "forwarding.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", PAGE, re.M))
ROWS = re.compile(r"^\| (.+?) \| (.+?) \| .+ \|$", re.M)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


def named(text: str) -> list[str]:
    return re.findall(r"`([\w-]+)`", text)


def test_every_setting_and_every_option_is_in_its_table() -> None:
    rows = ROWS.findall(SECTIONS["Settings"])
    settings = [
        name for first, second in rows if named(first)[:1] and named(first)[0] not in KINDS for name in named(first)
    ]
    assert settings == [*FIELDS, "from"]
    told: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for kind, options in rows:
        if named(kind) and named(kind)[0] in KINDS:
            told[named(kind)[0]].update(named(options))
    assert told == {
        "phoenix": {field.name for field in fields(phoenix.Options)},
        "langsmith": {field.name for field in fields(langsmith.Options)},
        "otlp": set(otlp.OPTIONS),
        "archive": set(archive.OPTIONS),
    }
    assert [name for first, _ in re.findall(r"^\| (`\w+`) \| (.+?) \|", PAGE, re.M)[:4] for name in named(first)] == [
        *KINDS
    ]


def test_the_commands_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("tracekit ")]
    assert len(lines) > 8
    for line in lines:
        _, *words = shlex.split(line.replace("/srv/", f"{tmp_path}/"))
        if words[0] != "phoenix":
            done = CliRunner().invoke(cli.app, [*words, "--database-url", f"sqlite:///{tmp_path}/traces.db"])
            assert done.exit_code == 0, (line, done.output)


def test_the_settings_file_that_is_shown_is_good(tmp_path: Path) -> None:
    (block,) = blocks("toml")
    file = tmp_path / "tracekit.toml"
    file.write_text(block)
    loaded = config.load({}, {}, file)
    assert [one.name for one in configured(loaded.destinations)] == ["local", "work"]
    as_json = json.dumps(loaded.destinations)
    assert config.load({}, {"TRACEKIT_DESTINATIONS": as_json}).destinations == loaded.destinations


def test_the_request_that_is_shown_is_good() -> None:
    (block,) = [block for block in blocks("sh") if block.startswith("curl")]
    body = json.loads(shlex.split(block)[-1])
    with TestClient(Starlette(routes=build_api(MemoryStore(MemoryQueue())))) as client:
        assert client.post("/api/v1/destinations", json=body).status_code == 201


def test_the_metrics_are_these() -> None:
    code = "from collector.metrics import Metrics; print(Metrics().exposition().decode())"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    for name in re.findall(r"tracekit_[a-z_]+", PAGE):
        assert re.search(rf"^(# TYPE )?{name}[ {{]", done.stdout, re.M), name
    assert hasattr(Metrics, "destinations")


def test_the_numbers_are_these() -> None:
    assert (backoff.POLICY.first_ns, backoff.POLICY.most_ns) == (10**9, 60 * 10**9)
    assert (deliver._HALVE_AFTER, deliver._BURY_AFTER) == (6, 16)
    assert (said.AGAIN_NS, said.GIVE_UP_NS) == (10 * 10**9, 3600 * 10**9)
