"""How a request is refused, for every protocol: one ``Refusal`` says the HTTP status and the gRPC code. Pure."""

from __future__ import annotations

import math
from typing import Final

from collector.storage.api import Overloaded, Refused, StorageError

# google.rpc.Code
INVALID_ARGUMENT: Final = 3
DEADLINE_EXCEEDED: Final = 4
PERMISSION_DENIED: Final = 7
RESOURCE_EXHAUSTED: Final = 8
UNIMPLEMENTED: Final = 12
INTERNAL: Final = 13
UNAVAILABLE: Final = 14
UNAUTHENTICATED: Final = 16


class Refusal(Exception):
    """Nothing of the request was stored. With ``retry_after_s`` the sender should come again, else it should not."""

    def __init__(self, status: int, code: int, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s

    @property
    def retry_after_header(self) -> str | None:
        """Whole seconds, at least 1."""
        return None if self.retry_after_s is None else str(max(1, math.ceil(self.retry_after_s)))


def malformed(message: str) -> Refusal:
    return Refusal(400, INVALID_ARGUMENT, message)


def too_large(message: str) -> Refusal:
    return Refusal(413, RESOURCE_EXHAUSTED, message)


def unsupported(message: str) -> Refusal:
    return Refusal(415, INVALID_ARGUMENT, message)


def too_busy(message: str, retry_after_s: float = 1.0) -> Refusal:
    return Refusal(429, RESOURCE_EXHAUSTED, message, retry_after_s)


def too_slow(message: str) -> Refusal:
    return Refusal(408, DEADLINE_EXCEEDED, message)


def unauthenticated() -> Refusal:
    return Refusal(401, UNAUTHENTICATED, "a valid key is needed: Authorization: Bearer KEY")


def of_storage(error: StorageError) -> Refusal:
    """Overloaded and unavailable storage will pass: the sender keeps its spans and comes again."""
    if isinstance(error, Refused):
        return malformed(str(error))
    if isinstance(error, Overloaded):
        return too_busy(str(error), error.retry_after_s)
    return Refusal(503, UNAVAILABLE, str(error), 5.0)
