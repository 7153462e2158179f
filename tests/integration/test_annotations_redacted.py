"""Where projects have rules of redaction, no secret that somebody writes into an annotation is stored."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from collector_process import JSON, collectors

RUN = str(uuid.UUID(int=1 << 80 | 5))
SECRETS = [f"sk-proj-{letter * 30}" for letter in "abcdefg"]


def test_annotations_and_feedback_are_masked(tmp_path: Path) -> None:
    a, b, c, d, e, f, g = SECRETS
    annotation = {
        "name": "n", "target": {"session_id": "s1"}, "score": 0.5, "explanation": f"the key {a} was used",
        "label": b, "value": [c], "correction": {"x": d}, "metadata": {"password": "hunter2 is it", "note": e},
        "identifier": "ada@example.com",
    }  # fmt: skip
    feedback = {
        "id": str(uuid.UUID(int=9)), "run_id": RUN, "key": "k", "score": True, "comment": f,
        "feedback_source": {"type": "api", "metadata": {"by": g}},
    }  # fmt: skip
    with collectors(tmp_path) as start:
        collector = start(env={"TRACEKIT_REDACT": "all"})
        assert collector.post("/api/v1/annotations", json.dumps(annotation), JSON).status == 200
        assert collector.post("/langsmith/feedback", json.dumps(feedback), JSON).status == 200
        part = json.dumps(feedback | {"id": str(uuid.UUID(int=8)), "trace_id": RUN})
        head = f'--b\r\nContent-Disposition: form-data; name="feedback.{uuid.UUID(int=8)}"\r\n\r\n'
        content = {"Content-Type": "multipart/form-data; boundary=b"}
        assert collector.post("/langsmith/runs/multipart", f"{head}{part}\r\n--b--\r\n", content).status == 202
        change = json.dumps({"comment": f"again {a}"})
        assert collector.request("PATCH", f"/langsmith/feedback/{uuid.UUID(int=9)}", change, JSON).status == 200
        stored = collector.get("/api/v1/annotations").json()["items"]
        told = collector.get(f"/langsmith/feedback?run={RUN}").json()
        collector.stop()
    assert {item["name"] for item in stored} == {"n", "k"} and len(stored) == 3
    assert [(item["score"], item["run_id"]) for item in told] == [(True, RUN)] * 2
    for file in tmp_path.rglob("*"):
        content_of = file.read_bytes() if file.is_file() else b""
        for secret in (*SECRETS, "hunter2", "ada@example.com"):
            assert secret.encode() not in content_of, (file.name, secret)
