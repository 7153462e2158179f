"""Annotations on a trace's page: seen at once, read and followed by keyboard."""

from __future__ import annotations

import json
import time

from collector_process import JSON
from conftest import Open, overflows, ready
from otlp_traces import Trace, trace_id
from playwright.sync_api import expect
from stage import Stage

NUMBER = 23_001
TRACE = trace_id(NUMBER).hex()


def annotate(stage: Stage, *annotations: dict[str, object]) -> None:
    assert stage.collector.post("/api/v1/annotations", json.dumps(annotations), JSON).status == 200


def test_annotations_are_read_by_keyboard(visit: Open, stage: Stage) -> None:
    trace = Trace(NUMBER, time.time_ns(), "annotated")
    root = trace.span("answer", b"", 0, 10**9, {"input.value": "Where does it stand?"})
    model = trace.span("chat", root, 10**6, 10**8, {"openinference.span.kind": "LLM"}).hex()
    stage.feed(trace)
    whole = {"name": "helpful", "target": {"trace_id": TRACE}, "score": True, "explanation": "Says where it stands."}
    of_span = {"name": "tone", "target": {"trace_id": TRACE, "span_id": model}, "annotator_kind": "llm", "label": "dry"}
    annotate(stage, whole, of_span)
    page = ready(visit(f"/traces/{TRACE}"))
    said = page.locator("#trace-head details.said")
    expect(said.locator("summary")).to_contain_text("2 annotations")
    expect(said.locator(".score-chip")).to_have_text(["helpful yes", "tone dry"])
    expect(page.get_by_role("region", name="Annotations")).to_contain_text("Says where it stands.")
    said.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(said.locator("li")).to_have_count(2)
    expect(said).to_contain_text("Says where it stands.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/traces/{TRACE}?span={model}")
    expect(page.get_by_role("region", name="Annotations")).to_contain_text("dry")
    assert not overflows(ready(visit(f"/traces/{TRACE}", phone=True)))
