"""The forms in which an experiment is reported, with hostile content, and the command line with its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tracekit.evals.cli import main
from tracekit.evals.config import FaultyConfig, parse, read
from tracekit.evals.gate import Rule, Settings
from tracekit.evals.reports import html, junit, markdown, terminal
from tracekit.evals.reports import json as json_report
from tracekit.evals.results import Experiment, Run, RunScore
from tracekit.evals.store import load, save

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
HOSTILE = "<script>alert(1)</script>|`x`\x1b[31m\x00 @all https://evil.example ![](x) ]]> \ud800"


def experiment(name: str, right: int, count: int = 40, text: str = "out") -> Experiment:
    runs = tuple(
        Run(
            f"{text} {at}",
            output=text,
            latency_ms=5.0,
            scores=(RunScore("right", float(at < right), explanation=text),),
        )
        for at in range(count)
    )
    failed = Run(f"{text} failed", error=f"RuntimeError: {text}")
    examples = {run.example_id: {"input": text, "expected": {"text": text}} for run in runs}
    return Experiment(
        name, "task", {"name": "set", "examples": count}, {"m": text}, runs=(*runs, failed), examples=examples
    )


def decided(candidate: Experiment, baseline: Experiment, settings: Settings | None = None) -> Experiment:
    return replace(candidate, decision=candidate.compare(baseline, settings), baseline=baseline.name)


WORSE = decided(experiment("new", 10), experiment("old", 30))


def test_the_terminals_table() -> None:
    text = terminal.render(WORSE)
    assert text.splitlines()[0] == "new is worse than old"
    row = next(line for line in text.splitlines() if line.startswith("right"))
    assert row.split()[1:4] == ["0.7317", "0.2439", "-0.4878"] and row.endswith("worse")
    assert "\x1b" not in text
    assert "\x1b[31mworse\x1b[0m" in terminal.render(WORSE, colour=True)


def test_without_a_baseline() -> None:
    alone = experiment("new", 30)
    for render in (terminal.render, markdown.render, html.render):
        assert "0.75" in render(alone)
    assert ET.fromstring(junit.render(alone).encode()).get("tests") == "1"
    assert json.loads(json_report.render(alone))["verdict"] is None


def test_hostile_texts_stay_texts() -> None:
    old, new = experiment(HOSTILE, 30, text=HOSTILE), experiment(HOSTILE, 10, text=HOSTILE)
    found = decided(new, old)
    assert "\x1b" not in terminal.render(found)
    shown = markdown.render(found, old)
    for dangerous in ("<script", "@all", "https://evil", "![]", "\x1b", "|`"):
        assert dangerous not in shown
    rows = [line for line in shown.splitlines() if line.startswith("| right")]
    assert rows and all(line.replace("\\|", "").count("|") in (5, 8) for line in rows)
    page = html.render(found, old)
    assert "<script" not in page and "default-src 'none'" in page
    tags: set[str] = set()
    attributes: set[str] = set()

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.add(tag)
            attributes.update(name for name, _ in attrs)

    Parser().feed(page)
    assert not tags & {"script", "img", "link", "iframe", "a"}
    assert not attributes & {"src", "href", "onclick"}
    cases = ET.fromstring(junit.render(found).encode("utf-8", "strict")).findall(".//testcase")
    assert cases[0].find("failure") is not None
    assert json.loads(json_report.render(found))["experiment"] == HOSTILE


def test_junit_counts() -> None:
    root = ET.fromstring(junit.render(WORSE).encode())
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("3", "1", "1")
    names = [case.get("name") for case in root.findall(".//testcase")]
    assert names == ["metric right", "metric failed", "example out failed, repetition 0"]
    strict = Settings(rules={"right": Rule(smallest_effect=0)}, fail_on_inconclusive=True)
    few = decided(experiment("a", 1, 2), experiment("b", 2, 2), strict)
    assert ET.fromstring(junit.render(few).encode()).get("failures") == "2"


def test_json_has_the_figures() -> None:
    found = json.loads(json_report.render(WORSE))
    assert (found["verdict"], found["exit_code"], found["failed"]) == ("worse", 1, 1)
    right = found["metrics"][0]
    assert (right["comparison"]["test"]["name"], right["comparison"]["examples"]) == ("McNemar, exact", 41)


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_example_is_worse_and_its_exit_code_says_so(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(EXAMPLES / "eval.toml")]) == 0
    outputs = [word for name in ("markdown", "junit", "json", "html") for word in (f"--{name}", f"out/r.{name}")]
    assert main(["run", str(EXAMPLES / "eval_bad.toml"), *outputs]) == 1
    assert "bad-prompt is worse than good-prompt" in capsys.readouterr().out
    assert sorted(path.name for path in (there / "out").iterdir()) == ["r.html", "r.json", "r.junit", "r.markdown"]
    assert main(["compare", "bad-prompt", "good-prompt"]) == 0
    assert main(["compare", "good-prompt", "good-prompt", "--config", str(EXAMPLES / "eval_bad.toml")]) == 0
    assert load("good-prompt").metrics() == ["exact_match", "grounded"]
    assert load("good-prompt").total("total_tokens") is not None


def test_a_file_holds_whatever_a_model_says(tmp_path: Path) -> None:
    found = experiment(HOSTILE, 1, 2, text=HOSTILE)
    save(found, tmp_path / "x.json")
    assert list(load(tmp_path / "x.json").runs) == list(found.runs)


def test_inconclusive_fails_where_it_is_to(there: Path) -> None:
    save(experiment("a", 1, 2), there / "a.json")
    assert main(["compare", "a.json", "a.json"]) == 0
    assert main(["compare", "a.json", "a.json", "--fail-on-inconclusive"]) == 3


def test_what_cannot_be_run_exits_with_2(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (there / "c.toml").write_text('task = "no_such_module:x"\ndataset = "d.jsonl"\n')
    (there / "d.jsonl").write_text('{"input": 1}\n')
    (there / "f.toml").write_text('task = "json:no_such"\ndataset = "d.jsonl"\n')
    (there / "e.toml").write_text('task = "json:dumps"\ndataset = "none.jsonl"\n')
    said = []
    for arguments in (
        ["run", "c.toml"],
        ["run", "f.toml"],
        ["run", "e.toml"],
        ["run", "none.toml"],
        ["compare", "x", "y"],
    ):
        assert main(arguments) == 2
        said.append(capsys.readouterr().err)
    assert "there is no module 'no_such_module'" in said[0]
    assert "has no function 'no_such'" in said[1]
    assert all(text.startswith("tracekit eval: ") for text in said)
    assert main(["run"]) == 2
    assert main(["--help"]) == 0


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    wrong = {
        "task": "x",
        "repetitions": "3",
        "unknown": 1,
        "evaluators": [{"name": "x"}],
        "gate": {"alpha": 0.9, "bet": 1, "rules": {"m": {"direction": "up", "minimum": "low", "smallest_effect": -1}}},
        "outputs": {"pdf": "x"},
    }
    with pytest.raises(FaultyConfig) as found:
        parse(wrong, tmp_path)
    for fault in (
        "dataset: is missing",
        "task: must be module:function",
        "repetitions: must be a whole number",
        "unknown: is not known",
        "evaluators[0]: must have a type or a function",
        "gate: alpha must be",
        "gate.bet: is not known",
        "gate.rules.m.direction",
        "gate.rules.m.minimum: must be a number",
        "gate.rules.m: smallest_effect must not be negative",
        "outputs.pdf",
    ):
        assert fault in str(found.value)


@pytest.mark.parametrize("content", [b"\xff", b"a = ", b"x = " + b"[" * 5_000, b"[gate]\nrules = 3\n", b'judge = "x"'])
def test_files_that_are_no_configuration(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c.toml").write_bytes(content)
    with pytest.raises(FaultyConfig, match=r"c\.toml"):
        read(tmp_path / "c.toml")


def test_the_console_script_needs_the_sdk_alone(there: Path) -> None:
    """With every import of the server's libraries refused."""
    code = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('typer', 'sqlalchemy', 'starlette', 'pydantic', 'orjson', 'numpy'):\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "from collector.entry import main\n"
        f"sys.argv = ['tracekit', 'eval', 'run', {str(EXAMPLES / 'eval.toml')!r}]\n"
        "main()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "good-prompt is within its bounds" in done.stdout
