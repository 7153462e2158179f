"""The Operations page as it is used: by keyboard, while what it shows changes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from collector_process import JSON, until
from conftest import Open, overflows
from otlp_sink_process import SinkProcess, sink_process
from otlp_traces import Trace, trace_id
from playwright.sync_api import BrowserContext, Locator, Page, expect
from stage import Stage

API = "/api/v1/destinations"
DEAD = "http://127.0.0.1:1"
NUMBER = 26_001
POISON = "unwelcome"


@pytest.fixture(scope="module")
def sink() -> Iterator[SinkProcess]:
    with sink_process() as sink:
        yield sink


@pytest.fixture
def api(stage: Stage) -> Iterator[Callable[..., Any]]:
    """Asks the API; the destinations that are left are removed afterwards."""

    def ask(method: str, path: str = "", body: Any = None) -> Any:
        answer = stage.collector.request(method, f"{API}{path}", None if body is None else json.dumps(body), JSON)
        assert answer.status in (200, 201, 204), answer
        return answer.json() if answer.body else None

    yield ask
    for one in ask("GET")["items"]:
        ask("DELETE", f"/{one['name']}")


@pytest.fixture
def page(contexts: Callable[..., BrowserContext]) -> Iterator[Page]:
    """One that may be told by the API that something is wrong, which browsers log."""
    faults: list[str] = []
    page = contexts(False).new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: faults.append(dialog.message))
    yield page
    page.close()
    assert not faults


def refreshed(page: Page) -> None:
    with page.expect_response(lambda answer: "part=live" in answer.url):
        pass
    page.wait_for_timeout(50)


def buried(stage: Stage, api: Callable[..., Any], sink: SinkProcess, number: int) -> str:
    """A destination that refuses one span; the span's trace."""
    sink.control(poison=POISON)
    api("POST", "", {"name": "picky", "kind": "otlp", "endpoint": sink.http})
    trace = Trace(number, time.time_ns(), "refused")
    root = trace.span("fine", b"", 0, 10**9, {})
    trace.span(POISON, root, 10**6, 10**6, {})
    stage.feed(trace)
    until(lambda: api("GET", "/picky")["buried"] == 1, 60)
    return trace_id(number).hex()


def test_a_destination_is_added_by_keyboard(page: Page, sink: SinkProcess, api: Callable[..., Any]) -> None:
    sink.control()
    page.goto("/operations")
    expect(page.get_by_role("heading", name="No destinations yet")).to_be_visible()
    page.keyboard.press("a")
    dialog = page.get_by_role("dialog", name="Add a destination")
    expect(dialog.get_by_label("Kind", exact=True)).to_be_focused()
    page.keyboard.type("OTLP")
    page.keyboard.press("Tab")
    page.keyboard.type("No Name!")
    page.keyboard.press("Tab")
    page.keyboard.type(sink.http)
    page.keyboard.press("Tab")
    page.keyboard.type("sk-my-key")
    page.keyboard.press("Enter")
    name, key = dialog.get_by_label("Name", exact=True), dialog.get_by_label("Where its key is")
    expect(name).to_be_focused()
    expect(dialog.locator("#add-name-fault")).to_contain_text("Must be small letters")
    expect(dialog.locator("#add-api_key-fault")).to_contain_text("never the secret itself")
    expect(dialog.locator("#add-endpoint-fault")).to_be_hidden()
    name.fill("backend")
    key.fill("")
    dialog.get_by_label("Projects").fill("shop, lab")
    dialog.get_by_label("Sampling").fill("7")
    dialog.get_by_label("email").check()
    dialog.get_by_text("Headers and options").click()
    dialog.get_by_label("Headers, one a line").fill("x-tenant=shop")
    page.keyboard.press("Enter")  # in a text of several lines: a new one
    dialog.get_by_label("Filter").press("Enter")
    page.wait_for_url("**/operations/backend")
    expect(page.locator("#said")).to_contain_text("backend was added")
    found = api("GET", "/backend")
    assert (found["kind"], found["projects"], found["sample_rate"]) == ("otlp", ["shop", "lab"], 0.07)
    assert (found["masking"], found["headers"]) == ({"patterns": ["email"], "keys": []}, {"x-tenant": "shop"})
    expect(page.locator("#settings")).to_contain_text("7 % of traces")
    expect(page.locator("#settings")).not_to_contain_text("x-tenant: shop")


