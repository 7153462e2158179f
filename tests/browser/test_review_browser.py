"""Judging traces one after the other, by keyboard."""

from __future__ import annotations

import time
from typing import Any

from conftest import Open, overflows
from otlp_traces import Trace, trace_id
from playwright.sync_api import Page, expect
from stage import Stage

FIRST = 25_001
PROJECT = "to-review"
HOSTILE = "<img src=x onerror=alert(1)> & \u202eup"


def feed(stage: Stage) -> None:
    for number in range(4):
        trace = Trace(FIRST + number, time.time_ns() - (10 - number) * 10**9, PROJECT)
        said = {"input.value": f"Question {number}? {HOSTILE}", "output.value": f"Answer {number} {HOSTILE}"}
        root = trace.span("answer", b"", 0, 10**9, said)
        document = "retrieval.documents.0.document"
        found = {f"{document}.content": f"Source {number} {HOSTILE}", f"{document}.id": "d-1", f"{document}.score": 0.5}
        trace.span("retrieve", root, 10**6, 10**8, {"openinference.span.kind": "RETRIEVER", **found})
        stage.feed(trace)


def said(stage: Stage, number: int) -> dict[str, Any]:
    path = f"/api/v1/annotations?trace_id={trace_id(FIRST + number).hex()}"
    (found,) = stage.collector.get(path).json()["items"]
    kept: dict[str, Any] = found
    return kept


def shows(page: Page, number: int) -> None:
    expect(page.locator("#trace")).to_have_attribute("data-trace", trace_id(FIRST + number).hex())
    expect(page.locator("#judge")).to_have_attribute("aria-busy", "false")


def test_traces_are_judged_by_keyboard(visit: Open, stage: Stage) -> None:
    feed(stage)
    page = visit("/traces")
    page.get_by_role("link", name="Review").click()
    page.wait_for_url("**/review")  # with its scripts run
    page.get_by_label("Name of the annotation").fill("correct")
    page.get_by_label("Your name").fill("ada")
    page.get_by_label("Project").select_option(PROJECT)
    page.get_by_label("Your name").press("Enter")
    page.wait_for_url(f"**/review?name=correct&scale=yesno&project={PROJECT}")
    shows(page, 0)
    trace = page.locator("#trace")
    for text in (f"Question 0? {HOSTILE}", f"Answer 0 {HOSTILE}", f"Source 0 {HOSTILE}"):
        expect(trace.get_by_text(text)).to_be_visible()
    expect(page.locator("#left")).to_have_text("4 traces left")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("Give a score first")
    page.keyboard.press("y")
    page.keyboard.press("e")
    page.keyboard.type("says so")
    page.keyboard.press("Enter")
    shows(page, 1)
    expect(page.locator("#left")).to_have_text("3 traces left")
    kept = said(stage, 0)
    assert (kept["name"], kept["score"], kept["identifier"], kept["explanation"]) == ("correct", True, "ada", "says so")
    assert kept["annotator_kind"] == "human" and kept["target"]["span_id"] is None
    page.keyboard.press("s")
    shows(page, 2)
    page.keyboard.press("n")
    page.keyboard.press("Enter")
    shows(page, 3)
    assert (said(stage, 2)["score"], said(stage, 2)["explanation"]) == (False, None)
    page.keyboard.press("s")
    expect(page.get_by_role("heading", name="Nothing left to review")).to_be_visible()
    page.keyboard.press("Escape")
    page.wait_for_url("**/traces")


def test_a_scale_of_five_on_a_phone_in_the_dark(visit: Open) -> None:
    path = f"/review?name=helpful&scale=5&project={PROJECT}&filter=status"
    page = visit(path.replace("status", "input+!%3D+None"), phone=True, color_scheme="dark")
    page.get_by_label("Your name").fill("bob")
    page.get_by_role("button", name="Start").click()
    shows(page, 0)
    assert not overflows(page)
    page.get_by_role("button", name="4", exact=True).click()
    page.get_by_role("button", name="Save").click()
    shows(page, 1)
