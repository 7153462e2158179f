"""Every matching trace has exactly one score per rule, whatever crashes and however the judge fails."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from typing import Any

import pytest
from collector_process import JSON, PROTOBUF, CollectorProcess, Start, until
from flaky_judge import FAULTS, flaky_judge
from otlp_requests import export_request, protobuf, trace_id_of
from sqlalchemy import create_engine, text

MATCHING = 3  # one of so many traces is the judge's
SETTLE_S = 240.0


def ask(number: int) -> bytes:
    """A trace of two spans that was asked something."""
    name = "ask" if number % MATCHING == 0 else "skip"
    said = {"input.value": f"Where is order {number}?", "output.value": "I cannot help with that."}
    return protobuf(export_request(number, (0, 1), name=name, attributes=said))


def rules(judge_url: str) -> list[dict[str, Any]]:
    judge = {"model": "gpt-4o-mini", "base_url": judge_url, "timeout_s": 0.4, "max_concurrency": 8}
    return [
        {"name": "refused", "evaluator": {"type": "refusal"}},
        {"name": "spans", "evaluator": {"type": "status_ok"}, "target": "span", "sample_rate": 0.5},
        {"name": "helpful", "evaluator": {"type": "helpfulness"}, "judge": judge, "filter": "name == 'ask 0'"},
    ]


def counts(collector: CollectorProcess) -> dict[str, dict[str, int]]:
    items = collector.get("/api/v1/rules").json()["items"]
    return {one["name"]: {state: count for state, count in one["decisions"].items() if count} for one in items}


def settled(collector: CollectorProcess, traces: int) -> bool:
    found = counts(collector)
    return (
        all(not one.get("queued") for one in found.values())
        and sum(found["refused"].values()) == traces
        and sum(found["helpful"].values()) == traces
        and sum(found["spans"].values()) == 2 * traces
    )


def scores(url: str) -> Counter[tuple[str, str]]:
    """(identifier, target) -> how many scores there are."""
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT identifier, trace_id, span_id FROM annotations")).all()
    engine.dispose()
    return Counter(
        (row.identifier, bytes(row.trace_id).hex() + (bytes(row.span_id).hex() if row.span_id else "")) for row in rows
    )


def test_workers_killed_and_a_judge_that_fails_a_third_of_the_time(
    start_collector: Start, database_url: str, pytestconfig: pytest.Config
) -> None:
    moments, traces = random.Random(20261125), pytestconfig.getoption("--evaluated-traces")
    kills = pytestconfig.getoption("--kills")
    with flaky_judge() as judge:
        collector = start_collector(database_url=database_url)
        for rule in rules(judge.base_url):
            assert collector.post("/api/v1/rules", json.dumps(rule).encode(), JSON).status == 201
        waiting = iter(range(traces))
        for kill in range(kills):
            for number in waiting:
                assert collector.post("/v1/traces", ask(number), PROTOBUF).status == 200
                if number >= traces * (kill + 1) // (kills + 1):
                    break
            time.sleep(moments.uniform(0, 0.7))
            collector.end()
            collector = start_collector(database_url=database_url)
        for number in waiting:
            assert collector.post("/v1/traces", ask(number), PROTOBUF).status == 200
        until(lambda: settled(collector, traces), SETTLE_S)
        found, told = counts(collector), scores(database_url)
        explained = collector.get(f"/api/v1/traces/{trace_id_of(1).hex()}/evaluations").json()
        judges = [one for one in collector.get("/api/v1/projects").json()["items"] if one["name"] == "tracekit-judges"]
        assert collector.stop() == 0
    matching = -(-traces // MATCHING)
    assert found["refused"] == {"done": traces}
    assert found["helpful"] == {"done": matching, "filtered": traces - matching}
    assert set(found["spans"]) == {"done", "sampled_out"}
    assert set(told.values()) == {1}
    by_rule = Counter(identifier for identifier, _ in told)
    assert by_rule == {"rule:refused@1": traces, "rule:helpful@1": matching, "rule:spans@1": found["spans"]["done"]}
    assert {target for rule, target in told if rule == "rule:helpful@1"} == {
        trace_id_of(number).hex() for number in range(0, traces, MATCHING)
    }
    assert all(judge.answered[fault] for fault in FAULTS)
    assert judges and judges[0]["traces"] >= matching
    words = {one["name"]: one["words"] for one in explained["rules"]}
    assert words["helpful"] == "not scored: the filter does not hold: name == 'ask 0'"
