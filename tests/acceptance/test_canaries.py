"""Secrets in every place of an application's traces, through real processes: none is found on disk afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from canaries import canaries, files, found, rows
from collector_process import JSON, PROTOBUF, Start, until
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

ROOT = Path(__file__).parents[2]
APP = Path(__file__).parent / "canary_app.py"
#: where nobody listens
AWAY = "http://127.0.0.1:9"
API_KEY = "collector-key-Zq99WsXeDc"


def run_app(folder: Path, endpoint: str, secrets: dict[str, str], **settings: str) -> str:
    """What the application printed, to both streams."""
    given = folder.parent / f"{folder.name}.json"
    given.write_text(json.dumps(secrets))
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("TRACEKIT_", "OTEL_"))}
    done = subprocess.run(
        [sys.executable, str(APP), str(given), "0.1" if endpoint == AWAY else "20"],
        env=kept
        | {
            "PYTHONPATH": str(ROOT),
            "NO_PROXY": "*",
            "TRACEKIT_ENDPOINT": endpoint,
            "TRACEKIT_API_KEY": API_KEY,
            "TRACEKIT_EXIT_TIMEOUT": "0.5",
            "TRACEKIT_SPOOL_DIR": str(folder / "spool"),
            "OTEL_RESOURCE_ATTRIBUTES": f"deployment.access_token={secrets['resource token']}",
        }
        | settings,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    given.unlink()
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_masked_in_the_application(start_collector: Start, tmp_path: Path) -> None:
    secrets = canaries()
    assert len(secrets) >= 50
    folder = tmp_path / "kept"
    folder.mkdir()
    database = folder / "tracekit.db"
    collector = start_collector(database_url=f"sqlite:///{database}", env={"TRACEKIT_API_KEYS": API_KEY})
    said = run_app(folder, collector.http, secrets, TRACEKIT_MASK_PATTERNS="all", TRACEKIT_MASK_KEYS="on")
    away = run_app(folder, AWAY, secrets, TRACEKIT_MASK_PATTERNS="all")
    bearer = {"Authorization": f"Bearer {API_KEY}"}
    until(lambda: bool(collector.get("/api/v1/traces?project=canaries&q=beta", bearer).json()["items"]))
    texts = [*files(folder), *rows(database), collector.stderr().encode(), said.encode(), away.encode()]
    assert any(path.is_file() for path in (folder / "spool").rglob("*")), "nothing was spooled"
    assert found(secrets | {"api key": API_KEY}, iter(texts)) == []
    # ... and what is no secret is there
    assert found({"text": "Hello {name}", "key": "aws_secret_access_key"}, iter(texts)) == ["key", "text"]


def spooled(folder: Path, **settings: str) -> set[str]:
    """Which secrets of an application get to disk that reaches no collector."""
    secrets = canaries()
    folder.mkdir()
    run_app(folder, AWAY, secrets, **settings)
    return set(found(secrets, files(folder)))


def test_the_same_application_unmasked_is_found(tmp_path: Path) -> None:
    """Or else the search above would find nothing either way."""
    assert set(canaries()) - spooled(tmp_path / "kept", TRACEKIT_MASK_KEYS="off") <= {"local", "cut key"}


def test_nothing_of_the_content_is_kept_where_none_is_captured(tmp_path: Path) -> None:
    """Names of spans, users and resources are none of it; nor are, in the mode "metadata", tags and metadata."""
    names = {"name mail", "foreign name mail", "user mail"}
    assert spooled(tmp_path / "none", TRACEKIT_CAPTURE="none") <= names
    metadata = {"tag key", "metadata mail", "chain metadata mail"}
    assert spooled(tmp_path / "metadata", TRACEKIT_CAPTURE="metadata") <= names | metadata


def test_masked_by_the_collector_alone(start_collector: Start, tmp_path: Path) -> None:
    secrets = {name: secret for name, secret in canaries().items() if name != "local"}
    folder = tmp_path / "kept"
    folder.mkdir()
    database = folder / "tracekit.db"
    rules = json.dumps({"shop": {"keys": ["Loyalty No"]}})
    collector = start_collector(database_url=f"sqlite:///{database}", env={"TRACEKIT_REDACT": rules})
    assert collector.post("/v1/traces", foreign_request(secrets, "shop"), PROTOBUF).status == 200
    assert collector.post("/langsmith/runs/batch", json.dumps(runs(secrets, "shop")), JSON).status == 202
    until(lambda: any("run" in one["tags"] for one in collector.get("/api/v1/traces?project=shop").json()["items"]))
    texts = [*files(folder), *rows(database), collector.stderr().encode()]
    assert found(secrets, iter(texts)) == []
    assert found({"kept": "deliver the kettle"}, iter(texts)) == ["kept"]
    assert collector.metric("tracekit_spans_emptied_total") == 0
    assert collector.post("/v1/traces", foreign_request(secrets, "other", 1000), PROTOBUF).status == 200
    collector.stop()
    assert found(secrets, rows(database)) == sorted(secrets)


def runs(secrets: dict[str, str], project: str) -> dict[str, list[dict[str, object]]]:
    """The same in one run of LangSmith's, and a patch that does not say its project."""
    run = "0196a2b4-0000-7000-8000-000000000001"
    texts = [text_with(name, secret) for name, secret in secrets.items()]
    post = {
        "id": run,
        "trace_id": run,
        "dotted_order": f"20260102T030405000000Z{run}",
        "name": texts[0],
        "run_type": "chain",
        "start_time": "2026-01-02T03:04:05Z",
        "inputs": {"texts": texts},
        "extra": {"metadata": {"texts": texts, "api_key": texts[1]}},
        "events": [{"name": "new_token", "kwargs": {"text": texts[2]}}],
        "tags": ["run", texts[3]],
        "session_name": project,
    }
    patch = {"id": run, "trace_id": run, "outputs": {"texts": texts}, "error": "; ".join(texts)}
    return {
        "post": [post],
        "patch": [patch | {"dotted_order": post["dotted_order"], "end_time": "2026-01-02T03:04:06Z"}],
    }


