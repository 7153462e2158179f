"""What LangSmith's own client sends, received by us and sent on, held against what it sent; by way of a stand-in that
refuses what LangSmith refuses. And the same read back from a collector with the client."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from collector_process import CollectorProcess, Start, until
from langsmith import Client
from langsmith.schemas import FeedbackCreate
from langsmith.schemas import Run as ClientRun
from langsmith_reading import Sender, client_of
from langsmith_records import records_received
from langsmith_strict import KEY, Strict, serving

from collector.codec.runs import time_ns, uuid_bytes
from collector.destinations import Destination
from collector.exporters.api import Exporter, Parcel, Receipt, Record, Said
from collector.exporters.langsmith import build
from collector.receivers.langsmith.feedback import feedback_annotation
from examples.model_standin import StandIn

# The client's own, of readers that its users still have.
pytestmark = pytest.mark.filterwarnings("ignore:.* is deprecated:DeprecationWarning")

HERE = Path(__file__).parent
SCENES = ("tree", "wrapped", "chain", "agent")


@dataclass(frozen=True)
class Sent:
    """What the client's applications sent: to the stand-in, which took it, and as we receive it."""

    strict: Strict
    records: list[Record]
    feedback: list[dict[str, Any]]


@pytest.fixture(scope="module")
def sent() -> Iterator[Sent]:
    model = StandIn()
    threading.Thread(target=model.serve_forever, daemon=True).start()
    with serving(Strict()) as strict:
        _run(strict.url, f"http://127.0.0.1:{model.server_address[1]}/v1")
        feedback = _judge(strict)
        yield Sent(strict, records_received(strict.bodies), feedback)
    model.shutdown()
    model.server_close()


