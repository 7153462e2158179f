"""What may not be kept of a value: masked by the names of keys, by patterns, by known texts, by a function. Pure.

One ``Redactor`` is made of the settings, for an application (``tracekit.init``) and for a project of the collector.
It never raises and fails closed: where anything goes wrong, ``[masked]`` stands for the whole text or value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from tracekit.reading import is_a, is_list
from tracekit.redaction_keys import DEFAULT_KEYS, Keys, is_harmless, squashed
from tracekit.redaction_personal import CARD, is_card, mask_emails, mask_numbers
from tracekit.redaction_secrets import Pairs, mask_addresses, mask_pem, mask_schemes, mask_tokens

__all__ = ["DEFAULT_KEYS", "MASKED", "PATTERNS", "Redactor"]

#: Stands for what was masked by its name, or could not be masked in part.
MASKED: Final = "[masked]"
#: The patterns there are; what they find becomes ``[masked email]`` and so on.
PATTERNS: Final = ("email", "phone", "card", "secret")

#: literals shorter than this would mask half of every text
_MIN_LITERAL: Final = 6
_MAX_DEPTH: Final = 64

OnFault = Callable[[Exception], None]


class Redactor:
    """``keys``: names whose values are masked wherever a name stands before a value: in mappings, attributes, headers,
    reprs, and, where the pattern "secret" or ``in_texts`` asks for it, in texts (JSON, queries, environment files).
    ``patterns``: of ``PATTERNS``. ``literals``: texts that are masked as they are. ``function``: called with every
    text that is left; what it does not return as text is masked. ``on_fault`` hears what went wrong."""

    def __init__(
        self,
        keys: Iterable[str] = DEFAULT_KEYS,
        patterns: Iterable[str] = (),
        literals: Iterable[str] = (),
        function: Callable[[str], Any] | None = None,
        on_fault: OnFault | None = None,
        in_texts: bool = False,
    ) -> None:
        """Raises ValueError for a pattern that there is not."""
        self._patterns = frozenset(patterns)
        if not self._patterns <= frozenset(PATTERNS):
            raise ValueError(f"there is no pattern {', '.join(sorted(self._patterns - frozenset(PATTERNS)))}")
        #: of each name, whether the values under it are masked
        self.hides = Keys(keys)
        self._literals = tuple(sorted({one for one in literals if len(one) >= _MIN_LITERAL}, key=len, reverse=True))
        self._function = function
        self._on_fault = on_fault
        own = self.hides.names - frozenset(squashed(name) for name in DEFAULT_KEYS)
        self._pairs = Pairs(self.hides.__getitem__, sorted(own)) if self.hides.names else None
        self._looks = self._pairs is not None and ("secret" in self._patterns or in_texts)

    @property
    def calls(self) -> bool:
        """Whether there is a function of the application's."""
        return self._function is not None

    @property
    def scans(self) -> bool:
        """Whether texts are looked into at all."""
        return bool(self._patterns or self._literals or self._looks or self._function is not None)

    def without_function(self) -> Redactor:
        """The same without the application's function: for texts that it has seen already."""
        return Redactor(self.hides.names, self._patterns, self._literals, None, self._on_fault, self._looks)

    def text(self, text: str) -> str:
        """The text without what may not be kept."""
        try:
            text = self._by_patterns(text)
            if self._function is None:
                return text
            found = self._function(text)
            return str.__str__(found) if is_a(found, str) else MASKED
        except Exception as error:  # noqa: BLE001 - fails closed, whatever it was
            return self._failed(error)

    def description(self, text: str) -> str:
        """The repr of an object: it is looked into for names of secrets in any case."""
        text = self.text(text)
        if self._looks or self._pairs is None:
            return text
        try:
            return self._pairs.mask(text, text.encode("ascii", "replace"), MASKED)
        except Exception as error:  # noqa: BLE001 - the same
            return self._failed(error)

    def value(self, value: Any) -> Any:
        """A copy of a value of plain types (as JSON or OTLP has them), with what may not be kept masked in it."""
        try:
            return self._value(value, _MAX_DEPTH)
        except Exception as error:  # noqa: BLE001 - the same
            return self._failed(error)

    def attribute(self, key: str, value: Any) -> Any:
        """A value under a name, as ``value`` gives it."""
        if self.hides[key] and not is_harmless(key, value):
            return MASKED
        return self.text(value) if type(value) is str else self.value(value)

    def attributes(self, items: Mapping[str, Any]) -> dict[str, Any]:
        return {self.text(key): self.attribute(key, value) for key, value in items.items()}

    def hides_in(self, items: Mapping[Any, Any], key: str, value: Any) -> bool:
        """Whether a mapping's value is masked for its key: not a count, a flag, nothing, or a model's "token"."""
        return self.hides[key] and not is_harmless(key, value) and not (key == "token" and "logprob" in items)

    def number(self, number: int) -> Any:
        """A whole number, unless it is that of a card."""
        if "card" in self._patterns and 10**12 <= number < 10**19 and is_card(str(number)):
            return CARD
        return number

    def _failed(self, error: Exception) -> str:
        if self._on_fault is not None:
            self._on_fault(error)
        return MASKED

    def _value(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind is str:
            return self.text(value)
        if kind is int:
            return self.number(value)
        if is_a(value, Mapping):
            return self._mapping(value, depth - 1) if depth else MASKED
        if is_list(value):
            return self._list(value, depth - 1) if depth else MASKED
        if is_a(value, str):
            return self.text(str.__str__(value))
        if is_a(value, (bytes, bytearray)):
            return self._bytes(bytes(value))
        return value

    def _mapping(self, items: Mapping[Any, Any], depth: int) -> dict[Any, Any]:
        hidden = self.names_secret(items)
        found: dict[Any, Any] = {}
        for key, value in items.items():
            name = key if is_a(key, str) else str(key)
            secret = (hidden and name.lower() == "value") or self.hides_in(items, name, value)
            found[self.text(name)] = MASKED if secret else self._value(value, depth)
        return found

    def _list(self, items: list[Any] | tuple[Any, ...], depth: int) -> list[Any]:
        if self.is_secret_pair(items):
            return [items[0], MASKED]
        return [self._value(item, depth) for item in items]

    def is_secret_pair(self, items: list[Any] | tuple[Any, ...]) -> bool:
        """Whether this is ``(name, text)``, as headers are given, with a secret's name."""
        return len(items) == 2 and type(items[0]) is str and is_a(items[1], (str, bytes)) and self.hides[items[0]]

    def names_secret(self, items: Mapping[Any, Any]) -> bool:
        """Whether this is ``{"name": ..., "value": ...}`` (or with "key") with a secret's name."""
        if "value" not in items and "Value" not in items:
            return False
        given = (items.get(key) for key in ("name", "key", "Name", "Key"))
        return any(is_a(name, str) and self.hides[name] for name in given)

    def _bytes(self, value: bytes) -> Any:
        """Bytes as they were where they hold nothing that would be masked, read as text."""
        text = value.decode("latin-1")
        return value if self.text(text) == text else MASKED

    def _by_patterns(self, text: str) -> str:
        for literal in self._literals:
            if literal in text:
                text = text.replace(literal, MASKED)
        if not (self._patterns or self._looks):
            return text
        raw = text.encode("ascii", "replace")
        if "secret" in self._patterns:
            for mask in (mask_pem, mask_addresses, mask_schemes, mask_tokens):
                text, raw = _again(mask(text, raw), text, raw)
        if self._looks and self._pairs is not None:
            text, raw = _again(self._pairs.mask(text, raw, MASKED), text, raw)
        if "email" in self._patterns:
            text, raw = _again(mask_emails(text, raw), text, raw)
        if "card" in self._patterns or "phone" in self._patterns:
            text = mask_numbers(text, raw, "card" in self._patterns, "phone" in self._patterns)
        return text


def _again(masked: str, text: str, raw: bytes) -> tuple[str, bytes]:
    """The text and its bytes, encoded again only if it changed."""
    return (text, raw) if masked is text else (masked, masked.encode("ascii", "replace"))
