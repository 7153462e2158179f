"""Rates by a clock that tests move, and settings with everything that is wrong with them."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tracekit.evals.api import Temporary
from tracekit.evals.judge_http import MAX_AFTER_S, after_s
from tracekit.evals.judge_limits import Bucket, Limits
from tracekit.evals.judge_settings import FaultyJudge, JudgeSettings, settings_of


class FakeClock:
    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_requests_go_at_their_rate_and_never_more_than_a_minute_allows() -> None:
    clock = FakeClock()
    limits = Limits(requests_per_minute=60, max_wait_s=1e9, clock=clock)
    sent = []
    for _ in range(200):
        with limits.turn(0, 0):
            sent.append(clock.now)
    assert sent[4] == 1_000.0 and sent[5] == pytest.approx(1_001.0)  # five at once, then one a second
    assert sent[-1] == pytest.approx(1_195.0)
    for start in sent:
        assert sum(start <= at < start + 60 for at in sent) <= 65
    assert sum(clock.slept) == pytest.approx(195)


def test_tokens_are_reserved_and_what_was_not_used_is_given_back() -> None:
    clock = FakeClock()
    limits = Limits(tokens_per_minute=6_000, max_wait_s=1e9, clock=clock)  # 100 a second, 500 at once
    with limits.turn(1_600, 100) as turn:  # 400 + 100
        turn.used = 200
    with limits.turn(0, 300):
        pass
    assert clock.slept == []
    with limits.turn(4_000, 0):  # 1,000 tokens from an empty bucket
        pass
    assert clock.slept == [pytest.approx(10.0)]
    with limits.turn(0, 100) as turn:
        turn.used = 700
    with limits.turn(0, 100):
        pass
    assert clock.slept[-1] == pytest.approx(7.0)  # what was used beyond the reserve is paid for, too


def test_who_would_wait_too_long_is_told_when_to_come_again_and_takes_nothing() -> None:
    clock = FakeClock()
    limits = Limits(requests_per_minute=1, max_wait_s=30, clock=clock)
    with limits.turn(0, 0):
        pass
    for _ in range(3):
        with pytest.raises(Temporary, match="rate limit") as caught, limits.turn(0, 0):
            raise AssertionError("sent")
        assert caught.value.after_s == pytest.approx(60.0)
    clock.now += 40
    with limits.turn(0, 0):
        pass
    assert clock.slept == [pytest.approx(20.0)]


def test_a_turn_that_fails_frees_its_slot() -> None:
    limits = Limits(max_concurrency=1, max_wait_s=0.05)
    for _ in range(3):
        with pytest.raises(KeyError), limits.turn(0, 0):
            raise KeyError
    with limits.turn(0, 0), pytest.raises(Temporary, match="wait for their turn"), limits.turn(0, 0):
        raise AssertionError("two at once")


def test_those_who_wait_are_served_in_order() -> None:
    clock = FakeClock()
    bucket = Bucket(60, clock)
    assert [bucket.take(1) for _ in range(8)] == pytest.approx([0, 0, 0, 0, 0, 1, 2, 3])
    clock.now -= 50  # a clock that is set back gives nothing
    assert bucket.take(1) == pytest.approx(4)


def test_takers_in_many_threads_lose_nothing() -> None:
    clock = FakeClock()
    bucket = Bucket(6_000, clock)
    threads = [threading.Thread(target=lambda: [bucket.take(1) for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bucket.take(0) == pytest.approx((2_000 - 500) / 100)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0.0),
        ({"retry-after": "20"}, 20.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "20"}, 0.25),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "1e12"}, MAX_AFTER_S),
        ({"retry-after": "nan"}, 0.0),
        ({"retry-after": "inf"}, 0.0),
        ({"retry-after": "soon"}, 0.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:17:00 GMT"}, 20.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"retry-after": "Thu, 01 Jan 99999 00:00:00 GMT"}, 0.0),
    ],
)
def test_when_a_server_wants_to_be_asked_again(headers: dict[str, str], seconds: float) -> None:
    assert after_s(headers, now=1_000.0) == seconds


def test_settings() -> None:
    assert settings_of({"model": "gpt-4o-mini"}) == JudgeSettings("openai", "https://api.openai.com/v1", "gpt-4o-mini")
    given = {
        "provider": "anthropic",
        "base_url": "http://127.0.0.1:8000/",
        "model": "claude",
        "api_key": "env:MY_KEY",
        "max_concurrency": 2,
        "requests_per_minute": 50,
        "tokens_per_minute": 1000,
        "timeout_s": 5,
        "max_wait_s": 0,
        "max_output_tokens": 300,
        "price_provider": "aws",
    }
    found = JudgeSettings(
        "anthropic", "http://127.0.0.1:8000/v1", "claude", "MY_KEY", 2, 50.0, 1000.0, 5.0, 0.0, 300, "aws"
    )
    assert settings_of(given) == found


def test_everything_that_is_wrong_is_said_at_once_and_no_secret_with_it() -> None:
    given: dict[str, Any] = {
        "provider": "open-ai",
        "base_url": "ftp://example.com",
        "api_key": "sk-very-secret",
        "max_concurrency": 0,
        "requests_per_minute": True,
        "tokens_per_minute": float("nan"),
        "timeout_s": "60",
        "temperature": 1,
    }
    with pytest.raises(FaultyJudge) as caught:
        settings_of(given)
    assert set(caught.value.faults) == {*given, "model"}
    assert "sk-very-secret" not in str(caught.value)
    assert "env:NAME" in caught.value.faults["api_key"]


@pytest.mark.parametrize(
    "address",
    [
        "",
        "x",
        "https://",
        "ftp://host",
        "http://user:pw@host",
        "http://host?key=1",
        "http://host/#a",
        "http://host:99999",
        "http://a b",
        "http://h\nx",
        5,
    ],
)
def test_addresses_that_cannot_be(address: object) -> None:
    with pytest.raises(FaultyJudge, match="base_url"):
        settings_of({"model": "m", "base_url": address})


def test_over_the_network_only_variables_meant_for_it_are_referred_to() -> None:
    with pytest.raises(FaultyJudge, match="TRACEKIT_SECRET_"):
        settings_of({"model": "m", "api_key": "env:AWS_SECRET_ACCESS_KEY"}, remote=True)
    assert settings_of({"model": "m", "api_key": "env:TRACEKIT_SECRET_X"}, remote=True).api_key_variable
