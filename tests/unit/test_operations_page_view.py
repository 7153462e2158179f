"""What the Operations page says of destinations, of what they refused, and of the queue's own work."""

from __future__ import annotations

from typing import Any

import pytest

from collector.destinations import Destination, Masking
from collector.queue.api import BuriedItem, QueueStats
from collector.storage.forward_api import Status, Tally
from dashboards import operations as view
from dashboards.destination_settings import place, sampling, settings

NOW = 1_795_305_600_000_000_000
SECOND = 10**9
SPAN = f"{'ab' * 16}:{'01' * 8}"


def status(tally: Tally | None = None, *, kind: Any = "otlp", state: Any = "active", **fields: Any) -> Status:
    return Status(Destination("backend", kind, "http://otel:4318", state=state), tally or Tally(), **fields)


def item(payload: dict[str, Any] | None, reason: str = "refused") -> BuriedItem:
    return BuriedItem(7, "forward/1", 3, 2, NOW, reason, payload)


@pytest.mark.parametrize(
    ("lag_ns", "words", "late"),
    [
        (0, "up to date", False),
        (-5, "up to date", False),
        (812 * 10**6, "812 ms", False),
        (30 * SECOND, "30.0 s", False),
        (30 * SECOND + 1, "30.0 s", True),
        (123 * SECOND, "2 m 03 s", True),
    ],
)
def test_lag_in_words(lag_ns: int, words: str, late: bool) -> None:
    row = view.row(status(lag_ns=lag_ns), None)
    assert (row.behind, row.late, row.is_behind) == (words, late, lag_ns > 0)


@pytest.mark.parametrize(
    ("state", "fault", "name", "words"),
    [
        ("active", None, "active", "active"),
        ("paused", None, "paused", "paused"),
        ("paused", "no key", "paused", "paused"),
        ("active", "no key", "cannot", "cannot be used"),
    ],
)
def test_state(state: str, fault: str | None, name: str, words: str) -> None:
    shown = view.row(status(state=state), fault).state
    assert (shown.name, shown.words) == (name, words)
    assert shown.note == ("no key" if name == "cannot" else "")


def test_counts_are_seen_where_there_is_something_to_see() -> None:
    row = view.row(status(Tally(sent=1204, skipped=3, retried=2), waiting=5, buried=0), None)
    assert (row.waiting, row.sent, row.skipped, row.retried, row.buried) == ("5", "1,204", "3", "2", "")
    assert row.unverified == ""
    assert view.row(status(kind="phoenix", unverified=0, buried=1), None).unverified == "0"


def test_an_error_is_news_until_something_was_sent() -> None:
    assert view.row(status(last_error="no", last_error_ns=5), None).fails
    assert view.row(status(last_error="no", last_error_ns=5, last_sent_ns=5), None).fails
    assert not view.row(status(last_error="no", last_error_ns=5, last_sent_ns=6), None).fails
    assert view.row(status(), None).error is None


def test_reasons_are_their_first_line_and_the_whole() -> None:
    assert view.reason(" refused ") == view.Reason("refused")
    assert view.reason("refused\n  because\n") == view.Reason("refused", "refused\n  because")
    long = view.reason("x" * 100_000)
    assert (len(long.first), len(long.whole)) == (300, view.MAX_REASON)
    assert view.reason("\n").first == "no reason was given"


def test_a_name_is_one_part_of_an_address() -> None:
    destination = Destination("../<a>?b#c", "otlp", "http://otel:4318")
    assert view.row(Status(destination, Tally()), None).path == "..%2F%3Ca%3E%3Fb%23c"


def test_an_unknown_kind_is_shown_as_what_it_is() -> None:
    row = view.row(status(kind="<b>"), None)
    assert (row.kind, row.label) == ("otlp", "<b>")


