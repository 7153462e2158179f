"""The Evaluation page over the memory store and a SQLite file: what is stored is shown, escaped, and only read."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pages_stage import ESCAPED, HOSTILE, NOW, TRACE, store
from starlette.testclient import TestClient

from collector.annotations import Annotation, Target
from collector.evaluation.rules import Budget, Counts, Decision, Rule, Subject
from collector.evaluation.score_series import ScoreStep
from collector.storage.evaluation_api import SCORE, Concluded
from dashboards import evaluation as view
from dashboards import scores as drawn
from dashboards.app import POLICY, build_dashboards

__all__ = ["store"]

JUDGED = Rule(
    "faithful", {"type": "faithfulness"}, judge={"model": "gpt-4o-mini", "api_key": "env:KEY"}, budget=Budget(5.0, 200)
)


@pytest.fixture
def client(store: Any) -> TestClient:
    return TestClient(build_dashboards(store, evaluation=store, clock=lambda: NOW), follow_redirects=False)


def add(store: Any, rule: Rule) -> Rule:
    found: Rule = store.add_rule(rule, now_ns=NOW - 10**12).result()
    return found


def decide(store: Any, *decisions: Decision) -> None:
    store.queue.put(SCORE, 1, now_ns=NOW, payload={})
    (item,) = store.queue.claim(SCORE, "w", limit=1, lease_ns=10**9, now_ns=NOW)
    assert store.conclude([Concluded(item, decisions)], now_ns=NOW) == 1


def test_an_empty_page_says_what_belongs_there(client: TestClient) -> None:
    text = client.get("/evaluation").text
    assert "No rules yet" in text and "<code>tracekit eval rule add refused --evaluator refusal</code>" in text


def test_every_answer_keeps_to_the_policy(client: TestClient, store: Any) -> None:
    add(store, JUDGED)
    for path in ("/evaluation", "/evaluation?part=live", "/evaluation/faithful", "/evaluation/faithful?part=live"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["content-security-policy"]) == (200, POLICY)
        assert ("<html" in answer.text) != ("part=live" in path)
        assert client.post(path).status_code == 405
    assert client.get("/evaluation/nobody").status_code == 404


def test_the_rail_leads_there_where_there_are_rules_to_read(client: TestClient, store: Any) -> None:
    assert 'href="/evaluation"' in client.get("/traces").text
    alone = TestClient(build_dashboards(store, clock=lambda: NOW))
    assert 'href="/evaluation"' not in alone.get("/traces").text
    assert alone.get("/evaluation").status_code == 404


def test_a_list_of_rules(client: TestClient, store: Any) -> None:
    rule = add(store, JUDGED)
    add(store, Rule("refused", {"type": "refusal"}, filter="status == 'ok'", sample_rate=0.1, state="paused"))
    store.reserve_call(rule.id, view.day_of(NOW), calls=200, usd=None)
    store.add_spending(rule.id, view.day_of(NOW), 31 * 10**9)
    trace = Subject(bytes.fromhex(TRACE))
    span = Subject(bytes.fromhex(TRACE), b"\1" * 8)
    decide(
        store,
        Decision(rule.id, 1, trace, "failed", attempts=50, reason="429\nslow down"),
        Decision(rule.id, 1, span, "done"),
    )
    text = client.get("/evaluation").text
    rows = dict(re.findall(r'<tr id="r-([a-z]+)" class="rule">(.*?)</tr>', text, re.DOTALL))
    assert list(rows) == ["faithful", "refused"]
    assert "$0.031, 1 call of $5.00 and 200 calls a day" in rows["faithful"]
    assert 'href="/evaluation/faithful#failed"' in rows["faithful"]
    assert "paused" in rows["refused"] and "10 %" in rows["refused"] and "status == &#39;ok&#39;" in rows["refused"]
    page = client.get("/evaluation/faithful").text
    assert f'href="/traces/{TRACE}"' in page and '<summary dir="auto">429</summary>' in page
    assert 'data-do="retry" data-to="/api/v1/rules/faithful/retry">' in page
    assert 'data-state="paused">Pause</button>' in page
    assert 'data-state="active">Resume</button>' in client.get("/evaluation/refused").text


def test_versions_are_listed(client: TestClient, store: Any) -> None:
    add(store, Rule("refused", {"type": "refusal"}))
    store.change_rule("refused", {"filter": "status == 'ok'"}, now_ns=NOW).result()
    page = client.get("/evaluation/refused").text
    assert re.findall(r'<tr id="v-(\d)">', page) == ["2", "1"]
    assert page.count(">current<") == 1 and "where status == &#39;ok&#39;" in page


def test_hostile_texts_are_texts(client: TestClient, store: Any) -> None:
    rule = add(
        store,
        Rule(HOSTILE.replace("/", "|"), {"type": HOSTILE, HOSTILE: HOSTILE}, filter=HOSTILE, judge={"model": HOSTILE}),
    )
    decide(store, Decision(rule.id, 1, Subject(session_id=HOSTILE), "failed", reason=HOSTILE + "\n" + HOSTILE))
    row = view.row(rule, None, (0, 0), 0)
    for path in ("/evaluation", f"/evaluation/{row.path}"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text and "{{7*7}}" in answer.text and ESCAPED in answer.text


def test_a_rows_values() -> None:
    counts = Counts({"queued": 3, "failed": 1_204})
    late = view.row(JUDGED, counts, (5 * 10**12, 3), 40 * 10**9)
    assert (late.failed, late.behind, late.late, late.spent_up) == ("1,204", "40.0 s", True, True)
    assert view.row(JUDGED, Counts({"done": 1}), (0, 0), 40 * 10**9).behind == "up to date"
    assert view.budget_of(Rule("x", {}, judge={})) == "no budget"
    assert view.row(Rule("x", {}), None, (0, 0), 0).spent == ""
    secret = Rule("x", {"type": "t"}, judge={"api_key": "sk-123", "model": "m"})
    assert "sk-123" not in str(view.settings(secret, (0, 0)))


def test_scores_are_drawn_over_time(client: TestClient, store: Any) -> None:
    rule = add(store, JUDGED)
    said = [
        Annotation("faithful", Target(session_id=str(number)), "llm", rule.identifier, score=score, label=label)
        for number, (score, label) in enumerate(((1.0, "faithful"), (0.5, "partly"), (0.0, HOSTILE)))
    ]
    kept = store.put_annotations(said).result()
    now = max(one.created_ns for one in kept) + 10**9
    pages = TestClient(build_dashboards(store, evaluation=store, clock=lambda: now))
    whole = pages.get("/evaluation/faithful?range=24h").text
    part = pages.get("/evaluation/faithful?part=scores&range=24h").text
    for text in (whole, part):
        assert "3 scores" in text and 'aria-label="Mean of faithful over time, from 0 to 1"' in text
        assert re.search(
            r'<rect x="[\d.]+" width="0.8" y="16.0" height="16.0"><title>[^<]+: 0.5, 3 scores</title>', text
        )
        assert "<script>alert" not in text and ESCAPED in text
    assert "<html" not in part and 'id="failed"' not in part
    assert 'href="/evaluation/faithful?range=24h" aria-current="true"' in whole
    assert "part=scores&amp;range=24h" in whole
    assert "3 scores" not in pages.get("/evaluation/faithful?part=live").text
    assert "None in this time" in client.get("/evaluation/faithful?range=nonsense").text


def test_a_figures_values() -> None:
    hour = 3_600 * 10**9
    steps = [
        ScoreStep("speed", 0, 2, 2, 200.0),
        ScoreStep("speed", hour, 1, 1, -50.0),
        ScoreStep("tone", 0, 10, labels={f"label {number}": 1 for number in range(10)}),
    ]
    speed, tone = drawn.figures(steps, 0, 2 * hour, hour)
    assert (speed.low, speed.high, speed.mean, speed.count) == ("-50", "100", "50", "3 scores")
    assert [(bar.x, bar.height) for bar in speed.bars] == [(0, 32.0), (1, 1.0)]
    assert (tone.bars, tone.mean, len(tone.labels)) == ([], "", 9)
    assert (tone.labels[-1].label, tone.labels[-1].percent) == ("2 others", "20 %")
    assert drawn.window("24h", 25 * hour + 1) == (2 * hour, 26 * hour, hour)
