"""LangSmith (its strict stand-in) failing in every way: it gets every span, and others do not wait for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from collector_process import Start, until
from forwarding_process import MOST_LAG_S, add, drained, sent, status, under_load
from langsmith_process import LangSmithProcess
from langsmith_strict import KEY
from otlp_load import Load
from otlp_sink_process import SinkProcess


def test_langsmith_that_fails_in_every_way(
    start_collector: Start, sinks: Callable[[], SinkProcess], tmp_path: Path
) -> None:
    langsmith, healthy = LangSmithProcess(tmp_path), sinks()
    collector = start_collector(env={"TRACEKIT_SECRET_LANGSMITH": KEY})
    add(
        collector,
        "langsmith",
        kind="langsmith",
        endpoint=langsmith.url,
        api_key="env:TRACEKIT_SECRET_LANGSMITH",
        options={"timeout_s": 3},
    )
    add(collector, "healthy", kind="otlp", endpoint=healthy.http)
    load, lags = Load(pause_s=0.03), []
    for fault in ({"share": 0.5}, {"refuse": 20, "status": 429}, {"hang_s": 10.0}):
        langsmith.control(**fault)
        under_load(collector, load, lags, requests=20)
        langsmith.control()
    langsmith.end()
    under_load(collector, load, lags, requests=20)
    langsmith.start()
    until(lambda: drained(collector, "langsmith") and drained(collector, "healthy"), 90)
    langsmith.end()
    assert max(lags) < MOST_LAG_S
    found = status(collector, "langsmith")
    assert (found["buried"], found["sent"]) == (0, status(collector, "healthy")["sent"])
    langsmith.start()
    assert sent(load) <= langsmith.runs()
    langsmith.end()
    assert KEY not in collector.stderr()
