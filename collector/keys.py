"""API keys and the sessions of people who showed one. Pure: time comes in as an argument."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

SESSION_SECONDS: Final = 30 * 24 * 3600


class Keys:
    """The keys that open this collector. With none, everybody may enter.

    Comparisons take the same time whatever is presented. A session is signed with its key, so it ends with it.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = [key.encode() for key in keys]

    def __bool__(self) -> bool:
        return bool(self._keys)

    def bearer(self, authorization: str) -> bool:
        """Whether this ``Authorization`` value may enter."""
        if not self._keys:
            return True
        scheme, _, credentials = authorization.strip().partition(" ")
        return scheme.lower() == "bearer" and self.knows(credentials.strip())

    def knows(self, key: str) -> bool:
        given = key.encode("utf-8", "surrogateescape")
        # A sum, so that every key is compared.
        return sum(hmac.compare_digest(given, known) for known in self._keys) > 0

    def session(self, key: str, now_s: float) -> str:
        """What to put into the cookie of somebody who showed ``key``."""
        expiry = str(int(now_s) + SESSION_SECONDS)
        return f"{expiry}.{_signature(key.encode(), expiry)}"

    def in_session(self, value: str, now_s: float) -> bool:
        expiry, _, signature = value.partition(".")
        given = signature.encode("utf-8", "surrogateescape")
        known = sum(hmac.compare_digest(given, _signature(key, expiry).encode()) for key in self._keys)
        return known > 0 and expiry.isdecimal() and int(expiry) > now_s


def _signature(key: bytes, expiry: str) -> str:
    return hmac.new(key, b"tracekit session until " + expiry.encode(), hashlib.sha256).hexdigest()
