"""A trace's page: tree, waterfall, detail, keyboard, links."""

from __future__ import annotations

import json
import re
import time

import demo_data
import pytest
from conftest import Open, overflows, ready
from otlp_traces import Trace, kind, span_id, trace_id
from playwright.sync_api import Page, expect
from stage import Stage


def path(number: int, span: int | None = None) -> str:
    query = "" if span is None else f"?span={span_id(number, span).hex()}"
    return f"/traces/{trace_id(number).hex()}{query}"


def chosen(page: Page):  # type: ignore[no-untyped-def]
    return page.locator('#grid [aria-selected="true"] .g-label')


def title(page: Page):  # type: ignore[no-untyped-def]
    return page.locator("#detail h2")


def labels(page: Page) -> list[str]:
    """Names of the rows in sight, from the top."""
    rows = page.locator(".g-row").evaluate_all(
        "rows => rows.map(row => [row.getBoundingClientRect().top, row.querySelector('.g-label').textContent])"
    )
    return [name for _, name in sorted(rows)]


def test_head_and_tree(visit: Open) -> None:
    page = ready(visit(path(demo_data.RAG)))
    expect(page.get_by_role("heading", level=1)).to_have_text("Can I return an opened coffee grinder?")
    figures = page.locator("#trace-head .figures")
    expect(figures).to_contain_text("1.24 s")
    expect(figures).to_contain_text("506 tokens")
    expect(page.locator("#trace-head .about")).to_contain_text("session s-009")
    grid = page.get_by_role("treegrid", name="Spans of this trace")
    expect(grid.get_by_role("columnheader")).to_have_text(["Span", re.compile("0"), "Duration", "Tokens", "Cost"])
    assert labels(page) == ["answer_question", "retrieve", "embed_query", "chat gpt-4o-mini", "check_answer"]
    root = grid.get_by_role("row", name=re.compile("chain, answer_question, 1.24 s"))
    expect(root).to_have_attribute("aria-expanded", "true")
    expect(root).to_have_attribute("aria-level", "1")
    expect(grid).to_have_attribute("aria-rowcount", "6")
    model = grid.get_by_role("row", name=re.compile("llm, chat gpt-4o-mini, 1.01 s, on the critical path"))
    expect(model.locator(".g-number")).to_have_text(["1.01 s", "494", re.compile(r"\$0\.0000")])
    expect(model.locator(".g-first")).to_be_visible()
    expect(grid).to_have_attribute("aria-activedescendant", f"s-{span_id(demo_data.RAG, 1).hex()}")


def test_five_thousand_spans_scroll_without_blanks(visit: Open, capsys: pytest.CaptureFixture[str]) -> None:
    page = ready(visit(path(demo_data.BIG)))
    times = page.evaluate(
        "() => [performance.getEntriesByName('first-contentful-paint')[0].startTime,"
        " performance.getEntriesByName('tracekit:ready')[0].startTime]"
    )
    with capsys.disabled():
        print(f"\n5,000 spans: first paint {times[0]:.0f} ms, interactive {times[1]:.0f} ms")
    page.get_by_role("button", name=re.compile("infrastructure")).click()
    expect(page.locator("#grid")).to_have_attribute("aria-rowcount", "5001")
    assert page.locator(".g-row").count() < 60
    holes = page.evaluate(
        """() => {
          const grid = document.getElementById("grid");
          const box = grid.getBoundingClientRect();
          const top = grid.querySelector(".grid-head").getBoundingClientRect().bottom;
          const end = grid.scrollHeight - grid.clientHeight;
          let holes = 0;
          for (let step = 0; step <= 60; step++) {
            grid.scrollTop = (end * ((step * 37) % 61)) / 60;
            grid.dispatchEvent(new Event("scroll"));
            for (let y = top + 2; y < box.bottom - 4; y += 14) {
              const row = document.elementFromPoint(box.left + 300, y)?.closest(".g-row");
              const at = Math.floor((y - top + grid.scrollTop) / 28);
              if (Number(row?.getAttribute("aria-rowindex")) !== at + 2) holes++;
            }
          }
          grid.scrollTop = 0;
          return holes;
        }"""
    )
    assert holes == 0
    page.locator("#grid").focus()
    page.keyboard.press("End")
    expect(page.locator('#grid [aria-selected="true"]')).to_have_attribute("aria-rowindex", "5001")
    expect(title(page)).to_have_text(chosen(page).inner_text())
    page.keyboard.press("Home")
    expect(title(page)).to_have_text("reconcile_orders")


