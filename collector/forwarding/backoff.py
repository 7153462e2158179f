"""How long a destination is left alone after it could not take anything. Pure."""

from __future__ import annotations

from collector.queue.retry import SECOND_NS, RetryPolicy, delay_ns

#: Delays double from a second to a minute, each shortened by up to a half.
POLICY = RetryPolicy(first_ns=SECOND_NS, most_ns=60 * SECOND_NS)


class Backoff:
    """``seed`` tells apart those that would otherwise come back together."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._failures = 0

    def succeeded(self) -> None:
        self._failures = 0

    def until_ns(self, now_ns: int, after_s: float = 0.0) -> int:
        """When to come again after one more failure: not before the destination asked for."""
        self._failures += 1
        asked = min(int(after_s * SECOND_NS), POLICY.most_asked_ns)
        return now_ns + max(asked, delay_ns(self._seed, self._failures, POLICY))
