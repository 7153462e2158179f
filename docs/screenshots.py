"""Makes the pictures in ``docs/img`` from what ``tracekit demo`` stores.

Run it from the repository's root: ``.venv/bin/python docs/screenshots.py``. It needs Chromium.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

FOLDER = Path(__file__).parent / "img"
SIZE = {"width": 1280, "height": 800}
TRACEKIT = [sys.executable, "-m", "collector"]
#: What the pictured trace answers.
QUESTION = "Please cancel order F-10777."


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        ports = ["--port", "0", "--grpc-port", "off", "--database-url", f"sqlite:///{folder}/demo.db"]
        subprocess.run([*TRACEKIT, "demo", "--once", *ports], check=True, stdout=subprocess.DEVNULL)
        with subprocess.Popen([*TRACEKIT, "serve", "--json", *ports], stdout=subprocess.PIPE) as server:
            assert server.stdout is not None
            address = json.loads(server.stdout.readline())["http"]
            try:
                picture(address)
            finally:
                server.terminate()


def picture(address: str) -> None:
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        for scheme in ("light", "dark"):
            shoot(browser, scheme, f"{address}/traces", "traces")
            shoot(browser, scheme, f"{address}/traces/{trace_with_calls(address)}", "trace")
        browser.close()


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
    page.wait_for_load_state("networkidle")
    page.evaluate("document.activeElement.blur()")
    page.screenshot(path=FOLDER / f"{name}-{scheme}.png")
    page.close()


if __name__ == "__main__":
    main()