@pytest.mark.parametrize(
    ("payload", "what", "links", "more"),
    [
        (None, "one batch", 0, 0),
        ({"batches": [1, 2], "n": 12}, "12 spans", 0, 0),
        ({"n": 1, "spans": [SPAN]}, "1 span", 1, 0),
        ({"n": 20, "spans": [SPAN] * 20}, "20 spans", view.MAX_LINKS, 20 - view.MAX_LINKS),
        ({"spans": ["javascript:alert(1)", 7, SPAN.upper()]}, "2 spans", 0, 2),
        ({"annotations": ["aa", "bb"], "n": 2}, "2 annotations", 0, 0),
        ({"n": "many", "spans": "no list"}, "one batch", 0, 0),
        ({"n": True}, "one batch", 0, 0),
    ],
)
def test_what_is_buried(payload: dict[str, Any] | None, what: str, links: int, more: int) -> None:
    shown = view.buried(item(payload))
    assert (shown.what, len(shown.links), shown.more) == (what, links, more)
    assert all(link == view.Link("ab" * 16, "01" * 8) for link in shown.links)


def test_figures_say_what_wants_to_be_looked_at() -> None:
    quiet = [(figure.value, figure.label) for figure in view.figures([status()])]
    assert quiet == [("1", "destination"), ("0", "waiting")]
    loud = view.figures([status(waiting=2, lag_ns=90 * SECOND), status(buried=3, lag_ns=31 * SECOND)])
    assert [(figure.value, figure.label, figure.tone) for figure in loud] == [
        ("2", "destinations", ""),
        ("2", "waiting", ""),
        ("1 m 30 s", "behind", "amber"),
        ("3", "buried", "error"),
    ]
    tally = Tally(sent=1, skipped=2, rejected=3, retried=4, annotated=5)
    labels = [figure.label for figure in view.tallies(status(tally, kind="phoenix", buried=1))]
    assert labels == [
        "", "waiting", "not yet seen there", "sent", "annotations sent", "skipped", "retried", "refused", "buried"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Nothing waits for it."),
        ({"waiting": 1}, "1 span waits for it: they"),
        ({"waiting": 1200, "unverified": 4, "buried": 2}, "1,204 spans wait for it and 2 spans are buried: they"),
        ({"buried": 1}, "1 span is buried: they"),
    ],
)
def test_what_removing_costs(fields: dict[str, int], said: str) -> None:
    assert view.remove_question(status(**fields)).startswith(said)


def test_the_queues_own_work() -> None:
    shown = view.work("summarise", "Trace summaries", QueueStats(3, 1, 1, 45 * SECOND), [item(None, "a\nb")])
    assert (shown.ready, shown.claimed, shown.buried, shown.behind, shown.late) == ("3", "1", "1", "45.0 s", True)
    assert shown.items[0].reason == view.Reason("a", "a\nb")
    assert view.work("index", "Full-text index", QueueStats(0, 0, 0, 0), []).buried == ""


def values(destination: Destination) -> dict[str, tuple[str, ...]]:
    return {one.name: one.values for one in settings(destination)}


def test_settings_show_where_secrets_are_and_never_a_value() -> None:
    headers = {"authorization": "file:/run/key", "x-tenant": "sk-live-123"}
    shown = values(Destination("b", "otlp", "http://otel", api_key="sk-live-456", headers=headers))
    assert shown["Key"] == ("(a value)",)
    assert shown["Headers"] == ("authorization: file:/run/key", "x-tenant: (a value)")
    assert place("env:KEY") == "env:KEY"


def test_settings_of_everything_and_of_nothing() -> None:
    plain = values(Destination("b", "archive", "s3://a/b"))
    assert plain["Kind"] == ("Archive",) and plain["Sampling"] == ("every trace",)
    assert not plain["Projects"] and not plain["Filter"] and not plain["Masking"] and not plain["Key"]
    assert "Headers" not in plain and "Options" not in plain
    masking = Masking(("email", "card"), ("ssn",))
    options = {"protocol": "grpc", "deep": {"a": [1]}}
    full = values(Destination("b", "otlp", "http://a", projects=("p", "q"), masking=masking, options=options))
    assert full["Projects"] == ("p", "q")
    assert full["Masking"] == ("email, card", "values of ssn")
    assert full["Options"] == ("protocol = grpc", 'deep = {"a": [1]}')
    assert values(Destination("b", "otlp", "http://a", masking=Masking()))["Masking"] == (
        "values of keys that name secrets",
    )


@pytest.mark.parametrize(
    ("rate", "words"),
    [(1.0, "every trace"), (0.25, "25 % of traces"), (0.0005, "0.05 % of traces"), (0, "0 % of traces")],
)
def test_sampling(rate: float, words: str) -> None:
    assert sampling(rate) == words
