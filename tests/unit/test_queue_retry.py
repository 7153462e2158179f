"""When failed work is tried again, and when it is given up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.queue.retry import SECOND_NS, Bury, Poison, Retry, RetryLater, RetryPolicy, decide, delay_ns, describe

POLICY = RetryPolicy(attempts=4, first_ns=100, most_ns=1_000)


def test_an_error_is_tried_again_until_the_attempts_are_used_up() -> None:
    for attempts in (1, 2, 3):
        decision = decide(1, attempts, OSError("gone"), POLICY, now_ns=5_000)
        assert isinstance(decision, Retry)
        assert decision.error == "OSError: gone"
        assert 5_000 < decision.at_ns <= 6_000
    assert decide(1, 4, OSError("gone"), POLICY, now_ns=0) == Bury("given up after 4 attempts: OSError: gone")


def test_poison_is_buried_at_once() -> None:
    assert decide(1, 1, Poison("no such span"), POLICY, now_ns=0) == Bury("no such span")


def test_what_the_other_side_asks_for_is_honoured_within_reason() -> None:
    asked = decide(1, 1, RetryLater("busy", 30 * SECOND_NS), POLICY, now_ns=7)
    assert asked == Retry(7 + 30 * SECOND_NS, "busy")
    forever = decide(1, 1, RetryLater("busy", 10**18), POLICY, now_ns=0)
    assert forever == Retry(POLICY.most_asked_ns, "busy")
    unasked = decide(1, 1, RetryLater("busy"), POLICY, now_ns=0)
    assert isinstance(unasked, Retry)
    assert 50 <= unasked.at_ns <= 100


@given(item=st.integers(0, 2**62), attempts=st.integers(1, 10_000))
def test_delays_double_within_bounds_and_are_the_same_every_time(item: int, attempts: int) -> None:
    whole = min(POLICY.first_ns * 2 ** (attempts - 1), POLICY.most_ns)
    delay = delay_ns(item, attempts, POLICY)
    assert whole // 2 <= delay <= whole
    assert delay == delay_ns(item, attempts, POLICY)


def test_items_that_failed_together_do_not_come_back_together() -> None:
    policy = RetryPolicy(first_ns=SECOND_NS)
    assert len({delay_ns(item, 1, policy) for item in range(100)}) == 100


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError(), "ValueError"),
        (ValueError("first line\nstatement and values"), "ValueError: first line"),
        (KeyError("x"), "KeyError: 'x'"),
        (Poison("plain"), "plain"),
        (ValueError("x" * 10_000), "ValueError: " + "x" * 1988),
    ],
)
def test_an_error_is_told_in_one_line(error: Exception, told: str) -> None:
    assert describe(error) == told