def _run(url: str, model: str) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LANGSMITH_", "LANGCHAIN_"))}
    variables = {
        "LANGSMITH_TRACING": "true",
        "LANGSMITH_ENDPOINT": url,
        "LANGSMITH_API_KEY": KEY,
        "LANGSMITH_PROJECT": "shop",
        "NO_PROXY": "*",
    }
    command = [sys.executable, HERE / "langsmith_app.py", model, *SCENES]
    done = subprocess.run(command, env=kept | variables, capture_output=True, timeout=90, text=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr


def _judge(strict: Strict) -> list[dict[str, Any]]:
    """Feedback of every kind that the client sends."""
    root = next(run for run in strict.runs.values() if run["name"] == "ask")
    call = next(run for run in strict.runs.values() if run["name"] == "model")
    client = Client(api_url=strict.url, api_key=KEY)
    session = next(key for key, name in strict.projects().items() if name == "shop")
    client.create_feedback(key="helpful", score=True, trace_id=root["id"], comment="as asked", session_id=session)
    client.create_feedback(
        key="correct", score=0.123456, run_id=call["id"], trace_id=root["id"], feedback_source_type="model",
        source_run_id=root["id"], value={"grade": "B"}, correction={"answer": "5"}, session_id=session,
    )  # fmt: skip
    client.create_feedback(key="overall", score=1, project_id=session)
    client.flush()
    client.cleanup()
    until(lambda: len(strict.feedback) == 3)
    return list(strict.feedback.values())


def forwarded(records: list[Record], to: str, key: str = KEY, **options: Any) -> Receipt:
    async def send() -> Receipt:
        exporter = built(to, key, **options)
        try:
            return await exporter.send(Parcel(records, "k"))
        finally:
            await exporter.close()

    return asyncio.run(send())


def built(to: str, key: str = KEY, **options: Any) -> Exporter:
    return build(Destination("ls", "langsmith", to, options=options), {"api_key": key})


def said_of(feedback: list[dict[str, Any]], records: list[Record]) -> list[Said]:
    runs = {run: record for record in records if (run := record.run_ids.get(record.facts.span_id))}
    found = []
    for one in feedback:
        annotation = feedback_annotation(one)
        run = uuid_bytes(one.get("run_id"))
        record = runs.get(run) if run else None
        found.append(Said(annotation, "shop", record.facts if record else None, run))
    return found


def test_the_client_itself_is_taken_by_the_stand_in(sent: Sent) -> None:
    assert sent.strict.refused == []
    assert {"ask", "search", "lookup", "model", "wrapped", "rag", "desk"} <= {run["name"] for run in runs_of(sent)}


def test_what_the_client_sent_is_what_we_send(sent: Sent) -> None:
    with serving(Strict()) as strict:
        assert forwarded(sent.records, strict.url) == Receipt()
        assert strict.refused == []
        assert strict.runs.keys() == sent.strict.runs.keys()
        for run_id, run in strict.runs.items():
            expected = _without_empty(sent.strict.runs[run_id], run)
            assert run.keys() == expected.keys()
            for name, value in expected.items():
                assert run[name] == value, name
        assert strict.attachments == sent.strict.attachments != {}


def _without_empty(run: dict[str, Any], like: dict[str, Any]) -> dict[str, Any]:
    """Null says nothing: the receiver keeps none, in the run and in its extra and metadata."""
    told = {name: value for name, value in run.items() if value is not None and (value or name in like)}
    extra = {name: value for name, value in told["extra"].items() if value is not None}
    extra["metadata"] = {name: value for name, value in extra["metadata"].items() if value is not None}
    return told | {"extra": extra}


def test_its_feedback_too(sent: Sent) -> None:
    with serving(Strict()) as strict:
        forwarded(sent.records, strict.url)

        async def annotate() -> Any:
            exporter = built(strict.url)
            try:
                return await exporter.annotate(said_of(sent.feedback, sent.records))
            finally:
                await exporter.close()

        assert list(asyncio.run(annotate())) == []
        assert strict.refused == []
        assert strict.feedback.keys() == {one["id"] for one in sent.feedback}
        for one in sent.feedback:
            ours = strict.feedback[one["id"]]
            FeedbackCreate(**ours)
            for name in ("run_id", "trace_id", "key", "score", "value", "comment", "correction", "session_id"):
                assert ours.get(name) == one.get(name), name
            assert ours["feedback_source"] == one["feedback_source"]
            assert time_ns(ours["created_at"]) == time_ns(one["created_at"])


def test_every_run_loads_as_the_clients_own(sent: Sent) -> None:
    loaded = [ClientRun(**run) for run in runs_of(sent)]
    assert loaded and [str(run.id) for run in loaded] == [run["id"] for run in runs_of(sent)]


def runs_of(sent: Sent) -> list[dict[str, Any]]:
    return list(sent.strict.runs.values())


def test_it_can_be_read_from_another_collector(sent: Sent, collector_process: CollectorProcess) -> None:
    to = f"{collector_process.http}/langsmith"
    assert forwarded(sent.records, to, "any").rejected == 0
    with client_of(collector_process) as client:
        found = {str(run.id): run for run in client.list_runs(project_name="shop")}
        assert found.keys() == sent.strict.runs.keys()
        for run_id, sent_run in sent.strict.runs.items():
            read = client.read_run(run_id)
            assert (read.name, read.run_type, read.dotted_order) == (
                sent_run["name"], sent_run["run_type"], sent_run["dotted_order"],
            )  # fmt: skip
            assert str(read.trace_id) == sent_run["trace_id"]
            assert read.inputs == sent_run.get("inputs", {})
            assert (read.outputs or {}) == (sent_run.get("outputs") or {})
            assert read.error == sent_run.get("error")
            assert read.extra == _without_empty(sent_run, {})["extra"]

        async def annotate() -> None:
            exporter = built(to, "any")
            assert not await exporter.annotate(said_of(sent.feedback, sent.records))
            assert "takes the key" in await exporter.check()
            await exporter.close()

        asyncio.run(annotate())
        ids = [one["run_id"] for one in sent.feedback if one.get("run_id")]
        until(lambda: len(list(client.list_feedback(run_ids=ids))) == 2)
        read_feedback = {str(one.id): one for one in client.list_feedback(run_ids=ids)}
        for one in sent.feedback:
            if one.get("run_id"):
                assert read_feedback[one["id"]].score == one["score"]
                assert read_feedback[one["id"]].key == one["key"]


def test_by_otlp_it_arrives_at_another_collector_too(sent: Sent, start_collector: Start) -> None:
    collector = start_collector()
    to = f"{collector.http}/langsmith"
    assert forwarded(sent.records, to, "any", protocol="otlp", project="elsewhere").rejected == 0
    root = next(run for run in runs_of(sent) if run["name"] == "ask")
    trace = collector.get(f"/api/v1/traces/{root['trace_id'].replace('-', '')}").json()
    assert trace["project"] == "elsewhere"
    kinds = {span["name"]: span["kind"] for span in trace["spans"]}
    assert kinds == {"ask": "chain", "search": "retriever", "lookup": "tool", "model": "llm"}
    (call,) = (span for span in trace["spans"] if span["name"] == "model")
    assert call["output_messages"][0]["text"] == "Five days."
    assert call["usage"]["total_tokens"] == 15


def test_a_patch_that_came_alone_is_a_whole_run(sent: Sent) -> None:
    """The client's own update of a run whose beginning was never told."""
    with serving(Strict()) as client_side, serving(Strict()) as strict:
        client = Client(api_url=client_side.url, api_key=KEY)
        known = Sender(client, "p").run(end_time=None, outputs=None)
        client.flush()
        begun = list(client_side.bodies)
        client.update_run(
            known.id, trace_id=known.trace_id, dotted_order=known.dotted_order, outputs={"a": 1},
            end_time=datetime(2026, 11, 22, 10, 0, 5, tzinfo=UTC),
        )  # fmt: skip
        client.flush()
        client.cleanup()
        patch = client_side.bodies[len(begun) :]
        assert forwarded(records_received(patch), strict.url) == Receipt()
        (run,) = strict.runs.values()
        assert (run["id"], run["outputs"], run["dotted_order"]) == (str(known.id), {"a": 1}, known.dotted_order)
        assert json.dumps(run) and run["run_type"] == "chain"
