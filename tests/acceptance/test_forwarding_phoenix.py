"""A real Phoenix behind a real collector: whatever befalls either of them, it has every span in the end, once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from collector_process import JSON, PROTOBUF, CollectorProcess, Start, until
from corpus_of_traces import corpus_bodies
from fault_proxy import FaultProxy
from forwarding_process import MOST_LAG_S, add, drained, sent, status, under_load
from langsmith_process import LangSmithProcess
from langsmith_strict import KEY
from otlp_load import Load
from otlp_sink_process import SinkProcess
from phoenix_facts import ours, theirs
from phoenix_reading import get, spans_in, started
from phoenix_server import phoenix_installed

from collector.local_phoenix import LocalPhoenix

SECONDS = 120.0
FAULTS: tuple[dict[str, Any], ...] = (
    {"every": 2, "status": 500},
    {"every": 1, "status": 429},
    {"every": 3, "status": 500, "late": True},
    {"every": 2, "hang": True},
    {"every": 2, "cut": True},
)


@pytest.fixture(scope="module")
def phoenix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[LocalPhoenix]]:
    """The one that runs just now, in a list: tests replace it. What one test sends has nothing to do with another's."""
    phoenix_installed()
    running = [started(tmp_path_factory.mktemp("phoenix"))]
    yield running
    running[0].stop()


@pytest.fixture
def langsmith(tmp_path: Path) -> Iterator[LangSmithProcess]:
    running = LangSmithProcess(tmp_path)
    yield running
    running.end()


def killed(phoenix: list[LocalPhoenix]) -> None:
    os.kill(phoenix[0].pid, signal.SIGKILL)
    phoenix[0].stop()


def again(phoenix: list[LocalPhoenix]) -> None:
    ended = phoenix[0]
    phoenix[0] = started(ended.log.parent, urlsplit(ended.url).port or 0)


def traces_in(phoenix: list[LocalPhoenix]) -> set[str]:
    return {one["context"]["trace_id"] for one in spans_in(phoenix[0])}


def test_phoenix_killed_with_what_it_acknowledged_has_it_in_the_end(
    start_collector: Start, phoenix: list[LocalPhoenix], tmp_path: Path
) -> None:
    """The demonstration's spans and those of a third of the captured applications, each once and as we have it.

    (Whether Phoenix shows every captured span right, ``tests/corpus`` asks.)
    """
    database = f"sqlite:///{tmp_path / 'demo.db'}"
    _demonstrate(database)
    collector = start_collector(database_url=database)
    add(collector, "phoenix", kind="phoenix", endpoint=phoenix[0].url, **{"from": "2020-01-01T00:00:00Z"})
    until(lambda: status(collector, "phoenix")["unverified"] > 0)
    killed(phoenix)
    for body in islice(corpus_bodies(), 0, None, 3):
        assert collector.post("/v1/traces", body, PROTOBUF).status == 200
    traces = _traces(collector)
    target = {"trace_id": traces[0]["trace_id"], "span_id": _spans(collector, traces[0])[0]["span_id"]}
    annotation = {"name": "good", "annotator_kind": "code", "score": 1, "target": target}
    assert collector.post("/api/v1/annotations", json.dumps(annotation).encode(), JSON).status == 200
    again(phoenix)
    until(lambda: drained(collector, "phoenix"), SECONDS)
    shown = {one["context"]["span_id"]: one for one in _compared(collector, phoenix[0], traces)}
    demo = [trace for trace in traces if trace["project"].startswith("shop-")]
    assert len(demo) == 27
    pairs = [
        (theirs(shown[span["span_id"]]), ours(span, trace["project"]))
        for trace in demo
        for span in _spans(collector, trace)
    ]
    assert [pair for pair in pairs if pair[0] != pair[1]] == []
    project = quote(traces[0]["project"], safe="")
    found = get(phoenix[0], f"/v1/projects/{project}/span_annotations?span_ids={target['span_id']}")
    assert [(one["name"], one["result"]["score"]) for one in found["data"]] == [("good", 1.0)]


