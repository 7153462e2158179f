"""``tracekit.testing``: what an application traces, in memory, the same on every run."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from opentelemetry import trace as trace_api

import tracekit
from tracekit import testing, trace

ROOT = Path(__file__).parents[2]


@trace.retriever(name="search")
def search(query: str) -> list[dict[str, object]]:
    return [{"id": "d-1", "text": "1.7 litres", "score": 0.9}]


@trace.llm(name="chat", model="gpt-4o")
def chat(messages: list[dict[str, str]]) -> dict[str, object]:
    return {
        "model": "gpt-4o-2024-08-06",
        "choices": [{"message": {"role": "assistant", "content": "It holds 1.7 litres."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 6, "total_tokens": 18},
    }


@trace(name="answer")
def answer(question: str) -> str:
    search("kettle")
    chat([{"role": "user", "content": question}])
    tracekit.current_span().add_event("done")
    return "1.7 litres"


TREE = [("answer", "chain", [("search", "retriever", []), ("chat", "llm", [])])]


def test_what_was_traced_as_a_tree() -> None:
    with testing.capture() as spans:
        answer("How much?")
    assert spans.tree() == TREE
    assert spans.names() == ["answer", "search", "chat"] and len(spans) == 3
    assert spans.one("search").input == "kettle"
    assert spans.one("answer").output == "1.7 litres"
    assert spans.one("answer").events == [("done", {})]
    call = spans.one(kind="llm")
    assert (call.usage["input_tokens"], call.usage["output_tokens"], call.model) == (12, 6, "gpt-4o-2024-08-06")
    assert call.input[0]["parts"][0]["content"] == "How much?"
    assert (
        call.parent is not None and call.parent.name == "answer" and call.attributes["gen_ai.request.model"] == "gpt-4o"
    )


def test_ids_times_and_text_are_the_same_on_every_run() -> None:
    def run() -> tuple[str, list[tuple[str, str, int, int]]]:
        with testing.capture() as spans:
            answer("How much?")
            with pytest.raises(ValueError), trace.span("fails", kind="tool"):
                raise ValueError("no water")
        return spans.text(), [(span.trace_id, span.span_id, span.start_ns, span.end_ns) for span in spans]

    text, ids = run()
    assert run() == (text, ids)
    assert ids[0] == ("0" * 31 + "1", "0" * 15 + "1", testing.START_NS, testing.START_NS + 6 * testing.STEP_NS)
    assert text.splitlines() == [
        "answer (chain)",
        "  input: How much?",
        "  output: 1.7 litres",
        "  search (retriever)",
        "    input: kettle",
        '    output: [{"id": "d-1", "content": "1.7 litres", "score": 0.9}]',
        "  chat (llm) gpt-4o-2024-08-06",
        '    input: [{"role": "user", "parts": [{"type": "text", "content": "How much?"}]}]',
        '    output: [{"role": "assistant", "parts": [{"type": "text", "content": "It holds 1.7 litres."}], '
        '"finish_reason": "stop"}]',
        '    usage: {"input_tokens": 12, "output_tokens": 6}',
        "fails (tool)",
        "  error: ValueError: no water",
    ]


def test_one_says_what_there_was_instead() -> None:
    with testing.capture() as spans:
        answer("How much?")
    with pytest.raises(AssertionError, match=r"0 spans 'rerank' among \['answer', 'search', 'chat'\]"):
        spans.one("rerank")
    with pytest.raises(AssertionError, match="3 spans among"):
        spans.one()
    assert spans.text(values=False) == "answer (chain)\n  search (retriever)\n  chat (llm)"
    spans.clear()
    assert spans.all() == []


def test_threads_and_tasks_are_captured_beneath_their_parents() -> None:
    @trace(name="leaf")
    def leaf() -> None: ...

    @trace(name="task")
    async def task() -> None:
        await asyncio.sleep(0)

    @trace(name="both")
    async def both() -> None:
        await asyncio.gather(task(), task())
        with ThreadPoolExecutor(1) as pool:
            pool.submit(leaf).result()

    with testing.capture() as spans:
        asyncio.run(both())
    assert spans.tree() == [("both", "chain", [("task", "chain", []), ("task", "chain", []), ("leaf", "chain", [])])]


def test_an_application_that_calls_init_itself_is_captured_and_sends_nothing() -> None:
    before = trace_api.get_tracer_provider()
    with testing.capture() as spans:
        provider = tracekit.init(project="app", endpoint="http://127.0.0.1:9", mask=lambda text: text.upper())
        answer("How much?")
        provider.get_tracer("other").start_span("of another library").end()
        tracekit.shutdown(0)
        answer("Again?")
        assert tracekit.flush().pending == 0
    assert spans.one("of another library").kind == "task"
    assert [span.input for span in spans.find("answer")] == ["HOW MUCH?", "AGAIN?"]
    assert trace_api.get_tracer_provider() is before


def test_captures_nest_and_let_go() -> None:
    with testing.capture() as outer:
        with testing.capture(capture="none") as inner:
            answer("inner")
        answer("outer")
    answer("nobody")
    assert inner.one("answer").input is None and outer.one("answer").input == "outer"


def test_a_span_of_the_application_is_not_the_parent() -> None:
    with testing.capture() as outer, trace.span("around"), testing.capture() as spans:
        answer("How much?")
    assert spans.tree() == TREE and outer.names() == ["around"]


@pytest.fixture
def suite(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "test_app.py").write_text(
        "from tracekit import trace\n\n"
        "@trace.tool(name='weather')\ndef weather(city):\n    return 'clear'\n\n"
        "def test_one(tracekit_spans):\n    weather('Bern')\n"
        "    assert tracekit_spans.tree() == [('weather', 'tool', [])]\n\n"
        "def test_two(tracekit_spans):\n    weather('Bern')\n    assert len(tracekit_spans) == 1\n"
    )
    (tmp_path / "test_other.py").write_text(
        "import sys\n\ndef test_nothing_is_imported():\n    assert 'tracekit' not in sys.modules\n"
    )
    yield tmp_path


def pytest_of(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    plugins = ["-p", "no:cacheprovider", "-p", "no:langsmith_plugin"]  # the second imports for seconds
    command = [sys.executable, "-m", "pytest", "-q", *plugins, *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_examples_of_the_documentation(tmp_path: Path) -> None:
    shown = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/testing.md").read_text("utf-8"), re.M | re.S)
    (tmp_path / "test_shown.py").write_text("\n".join(shown))
    assert "3 passed" in pytest_of(tmp_path, "test_shown.py")


def test_the_fixture_and_what_it_costs_who_does_not_use_it(suite: Path) -> None:
    assert "2 passed" in pytest_of(suite, "test_app.py")
    assert "1 passed" in pytest_of(suite, "test_other.py")
