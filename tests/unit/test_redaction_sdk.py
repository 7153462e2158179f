"""Masking where it happens in the SDK: at capture, and at the exporter for every span that is sent."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pydantic
import pytest
from opentelemetry import trace as trace_api
from sdk_support import Collector, Recorded, collector, parsed, spans

import tracekit
from tracekit import trace
from tracekit.capture import Capture, Limits
from tracekit.config import resolve
from tracekit.redaction import MASKED, PATTERNS, Redactor

__all__ = ["collector", "spans"]

SECRET = "hunter2-correct-horse"
KEY = "sk-proj-abcDEF1234567890abcdefGHIJ"


@dataclasses.dataclass
class Login:
    user: str
    password: str


class Settings(pydantic.BaseModel):
    api_key: str
    max_tokens: int = 5


class Client:
    def __repr__(self) -> str:
        return f"Client(client_secret='{SECRET}', region='eu')"


def said(spans: Recorded) -> str:
    return repr(
        [(one.name, dict(one.attributes or {}), [dict(e.attributes or {}) for e in one.events], one.status.description)
         for one in spans.all()]
    )  # fmt: skip


def test_values_are_masked_by_name_without_being_asked(spans: Recorded) -> None:
    @trace(name="work", attributes={"db.password": SECRET})
    def work(*args: Any, **kwargs: Any) -> Any:
        with tracekit.context(metadata={"token": SECRET, "plan": "plus"}), trace.span("inner") as span:
            span.set_attribute("http.request.header.authorization", SECRET)
            span.set_attributes({"gen_ai.usage.input_tokens": 5, "cookie": SECRET})
            span.add_event("sent", {"access_token": SECRET, "max_tokens": 7})
        return {"deep": [{"Api-Key": SECRET, "n": 1}]}

    work(
        Login("ada", SECRET),
        Settings(api_key=SECRET),
        Client(),
        [("X-Api-Key", SECRET)],
        [{"name": "token", "value": SECRET}],
    )
    assert SECRET not in said(spans)
    shown = parsed(spans.attributes("work")["input.value"])["args"]
    assert shown[0] == {"user": "ada", "password": MASKED} and shown[1] == {"api_key": MASKED, "max_tokens": 5}
    assert shown[2:4] == [f"Client(client_secret='{MASKED}', region='eu')", [["X-Api-Key", MASKED]]]
    assert parsed(spans.attributes("work")["output.value"]) == {"deep": [{"Api-Key": MASKED, "n": 1}]}
    inner = spans.attributes("inner")
    assert parsed(inner["metadata"]) == {"token": MASKED, "plan": "plus"} and inner["gen_ai.usage.input_tokens"] == 5


def test_masking_by_name_can_be_extended_and_switched_off(spans: Recorded) -> None:
    spans.configure(mask_keys=["Loyalty No"])
    trace(name="extended")(lambda given: f"password={SECRET}")({"loyalty-no": SECRET, "password": SECRET})
    assert SECRET not in said(spans)
    spans.configure(mask_keys=False)
    trace(name="off")(lambda given: None)({"password": SECRET})
    assert SECRET in said(spans)


def test_errors_with_their_causes_and_notes(spans: Recorded) -> None:
    spans.configure(mask_patterns=True)

    @trace(name="fails")
    def fails() -> None:
        only_here = "a local" + " variable"
        try:
            raise KeyError("mail ada@example.com" + only_here[:0])
        except KeyError as cause:
            error = ValueError(f"key {KEY}")
            error.add_note(f"Authorization: Bearer {SECRET}")
            raise error from cause

    with pytest.raises(ValueError):
        fails()
    text = said(spans)
    assert not any(secret in text for secret in (KEY, SECRET, "ada@example.com", "a local variable"))
    assert "[masked email]" in text and "ValueError: key [masked secret]" in text


@pytest.mark.parametrize("before", range(60, 100, 3))
def test_half_a_secret_is_masked_where_a_value_is_cut(before: int) -> None:
    redactor = Redactor(patterns=PATTERNS)
    capture = Capture(limits=Limits(max_chars=100), redactor=redactor)
    text = "x" * (before - 1) + " " + KEY + " and more" * 2_000
    for captured in (capture.text(text), capture.json({"a": text}), capture.json([text])):
        assert "sk-p" not in captured and len(captured) < 300

    class Long:
        def __repr__(self) -> str:
            return "y" * (1_900 + before) + f" password='{SECRET}'"

    assert "hunter" not in Capture(redactor=redactor).json(Long())


def by_another_library(provider: Any) -> None:
    tracer = provider.get_tracer("another.instrumentation")
    with tracer.start_as_current_span("GET /ada@example.com") as span:
        span.set_attribute("http.request.header.authorization", SECRET)
        span.set_attribute("http.request.method", "GET")
        span.set_attribute("http.response.status_code", 500)
        span.set_attribute("gen_ai.request.model", "gpt-4o")
        span.set_attribute("gen_ai.input.messages", json.dumps([{"content": f"I am ada@example.com, {KEY}"}]))
        span.add_event("request", {"body": json.dumps({"password": SECRET})})
        span.record_exception(ValueError(KEY))
        span.set_status(trace_api.Status(trace_api.StatusCode.ERROR, f"for {KEY}"))


def sent_of(collector: Collector) -> tuple[bytes, Any]:
    assert tracekit.flush().pending == 0
    return b"".join(request.SerializeToString() for request in collector.requests), collector.spans()[0]


def test_spans_of_other_libraries_are_masked_when_they_are_sent(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", f"deployment.token={SECRET}")
    seen: list[str] = []
    by_another_library(
        tracekit.init(
            endpoint=collector.url, set_global=False, mask_patterns="all", mask=lambda text: seen.append(text) or text
        )
    )
    body, span = sent_of(collector)
    tracekit.shutdown(0)
    assert not any(secret.encode() in body for secret in (SECRET, KEY, "ada@example.com"))
    assert span.name == "GET /[masked email]" and span.status.message == "for [masked secret]"
    assert seen and not any(KEY in text for text in seen)


@pytest.mark.parametrize("mode", ["metadata", "none"])
def test_spans_of_other_libraries_have_no_content_where_none_is_captured(collector: Collector, mode: str) -> None:
    by_another_library(tracekit.init(endpoint=collector.url, set_global=False, capture=mode))
    body, span = sent_of(collector)
    tracekit.shutdown(0)
    assert not any(secret.encode() in body for secret in (SECRET, KEY, "I am"))
    kept = {pair.key for pair in span.attributes}
    metadata = {"http.request.method", "http.response.status_code", "gen_ai.request.model"}
    assert kept == (metadata if mode == "metadata" else set())
    assert [event.name for event in span.events] == ["request", "exception"]
    assert [pair.key for event in span.events for pair in event.attributes] == ["exception.type", "exception.escaped"]
    assert span.status.code == 2 and span.status.message == ""


def test_a_span_that_cannot_be_masked_is_sent_without_content(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Redactor, items: Any) -> Any:
        raise RuntimeError

    provider = tracekit.init(endpoint=collector.url, set_global=False, mask_patterns="all")
    tracekit.flush()
    monkeypatch.setattr("tracekit.redaction_spans.Event", fail)
    by_another_library(provider)
    body, span = sent_of(collector)
    tracekit.shutdown(0)
    assert (span.name, len(span.attributes), len(span.events), span.status.code) == (MASKED, 0, 0, 2)
    assert SECRET.encode() not in body


def test_a_wrong_setting_masks_more(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve(mask_patterns=["emial"]).redactor.text(f"ada@example.com {KEY}") == "[masked email] [masked secret]"
    assert "mask_patterns has names besides" in caplog.text
    assert resolve(mask=5).redactor.text("anything") == MASKED
    monkeypatch.setenv("TRACEKIT_MASK_PATTERNS", "email, card")
    monkeypatch.setenv("TRACEKIT_MASK_KEYS", "iban, customer number")
    config = resolve(api_key="the-collectors-own-key")
    assert config.mask_patterns == ("email", "card")
    masked = config.redactor.text("the-collectors-own-key IBAN: DE02, customer_number=7 ada@example.com sk-x")
    assert masked == f"{MASKED} IBAN: {MASKED}, customer_number={MASKED} [masked email] sk-x"
    monkeypatch.setenv("TRACEKIT_MASK_KEYS", "off")
    assert not resolve().redactor.hides["password"] and not resolve(mask_patterns=False, mask_keys=False).redactor.scans
