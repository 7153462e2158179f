"""A browser, a collector with demo data, and pages that must do nothing they should not."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import demo_data
import pytest
from beside import missing
from collector_process import collectors
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright
from stage import Stage

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
Open = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


# A machine that does many things at once is slow, not wrong.
expect.set_options(timeout=15_000)


@pytest.fixture(scope="module")  # not longer: while it lives, this thread has a running event loop
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        missing(f"no browser: none of {', '.join(NAMES)} is installed, so the pages are not tested")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Filled with the demo's traces; tests may add to projects of their own."""
    with collectors(tmp_path_factory.mktemp("pages")) as start:
        stage = Stage(start())
        now = time.time_ns()
        stage.feed_all([*demo_data.named(now), *demo_data.crowd(now), demo_data.hostile(demo_data.HOSTILE_TRACE, now)])
        yield stage


@pytest.fixture(scope="module")
def contexts(browser: Browser, stage: Stage) -> Iterator[Callable[..., BrowserContext]]:
    """Browser contexts by their options, kept so that what they have cached serves the next test."""
    made: dict[str, BrowserContext] = {}

    def context(phone: bool, **options: object) -> BrowserContext:
        options |= {"viewport": PHONE if phone else DESKTOP, "has_touch": phone, "base_url": stage.address}
        key = repr(sorted(options.items()))
        if key not in made:
            made[key] = browser.new_context(**options)  # type: ignore[arg-type]
        return made[key]

    yield context
    for context_made in made.values():
        context_made.close()


@pytest.fixture
def visit(contexts: Callable[..., BrowserContext], stage: Stage) -> Iterator[Open]:
    """Opens a path; keywords are the browser context's, ``phone=True`` among them.

    Fails the test where a page logs an error, breaks its own policy, or asks another host for anything. ``missing``
    says that what is asked for may not be there.
    """
    pages: list[Page] = []
    faults: list[str] = []

    def open_page(path: str, *, phone: bool = False, missing: bool = False, **options: object) -> Page:
        page = contexts(phone, **options).new_page()
        pages.append(page)
        host = urlsplit(stage.address).netloc

        def heard(message: ConsoleMessage) -> None:
            # htmx says so when a page is left while something was on its way.
            left = "htmx:sendAbort" in message.text or "htmx:afterRequest" in message.text
            if message.type == "error" and not left and not (missing and "404" in message.text):
                faults.append(message.text)

        page.on("console", heard)
        # The promise of a request that was left behind is rejected without a reason.
        page.on("pageerror", lambda error: faults.append(str(error)) if str(error) != "undefined" else None)
        page.on("dialog", lambda dialog: faults.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: faults.append(request.url) if _is_foreign(request.url, host) else None)
        page.goto(path)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert not faults


def _is_foreign(url: str, host: str) -> bool:
    return not url.startswith("data:") and urlsplit(url).netloc != host


def overflows(page: Page) -> bool:
    """Whether the page is wider than its window."""
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))


def ready(page: Page) -> Page:
    """After the tree of a trace's page has been drawn."""
    page.wait_for_selector("main[data-ready]")
    return page