def text_with(name: str, secret: str) -> str:
    """A secret as it is told: by what it looks like, or by what stands before it."""
    if name == "pem":
        return f"-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----"
    told = "password" not in name and "hunter" not in secret and name != "aws secret"
    return f"see {secret} there" if told else f"password: {secret}"


def foreign_request(secrets: dict[str, str], project: str, first: int = 1) -> bytes:
    """What a sender without any masking sends: each secret in an attribute, an event, a link, a name or the status."""
    message = TracesData()
    resource_spans = message.resource_spans.add()
    put(resource_spans.resource.attributes, {"service.name": project})
    spans = resource_spans.scope_spans.add().spans
    for number, (name, secret) in enumerate(secrets.items(), first):
        span = spans.add(
            trace_id=number.to_bytes(16, "big"), span_id=number.to_bytes(8, "big"), name="deliver the kettle"
        )
        span.start_time_unix_nano, span.end_time_unix_nano = 10**18, 10**18 + number
        text = text_with(name, secret)
        match number % 6:
            case 0:
                span.name = text
            case 1:
                put(span.attributes, {"input.value": json.dumps({"messages": [text]}), "loyalty-no": secret})
            case 2:
                put(span.events.add(name="exception").attributes, {"exception.message": text})
            case 3:
                put(span.links.add(trace_id=bytes([1]) * 16, span_id=bytes([1]) * 8).attributes, {"note": text})
            case 4:
                span.status.code, span.status.message = 2, text
            case 5:
                put(span.attributes, {"metadata": json.dumps({"a": {"b": text}}), "user.note": text})
    return message.SerializeToString()


def put(pairs: object, values: dict[str, str]) -> None:
    for key, value in values.items():
        pair = pairs.add(key=key)  # type: ignore[attr-defined]
        pair.value.string_value = value
