"""Makes the pictures in ``docs/img`` from what ``tracekit demo`` stores.

Run it from the repository's root: ``.venv/bin/python docs/screenshots.py``. It needs Chromium.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

FOLDER = Path(__file__).parent / "img"
SIZE = {"width": 1280, "height": 800}
TRACEKIT = [sys.executable, "-m", "collector"]
#: What the pictured trace answers.
QUESTION = "Please cancel order F-10777."


#: Seconds after which one destination has what it was sent, and another is behind enough to be seen.
DESTINATION_SECONDS = 35


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        arguments = arguments_of(folder, "demo")
        subprocess.run([*TRACEKIT, "demo", "--once", *arguments], check=True, stdout=subprocess.DEVNULL)
        with served(arguments) as address, served(arguments_of(folder, "team")) as team:
            picture(address, team)


def arguments_of(folder: str, name: str) -> list[str]:
    return ["--port", "0", "--grpc-port", "off", "--database-url", f"sqlite:///{folder}/{name}.db"]


@contextmanager
def served(arguments: list[str]) -> Iterator[str]:
    """A collector's address."""
    with subprocess.Popen([*TRACEKIT, "serve", "--json", *arguments], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            yield json.loads(server.stdout.readline())["http"]
        finally:
            server.terminate()


def picture(address: str, team: str) -> None:
    """``team`` is another collector, to send to."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        for scheme in ("light", "dark"):
            shoot(browser, scheme, f"{address}/traces", "traces")
            shoot(browser, scheme, f"{address}/traces/{trace_with_calls(address)}", "trace")
        add_destinations(address, team)
        for scheme in ("light", "dark"):
            shoot(browser, scheme, f"{address}/operations", "operations")
        browser.close()


def add_destinations(address: str, team: str) -> None:
    """One that is up to date, one that is away, one that is paused."""
    for name, kind, endpoint, state in (
        ("team", "otlp", team, "active"),
        ("local", "phoenix", "http://127.0.0.1:6006", "active"),
        ("standby", "otlp", "http://127.0.0.1:4319", "paused"),
    ):
        body = {"name": name, "kind": kind, "endpoint": endpoint, "state": state, "from": "7d"}
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{address}/api/v1/destinations", json.dumps(body).encode(), headers)
        urllib.request.urlopen(request).close()
    time.sleep(DESTINATION_SECONDS)


def trace_with_calls(address: str) -> str:
    """Trace and span of a model call that calls a tool."""
    traces = read(f"{address}/api/v1/traces?limit=100")["items"]
    trace_id = next(trace["trace_id"] for trace in traces if trace["input"] == QUESTION)
    calls = [span for span in read(f"{address}/api/v1/traces/{trace_id}")["spans"] if span["kind"] == "llm"]
    return f"{trace_id}?span={calls[1]['span_id']}"


def read(address: str) -> dict:
    with urllib.request.urlopen(address) as answer:
        return json.load(answer)


def shoot(browser: Browser, scheme: str, address: str, name: str) -> None:
    page = browser.new_page(viewport=SIZE, color_scheme=scheme)
    page.goto(address)
    page.wait_for_load_state("load")
    page.wait_for_timeout(1_000)  # what is filled in afterwards; a live page is never idle
    page.evaluate("document.activeElement.blur()")
    page.screenshot(path=FOLDER / f"{name}-{scheme}.png")
    page.close()


if __name__ == "__main__":
    main()
