"""An annotation that was acknowledged is there after the collector was killed, by every way in."""

from __future__ import annotations

import json
import signal
import uuid
from pathlib import Path

from collector_process import JSON, collectors

TRACE = "0af7651916cd43dd8448eb211c80319c"
RUN = str(uuid.UUID(TRACE))


def test_annotations_outlive_a_kill(tmp_path: Path) -> None:
    bodies = {
        "/api/v1/annotations": {"name": "by the api", "target": {"trace_id": TRACE}, "score": 1},
        "/langsmith/feedback": {"id": str(uuid.UUID(int=1)), "key": "alone", "run_id": RUN, "score": True},
    }
    part = json.dumps({"id": str(uuid.UUID(int=2)), "key": "with runs", "run_id": RUN, "trace_id": RUN, "score": 0.5})
    head = f'--b\r\nContent-Disposition: form-data; name="feedback.{uuid.UUID(int=2)}"\r\n'
    multipart = f"{head}Content-Type: application/json\r\n\r\n{part}\r\n--b--\r\n"
    with collectors(tmp_path) as start:
        first = start()
        for path, body in bodies.items():
            assert first.post(path, json.dumps(body), JSON).status == 200
        answer = first.post("/langsmith/runs/multipart", multipart, {"Content-Type": "multipart/form-data; boundary=b"})
        assert answer.status == 202
        first.send_signal(signal.SIGKILL)
        first.wait()
        second = start()
        found = second.get("/api/v1/annotations").json()["items"]
        assert {item["name"] for item in found} == {"by the api", "alone", "with runs"}
        told = {item["key"]: item for item in second.get(f"/langsmith/feedback?run={RUN}").json()}
        assert (told["alone"]["id"], told["alone"]["score"]) == (str(uuid.UUID(int=1)), True)
        assert (told["with runs"]["run_id"], told["with runs"]["score"]) == (RUN, 0.5)
        assert told["by the api"]["run_id"] == RUN
