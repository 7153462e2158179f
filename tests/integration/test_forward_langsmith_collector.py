"""A collector with LangSmith's client before it and LangSmith's stand-in behind it."""

from __future__ import annotations

import json
from datetime import timedelta

from collector_process import JSON, Start, until
from langsmith_reading import T0, Sender, client_of
from langsmith_strict import KEY, Strict, serving


def test_a_collector_sends_on_what_it_stores_once_it_has_ended(start_collector: Start) -> None:
    collector = start_collector(env={"TRACEKIT_SECRET_LANGSMITH": KEY})
    with serving(Strict()) as strict, client_of(collector) as client:
        destination = {
            "name": "ls", "kind": "langsmith", "endpoint": strict.url, "api_key": "env:TRACEKIT_SECRET_LANGSMITH",
        }  # fmt: skip
        assert collector.post("/api/v1/destinations", json.dumps(destination), JSON).status == 201
        tested = collector.post("/api/v1/destinations/ls/test", "{}", JSON).json()
        assert tested == {"ok": True, "detail": "LangSmith 0.20.0 answers and takes the key (zstd)"}
        sender = Sender(client, "shop")
        root = sender.run(name="root", end_time=None, outputs=None)
        child = sender.run(root, name="child", attachments={"note": ("text/plain", b"a note")})
        sender.flush()
        until(lambda: str(child.id) in strict.runs)
        assert str(root.id) not in strict.runs
        client.update_run(
            root.id, trace_id=root.trace_id, dotted_order=root.dotted_order, outputs={"o": 1},
            end_time=T0 + timedelta(seconds=9),
        )  # fmt: skip
        # The collector's id of the project, which is not the destination's.
        session = client.read_project(project_name="shop").id
        client.create_feedback(
            key="good", score=True, trace_id=root.id, feedback_source_type="model", session_id=session
        )
        sender.flush()
        until(lambda: str(root.id) in strict.runs and bool(strict.feedback))
        told = strict.runs[str(root.id)]
        assert (told["outputs"], told["dotted_order"], told["session_name"]) == ({"o": 1}, root.dotted_order, "shop")
        assert strict.attachments == {str(child.id): {"note": ("text/plain", b"a note")}}
        (feedback,) = strict.feedback.values()
        assert (feedback["run_id"], feedback["score"], feedback["feedback_source"]["type"]) == (
            str(root.id), True, "model",
        )  # fmt: skip
        assert feedback["session_id"] in strict.projects() and feedback["session_id"] != str(session)
        assert [reason for reason in strict.refused if reason != "feedback not found"] == []
        status = collector.get("/api/v1/destinations/ls").json()
        assert (status["buried"], status["last_error"]) == (0, None)
        assert KEY not in collector.stderr()
