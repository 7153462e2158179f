"""Costs, hostile content, and what every page has to keep to."""

from __future__ import annotations

import re

import demo_data
import pytest
from conftest import DESKTOP, PHONE, Open, overflows, ready
from otlp_traces import span_id, trace_id
from playwright.sync_api import Response, expect
from stage import Stage

HOSTILE = f"/traces/{trace_id(demo_data.HOSTILE_TRACE).hex()}"
BIG = f"/traces/{trace_id(demo_data.BIG).hex()}"


def test_costs_by_model_and_over_time(visit: Open) -> None:
    page = visit("/costs?project=batch")
    expect(page.locator("#plot canvas")).to_be_visible()
    expect(page.locator("#plot .u-legend")).to_contain_text("gpt-4o-mini")
    table = page.get_by_role("table").filter(has=page.get_by_role("columnheader", name="Cost"))
    expect(table.get_by_role("row").nth(1)).to_contain_text(re.compile(r"gpt-4o-mini\s*\$0\.1"))
    page.get_by_role("navigation", name="Group by").get_by_role("link", name="User").click()
    expect(page).to_have_url(re.compile(r"\?project=batch&by=user_id$"))
    page.get_by_role("link", name="night-job").click()
    expect(page).to_have_url(re.compile(r"/traces\?project=batch&user_id=night-job$"))
    expect(page.locator("#rows .row")).to_have_count(1)


def test_costs_of_what_has_no_price(visit: Open) -> None:
    page = visit("/costs?project=lab")
    expect(page.get_by_role("row").filter(has_text="in-house-7b")).to_contain_text("unpriced")
    expect(page.locator(".bar .figures")).to_contain_text("1 unpriced")


def test_costs_without_any_call(visit: Open) -> None:
    page = visit("/costs?project=nobody")
    expect(page.get_by_role("heading", name="No model calls in this time")).to_be_visible()


@pytest.mark.parametrize("address", ["/traces", "/costs", "/costs?by=user_id", "/costs?by=project"])
def test_markup_that_was_sent_is_text_in_lists(visit: Open, address: str) -> None:
    page = visit(address)
    expect(page.get_by_text("<script>window.pwned=1</script>").first).to_be_attached()
    assert page.evaluate("window.pwned") is None


def test_markup_that_was_sent_is_text_in_every_kind_of_span(visit: Open) -> None:
    page = ready(visit(HOSTILE))
    expect(page.locator("h1")).to_have_text(demo_data.HOSTILE)
    assert page.locator(".g-label").all_inner_texts() == [demo_data.HOSTILE] * 5
    for span in range(1, 6):
        shown = span_id(demo_data.HOSTILE_TRACE, span).hex()
        expect(page.locator("#detail article")).to_have_attribute("data-shown", shown)
        expect(page.locator("#detail h2")).to_have_text(demo_data.HOSTILE)
        page.locator("details").evaluate_all("all => all.forEach(part => (part.open = true))")
        assert page.locator("main img").count() == 0
        page.locator("#grid").press("j")
    assert page.evaluate("window.pwned") is None


@pytest.mark.parametrize("address", ["/traces", BIG, "/costs"])
def test_pages_are_light_and_fit_their_window(visit: Open, address: str) -> None:
    page = visit("/traces?project=nobody")
    weights: dict[str, int] = {}

    def weigh(response: Response) -> None:
        if response.request.resource_type in ("document", "stylesheet", "script"):
            weights[response.url] = len(response.body())

    page.on("response", weigh)
    page.goto(address)
    page.wait_for_load_state("networkidle")
    assert 20_000 < sum(weights.values()) < 200_000, weights
    seen = set()
    for size in (DESKTOP, {"width": 1024, "height": 700}, PHONE):
        page.set_viewport_size(size)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert not overflows(page), (size, scheme)
            seen.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert seen == {"rgb(255, 255, 255)", "rgb(18, 19, 22)"}


def test_what_is_not_there_says_so(stage: Stage) -> None:
    answer = stage.collector.get(f"/traces/{'0' * 31}1")
    assert answer.status == 404
    assert b"There is nothing here" in answer.body
