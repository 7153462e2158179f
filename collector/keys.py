"""API keys and the sessions of people who showed one. Pure: time comes in as an argument."""

from __future__ import annotations

import base64
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
        """Whether this ``Authorization`` value may enter: a bearer's key, or a password as Langfuse sends it."""
        if not self._keys:
            return True
        scheme, _, credentials = authorization.strip().partition(" ")
        key = credentials.strip()
        if scheme.lower() == "basic":
            key = _password(key)
        return scheme.lower() in ("bearer", "basic") and self.knows(key)

    def knows(self, key: str) -> bool:
        given = key.encode("utf-8", "surrogateescape")
        # A sum, so that every key is compared.
        return sum(hmac.compare_digest(given, known) for known in self._keys) > 0

    def sign(self, claim: str) -> str:
        """What to put beside ``claim`` in an address that opens without a key. Without keys everything does."""
        return _signed(self._keys[0] if self._keys else b"", claim)

    def signed(self, claim: str, signature: str) -> bool:
        """Whether ``sign`` of one of these keys made it."""
        given = signature.encode("utf-8", "surrogateescape")
        return sum(hmac.compare_digest(given, _signed(key, claim).encode()) for key in self._keys or [b""]) > 0

    def session(self, key: str, now_s: float) -> str:
        """What to put into the cookie of somebody who showed ``key``."""
        expiry = str(int(now_s) + SESSION_SECONDS)
        return f"{expiry}.{_signature(key.encode(), expiry)}"

    def in_session(self, value: str, now_s: float) -> bool:
        expiry, _, signature = value.partition(".")
        given = signature.encode("utf-8", "surrogateescape")
        known = sum(hmac.compare_digest(given, _signature(key, expiry).encode()) for key in self._keys)
        return known > 0 and expiry.isdecimal() and int(expiry) > now_s


def _password(credentials: str) -> str:
    """Of ``user:password`` in base64; empty, which is no key, where it is none."""
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def _signed(key: bytes, claim: str) -> str:
    return hmac.new(key, b"tracekit claim " + claim.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()


def _signature(key: bytes, expiry: str) -> str:
    return hmac.new(key, b"tracekit session until " + expiry.encode(), hashlib.sha256).hexdigest()
