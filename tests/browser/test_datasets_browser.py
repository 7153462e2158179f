"""Adding a trace, or a span of it, to a dataset from its page."""

from __future__ import annotations

import time

from conftest import Open, overflows, ready
from otlp_traces import Trace, trace_id
from playwright.sync_api import expect
from stage import Stage

NUMBER = 24_001
TRACE = trace_id(NUMBER).hex()


def test_a_trace_and_a_span_are_added_to_a_dataset(visit: Open, stage: Stage) -> None:
    trace = Trace(NUMBER, time.time_ns(), "to be added")
    root = trace.span("answer", b"", 0, 10**9, {"input.value": "Where is it?", "output.value": "<b>There</b>"})
    tool = {"openinference.span.kind": "TOOL", "input.value": '{"order": 7}', "output.value": "shipped"}
    span = trace.span("lookup", root, 10**6, 10**8, tool).hex()
    stage.feed(trace)
    page = ready(visit(f"/traces/{TRACE}"))
    page.get_by_role("button", name="Add to dataset").click()
    dialog = page.get_by_role("dialog", name="Add to a dataset")
    dialog.get_by_role("button", name="Add").click()
    expect(dialog.get_by_role("alert")).to_have_text("Say which dataset")
    dialog.get_by_label("Dataset").fill("from-page")
    dialog.get_by_role("button", name="Add").click()
    expect(dialog).to_be_hidden()
    page = ready(visit(f"/traces/{TRACE}?span={span}"))
    page.get_by_role("button", name="Add to dataset").click()
    dialog = page.get_by_role("dialog", name="Add to a dataset")
    dialog.get_by_label("Dataset").fill("from-page")
    dialog.get_by_label("What", exact=True).select_option("span")
    dialog.get_by_label("What is right").select_option("text")
    dialog.get_by_label("The right output").fill("lost")
    dialog.get_by_label("Split").fill("test")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    items = stage.collector.get("/api/v1/datasets/from-page/examples").json()["items"]
    assert [(one["input"], one["expected"], one["split"], one["source"]) for one in items] == [
        ("Where is it?", "<b>There</b>", None, TRACE),
        ({"order": 7}, "lost", "test", f"{TRACE}:{span}"),
    ]
    assert not overflows(ready(visit(f"/traces/{TRACE}", phone=True)))
