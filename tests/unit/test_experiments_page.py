"""Experiments over the memory store and a SQLite file: listed, each with its runs, and two of them compared."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from pages_stage import ESCAPED, HOSTILE, NOW, TRACE, store
from starlette.testclient import TestClient

from collector.datasets.experiments import Experiment, ExperimentRun
from collector.datasets.model import Change, Dataset, Example
from dashboards import experiments as view
from dashboards.app import POLICY, build_dashboards

__all__ = ["store"]


@pytest.fixture
def client(store: Any) -> TestClient:
    pages = build_dashboards(store, evaluation=store, datasets=store, clock=lambda: NOW)
    return TestClient(pages, follow_redirects=False)


@pytest.fixture
def ids(store: Any) -> list[bytes]:
    """Of 60 examples of a dataset."""
    store.add_dataset(Dataset(b"\1" * 16, "golden"), now_ns=NOW).result()
    examples = tuple(Example(f"question {number} {HOSTILE}") for number in range(60))
    return list(store.change_examples("golden", Change(add=examples), now_ns=NOW).result().ids)


def run(example: bytes, score: Any = 1.0, **fields: Any) -> ExperimentRun:
    given = {"trace_id": bytes.fromhex(TRACE), "latency_ms": 812.0, "total_tokens": 130, "cost": 310_000_000, **fields}
    return ExperimentRun(example, 0, scores=({"name": "right", "score": score},), **given)


def tried(store: Any, name: str, runs: list[ExperimentRun], **fields: Any) -> str:
    found = store.add_experiment(Experiment(name, "golden", 1, **fields), now_ns=NOW).result()
    store.put_experiment_runs(found.id, runs, now_ns=NOW).result()
    number: str = found.id.hex()
    return number


def test_no_experiments_say_what_belongs_there(client: TestClient) -> None:
    assert "<code>tracekit eval run examples/eval.toml</code>" in client.get("/evaluation").text


def test_a_list_of_experiments(client: TestClient, store: Any, ids: list[bytes]) -> None:
    number = tried(store, "before", [run(ids[0]), run(ids[1], error="TimeoutError: late")], baseline="main")
    text = client.get("/evaluation").text
    assert f'href="/experiments/{number}"><bdi>before</bdi>' in text and 'href="/datasets/golden?version=1"' in text
    assert "baseline <bdi>main</bdi>" in text and '1<span class="unit"> error</span>' in text
    assert client.get("/evaluation?cursor=bad").status_code == 404


def test_one_with_its_runs(client: TestClient, store: Any, ids: list[bytes]) -> None:
    runs = [run(one, output={"text": HOSTILE}) for one in ids[:-1]]
    number = tried(store, HOSTILE, [*runs, run(ids[-1], error=HOSTILE)], metadata={HOSTILE: HOSTILE})
    answer = client.get(f"/experiments/{number}")
    assert (answer.status_code, answer.headers["content-security-policy"]) == (200, POLICY)
    assert "<script>alert" not in answer.text and "{{7*7}}" in answer.text and ESCAPED in answer.text
    assert "<b>812 ms</b>" in answer.text and "<b>$0.019</b>" in answer.text and "<b>7.8k</b>" in answer.text
    assert f'href="/traces/{TRACE}"' in answer.text
    assert len(re.findall(r'id="u-', answer.text)) == 50
    (link,) = re.findall(r'rel="next" href="([^"]*)"', answer.text)
    assert len(re.findall(r'id="u-', client.get(html.unescape(link)).text)) == 10


def test_two_compared_have_the_gates_verdict(client: TestClient, store: Any, ids: list[bytes]) -> None:
    good = tried(store, "good", [run(one, 1.0) for one in ids])
    bad = tried(store, "bad", [run(one, float(place % 2), latency_ms=500.0) for place, one in enumerate(ids)])
    text = client.get(f"/experiments/{bad}?with={good}").text
    assert '<b class="verdict failed">worse</b>' in text and "▼ −0.5" in text and "▼ −312 ms" in text
    assert '<b class="verdict">better</b>' in client.get(f"/experiments/{good}?with={bad}").text
    for other in ("00" * 16, "x", good[:-2]):
        assert client.get(f"/experiments/{good}?with={other}").status_code == 404


def test_what_is_not_there(client: TestClient, store: Any, ids: list[bytes]) -> None:
    assert client.get(f"/experiments/{'00' * 16}").status_code == 404
    assert client.get("/experiments/x").status_code == 404
    number = tried(store, "empty", [])
    assert "Nothing was tried yet" in client.get(f"/experiments/{number}").text
    assert client.get(f"/experiments/{number}?cursor=bad").status_code == 404
    assert client.post(f"/experiments/{number}").status_code == 405


def test_strange_scores() -> None:
    assert [view.number(one) for one in (True, 0.5, "1", None, float("nan"), 10**400)] == [1.0, 0.5] + [None] * 4
    assert view.chip({"name": "x", "error": "no key"}).failed
    assert view.chip({"score": 0.5, "label": "fair", "explanation": "so"}) == view.Chip("score", "0.5 fair", "so")
    assert view.delta("right", 0.5, None) == "–"
    empty = view.result_of(Experiment("a", "golden", 1), [])
    assert view.compared(empty, empty, judged=True)[0] in ("inconclusive", "not compared", "no difference")
