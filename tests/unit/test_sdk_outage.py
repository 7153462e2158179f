"""What the exporter does while nothing can be delivered: the application never waits, and nothing goes uncounted."""

from __future__ import annotations

import dataclasses
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags
from sdk_support import wait_for

from tracekit import guard
from tracekit.config import resolve
from tracekit.counts import FlushResult
from tracekit.export import Exporter
from tracekit.segment import SUFFIX
from tracekit.transport import Answer, Outcome

RESOURCE = Resource({})
ACCEPTED = Answer(Outcome.ACCEPTED)
AWAY = Answer(Outcome.RETRY, reason="away")
Make = Callable[..., Exporter]


class Server:
    """Stands for the collector: ``answer`` is what it gives; while ``silent`` it gives none."""

    def __init__(self) -> None:
        self.answer = ACCEPTED
        self.silent = threading.Event()
        self.asked = 0
        self._speak = threading.Event()

    def __call__(self, body: bytes) -> Answer:
        self.asked += 1
        if self.silent.is_set():
            assert self._speak.wait(60)
        return self.answer

    def speak(self) -> None:
        self.silent.clear()
        self._speak.set()


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.speak()


@pytest.fixture
def make(server: Server, tmp_path: Path) -> Iterator[Make]:
    made: list[Exporter] = []
    guard._said.clear()

    def create(**settings: Any) -> Exporter:
        given = {"project": "p", "interval": 0.01, "spool_dir": tmp_path} | settings
        made.append(Exporter(resolve(**given), server))
        return made[-1]

    yield create
    server.speak()
    for exporter in made:
        exporter.close(0)


def span(**attributes: Any) -> ReadableSpan:
    context = SpanContext(1, 2, False, TraceFlags(1))
    return ReadableSpan("s", context, resource=RESOURCE, attributes=attributes, start_time=1, end_time=2)


def put(exporter: Exporter, count: int, **attributes: Any) -> None:
    for _ in range(count):
        exporter.ended(span(**attributes), own=False)


def test_a_silent_collector_keeps_nobody_waiting_and_all_goes_to_disk(make: Make, server: Server) -> None:
    server.silent.set()
    exporter = make(max_queue_spans=1_000)
    put(exporter, 1)
    wait_for(lambda: server.asked == 1)
    for round_number in range(1, 6):  # five times what the queue holds, while one request is never answered
        put(exporter, 1_000)
        wait_for(lambda n=round_number: exporter.stats(0).spooled == 1_000 * n + 1)
    assert server.asked == 1
    assert exporter.result() == FlushResult(0, 5_001, 0)
    server.speak()
    assert exporter.flush(20) == FlushResult(5_001, 0, 0)
    assert exporter.stats(0).spooled == 0


