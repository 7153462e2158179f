"""The list of traces, as people use it."""

from __future__ import annotations

import re
import time

import demo_data
from conftest import Open, overflows
from otlp_traces import Trace, answered, asked, kind, tokens, trace_id
from playwright.sync_api import Page, expect
from stage import Stage

ROWS = "#rows .row"


def row(page: Page, number: int):  # type: ignore[no-untyped-def]
    return page.locator(f"#t-{trace_id(number).hex()}")


def texts(page: Page, selector: str) -> list[str]:
    return page.locator(selector).all_inner_texts()


def small(number: int, start_ns: int, project: str, question: str = "One more?") -> Trace:
    trace = Trace(number, start_ns, project)
    chat = (
        kind("LLM", model="gpt-4o-mini", provider="openai", user="eve") | asked(("user", question)) | answered("Yes.")
    )
    trace.span("chat", b"", 0, 40_000_000, chat | tokens(10, 2))
    return trace


def test_a_row_says_question_answer_and_what_it_took(visit: Open) -> None:
    page = visit("/traces")
    good = row(page, demo_data.RAG)
    expect(good.locator(".title")).to_have_text("Can I return an opened coffee grinder?")
    expect(good.locator(".second")).to_contain_text("Yes. An opened grinder can be returned within 30 days")
    expect(good.locator(".latency")).to_have_text("1.24 sttft 502 ms")
    expect(good.locator(".tokens")).to_have_text("5061 call")
    expect(good.locator(".cost")).to_have_text(re.compile(r"^\$0\.0000\d+$"))
    expect(good.locator(".user")).to_have_text("dmitri")
    expect(good.locator(".session")).to_have_text("s-009")
    expect(good.locator(".when")).to_have_text("2 m")
    assert re.search(r"\d{2}:\d{2}:\d{2}\.\d{3} \S+$", good.locator("time").get_attribute("title") or "")
    failed = row(page, demo_data.FAILED)
    expect(failed.locator(".second")).to_have_text(": ".join(demo_data.LIMIT))
    expect(failed.get_by_role("img", name="error")).to_be_visible()
    unpriced = row(page, demo_data.UNPRICED).locator(".cost")
    expect(unpriced).to_have_text("unpriced")
    expect(unpriced).to_have_attribute("title", re.compile("1 call without a cost"))
    expect(row(page, demo_data.EMBEDDINGS).locator(".title.named")).to_have_text("embed 4 documents")


def test_it_is_a_table_whose_order_is_told(visit: Open) -> None:
    page = visit("/traces")
    table = page.get_by_role("table")
    expect(table.get_by_role("columnheader")).to_have_text(
        ["Trace", "Latency", "Tokens", "Cost", "User", "Session", "Started ↓"]
    )
    expect(table.get_by_role("columnheader", name="Started")).to_have_attribute("aria-sort", "descending")
    table.get_by_role("link", name="Cost", exact=True).click()
    expect(page).to_have_url(re.compile(r"\?sort=cost$"))
    expect(page.get_by_role("columnheader", name="Cost")).to_have_attribute("aria-sort", "descending")
    expect(page.locator(ROWS).first).to_have_id(f"t-{trace_id(demo_data.BIG).hex()}")
    table.get_by_role("link", name="Cost").click()
    expect(table.get_by_role("columnheader", name="Cost")).to_have_attribute("aria-sort", "ascending")


def test_filters_are_in_the_address(visit: Open) -> None:
    page = visit("/traces")
    page.get_by_role("combobox", name="Status").select_option("error")
    expect(page).to_have_url(re.compile(r"/traces\?status=error$"))
    assert page.locator(ROWS).count() == page.locator(f"{ROWS}.failed").count() > 5
    page.get_by_role("combobox", name="Project").select_option("batch")
    expect(page).to_have_url(re.compile(r"\?project=batch&status=error$"))
    expect(page.locator(ROWS)).to_have_count(1)
    page.get_by_role("combobox", name="Project").select_option("lab")
    expect(page.get_by_role("heading", name="No trace matches")).to_be_visible()
    page.get_by_role("link", name="Show all traces of this time").click()
    expect(page.locator(ROWS)).to_have_count(3)
    page.get_by_role("combobox", name="Time range").select_option("15m")
    expect(page).to_have_url(re.compile(r"\?project=lab&range=15m$"))


def test_free_text_user_and_session(visit: Open, stage: Stage) -> None:
    stage.until_found("Basque")
    page = visit("/traces")
    page.keyboard.press("/")
    page.keyboard.type("basque good")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"\?q=basque\+good$"))
    expect(page.locator(f"{ROWS} .title")).to_have_text(["Translate to Basque: good morning"])
    page.locator(f"{ROWS} .user a").click()
    expect(page).to_have_url(re.compile(r"user_id=bob"))
    page.get_by_role("searchbox").fill("")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"\?user_id=bob$"))
    assert set(texts(page, f"{ROWS} .user")) == {"bob"}
    page.locator(".chip").click()
    expect(page).to_have_url(re.compile(r"/traces$"))


def test_older_rows_follow_while_one_scrolls(visit: Open) -> None:
    page = visit("/traces?project=shop")
    expect(page.locator(ROWS)).to_have_count(50)
    page.mouse.wheel(0, 10_000)
    expect(page.locator(ROWS)).to_have_count(100)
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(page.locator(ROWS)).to_have_count(150)
    ids = page.locator(ROWS).evaluate_all("rows => rows.map(row => row.id)")
    assert len(set(ids)) == 150
    starts = page.locator(f"{ROWS} time").evaluate_all("times => times.map(time => time.dateTime)")
    assert starts == sorted(starts, reverse=True)