def test_keyboard_walks_the_tree(visit: Open) -> None:
    page = ready(visit(path(demo_data.AGENT)))
    grid = page.locator("#grid")
    expect(grid).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("j")
    expect(chosen(page)).to_have_text("chat claude-sonnet-4-5")
    expect(title(page)).to_have_text("chat claude-sonnet-4-5")
    expect(page).to_have_url(re.compile(rf"\?span={span_id(demo_data.AGENT, 3).hex()}$"))
    page.keyboard.press("k")
    page.keyboard.press("ArrowLeft")
    expect(chosen(page)).to_have_text("step 1")
    expect(page.locator('#grid [aria-selected="true"]')).to_have_attribute("aria-expanded", "false")
    assert labels(page)[:3] == ["support_agent", "step 1", "step 2"]
    page.keyboard.press("ArrowLeft")
    expect(chosen(page)).to_have_text("support_agent")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert labels(page)[:3] == ["support_agent", "step 1", "chat claude-sonnet-4-5"]
    page.keyboard.press("Enter")
    expect(page.locator("#detail")).to_be_focused()
    page.keyboard.press("Escape")
    expect(grid).to_be_focused()
    page.keyboard.press("End")
    expect(chosen(page)).to_have_text("chat claude-sonnet-4-5")
    page.keyboard.press("e")
    expect(chosen(page)).to_have_text("create_replacement")
    expect(page.locator("#detail .fault")).to_contain_text("TimeoutError: warehouse did not answer within 2 s")


def test_find_close_and_fold(visit: Open) -> None:
    page = ready(visit(path(demo_data.AGENT)))
    page.keyboard.press("/")
    page.keyboard.type("replacement")
    expect(page.locator("#found")).to_have_text("2 found")
    page.keyboard.press("Enter")
    expect(chosen(page)).to_have_text("create_replacement")
    page.keyboard.press("Enter")
    expect(page.locator('#grid [aria-selected="true"]')).to_have_attribute(
        "id", f"s-{span_id(demo_data.AGENT, 12).hex()}"
    )
    page.keyboard.press("Escape")
    expect(page.locator("#found")).to_have_text("")
    page.get_by_role("button", name="Close all").click()
    assert labels(page) == ["support_agent", "step 1", "step 2", "step 3", "chat claude-sonnet-4-5"]
    page.get_by_role("button", name="Open all").click()
    assert "POST /shop" not in labels(page)
    expect(page.locator(".g-row", has_text="step 2")).to_contain_text("+1 folded")
    page.get_by_role("button", name="Show 3 infrastructure").click()
    assert labels(page).count("POST /shop") == 3


def test_deep_links(visit: Open) -> None:
    page = ready(visit(path(demo_data.BIG, 4_000)))
    row = page.locator('#grid [aria-selected="true"]')
    expect(row).to_have_id(f"s-{span_id(demo_data.BIG, 4_000).hex()}")
    expect(row).to_be_in_viewport()
    expect(title(page)).to_have_text(row.locator(".g-label").inner_text())
    lost = ready(visit(path(demo_data.RAG, 99).replace(span_id(demo_data.RAG, 99).hex(), "f" * 16), missing=True))
    expect(lost.locator("#found")).to_have_text("That span is not here")
    expect(lost.locator("#detail")).to_contain_text("There is nothing here")


def test_newer_and_older(visit: Open) -> None:
    page = ready(visit(path(demo_data.FAILED)))
    page.keyboard.press("[")
    expect(page).to_have_url(re.compile(path(demo_data.RAG)))
    ready(page).keyboard.press("]")
    expect(page).to_have_url(re.compile(path(demo_data.FAILED)))
    ready(page).keyboard.press("]")
    expect(page).to_have_url(re.compile(path(demo_data.AGENT)))


def test_messages_and_tool_calls(visit: Open) -> None:
    page = ready(visit(path(demo_data.AGENT, 7)))
    turns = page.locator(".turn")
    expect(turns.locator(".role")).to_have_text(["system", "user", "tool", "assistant"])
    expect(turns.nth(1)).to_contain_text("Where is my order 8841")
    call = page.locator(".answers .part")
    expect(call.locator(".label")).to_have_text("calls create_replacement")
    expect(call.get_by_role("row")).to_have_text([re.compile(r"order\s*8841"), re.compile(r"reason\s*not received")])
    facts = page.locator(".facts")
    expect(facts).to_contain_text("claude-sonnet-4-5")
    expect(facts).to_contain_text("58 (24 reasoning)")


def test_tools_documents_embeddings_and_images(visit: Open) -> None:
    tool = ready(visit(path(demo_data.AGENT, 4)))
    expect(tool.locator("#detail h3").filter(has_text=re.compile("^Result$"))).to_be_visible()
    expect(tool.locator("#detail")).to_contain_text("neighbour, no. 12")
    found = ready(visit(path(demo_data.RAG, 2))).locator(".documents li")
    expect(found).to_have_count(4)
    expect(found.nth(0)).to_contain_text("manuals/k2.md#1")
    expect(found.locator(".score")).to_have_text(["0.91", "0.74", "0.57", "0.4"])
    vectors = ready(visit(path(demo_data.EMBEDDINGS, 1)))
    expect(vectors.get_by_role("img", name=re.compile("The vector's values"))).to_have_count(4)
    expect(vectors.locator(".embedding").first).to_contain_text("384 dimensions")
    image = ready(visit(path(demo_data.GENAI, 1))).locator(".turn img")
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1


