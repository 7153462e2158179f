"""Destinations as operators write them: what is wrong is said at once, and secrets are only named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from collector.destinations import Destination, Masking, is_sampled
from collector.forwarding.backoff import Backoff
from collector.forwarding.configured import apply
from collector.forwarding.credentials import NoSecret, resolved, secret_values, without
from collector.forwarding.settings import FaultySettings, configured, destination_of
from collector.queue.memory import MemoryQueue
from collector.storage.api import CannotOpen
from collector.storage.memory import MemoryStore

GOOD = {"name": "backend", "kind": "otlp", "endpoint": "http://127.0.0.1:4318"}


def faults(**said: Any) -> dict[str, str]:
    with pytest.raises(FaultySettings) as caught:
        destination_of({**GOOD, **said})
    return caught.value.faults


def test_everything_that_can_be_said() -> None:
    found = destination_of(
        {
            **GOOD,
            "api_key": "env:KEY",
            "headers": {"x-team": "search", "authorization": "file:/run/token"},
            "projects": ["shop"],
            "filter": "kind == 'llm'",
            "sample_rate": 0.25,
            "masking": {"patterns": ["email"], "keys": ["colour"]},
            "options": {"protocol": "grpc"},
        }
    )
    assert found == Destination(
        "backend",
        "otlp",
        "http://127.0.0.1:4318",
        "env:KEY",
        {"x-team": "search", "authorization": "file:/run/token"},
        ("shop",),
        "kind == 'llm'",
        0.25,
        Masking(("email",), ("colour",)),
        {"protocol": "grpc"},
    )


@pytest.mark.parametrize(
    ("said", "field", "told"),
    [
        ({"name": "Has Space"}, "name", "small letters"),
        ({"kind": "kafka"}, "kind", "phoenix, langsmith, otlp, archive"),
        ({"endpoint": "ftp://x"}, "endpoint", "http://"),
        ({"endpoint": "http://user:secret@host"}, "endpoint", "no user, password"),
        ({"endpoint": "http://host?key=1"}, "endpoint", "query"),
        ({"endpoint": None}, "endpoint", "missing"),
        ({"api_key": "lsv2_secret"}, "api_key", "never the secret itself"),
        ({"headers": {"authorization": "Bearer secret"}}, "headers", "never the secret itself"),
        ({"headers": {"bad name": "x"}}, "headers", "no name of a header"),
        ({"projects": "shop"}, "projects", "list"),
        ({"filter": "kindx == 1"}, "filter", "column 1"),
        ({"filter": "any(span.kind == 'llm')"}, "filter", "one span"),
        ({"sample_rate": 1.5}, "sample_rate", "0 to 1"),
        ({"sample_rate": float("nan")}, "sample_rate", "0 to 1"),
        ({"masking": {"patterns": ["iban"]}}, "masking", "no pattern 'iban'"),
        ({"options": {"protocol": "smtp"}}, "options", "protocol"),
        ({"colour": "red"}, "colour", "no such field"),
    ],
)
def test_what_is_wrong_is_said_by_field(said: dict[str, Any], field: str, told: str) -> None:
    found = faults(**said)
    assert found.keys() == {field}
    assert told in found[field]
    assert "lsv2_" not in found[field] and "Bearer" not in found[field] and "user:" not in found[field]


def test_all_faults_of_a_file_are_said_at_once() -> None:
    with pytest.raises(FaultySettings) as caught:
        configured({"a": {"kind": "otlp", "endpoint": "x"}, "b": {"kind": "kafka", "endpoint": "http://b"}})
    assert caught.value.faults.keys() == {"a.endpoint", "b.kind"}


def test_over_the_network_no_file_and_no_other_variable_can_be_read() -> None:
    for said in ({"api_key": "file:/etc/passwd"}, {"api_key": "env:AWS_SECRET"}, {"headers": {"x": "env:HOME"}}):
        with pytest.raises(FaultySettings):
            destination_of({**GOOD, **said}, remote=True)
    with pytest.raises(FaultySettings):
        destination_of({"name": "x", "kind": "archive", "endpoint": "/etc"}, remote=True)
    assert destination_of({**GOOD, "api_key": "env:TRACEKIT_SECRET_X"}, remote=True).api_key == "env:TRACEKIT_SECRET_X"


def test_secrets_are_read_where_they_are_said_to_be(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from-file\n")
    destination = Destination("x", "otlp", "http://x", "env:KEY", {"a": f"file:{file}", "x-team": "search"})
    values = resolved(destination, {"KEY": "from-env"})
    assert values == {"api_key": "from-env", "a": "from-file", "x-team": "search"}
    assert set(secret_values(destination, values)) == {"from-env", "from-file"}
    assert without(secret_values(destination, values), "bad key from-env for search") == "bad key [secret] for search"


@pytest.mark.parametrize(
    ("said", "told"),
    [("env:NOPE", "NOPE is not set"), ("file:/nope", "/nope cannot be read"), ("env:BAD", "no header")],
)
def test_a_secret_that_is_not_there_is_named_by_its_place(said: str, told: str) -> None:
    with pytest.raises(NoSecret, match=told):
        resolved(Destination("x", "otlp", "http://x", said), {"BAD": "two\nlines"})


def test_a_larger_sample_has_all_of_a_smaller_one() -> None:
    ids = [number.to_bytes(16, "big") for number in range(1, 4_000)]
    small, large = ({one for one in ids if is_sampled(one, rate)} for rate in (0.1, 0.3))
    assert small < large
    assert 0.08 < len(small) / len(ids) < 0.12
    assert not any(is_sampled(one, 0.0) for one in ids) and all(is_sampled(one, 1.0) for one in ids)


def test_a_destination_is_left_alone_longer_with_every_failure_and_as_long_as_it_asks() -> None:
    backoff = Backoff(7)
    waits = [backoff.until_ns(0) / 1e9 for _ in range(10)]
    assert 0.5 <= waits[0] <= 1.0 and 30 <= waits[-1] <= 60
    assert backoff.until_ns(0, after_s=90) == 90 * 10**9
    backoff.succeeded()
    assert backoff.until_ns(0) <= 10**9


def test_the_configuration_file_decides_about_its_destinations() -> None:
    store = MemoryStore(MemoryQueue())
    (first,) = configured({"backend": {"kind": "otlp", "endpoint": "http://one"}})
    apply(store, [first], now_ns=1)
    apply(store, [first], now_ns=2)
    assert [(one.source, one.state) for one in store.destinations()] == [("config", "active")]
    store.settle(store.destinations()[0].id, [], store.destination_statuses(now_ns=1)[0].tally, now_ns=1, peer="a" * 16)
    apply(store, [replace(first, endpoint="http://two")], now_ns=3)
    assert [(one.endpoint, one.peer) for one in store.destinations()] == [("http://two", None)]
    with pytest.raises(CannotOpen, match="remove it first"):
        apply(store, [replace(first, kind="phoenix")], now_ns=3)
    apply(store, [], now_ns=4)
    assert [(one.source, one.state) for one in store.destinations()] == [("operator", "paused")]
