"""An application and a collector in processes of their own, and everything that goes wrong between them: no exception
in the application, no span lost, each counted once."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from collector_process import CollectorProcess, Start, collectors, until
from sdk_application import Application, Between, applications, check_stored, free_port

Run = Callable[..., Application]
KEY = "the-right-one"


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """One with its own settings for those tests that leave it as it was."""
    with collectors(tmp_path_factory.mktemp("collector")) as start:
        yield start()


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """One that wants a key and small requests."""
    with collectors(tmp_path_factory.mktemp("strict")) as start:
        yield start(env={"TRACEKIT_MAX_BODY_BYTES": "50000", "TRACEKIT_API_KEYS": KEY})


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with applications(tmp_path) as start:
        yield start


@pytest.fixture
def between() -> Iterator[Callable[[CollectorProcess], Between]]:
    made: list[Between] = []

    def create(collector: CollectorProcess) -> Between:
        made.append(Between(collector))
        return made[-1]

    yield create
    for found in made:
        found.close()


def test_a_collector_that_is_not_there_yet_and_then_is_killed(run: Run, start_collector: Start, tmp_path: Path) -> None:
    port, url = str(free_port()), f"sqlite:///{tmp_path / 'traces.db'}"
    application = run(f"http://127.0.0.1:{port}")
    application.spans(700)
    until(lambda: application.stats()["spooled"] == 700)
    collector = start_collector("--port", port, database_url=url)
    stats = application.flush()
    assert (stats["acknowledged"], stats["pending"], stats["failed"], stats["dropped"]) == (700, 0, 0, 0)
    application.spans(200)
    collector.stop(signal.SIGKILL)
    application.spans(200)
    collector = start_collector("--port", port, database_url=url)
    application.spans(200)
    stats = application.flush()
    assert (stats["acknowledged"], stats["pending"]) == (1_300, 0)
    application.end()
    check_stored(collector, [application], 1_300)


def test_a_collector_that_accepts_connections_and_never_answers(run: Run, collector: CollectorProcess) -> None:
    application = run(collector.http, OTEL_EXPORTER_OTLP_TIMEOUT="60")
    collector.send_signal(signal.SIGSTOP)
    application.spans(300)
    until(lambda: application.stats()["spooled"] == 300)
    application.spans(300)
    until(lambda: application.stats()["spooled"] == 600)
    collector.send_signal(signal.SIGCONT)
    stats = application.flush()
    assert (stats["acknowledged"], stats["pending"], stats["spooled"]) == (600, 0, 0)
    application.end()
    check_stored(collector, [application], 600)


def test_a_slow_collector(run: Run, collector: CollectorProcess, between: Callable[..., Between]) -> None:
    slow = between(collector)
    slow.seconds = 1.2
    application = run(slow.url)
    for _ in range(4):
        application.spans(100)
        application.flush(0.1)
    slow.delay.set()
    assert application.flush()["acknowledged"] == 400
    application.end()
    check_stored(collector, [application], 400)


def test_a_collector_that_takes_small_requests_only(run: Run, strict: CollectorProcess) -> None:
    application = run(strict.http, OTEL_EXPORTER_OTLP_COMPRESSION="none", TRACEKIT_API_KEY=KEY)
    application.spans(300, 1_000)
    application.spans(2, 60_000)
    stats = application.flush()
    assert (stats["acknowledged"], stats["failed"], stats["last_error"]) == (301, 1, "HTTP 413")
    application.end()
    check_stored(strict, [application], 301, KEY)
    assert application.log.read_text().count("HTTP 413") == 1


@pytest.mark.parametrize(("status", "headers"), [(429, {"retry-after": "1"}), (503, {})])
def test_a_collector_that_says_later(
    run: Run,
    collector: CollectorProcess,
    between: Callable[..., Between],
    status: int,
    headers: dict[str, str],
) -> None:
    busy = between(collector)
    busy.answers = [(status, headers)] * 2
    application = run(busy.url)
    begin = time.monotonic()
    application.spans(100)
    stats = application.flush()
    assert (stats["acknowledged"], stats["pending"]) == (100, 0)
    assert busy.seen == [status, status, 200]
    if headers:
        assert time.monotonic() - begin >= 2
    application.end()
    check_stored(collector, [application], 100)


def test_a_wrong_key_is_said_once_and_the_next_process_sends_all(run: Run, strict: CollectorProcess) -> None:
    wrong = run(strict.http, TRACEKIT_API_KEY="the-wrong-one", TRACEKIT_EXIT_TIMEOUT="0.2")
    for _ in range(3):
        wrong.spans(50)
        wrong.flush(0.3)
    wrong.end()
    log = wrong.log.read_text()
    assert log.count("API key") == 1 and "150 spans were not delivered; they are kept" in log
    right = run(strict.http, TRACEKIT_API_KEY=KEY)
    right.spans(50)
    until(lambda: right.stats()["recovered"] == 150)
    assert right.flush()["acknowledged"] == 50
    right.end()
    check_stored(strict, [wrong, right], 200, KEY)
    kept = b"".join(path.read_bytes() for path in wrong.log.parent.rglob("*") if path.is_file())
    assert b"the-wrong-one" not in kept and KEY.encode() not in kept


def test_an_application_that_is_killed_with_a_full_spool(
    run: Run, collector: CollectorProcess, between: Callable[..., Between]
) -> None:
    busy = between(collector)
    busy.answers = [(503, {})] * 1_000
    killed = run(busy.url, TRACEKIT_SPOOL_BYTES="300000")
    for _ in range(20):
        killed.spans(50, 100)
        killed.flush(0)
    until(lambda: (stats := killed.stats())["spooled"] + stats["dropped"] == 1_000)
    stats = killed.stats()
    assert stats["dropped"] > 0 and stats["spooled"] > 50
    killed.kill()
    assert killed.log.read_text().count("the spool is full") == 1
    busy.answers.clear()
    application = run(busy.url)
    application.spans(10)
    until(lambda: application.stats()["recovered"] == stats["spooled"])
    application.end()
    check_stored(collector, [killed, application], stats["spooled"] + 10)


def test_the_end_of_a_process_is_bounded_and_loses_nothing(run: Run, collector: CollectorProcess) -> None:
    collector.send_signal(signal.SIGSTOP)
    ending = run(collector.http, OTEL_EXPORTER_OTLP_TIMEOUT="60", TRACEKIT_EXIT_TIMEOUT="0.5")
    ending.spans(500)
    ending.end()  # long before a request of it times out
    collector.send_signal(signal.SIGCONT)
    next_one = run(collector.http)
    next_one.spans(1)
    until(lambda: next_one.stats()["recovered"] == 500)
    next_one.end()
    check_stored(collector, [ending, next_one], 501)