def test_a_name_that_is_taken_is_said_beside_it(page: Page, api: Callable[..., Any]) -> None:
    api("POST", "", {"name": "dead", "kind": "otlp", "endpoint": DEAD})
    page.goto("/operations")
    page.get_by_role("button", name="Add a destination").press("Enter")
    page.get_by_label("Name", exact=True).fill("dead")
    page.get_by_label("Endpoint").fill(DEAD)
    page.get_by_label("Endpoint").press("Enter")
    expect(page.locator("#add-name-fault")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_pause_test_replay_and_remove(page: Page, stage: Stage, sink: SinkProcess, api: Callable[..., Any]) -> None:
    sink.control()
    api("POST", "", {"name": "backend", "kind": "otlp", "endpoint": sink.http})
    page.goto("/operations")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="backend")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/operations/backend")
    pause = page.locator("#do-state")
    pause.press("Enter")
    expect(pause).to_have_text("Resume")
    expect(pause).to_be_focused()
    expect(page.locator(".state")).to_have_text("paused")
    assert api("GET", "/backend")["state"] == "paused"
    pause.press("Enter")
    expect(pause).to_have_text("Pause")
    page.keyboard.press("t")
    expect(page.locator("#answer")).to_contain_text("It answers:")
    refreshed(page)
    expect(page.locator("#answer")).to_contain_text("It answers:")
    pause.press("Enter")
    expect(pause).to_have_text("Resume")
    page.keyboard.press("r")
    expect(page.get_by_label("Stored from")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_contain_text("will be sent again")
    remove = page.get_by_role("button", name="Remove…")
    expect(page.locator(".figures")).not_to_contain_text("0 waiting")
    remove.press("Enter")
    ask = page.get_by_role("dialog", name="Remove backend?")
    expect(ask).to_contain_text("wait for it")
    page.keyboard.press("Escape")
    expect(ask).to_be_hidden()
    expect(remove).to_be_focused()
    assert api("GET", "/backend")
    remove.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/operations")
    expect(page.locator("#said")).to_contain_text("backend was removed")
    assert api("GET")["items"] == []


def test_what_is_buried_is_retried_and_dropped(
    page: Page, stage: Stage, sink: SinkProcess, api: Callable[..., Any]
) -> None:
    trace = buried(stage, api, sink, NUMBER)
    page.goto("/operations")
    page.locator("#destinations").get_by_role("link", name="1 buried: see why").press("Enter")
    page.wait_for_url("**/operations/picky#buried")
    row = page.locator("#buried-items tbody tr")
    expect(row).to_contain_text("1 span")
    expect(row).to_contain_text("answered 400")
    link = row.get_by_role("link")
    assert str(link.get_attribute("href")).startswith(f"/traces/{trace}?span=")
    # refused again: it comes back
    was = row.get_attribute("id")
    row.get_by_role("button", name="Retry").press("Enter")
    expect(page.locator("#said")).to_contain_text("1 item waits again")
    until(lambda: api("GET", "/picky")["buried"] == 1)
    expect(row).to_have_count(1)
    sink.control()
    row.get_by_role("button", name="Retry").press("Enter")
    expect(row).to_have_count(0)
    until(lambda: api("GET", "/picky")["sent"] == 2)
    assert was is not None
    api("DELETE", "/picky")
    buried(stage, api, sink, NUMBER + 1)
    page.reload()
    row.get_by_role("button", name="Drop").press("Enter")
    expect(page.get_by_role("dialog", name="Drop 1 span?")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(row).to_have_count(0)
    assert api("GET", "/picky")["buried"] == 0
    expect(page.locator("body")).not_to_be_focused()


def test_what_is_open_and_focused_stays_while_numbers_change(
    visit: Open, stage: Stage, api: Callable[..., Any]
) -> None:
    api("POST", "", {"name": "dead", "kind": "otlp", "endpoint": DEAD})
    page = visit("/operations")
    trace = Trace(NUMBER + 2, time.time_ns(), "waits")
    trace.span("answer", b"", 0, 10**9, {})
    stage.feed(trace)
    row = page.locator("#d-dead")
    expect(row.locator(".d-waiting")).to_contain_text("1")
    summary = row.locator("summary")
    expect(summary).to_contain_text("cannot be reached")
    summary.press("Enter")
    expect(row.locator("pre")).to_be_visible()
    page.evaluate("document.getElementById('d-dead').same = true")
    api("POST", "", {"name": "another", "kind": "otlp", "endpoint": DEAD})
    expect(page.locator("#destinations tbody tr")).to_have_count(2)
    api("DELETE", "/another")
    expect(page.locator("#destinations tbody tr")).to_have_count(1)
    expect(row.locator("pre")).to_be_visible()
    expect(summary).to_be_focused()
    assert page.evaluate("document.getElementById('d-dead').same")


def test_nothing_is_asked_for_while_nobody_looks(visit: Open) -> None:
    page = visit("/operations")
    refreshed(page)
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(2_500)
    assert not asked
    page.evaluate("delete document.hidden")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    refreshed(page)


def states(page: Page) -> Locator:
    return page.locator(".destination .state")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
def test_it_fits_its_window(visit: Open, api: Callable[..., Any], scheme: str, phone: bool) -> None:
    long = "a" * 63
    api("POST", "", {"name": long, "kind": "phoenix", "endpoint": f"{DEAD}/{'path/' * 40}"})
    api("POST", "", {"name": "none", "kind": "otlp", "endpoint": DEAD, "api_key": "env:TRACEKIT_SECRET_NOT_SET"})
    until(lambda: api("GET", "/none")["last_error"])
    api("PATCH", f"/{long}", {"state": "paused"})
    page = visit("/operations", phone=phone, color_scheme=scheme)
    expect(states(page)).to_have_text(["paused", "cannot be used"])
    assert not overflows(page)
    page.get_by_role("link", name="none").click()
    expect(page.locator("#cannot")).to_contain_text("TRACEKIT_SECRET_NOT_SET is not set")
    assert not overflows(page)
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Operations").click()
    page.get_by_role("button", name="Add a destination").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Add", exact=True)).to_be_attached()
    assert not overflows(page)
    dark = scheme == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(18, 19, 22)" if dark else "rgb(255, 255, 255)"
    )


def test_the_page_is_light(visit: Open) -> None:
    page = visit("/traces?project=nobody")
    weights: dict[str, int] = {}

    def weigh(response: Any) -> None:
        if response.request.resource_type in ("document", "stylesheet", "script"):
            weights[response.url] = len(response.body())

    page.on("response", weigh)
    page.goto("/operations")
    page.wait_for_load_state("networkidle")
    assert 20_000 < sum(weights.values()) < 120_000, weights