def test_a_disk_that_does_not_answer_keeps_nobody_waiting(
    make: Make, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer = AWAY
    exporter = make(max_queue_spans=100)
    written, go_on = threading.Event(), threading.Event()
    real = os.write

    def write(descriptor: int, data: Any) -> int:
        if threading.current_thread().name.startswith("tracekit-"):
            written.set()
            assert go_on.wait(60)
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    put(exporter, 1)
    assert written.wait(10)
    put(exporter, 1_000)  # would wait for ever where it needed a lock that the writing holds
    counted = exporter.stats(0)
    assert counted.ended == 1_001 and counted.dropped > 0
    go_on.set()
    server.answer = ACCEPTED
    assert exporter.flush(20).pending == 0


def test_spans_go_to_disk_as_soon_as_the_collector_is_away(make: Make, server: Server, tmp_path: Path) -> None:
    server.answer = AWAY
    exporter = make()
    put(exporter, 600)
    wait_for(lambda: exporter.stats(0).spooled == 600)
    assert list(tmp_path.rglob(f"*{SUFFIX}"))
    server.answer = ACCEPTED
    assert exporter.flush(10) == FlushResult(600, 0, 0)
    assert not list(tmp_path.rglob(f"*{SUFFIX}"))


def test_the_collector_said_when_and_is_not_asked_before(make: Make, server: Server) -> None:
    server.answer = Answer(Outcome.RETRY, retry_after=60.0, reason="HTTP 429")
    exporter = make()
    put(exporter, 1)
    wait_for(lambda: exporter.stats(0).spooled == 1)
    put(exporter, 1)
    assert exporter.flush(0.3) == FlushResult(0, 2, 0)
    assert server.asked == 1


def test_a_spool_that_is_full_loses_the_oldest_and_says_so_once(
    make: Make, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.answer = AWAY
    exporter = make(spool_bytes=100_000)
    for _ in range(20):
        put(exporter, 10, text="x" * 1_000)
        exporter.settle(10)
    counted = exporter.stats(0)
    assert counted.dropped > 0 and counted.spooled + counted.dropped == 200
    server.answer = ACCEPTED
    assert exporter.flush(10) == FlushResult(counted.spooled, 0, counted.dropped)
    assert caplog.text.count("spool is full") == 1


def test_the_end_writes_what_it_cannot_send(make: Make, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.silent.set()
    exporter = make()
    put(exporter, 700)
    wait_for(lambda: server.asked == 1)
    assert exporter.close(0.1) == FlushResult(0, 700, 0)
    assert exporter.stats(0).spooled == 700
    assert "700 spans were not delivered; they are kept on disk" in caplog.text
    put(exporter, 1)
    assert exporter.stats(0).dropped == 1


def test_an_answer_after_the_end_counts_once(make: Make, server: Server) -> None:
    server.silent.set()
    exporter = make()
    put(exporter, 5)
    wait_for(lambda: server.asked == 1)
    exporter.close(0.1)
    server.speak()
    wait_for(lambda: exporter.result() == FlushResult(5, 0, 0))
    assert exporter.stats(0).spooled == 0


def test_starting_again_sends_what_an_earlier_end_left(make: Make, server: Server) -> None:
    server.answer = AWAY
    exporter = make()
    put(exporter, 5)
    exporter.close(0.1)
    server.answer = ACCEPTED
    exporter.reconfigure(exporter._config)
    put(exporter, 1)
    assert exporter.flush(10) == FlushResult(6, 0, 0)


def test_without_a_spool_memory_is_bounded_and_the_rest_counted(make: Make, server: Server) -> None:
    server.answer = AWAY
    exporter = make(spool_bytes=0, max_queue_bytes=1_000_000)
    put(exporter, 1_000, text="x" * 100_000)
    counted = exporter.stats(0)
    assert counted.dropped > 500 and counted.ended == 1_000
    server.answer = ACCEPTED
    assert exporter.flush(20) == FlushResult(1_000 - counted.dropped, 0, counted.dropped)


def test_waiting_for_the_root_ends_with_the_disk(make: Make, server: Server) -> None:
    server.answer = AWAY
    exporter = make(flush_at_root=True, exit_timeout=30, interval=30)
    put(exporter, 3)
    assert exporter.stats(0).spooled == 3
    server.answer = ACCEPTED
    exporter.flush(10)
    put(exporter, 3)
    assert exporter.result() == FlushResult(6, 0, 0)


def test_waiting_for_the_root_is_a_setting_like_others(make: Make, server: Server) -> None:
    exporter = make(interval=30)
    exporter.reconfigure(dataclasses.replace(exporter._config, flush_at_root=True, exit_timeout=30))
    put(exporter, 1)
    assert exporter.result() == FlushResult(1, 0, 0)


def test_a_span_with_a_parent_here_is_not_waited_for(make: Make, server: Server) -> None:
    server.silent.set()
    exporter = make(flush_at_root=True, exit_timeout=60, interval=30)
    context = SpanContext(1, 2, False, TraceFlags(1))
    child = ReadableSpan("child", context, SpanContext(1, 3, False), RESOURCE, start_time=1, end_time=2)
    exporter.ended(child, own=False)
    assert exporter.result() == FlushResult(0, 1, 0)


def test_trouble_is_said_once_and_its_end_too(make: Make, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.answer = AWAY
    exporter = make()
    with caplog.at_level(logging.INFO, logger="tracekit"):
        for _ in range(5):
            put(exporter, 1)
            exporter.flush(0.05)
        server.answer = ACCEPTED
        exporter.flush(10)
    assert caplog.text.count("cannot be delivered") == caplog.text.count("delivered again") == 1


def test_the_applications_random_numbers_stay_what_they_are(make: Make, server: Server) -> None:
    import random

    random.seed(7)
    expected = [random.random() for _ in range(3)]
    random.seed(7)
    server.answer = AWAY
    exporter = make()
    put(exporter, 1)
    exporter.flush(0.1)
    assert [random.random() for _ in range(3)] == expected


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """As at a limit of threads, and as in Python 3.12.0 and 3.12.1 from the end of the main thread on; until undone."""

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as limited:
        limited.setattr(threading.Thread, "start", start)
        yield limited


def test_spans_wait_while_no_thread_can_be_started(
    make: Make, no_threads: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    exporter = make()
    put(exporter, 600)
    assert exporter.flush(0.01) == FlushResult(0, 600, 0)
    no_threads.undo()
    assert exporter.flush(30) == FlushResult(600, 0, 0)
    assert [record.message for record in caplog.records] == [
        "spans wait for a thread that sends them, and none can be started (can't start new thread)"
    ]


def test_and_are_on_disk_for_later_where_none_could_be(
    make: Make, server: Server, no_threads: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    exporter = make()
    put(exporter, 600)
    assert exporter.close(30) == FlushResult(0, 600, 0)
    assert exporter.stats(0).spooled == 600 and not server.asked
    assert caplog.records[-1].message == "600 spans were not delivered; they are kept on disk and sent later"
    no_threads.undo()
    exporter.reconfigure(exporter._config)
    put(exporter, 1)
    assert exporter.flush(30) == FlushResult(601, 0, 0)
