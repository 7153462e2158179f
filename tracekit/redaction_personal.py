"""E-mail addresses, phone numbers and card numbers in text. Pure; linear in the text's length.

Each ``mask_*`` takes a text, and ``raw``, its characters as ASCII bytes (one each), and gives the text without them.
"""

from __future__ import annotations

import re
from typing import Final

EMAIL: Final = "[masked email]"
PHONE: Final = "[masked phone]"
CARD: Final = "[masked card]"

_LOCAL: Final = re.compile(r"[\w.+\-]+\Z")
#: the rest of an escaped character (``\\n``, ``\\u00e9``) that stands in JSON text before a word
_ESCAPE: Final = re.compile(r"(?<=\\)(?:[nrtbf]|u[0-9a-fA-F]{4})")
_MAX_LOCAL: Final = 64
_DOMAIN: Final = re.compile(r"(?:[\w\-]{1,63}\.){1,10}(?:[^\W\d_]{2,63}|xn--[\w\-]{1,59})")
_AT: Final = re.compile(r"@|%40")

#: digits, and what stands between the digits of a number, become 0, everything else NUL
_DIGITS: Final = bytes(48 if chr(n) in "0123456789 -.()/+" else 0 for n in range(256))
_OTHERS: Final = bytes(n for n in range(256) if not 48 <= n <= 57)
_NUMBER: Final = b"0" * 9
_NUMBER_DIGITS: Final = 8
#: a score, a part of a vector
_FLOAT: Final = re.compile(rb"[ \-]*\d{1,3}\.\d{5,}[ .\-]*")
#: what a card number may not touch: it would be a part of a longer number or word
_CARD: Final = re.compile(r"(?:(?<![\w.])|(?<=\\[nrt]))(?:\d[ \-]?){12,}\d(?![\w]|\.\d)")
_GROUPS: Final = re.compile(r"\d+")
_CARD_DIGITS: Final = range(13, 20)
#: E.164 with its plus; 00 for it; North America's 3-3-4; and national numbers with a leading 0, which must be grouped
_PHONE: Final = re.compile(
    r"""(?:
      (?:(?<![\w+])|(?<=\\[nrt]))\+[ ]?\(?\d(?:[ .\-/()]{0,3}\d){7,14}
    | (?:(?<![\w.+\-/])(?<!\d:)|(?<=\\[nrt]))(?:
        00\d{1,3}[ \-/]\(?\d{1,5}\)?(?:[ \-/]?\d{2,8}){1,3}
      | (?:1[ .\-])?(?:\(\d{3}\)[ ]?|\d{3}[.\-]|[2-9]\d{2}[ ])\d{3}[ .\-]\d{4}
      | \(0\d{1,4}\)[ ]?\d{3,8}(?:[ \-]\d{2,6}){0,2}
      | 0\d{1,4}[ \-/]\d{3,8}(?:[ \-]\d{2,6}){0,2}
      | 0\d{1,4}(?:[ ]\d{2}){3,5}
      | 0\d(?:[.\-]\d{2}){4}
    ))(?![\w]|[.\-/:]\d)""",
    re.VERBOSE | re.ASCII,
)
_PHONE_DIGITS: Final = range(8, 16)


def mask_emails(text: str, raw: bytes) -> str:
    """``local@domain.tld``, with letters of any script, and ``%40`` for the at sign."""
    if b"@" not in raw and b"%40" not in raw:
        return text
    out: list[str] = []
    done = 0
    for at in _AT.finditer(text):
        left = max(done, at.start() - _MAX_LOCAL)
        local = _LOCAL.search(text, left, at.start())
        domain = _DOMAIN.match(text, at.end()) if local is not None else None
        if local is not None and domain is not None:
            out += (text[done : behind_escape(text, local.start())], EMAIL)
            done = domain.end()
    return "".join((*out, text[done:])) if out else text


def behind_escape(text: str, at: int) -> int:
    """Where the word at ``at`` begins indeed."""
    found = _ESCAPE.match(text, at)
    return at if found is None else found.end()


def numbers_in(raw: bytes) -> list[tuple[int, int]]:
    """Where there are runs of digits and separators as long as a phone number."""
    found = []
    classes = raw.translate(_DIGITS)
    at = classes.find(_NUMBER)
    while at >= 0:
        end = classes.find(b"\0", at)
        end = len(raw) if end < 0 else end
        run = raw[at:end]
        if len(run.translate(None, _OTHERS)) >= _NUMBER_DIGITS and not _FLOAT.fullmatch(run):
            found.append((at, end))
        at = classes.find(_NUMBER, end)
    return found


def mask_numbers(text: str, raw: bytes, cards: bool, phones: bool) -> str:
    """Card numbers: 13 to 19 digits, also in groups, that begin as cards do and whose check digit is right. Phone
    numbers: see ``_PHONE``."""
    out: list[str] = []
    done = 0
    for start, end in numbers_in(raw):
        before, after = max(done, start - 2), end + 1
        part = text[before:after]
        masked = _CARD.sub(_card, part) if cards else part
        masked = _PHONE.sub(_phone, masked) if phones else masked
        if masked != part:
            out += (text[done:before], masked)
            done = after
    return "".join((*out, text[done:])) if out else text


def _card(found: re.Match[str]) -> str:
    """A run may hold more than the card (an expiry date behind it): try from each group to each later one."""
    text = found.group()
    groups = list(_GROUPS.finditer(text))
    out, done, first = [], 0, 0
    while first < len(groups):
        last = _last_of_card(groups, first) if groups[first].group()[0] in "23456" else None
        if last is None:
            first += 1
            continue
        out += [text[done : groups[first].start()], CARD]
        done, first = groups[last].end(), last + 1
    return "".join((*out, text[done:]))


def _last_of_card(groups: list[re.Match[str]], first: int) -> int | None:
    digits, best = "", None
    for number in range(first, len(groups)):
        digits += groups[number].group()
        if len(digits) >= _CARD_DIGITS.stop:
            break
        if is_card(digits):
            best = number
    return best


def is_card(digits: str) -> bool:
    """Whether these 13 to 19 digits are a card number: an issuer's first digits (ISO/IEC 7812) and Luhn's check."""
    return len(digits) in _CARD_DIGITS and _is_issued(digits) and _luhn(digits)


def _is_issued(digits: str) -> bool:
    length, start = len(digits), int(digits[:4])
    if digits[0] == "4":
        return length in (13, 16, 18, 19)
    if digits[0] == "2":
        return length == 16 and (2221 <= start <= 2720 or 2200 <= start <= 2204)
    if digits[0] == "3":
        known = {15: ("34", "37"), 14: ("30", "36", "38", "39"), 16: ("35", "36", "38"), 19: ("35",)}
        return digits.startswith(known.get(length, ("#",)))
    if digits[0] == "5":
        return length == 16 or digits[:2] in ("50", "56", "57", "58")
    return digits[0] == "6"


def _luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit)
        if place % 2:
            number = number * 2 - 9 if number > 4 else number * 2
        total += number
    return total % 10 == 0


def _phone(found: re.Match[str]) -> str:
    text = found.group()
    digits = sum(map(str.isdigit, text))
    least = 9 if text[0] in "0(" else _PHONE_DIGITS.start
    return PHONE if least <= digits < _PHONE_DIGITS.stop else text
