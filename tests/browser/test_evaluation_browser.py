"""The pages of rules, experiments and datasets: light, dark, on a phone, and by keyboard."""

from __future__ import annotations

import json
from typing import Any

from collector_process import JSON
from conftest import Open, overflows
from playwright.sync_api import expect
from stage import Stage


def ask(stage: Stage, method: str, path: str, body: Any = None) -> Any:
    answer = stage.collector.request(method, f"/api/v1/{path}", None if body is None else json.dumps(body), JSON)
    assert answer.status in (200, 201, 204), answer
    return answer.json() if answer.body else None


def filled(stage: Stage) -> list[str]:
    """A rule, a dataset, two experiments; the pages that show them."""
    ask(stage, "POST", "rules", {"name": "refused", "evaluator": {"type": "refusal"}, "filter": "status == 'ok'"})
    ask(stage, "POST", "datasets", {"name": "golden"})
    examples = [{"input": f"How long is the warranty on item {one}? " * 5, "expected": "x" * 300} for one in range(20)]
    ids = ask(stage, "POST", "datasets/golden/changes", {"add": examples})["ids"]
    numbers = []
    for name, score in (("before", 0), ("after", 1)):
        number = ask(stage, "POST", "experiments", {"name": name, "dataset": "golden"})["id"]
        runs = [{"example_id": one, "output": "y" * 300, "scores": [{"name": "right", "score": score}]} for one in ids]
        ask(stage, "POST", f"experiments/{number}/runs", {"runs": runs})
        numbers.append(number)
    compared = f"/experiments/{numbers[1]}?with={numbers[0]}"
    return ["/evaluation", "/evaluation/refused", "/datasets", "/datasets/golden?before=0&after=1", compared]


def test_the_pages_fit_and_a_rule_is_paused_by_keyboard(stage: Stage, visit: Open) -> None:
    for path in filled(stage):
        for options in ({}, {"color_scheme": "dark"}, {"phone": True}):
            page = visit(path, **options)
            assert not overflows(page), (path, options)
            expect(page.locator("h1")).to_have_count(1)
            expect(page.locator("nav [aria-current=page]")).to_have_count(1)
            unnamed = "[...document.querySelectorAll('main a, main button, main select')].filter(one => "
            assert page.evaluate(unnamed + "!(one.textContent.trim() || one.ariaLabel)).length") == 0
            page.close()
    page = visit("/evaluation")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="refused")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/evaluation/refused")
    page.keyboard.press("p")
    expect(page.locator("#do-state")).to_have_text("Resume")
    expect(page.locator(".state")).to_have_text("paused")
    assert ask(stage, "GET", "rules/refused")["state"] == "paused"
    page.keyboard.press("p")
    expect(page.locator("#do-state")).to_have_text("Pause")
    page.keyboard.press("Escape")
    page.wait_for_url("**/evaluation")