def test_head_sums_up_and_zooms(visit: Open) -> None:
    page = visit("/traces?project=shop")
    head = page.locator("#head")
    expect(head.locator(".figures")).to_contain_text(re.compile(r"163\s*traces.*errors.*p50.*p99.*tokens.*\$"))
    before = page.locator(".histogram svg").bounding_box()
    assert before
    page.mouse.move(before["x"] + before["width"] * 0.5, before["y"] + 10)
    page.mouse.down()
    page.mouse.move(before["x"] + before["width"] - 1, before["y"] + 12, steps=4)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"project=shop&from=[^&]+&to="))
    expect(page.locator(".chip")).to_contain_text("time")
    shown = page.locator("#head .figure b").first
    expect(shown).not_to_have_text("163")
    assert 10 < int(shown.inner_text()) < 163
    page.locator(".chip").click()
    expect(page).to_have_url(re.compile(r"\?project=shop$"))


def test_live_rows_appear_and_gather_once_one_has_scrolled(visit: Open, stage: Stage) -> None:
    page = visit("/traces?project=tail&live=1")
    expect(page.get_by_role("heading", name="No traces yet")).to_be_visible()
    expect(page.get_by_role("switch", name="Live")).to_have_attribute("aria-checked", "true")
    now = time.time_ns()
    stage.feed_all(small(20_000 + n, now + n, "tail") for n in range(40))
    expect(page.locator(ROWS)).to_have_count(40)
    expect(page.locator("#empty")).to_be_hidden()
    expect(page.locator("#head .figure b").first).to_have_text("40")
    page.mouse.wheel(0, 600)
    stage.feed(small(20_040, now + 100, "tail", "The newest?"), small(20_041, now + 101, "tail"))
    newer = page.locator("#newer")
    expect(newer).to_have_text(re.compile(r"[12] new"))
    expect(newer).to_have_text("2 new")
    expect(page.locator(ROWS)).to_have_count(40)
    newer.click()
    expect(page.locator(ROWS)).to_have_count(42)
    expect(page.locator(f"{ROWS} .title").nth(1)).to_have_text("The newest?")


def test_a_row_that_changes_is_replaced_in_place(visit: Open, stage: Stage) -> None:
    now = time.time_ns()
    stage.feed(small(21_001, now, "grows"), small(21_002, now - 1_000, "grows"))
    page = visit("/traces?project=grows&live=1")
    expect(page.locator(ROWS)).to_have_count(2)
    again = small(21_002, now - 1_000, "grows")
    again.span("chat", b"", 0, 2_000_000_000, kind("LLM", model="gpt-4o-mini") | tokens(1_000, 500))
    stage.feed(again)
    expect(row(page, 21_002).locator(".latency")).to_contain_text("2.00 s")
    expect(row(page, 21_002).locator(".tokens")).to_contain_text("1.5k")
    expect(page.locator(ROWS)).to_have_count(2)
    expect(page.locator(ROWS).nth(1)).to_have_id(f"t-{trace_id(21_002).hex()}")


def test_keyboard(visit: Open) -> None:
    page = visit("/traces")
    for _ in range(3):
        page.keyboard.press("j")
    page.keyboard.press("k")
    second = page.locator(f"{ROWS} .title").nth(1)
    expect(second).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    second.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/traces/[0-9a-f]{32}$"))
    page.wait_for_selector("main[data-ready]")
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile(r"/traces$"))
    page.keyboard.press("l")
    expect(page).to_have_url(re.compile(r"live=1"))


def test_nothing_in_this_time_leads_to_all_time(visit: Open, stage: Stage) -> None:
    stage.feed(small(22_001, time.time_ns() - 3 * 24 * demo_data.HOUR, "old"))
    page = visit("/traces?project=old")
    expect(page.get_by_role("heading", name="Nothing in this time")).to_be_visible()
    page.get_by_role("link", name="Show all time").click()
    expect(page.locator(ROWS)).to_have_count(1)


def test_first_steps_name_this_collector(visit: Open, stage: Stage) -> None:
    page = visit("/traces?project=nobody")
    expect(page.locator("#empty")).to_contain_text(f'endpoint="{stage.address}"')
    expect(page.locator("#empty")).to_contain_text(f"OTEL_EXPORTER_OTLP_ENDPOINT={stage.address}")


def test_phone(visit: Open) -> None:
    page = visit("/traces", phone=True)
    expect(page.locator(ROWS)).to_have_count(50)
    expect(page.locator("#head .figure").first).to_be_visible()
    assert not overflows(page)
    rail = page.get_by_role("navigation", name="Pages").bounding_box()
    assert rail and rail["y"] > 700
    box = page.locator(ROWS).first.bounding_box()
    assert box and box["height"] < 56


def test_nothing_jumps(visit: Open) -> None:
    page = visit("/traces")
    expect(page.locator("#head .figure").first).to_be_visible()
    shift = """new Promise(done => new PerformanceObserver(list => done(list.getEntries()
        .reduce((sum, entry) => sum + entry.value, 0))).observe({ type: "layout-shift", buffered: true }) ||
        setTimeout(done, 200, 0))"""
    assert page.evaluate(shift) < 0.02