def test_errors_come_first_with_their_stack(visit: Open) -> None:
    page = ready(visit(path(demo_data.FAILED, 6)))
    first = page.locator("#detail article > *").nth(1)
    expect(first).to_contain_text("RateLimitError: Rate limit reached for gpt-4o-mini")
    expect(first).to_contain_text('File "/srv/shop/answer.py", line 88, in answer')


def test_raw_attributes_are_last_and_can_be_searched(visit: Open) -> None:
    page = ready(visit(path(demo_data.RAG, 6)))
    attributes = page.locator("details.raw").filter(has_text="Attributes")
    attributes.locator("summary").click()
    rows = attributes.get_by_role("row")
    expect(rows.filter(has_text="llm.model_name")).to_be_visible()
    attributes.get_by_role("searchbox").fill("temperature")
    expect(rows.filter(visible=True)).to_have_count(1)
    page.keyboard.press("Escape")
    page.keyboard.press("k")  # what was opened stays open for the next span
    expect(page.locator("details.raw[open]")).to_have_count(1)


def test_copying(visit: Open, stage: Stage) -> None:
    page = ready(visit(path(demo_data.RAG), permissions=["clipboard-read", "clipboard-write"]))

    def copied(button: str, what: str) -> str:
        page.locator(button).first.click()
        expect(page.get_by_role("status").filter(has_text=f"{what} copied")).to_be_visible()
        return str(page.evaluate("navigator.clipboard.readText()"))

    api = f"/api/v1/traces/{trace_id(demo_data.RAG).hex()}"
    assert json.loads(copied(".head [data-copy-json]", "JSON")) == stage.collector.get(api).json()
    page.keyboard.press("j")
    expect(title(page)).to_have_text("retrieve")
    span = span_id(demo_data.RAG, 2).hex()
    assert copied(".head [data-copy-link]", "Link") == stage.address + path(demo_data.RAG, 2)
    expect(page.locator("#said")).to_have_text("Link copied")
    page.evaluate("document.getElementById('said').textContent = ''")
    assert json.loads(copied("#detail [data-copy-json]", "JSON")) == stage.collector.get(f"{api}/spans/{span}").json()


def test_a_live_trace_grows_in_place(visit: Open, stage: Stage) -> None:
    now = time.time_ns()
    parts = Trace(30_001, now, "growing"), Trace(30_001, now, "growing")
    for trace in parts:
        missing = b"\x00" * 7 + b"\x09"
        trace.span("step 1", missing, 0, 100_000_000, kind("CHAIN"))
        trace.span("inner", span_id(30_001, 1), 0, 50_000_000, kind("TOOL"))
    stage.feed(parts[0])
    page = ready(visit(path(30_001)))
    assert labels(page) == ["step 1", "inner"]
    expect(page.locator("#rootless")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    assert labels(page) == ["step 1"]
    later = parts[1]
    later.span("step 2", b"\x00" * 7 + b"\x09", 200_000_000, 900_000_000, kind("CHAIN"))
    stage.feed(later)
    expect(page.locator(".g-row")).to_have_count(2)
    assert labels(page) == ["step 1", "step 2"]
    expect(chosen(page)).to_have_text("step 1")
    expect(page.locator("#trace-head .figures")).to_contain_text("1.10 s")


def test_phone_slides_the_detail_over_the_tree(visit: Open) -> None:
    page = ready(visit(path(demo_data.AGENT), phone=True))
    assert not overflows(page)
    expect(page.locator("#detail")).to_be_hidden()
    page.locator(".g-row").filter(has_text="find_order").tap()
    expect(title(page)).to_have_text("find_order")
    assert not overflows(page)
    page.get_by_role("button", name="Back to the tree").tap()
    expect(page.locator("#detail")).to_be_hidden()
    expect(page.locator("#grid")).to_be_visible()
    linked = ready(visit(path(demo_data.AGENT, 4), phone=True))
    expect(title(linked)).to_have_text("find_order")
    expect(title(linked)).to_be_visible()


def test_width_and_theme_are_remembered(visit: Open) -> None:
    page = ready(visit(path(demo_data.RAG), color_scheme="light"))
    line = page.get_by_role("separator", name="Width of the tree")
    before = page.locator(".spans").bounding_box()
    line.focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    background = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(background) == "rgb(255, 255, 255)"
    button = page.get_by_role("button", name="System")
    button.click()
    page.get_by_role("button", name="Light").click()
    page.reload()
    after = ready(page).locator(".spans").bounding_box()
    assert before and after and after["width"] < before["width"] - 80
    assert page.evaluate(background) == "rgb(18, 19, 22)"
    expect(page.get_by_role("button", name="Dark")).to_be_visible()
    page.evaluate("localStorage.clear()")
