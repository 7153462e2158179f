"""Which names say that their value is a secret. Pure.

A name is taken apart into words (at separators, at changes of case), so that ``apiKey``, ``X-API-Key`` and
``OPENAI_API_KEY`` are one, and ``max_tokens``, ``token_count`` or ``secretary`` are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from tracekit.reading import is_a


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Names of secrets; separators and case do not count.
DEFAULT_KEYS: Final = (
    "password",
    "passwords",
    "passwd",
    "pwd",
    "passphrase",
    "passcode",
    "secret",
    "secrets",
    "token",
    "api_key",
    "api_keys",
    "api_tokens",
    "access_tokens",
    "access_key",
    "access_key_id",
    "account_key",
    "private_key",
    "secret_key",
    "signing_key",
    "encryption_key",
    "session_key",
    "master_key",
    "ssh_key",
    "authorization",
    "cookie",
    "cookies",
    "credential",
    "credentials",
    "connection_string",
    "basic_auth",
    "bearer",
    "jwt",
    "otp",
    "cvv",
    "cvc",
    "ssn",
)
#: names that are secrets only where they are the whole name
_WHOLE: Final = frozenset(("auth",))
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+|\d+")
#: what follows a secret's name where the value is not the secret itself
_ABOUT: Final = _words(
    "count counts limit limits type types usage length len size expires expiry expiration ttl budget policy required "
    "enabled expired valid present position index indices text texts probability probabilities logprob logprobs"
)
#: what stands before "token" where it is a piece of text, or a place in a list
_OF_TEXT: Final = _words(
    "first last next previous prev eos bos pad stop unk sep cls mask special new end start page continuation per to "
    "max min num input output prompt completion total cached reasoning image audio by each every"
)
_MAX_NAMES: Final = 8_192
_MAX_NAME: Final = 256
#: a name at the end of a longer word ("dbpassword") counts from so many characters on
_LONG: Final = 5
_SCHEMA_TYPES: Final = frozenset(("string", "number", "integer", "boolean", "array", "object", "null"))
_SCHEMA_KEYS: Final = _words(
    "type title description format anyOf allOf oneOf $ref items properties required additionalProperties minLength "
    "maxLength pattern nullable writeOnly readOnly deprecated"
)


class Keys(dict[str, bool]):
    """Of each name, whether a value under it is a secret. Remembers: the same few names come again and again."""

    __slots__ = ("_own", "_suffixes", "_whole", "names")

    def __init__(self, names: Iterable[str] = DEFAULT_KEYS) -> None:
        super().__init__()
        self.names = frozenset(found for name in names if (found := squashed(name)))
        #: an application's own name means what it says, "tokens" too
        self._own = self.names - _DEFAULTS
        self._whole = _WHOLE if self.names >= _DEFAULTS else frozenset()
        self._suffixes = tuple(sorted(name for name in self.names if len(name) >= _LONG))

    def __missing__(self, name: str) -> bool:
        hidden = bool(self.names) and self._hides(name[-_MAX_NAME:])
        if len(name) <= _MAX_NAME:
            if len(self) >= _MAX_NAMES:
                self.clear()
            self[name] = hidden
        return hidden

    def _hides(self, name: str) -> bool:
        words = [word.lower() for word in _WORD.findall(name) if not word.isdigit()]
        if "".join(words) in self._whole:
            return True
        for first in range(len(words)):
            run = ""
            for last in range(first, min(first + 5, len(words))):
                run += words[last]
                secret = run in self.names or (first == last and run.endswith(self._suffixes))
                if run in self._own or (secret and self._stands(words, first, last)):
                    return True
        return False

    def _stands(self, words: list[str], first: int, last: int) -> bool:
        """Whether the words around a secret's name leave it one."""
        after = words[last + 1] if last + 1 < len(words) else None
        if after in _ABOUT:
            return False
        if words[last] != "token" or last != first:
            return True
        return after is None and (first == 0 or words[first - 1] not in _OF_TEXT)


def squashed(name: str) -> str:
    """A name without its separators, in small letters."""
    return "".join(word.lower() for word in _WORD.findall(str(name)))


_DEFAULTS: Final = frozenset(squashed(name) for name in DEFAULT_KEYS)


def is_harmless(name: str, value: Any) -> bool:
    """Whether a value under a secret's name is none: nothing, a flag, a count of tokens, a JSON schema."""
    if value is None or value is True or value is False or value == "":
        return True
    if type(value) is int or type(value) is float:
        return name[-5:].lower() == "token"
    return type(value) is dict and is_schema(value)


def is_schema(value: dict[Any, Any]) -> bool:
    """Whether this describes a parameter of a tool, rather than holding its value."""
    kind = value.get("type")
    named = kind in _SCHEMA_TYPES if is_a(kind, str) else "anyOf" in value or "$ref" in value
    return named and value.keys() <= _SCHEMA_KEYS
