"""What free text is found by: the same words for every engine, made in one place. Pure."""

from __future__ import annotations

import re
import unicodedata

#: Longer words are cut: nobody searches for them, and PostgreSQL refuses lexemes of 2 KiB.
MAX_WORD_CHARS = 64
#: A document keeps this many different words.
MAX_WORDS = 20_000
#: A query looks at this many words.
MAX_QUERY_WORDS = 16

_WORD = re.compile(r"[^\W_]+")
_ASCII_SEPARATORS = {code: " " for code in range(128) if not chr(code).isalnum()}


def words(text: str) -> list[str]:
    """Letters and digits, case and accents folded, in order: ``"Kraków, foo_bar"`` -> ``["krakow", "foo", "bar"]``."""
    if text.isascii():
        # The same as _WORD finds, several times faster.
        found = text.lower().translate(_ASCII_SEPARATORS).split()
    else:
        folded = unicodedata.normalize("NFKD", text.casefold())
        found = _WORD.findall("".join(c for c in folded if not unicodedata.combining(c)).lower())
    return [word[:MAX_WORD_CHARS] for word in found]


def document(text: str) -> list[str]:
    """The distinct words of a text, in order of first appearance."""
    return list(dict.fromkeys(words(text)))[:MAX_WORDS]


def query(text: str) -> list[str]:
    """The distinct words asked for; the last one is meant as a prefix. Empty when there is nothing to look for."""
    asked = words(text)[:MAX_QUERY_WORDS]
    return [*dict.fromkeys(asked[:-1]), asked[-1]] if asked else []
