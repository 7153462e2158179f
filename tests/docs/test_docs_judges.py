"""What the page about judges says is so: its code runs, its tables name what there is."""

from __future__ import annotations

import re
import threading
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from examples.judge_standin import KINDS, JudgeStandIn
from tracekit.evals.judge_prompt import VARIABLES
from tracekit.evals.judge_settings import JudgeSettings, settings_of
from tracekit.evals.judge_templates import QUESTIONS
from tracekit.evals.judges import JudgeEvaluator

PAGE = (Path(__file__).parents[2] / "docs/judges.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


@pytest.fixture
def base_url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with JudgeStandIn() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server.base_url
        server.shutdown()
        thread.join()


def test_the_code_runs_from_top_to_bottom_with_the_standin(base_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = "\n".join(blocks("python"))
    asked = '"provider": "openai", '
    assert code.count(asked) == 1
    exec(compile(code.replace(asked, f'{asked}"base_url": "{base_url}", '), "judges.md", "exec"), {})
    faithfulness, tone, compared, cost = capsys.readouterr().out.splitlines()
    assert faithfulness.startswith("unfaithful 0.0 Not in the documents: 2.5")
    assert tone in ("polite", "curt", "rude")
    assert compared == "a True"
    assert 0 < float(cost.split()[0]) < 0.01 and int(cost.split()[1]) > 100


def test_the_table_of_questions_is_that_of_the_code() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (`\w+` .+?|your own) \|", PAGE, re.M))
    assert set(rows) == {*QUESTIONS, "judge"}
    for name, question in QUESTIONS.items():
        told = [(label, float(score)) for label, score in re.findall(r"`(\w+)` ([\d.]+)", rows[name])]
        assert told == [(choice.label, choice.score) for choice in question.rubric.choices]


def test_settings_variables_and_faults_are_named() -> None:
    of_evaluators = {field.name for field in fields(JudgeEvaluator) if field.init} - {"judge", "rubric"}
    for name in of_evaluators | {"choices", "instructions"}:
        assert f"| `{name}` |" in PAGE, name
    for name in VARIABLES:
        assert f"`{{{name}}}`" in PAGE
    for kind in KINDS:
        assert f"`{kind}`" in PAGE


def test_the_settings_that_are_shown_are_all_that_there_are_with_their_defaults() -> None:
    [block] = blocks("toml")
    shown = tomllib.loads(block)["judge"]
    found = settings_of(shown)
    names = {"api_key" if field.name == "api_key_variable" else field.name for field in fields(JudgeSettings)}
    assert set(shown) == names
    defaults = settings_of({"model": "gpt-4o-mini"})
    for name in ("provider", "base_url", "max_concurrency", "timeout_s", "max_wait_s", "max_output_tokens"):
        assert getattr(found, name) == getattr(defaults, name)
