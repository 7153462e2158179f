"""What becomes of an item whose work failed: a decision without effects. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

SECOND_NS: Final = 10**9
#: Characters of an error that are kept with its item.
MAX_REASON: Final = 2000


class Poison(Exception):
    """Raised by a handler: this item can never succeed, bury it at once. The message is the reason."""


class RetryLater(Exception):
    """Raised by a handler: not now. ``after_ns`` is how long the other side asked us to stay away, if it did."""

    def __init__(self, message: str, after_ns: int = 0) -> None:
        super().__init__(message)
        self.after_ns = after_ns


class Pause(Exception):
    """Raised by a handler: whatever this work needs is away, and no item is at fault. What was not completed is given
    back, no attempt is counted, and the consumer claims nothing before ``until_ns``."""

    def __init__(self, message: str, until_ns: int) -> None:
        super().__init__(message)
        self.until_ns = until_ns


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Delays double from ``first_ns`` to ``most_ns``; ``attempts`` claims are made before an item is buried. What the
    other side asks for is honoured up to ``most_asked_ns``."""

    attempts: int = 8
    first_ns: int = SECOND_NS
    most_ns: int = 300 * SECOND_NS
    most_asked_ns: int = 3600 * SECOND_NS


@dataclass(frozen=True, slots=True)
class Retry:
    at_ns: int
    error: str


@dataclass(frozen=True, slots=True)
class Bury:
    reason: str


def decide(item_id: int, attempts: int, error: Exception, policy: RetryPolicy, *, now_ns: int) -> Retry | Bury:
    """``attempts`` counts the claims so far, the failed one included."""
    told = describe(error)
    if isinstance(error, Poison):
        return Bury(told)
    if attempts >= policy.attempts:
        return Bury(f"given up after {attempts} attempts: {told}"[:MAX_REASON])
    asked = min(error.after_ns, policy.most_asked_ns) if isinstance(error, RetryLater) else 0
    return Retry(now_ns + max(asked, delay_ns(item_id, attempts, policy)), told)


def delay_ns(item_id: int, attempts: int, policy: RetryPolicy) -> int:
    """Exponential back-off, shortened by up to a half: by item and attempt, so that items that failed together do not
    come back together, and yet the same in every run."""
    whole = min(policy.first_ns << min(max(attempts, 1) - 1, 62), policy.most_ns)
    digest = blake2b(f"{item_id}:{attempts}".encode(), digest_size=8).digest()
    return whole - whole * int.from_bytes(digest) // 2**65


def describe(error: BaseException) -> str:
    """The first line of what the error says (drivers add statements and values), after its class unless it was raised
    for its message."""
    message = str(error).strip().partition("\n")[0]
    if not isinstance(error, Poison | RetryLater):
        message = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return message[:MAX_REASON]
