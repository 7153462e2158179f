"""The collector's own redaction: by project, before anything is stored, the kept original too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from collector import config
from collector.codec.otlp import Wanted, decode_traces, decompress, spans_of
from collector.model import SpanBatch
from collector.processors.chain import process
from collector.processors.dialects import CONTENT_KEYS
from collector.processors.redact import Redaction, Rules
from tracekit.redaction import MASKED, Redactor

SECRET = "hunter2-correct-horse"
MAIL = "ada@example.com"


def put(pairs: Any, values: dict[str, Any]) -> None:
    for key, value in values.items():
        to = pairs.add(key=key).value
        if isinstance(value, dict):
            put(to.kvlist_value.values, value)
        elif isinstance(value, list):
            for item in value:
                to.array_value.values.add().string_value = item
        elif isinstance(value, bytes):
            to.bytes_value = value
        elif isinstance(value, int):
            to.int_value = value
        else:
            to.string_value = value


def body(*projects: str) -> bytes:
    message = TracesData()
    resource_spans = message.resource_spans.add()
    put(resource_spans.resource.attributes, {"service.name": "shop", "process.command_args": [f"--api-key={SECRET}"]})
    spans = resource_spans.scope_spans.add().spans
    for number, project in enumerate(projects, 1):
        span = spans.add(trace_id=bytes([1]) * 16, span_id=bytes([number]) * 8, name=f"mail to {MAIL}")
        span.start_time_unix_nano, span.end_time_unix_nano = 10**18, 10**18 + 5
        span.status.code, span.status.message = 2, f"ValueError: password={SECRET}"
        values = {
            "tracekit.project": project,
            "openinference.span.kind": "LLM",
            "llm.token_count.prompt": 5,
            "input.value": json.dumps({"password": SECRET, "to": MAIL}),
            "metadata": json.dumps({"mail": MAIL, "plan": "plus"}),
            "http.request.header.authorization": SECRET,
            "nested": {"api_key": SECRET, "max_tokens": 7, "list": {"x-api-key": [SECRET]}},
            "pair": ["Cookie", SECRET],
            "bytes": f"of {MAIL}".encode(),
            "card": 4111111111111111,
        }
        put(span.attributes, values)
        put(span.events.add(name="exception").attributes, {"exception.type": "E", "exception.message": f"to {MAIL}"})
        put(span.links.add(trace_id=bytes([2]) * 16, span_id=bytes([2]) * 8).attributes, {"secret": SECRET})
    return message.SerializeToString()


def stored(rules: dict[str, Rules], *projects: str) -> SpanBatch:
    return process(decode_traces(body(*projects), Wanted(CONTENT_KEYS)), redaction=Redaction(rules, ("collector-key",)))


def test_spans_facts_and_originals_are_masked() -> None:
    batch = stored({"*": Rules()}, "shop")
    [span] = batch.spans
    original = decompress(batch.chunks[0].data)
    assert SECRET.encode() not in original and MAIL.encode() not in original and b"4111" not in original
    assert (span.kind, span.project, span.metadata) == ("llm", "shop", {"mail": "[masked email]", "plan": "plus"})
    assert span.error is not None and (span.error.type, span.error.message) == ("E", "to [masked email]")
    assert span.usage is not None and span.usage.input_tokens == 5
    [sent] = spans_of(batch.chunks[0].data)
    assert (sent.name, sent.status_message) == ("mail to [masked email]", f"ValueError: password={MASKED}")
    assert sent.attributes["nested"] == {"api_key": MASKED, "max_tokens": 7, "list": {"x-api-key": MASKED}}
    assert sent.attributes["pair"] == ["Cookie", MASKED] and sent.attributes["bytes"] == MASKED
    assert json.loads(sent.attributes["input.value"]) == {"password": MASKED, "to": "[masked email]"}
    assert sent.links[0].attributes == {"secret": MASKED} and sent.resource["service.name"] == "shop"
    assert sent.resource["process.command_args"] == [f"--api-key={MASKED}"]
    assert batch.emptied == 0 and SECRET not in repr(batch.spans)


def test_projects_have_rules_of_their_own() -> None:
    rules = {"shop": Rules(("email",), ("plan",)), "*": Rules(("card",))}
    batch = stored(rules, "shop", "other")
    shop, other = spans_of(batch.chunks[0].data)
    assert (shop.name, other.name) == ("mail to [masked email]", f"mail to {MAIL}")
    assert json.loads(shop.attributes["metadata"])["plan"] == MASKED
    assert shop.attributes["card"] == 4111111111111111 and other.attributes["card"] == "[masked card]"
    assert [span.project for span in batch.spans] == ["shop", "other"]
    untouched = stored({"shop": Rules()}, "other", "third")
    plain = process(decode_traces(body("other", "third"), Wanted(CONTENT_KEYS)))
    assert untouched.chunks == plain.chunks and untouched.spans == plain.spans


def test_what_cannot_be_redacted_is_stored_without_content(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Redactor, name: str) -> bool:
        raise RuntimeError(name)

    monkeypatch.setattr(Redactor, "names_secret", fail)
    batch = stored({"*": Rules()}, "shop", "shop")
    assert batch.emptied == 2 and len(batch.spans) == 2
    assert [span.name for span in batch.spans] == [MASKED, MASKED]
    for span in spans_of(batch.chunks[0].data):
        assert (span.attributes, span.resource, list(span.events), span.status) == ({}, {}, [], "error")
    assert SECRET.encode() not in decompress(batch.chunks[0].data)


def test_a_damaged_chunk_leaves_bare_spans() -> None:
    batch = decode_traces(body("shop", "shop"))
    batch.chunks[0].data = b"damaged"
    process(batch, redaction=Redaction({"*": Rules()}))
    assert batch.emptied == 2 and SECRET not in repr(batch)
    assert [span.span_id for span in spans_of(batch.chunks[0].data)] == [span.span_id for span in batch.spans]


def test_values_for_other_receivers() -> None:
    redaction = Redaction({"shop": Rules(("email",)), "bank": Rules(("card",))})
    value = {"inputs": {"to": MAIL, "card": "4111 1111 1111 1111"}, "n": 1}
    assert redaction.redact_value("shop", value)["inputs"] == {"to": "[masked email]", "card": "4111 1111 1111 1111"}
    assert redaction.redact_value(None, value)["inputs"] == {"to": "[masked email]", "card": "[masked card]"}
    assert redaction.redact_value("other", value) is value


def test_settings(tmp_path: Path) -> None:
    everything = ("email", "phone", "card", "secret")
    assert config.load({}, {}).redact == {}
    assert config.load({}, {"TRACEKIT_REDACT": "all"}).redact == {"*": config.Redact(patterns=everything)}
    assert config.load({}, {"TRACEKIT_REDACT": "email, card"}).redact["*"].patterns == ("email", "card")
    file = tmp_path / "tracekit.toml"
    file.write_text('[redact."*"]\npatterns = ["secret"]\n[redact.shop]\nkeys = ["loyalty no"]\n')
    loaded = config.load({}, {}, file).redact
    assert loaded == {"*": config.Redact(patterns=("secret",)), "shop": config.Redact(keys=("loyalty no",))}
    assert config.load({}, {"TRACEKIT_REDACT": json.dumps({"a": {"keys": ["x"]}})}).redact["a"].keys == ("x",)
    for wrong in ("emial", '{"a": {"pattern": []}}', "{", '{"a": 5}'):
        with pytest.raises(config.ConfigFaults, match="TRACEKIT_REDACT"):
            config.load({}, {"TRACEKIT_REDACT": wrong})
