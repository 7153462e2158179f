"""A real Phoenix behind a real collector: killed with spans in its memory, and started again, it has every span."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from collector_process import JSON, PROTOBUF, CollectorProcess, Start, until
from corpus_of_traces import corpus_bodies
from phoenix_server import PYTHON, phoenix_installed

from collector.local_phoenix import LocalPhoenix, Settings

SECONDS = 120.0


def started(folder: Path, port: int = 0) -> LocalPhoenix:
    phoenix = LocalPhoenix(Settings(folder, PYTHON, port=port))
    phoenix.wait_ready()
    return phoenix


def spans_in(phoenix: LocalPhoenix) -> list[dict[str, Any]]:
    """Every span that Phoenix shows, of all projects."""
    found: list[dict[str, Any]] = []
    for project in _get(phoenix, "/v1/projects?limit=100")["data"]:
        cursor = ""
        while True:
            page = _get(phoenix, f"/v1/projects/{project['id']}/spans?limit=1000{cursor}")
            found += page["data"]
            if not page["next_cursor"]:
                break
            cursor = f"&cursor={page['next_cursor']}"
    return found


def _get(phoenix: LocalPhoenix, path: str) -> Any:
    with urllib.request.urlopen(phoenix.url + path, timeout=30) as answer:
        return json.loads(answer.read())


def status(collector: CollectorProcess) -> dict[str, Any]:
    found: dict[str, Any] = collector.get("/api/v1/destinations/phoenix").json()
    return found


def drained(collector: CollectorProcess) -> bool:
    found = status(collector)
    return not found["waiting"] and not found["unverified"]


def test_phoenix_killed_with_what_it_acknowledged_has_it_in_the_end(start_collector: Start, tmp_path: Path) -> None:
    """Every captured application's spans, each once, with each call's tokens counted once."""
    phoenix_installed()
    phoenix = started(tmp_path)
    try:
        collector = start_collector()
        body = json.dumps({"name": "phoenix", "kind": "phoenix", "endpoint": phoenix.url}).encode()
        assert collector.post("/api/v1/destinations", body, JSON).status == 201
        bodies = corpus_bodies()
        while not status(collector)["unverified"]:
            assert collector.post("/v1/traces", next(bodies), PROTOBUF).status == 200
        os.kill(phoenix.pid, signal.SIGKILL)
        phoenix.stop()
        for body in bodies:
            assert collector.post("/v1/traces", body, PROTOBUF).status == 200
        traces = _traces(collector)
        target = {"trace_id": traces[0]["trace_id"], "span_id": _spans(collector, traces[0])[0]["span_id"]}
        annotation = {"name": "good", "annotator_kind": "code", "score": 1, "target": target}
        assert collector.post("/api/v1/annotations", json.dumps(annotation).encode(), JSON).status == 200
        phoenix = started(tmp_path, urlsplit(phoenix.url).port or 0)
        until(lambda: drained(collector), SECONDS)
        _compare(collector, phoenix, traces)
        project = quote(traces[0]["project"], safe="")
        found = _get(phoenix, f"/v1/projects/{project}/span_annotations?span_ids={target['span_id']}")
        assert [(one["name"], one["result"]["score"]) for one in found["data"]] == [("good", 1.0)]
    finally:
        phoenix.stop()


def _compare(collector: CollectorProcess, phoenix: LocalPhoenix, traces: list[dict[str, Any]]) -> None:
    shown = spans_in(phoenix)
    ids = Counter((span["context"]["trace_id"], span["context"]["span_id"]) for span in shown)
    assert status(collector)["buried"] == 0
    assert sum(ids.values()) == len(ids) == status(collector)["sent"] == sum(trace["span_count"] for trace in traces)
    tokens: Counter[str] = Counter()
    for span in shown:
        tokens[span["context"]["trace_id"]] += _tokens(span["attributes"])
    wanted = {trace["trace_id"]: (trace["usage"] or {}).get("total_tokens") or 0 for trace in traces}
    wrong = {trace: (tokens[trace], total) for trace, total in wanted.items() if tokens[trace] != total}
    assert not wrong


def _tokens(attributes: dict[str, Any]) -> int:
    """As Phoenix adds them up."""
    return sum(int(attributes.get(f"llm.token_count.{side}") or 0) for side in ("prompt", "completion"))


def _spans(collector: CollectorProcess, trace: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = collector.get(f"/api/v1/traces/{trace['trace_id']}?payload=false").json()["spans"]
    return found


def _traces(collector: CollectorProcess) -> list[dict[str, Any]]:
    """Once all of them are summarised."""
    until(lambda: collector.metric('tracekit_queue_items{consumer="summarise",state="ready"}') == 0)
    until(lambda: collector.metric('tracekit_queue_items{consumer="summarise",state="claimed"}') == 0)
    found: list[dict[str, Any]] = collector.get("/api/v1/traces?limit=500").json()["items"]
    return found