def test_phoenix_that_fails_in_every_way(
    start_collector: Start, sinks: Callable[[], SinkProcess], phoenix: list[LocalPhoenix]
) -> None:
    healthy, collector = sinks(), start_collector()
    proxy = FaultProxy(urlsplit(phoenix[0].url).port or 0)
    before = traces_in(phoenix)
    add(collector, "phoenix", kind="phoenix", endpoint=proxy.url, options={"timeout_s": 3})
    add(collector, "healthy", kind="otlp", endpoint=healthy.http)
    load, lags = Load(pause_s=0.3, first=1_000_000), []
    try:
        for fault in FAULTS:
            failed = proxy.failed()
            proxy.control(**fault)
            under_load(collector, load, lags, requests=8)
            until(lambda failed=failed: proxy.failed() > failed, 30)
        proxy.control()
        until(lambda: drained(collector, "phoenix") and drained(collector, "healthy"), SECONDS)
    finally:
        proxy.end()
    assert max(lags) < MOST_LAG_S
    found = status(collector, "phoenix")
    assert (found["buried"], found["sent"]) == (0, status(collector, "healthy")["sent"])
    _each_once(phoenix[0], load, before)


def test_kill_9_of_the_collector_leaves_phoenix_and_langsmith_complete(
    start_collector: Start, phoenix: list[LocalPhoenix], langsmith: LangSmithProcess, pytestconfig: pytest.Config
) -> None:
    env = {"TRACEKIT_SECRET_LANGSMITH": KEY}
    before = traces_in(phoenix)
    collector = start_collector(env=env)
    add(collector, "phoenix", kind="phoenix", endpoint=phoenix[0].url)
    add(collector, "langsmith", kind="langsmith", endpoint=langsmith.url, api_key=f"env:{next(iter(env))}")
    moments, load = random.Random(20261126), Load(pause_s=0.3, first=2_000_000)
    kills = pytestconfig.getoption("--kills")
    for _ in range(kills if kills > 5 else 2):
        acknowledged = len(load.acknowledged)
        with load.on(collector):
            until(lambda acknowledged=acknowledged: len(load.acknowledged) > acknowledged)
            time.sleep(moments.uniform(0, 1.5))
            collector.end()
        collector = start_collector(env=env)
    until(lambda: all(drained(collector, name) for name in ("phoenix", "langsmith")), SECONDS + 3 * kills)
    assert status(collector, "phoenix")["buried"] == status(collector, "langsmith")["buried"] == 0
    _each_once(phoenix[0], load, before)
    assert sent(load) <= langsmith.runs()


def _demonstrate(database_url: str) -> None:
    command = [sys.executable, "-m", "collector", "demo", "--once", "--json", "--port", "0", "--grpc-port", "0"]
    subprocess.run([*command, "--database-url", database_url], check=True, capture_output=True, timeout=120)


def _each_once(phoenix: LocalPhoenix, load: Load, before: set[str]) -> None:
    """Every acknowledged span is shown, and none twice."""
    ids = Counter(f"{one['context']['trace_id']}:{one['context']['span_id']}" for one in spans_in(phoenix))
    new = {name: count for name, count in ids.items() if name.partition(":")[0] not in before}
    assert sent(load) <= new.keys()
    assert set(new.values()) == {1}


def _compared(collector: CollectorProcess, phoenix: LocalPhoenix, traces: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What Phoenix shows: every span once, and of every trace the tokens that we count."""
    shown = spans_in(phoenix)
    ids = Counter((span["context"]["trace_id"], span["context"]["span_id"]) for span in shown)
    found = status(collector, "phoenix")
    assert found["buried"] == 0
    assert sum(ids.values()) == len(ids) == found["sent"] == sum(trace["span_count"] for trace in traces)
    tokens: Counter[str] = Counter()
    for span in shown:
        tokens[span["context"]["trace_id"]] += _tokens(span["attributes"])
    wanted = {trace["trace_id"]: (trace["usage"] or {}).get("total_tokens") or 0 for trace in traces}
    wrong = {trace: (tokens[trace], total) for trace, total in wanted.items() if tokens[trace] != total}
    assert not wrong
    return shown


def _tokens(attributes: dict[str, Any]) -> int:
    """As Phoenix adds them up."""
    return sum(int(attributes.get(f"llm.token_count.{side}") or 0) for side in ("prompt", "completion"))


def _spans(collector: CollectorProcess, trace: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = collector.get(f"/api/v1/traces/{trace['trace_id']}").json()["spans"]
    return found


def _traces(collector: CollectorProcess) -> list[dict[str, Any]]:
    """Once all of them are summarised."""
    until(lambda: collector.metric('tracekit_queue_items{consumer="summarise",state="ready"}') == 0)
    until(lambda: collector.metric('tracekit_queue_items{consumer="summarise",state="claimed"}') == 0)
    found: list[dict[str, Any]] = collector.get("/api/v1/traces?limit=500").json()["items"]
    return found
