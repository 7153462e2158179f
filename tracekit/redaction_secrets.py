"""Keys, tokens and passwords in text. Pure; linear in the text's length.

Four ways to tell them, each with a search that costs clean text little: by how providers' keys begin, by a name in
front (``password=``, ``"api_key": "``), as the password of an address, as a PEM block.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from tracekit.redaction_keys import is_schema
from tracekit.redaction_personal import behind_escape

SECRET: Final = "[masked secret]"

#: what tokens consist of becomes a, everything else a space
_TOKEN: Final = bytes(97 if (chr(n).isalnum() and n < 128) or n in b"_-" else 32 for n in range(256))
#: no provider's key is shorter
_LONG: Final = b"a" * 16
#: how keys begin, and how many characters follow at least
_BEGINNINGS: Final = (
    (16, "sk- gsk_ hf_ api_org_ lsv2_ ls__ pk-lf- csk- pplx- xai- tvly- pcsk_ nvapi- r8_ jina_ tgp_v1_ pa- e2b_ fw_"),
    (16, "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- glptt- gldt- glrt- glcbt- gloas- glsoat- npm_ pypi- dop_v1_"),
    (16, "GOCSPX- ATATT3 shpat_ shpss_ shpca_ shppa_ lin_api_ ntn_ sbp_ PMAK- figd_ dckr_pat_ rubygems_ sntrys_ hvs."),
    (10, "sk_live_ sk_test_ rk_live_ rk_test_ whsec_ xoxa- xoxb- xoxe- xoxo- xoxp- xoxr- xoxs- xapp- SG. ya29. 1//0"),
    (30, "AIza"),
)
_LEAST: Final = {beginning: least for least, several in _BEGINNINGS for beginning in several.split()}
_BEGINNING: Final = re.compile(
    r"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf])|(?<=\\u[0-9a-fA-F]{4}))(?:"
    + "|".join(re.escape(one) for one in sorted(_LEAST, key=len, reverse=True))
    + r"|(?P<aws>(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA)[A-Z0-9]{16}(?![A-Za-z0-9]))"
    r"|(?P<twilio>SK[0-9a-f]{32}(?![A-Za-z0-9]))|(?P<mailgun>key-[0-9a-f]{32})|(?P<databricks>dapi[0-9a-f]{32})"
    r"|(?P<jwt>eyJ))"
)
#: the rest of a token behind a character that is none of a token's own
_REST: Final = re.compile(r"(?:[.+/~:][A-Za-z0-9_\-]{4,}+)*+={0,2}")
_JWT_REST: Final = re.compile(r"\.[A-Za-z0-9_\-]{8,}+(?:\.[A-Za-z0-9_\-]*+){0,3}")
#: 40 characters of base64 are an AWS secret key where there is an access key id
_AWS_SECRET: Final = re.compile(r"(?<![A-Za-z0-9/+=])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])")
_PEM: Final = re.compile(r"-----BEGIN[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END: Final = re.compile(r"-----END[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_USERINFO: Final = re.compile(r"://([^\s/@:\"'<>\\]{0,256}:[^\s/\"'<>\\]{1,512}@)")
_QUERY: Final = re.compile(
    r"[?&](?:key|sig|signature|code|auth|x-amz-signature|x-goog-signature)=(?!\[masked)([^&\s\"'<>#\\]+)", re.I
)
_BEARER: Final = re.compile(r"(?:\b|(?<=\\[nrt]))(?:bearer|basic)[ \t]{1,4}([A-Za-z0-9._~+/\-]{8,}+={0,2})", re.I)


def mask_tokens(text: str, raw: bytes) -> str:
    """What begins as the keys of known providers do, wherever it stands."""
    tokens = raw.translate(_TOKEN)
    at = tokens.find(_LONG)
    out: list[str] = []
    done, aws = 0, False
    while at >= 0:
        end = tokens.find(b" ", at)
        end = len(text) if end < 0 else end
        found = _token(text, max(done, at - 5), at, end)
        if found is not None:
            aws = aws or found[2]
            out += (text[done : found[0]], SECRET)
            done = max(found[1], end)
        at = tokens.find(_LONG, max(end, done))
    masked = "".join((*out, text[done:])) if out else text
    return _AWS_SECRET.sub(SECRET, masked) if aws else masked


def _token(text: str, first: int, start: int, end: int) -> tuple[int, int, bool] | None:
    """From where to where a key goes that lies in the run of token characters from ``start`` to ``end``; whether it is
    one of AWS. ``first`` is before the run: some keys begin with a word and a dot."""
    for found in _BEGINNING.finditer(text, first, end):
        kind = found.lastgroup
        if kind == "jwt":
            rest = _JWT_REST.match(text, end)
            if rest is not None:
                return found.start(), rest.end(), False
        elif kind is not None or end - found.end() >= _LEAST[found.group()]:
            rest = _REST.match(text, end)
            return found.start(), rest.end() if rest is not None else end, kind == "aws"
    return None


def mask_pem(text: str, raw: bytes) -> str:
    """Private keys, to their last line, or to the end of the text."""
    if b"PRIVATE KEY" not in raw:
        return text
    out: list[str] = []
    done = 0
    while (found := _PEM.search(text, done)) is not None:
        out += (text[done : found.start()], SECRET)
        end = _PEM_END.search(text, found.end())
        done = len(text) if end is None else end.end()
    return "".join((*out, text[done:]))


def mask_addresses(text: str, raw: bytes) -> str:
    """``scheme://user:password@host``, and ``?key=`` and its kin."""
    if b"://" not in raw:
        return text
    if b"@" in raw:
        text = _USERINFO.sub(lambda found: f"://{SECRET}@", text)
    if b"=" in raw:
        text = _QUERY.sub(lambda found: found.group()[: found.start(1) - found.start()] + SECRET, text)
    return text


def mask_schemes(text: str, raw: bytes) -> str:
    """``Bearer TOKEN`` and ``Basic BASE64``, as HTTP's Authorization has them."""
    small = raw.lower()
    if b"earer" not in small and b"asic" not in small:
        return text

    def masked(found: re.Match[str]) -> str:
        kept = found.group()[: found.start(1) - found.start()]
        return kept + SECRET if _is_credential(kept[:2].lower(), found.group(1)) else found.group()

    return _BEARER.sub(masked, text)


def _is_credential(scheme: str, value: str) -> bool:
    if scheme == "ba":
        try:
            return b":" in base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
        except (binascii.Error, ValueError):
            return False
    return len(value) >= 20 or any(not letter.isalpha() for letter in value.rstrip(".-/"))


# --- a name and its value in text ------------------------------------------------------------------------------------
_NAME_CHARACTERS: Final = b"abcdefghijklmnopqrstuvwxyz0123456789_-."
_MAX_NAME: Final = 64
_MAX_SCHEMA: Final = 400
_NAME_REST: Final = re.compile(r"[\w.\-]{0,64}", re.ASCII)
#: the first word of a name of two
_FIRST_WORD: Final = re.compile(r"(?<!\w)(?:api|access|private|secret|signing|client|auth|session|account) \Z", re.I)
#: ``"name": ``, ``name=``, ``\"name\":``, ``('name', ``, ``<name>``
_SEPARATOR: Final = re.compile(r"(?:(\\*)[\"'`])?\s{0,8}(?:=>|:=|[:=])\s{0,8}")
_COMMA: Final = re.compile(r"\\*[\"']\s{0,4},\s{0,4}(?=b?\\*[\"'])")
#: ``"name": "password", "value": ``
_VALUE: Final = re.compile(r"\\*[\"']\s{0,4},\s{0,4}\\*[\"']value\\*[\"']\s{0,4}:\s{0,4}")
_IS: Final = re.compile(r"\s{1,4}is:?\s{1,4}(?=[\"'`]|\S*[\d!$%&#@*])", re.I)
_QUOTE: Final = re.compile(r"[bBuUrRfF]{0,2}(\\*)([\"'`])")
_BRACKET: Final = re.compile(r"\\*[\"']|[{}\[\]]")
_BARE: Final = re.compile(r"(?:(?:bearer|basic|token|digest)[ \t]{1,4})?[^\s,;&}\])\"'<>|\\]+", re.I)
_LINE: Final = re.compile(r"[^\r\n\"'\\}]+")
_PLAIN: Final = re.compile(r"(?:null|none|true|false|undefined|nan)(?![\w])", re.I)
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?(?![\w.])")
#: what HTTP writes without quotes, with spaces inside
_HEADERS: Final = ("authorization", "cookie")
_WORDS: Final = (
    b"passw", b"passphrase", b"passcode", b"pwd", b"secret", b"token", b"key", b"authoriz", b"cookie", b"credential",
    b"connection", b"basic", b"bearer", b"jwt", b"otp", b"cvv", b"cvc", b"ssn",
)  # fmt: skip
#: one of these stands between every name and its value
_MARKS: Final = (b":", b"=", b",", b" is", b">", b"--")


class Pairs:
    """Masks the values that stand in text behind a name for which ``hides(name)`` holds, as in JSON (also within a
    string of JSON), in a repr, a header, a query or an environment file. ``names`` are names besides the usual."""

    __slots__ = ("_hides", "_words")

    def __init__(self, hides: Callable[[str], bool], names: Iterable[str]) -> None:
        self._hides = hides
        # A name may be written with any separators: its last four letters or digits stand for it in a search.
        self._words = tuple(dict.fromkeys((*_WORDS, *(name[-4:].encode("ascii", "replace") for name in names))))

    def mask(self, text: str, raw: bytes, marker: str) -> str:
        if not any(mark in raw for mark in _MARKS):
            return text
        small = raw.lower()
        words = [word for word in self._words if word in small]
        if not words:
            return text
        out: list[str] = []
        done = 0
        for at in sorted({at for word in words for at in _places(small, word)}):
            found = self._value(text, small, at, done) if at >= done else None
            if found is not None:
                out += (text[done : found[0]], marker if found[2] is None else found[2] + marker + found[2])
                done = found[1]
        return "".join((*out, text[done:])) if out else text

    def _value(self, text: str, small: bytes, at: int, done: int) -> tuple[int, int, str | None] | None:
        """Where the value of the name around ``at`` begins and ends, and the quotes that its marker needs."""
        window = small[max(done, at - _MAX_NAME) : at]
        start = at - len(window) + len(window.rstrip(_NAME_CHARACTERS))
        start = behind_escape(text, start)
        end = _end(_NAME_REST.match(text, at), at)
        before = _FIRST_WORD.search(text, max(done, start - 12), start) if text[start - 1 : start] == " " else None
        start = start if before is None else before.start()
        name = text[start:end]
        if not self._hides(name):
            return None
        after = _separator(text, start, end, name)
        return None if after is None else _extent(text, name, start, *after)


def _places(small: bytes, word: bytes) -> Iterator[int]:
    at = small.find(word)
    while at >= 0:
        # Counts of tokens are many, and of the secrets only "api_tokens" and "access_tokens" are in the plural.
        if word != b"token" or small[at + 5 : at + 6] != b"s" or small[at - 2 : at] in (b"i_", b"s_"):
            yield at
        at = small.find(word, at + len(word))


def _end(found: re.Match[str] | None, otherwise: int) -> int:
    return otherwise if found is None else found.end()


def _separator(text: str, start: int, end: int, name: str) -> tuple[int, str | None] | None:
    """Where the value begins behind a name, and how the name was quoted."""
    found = _SEPARATOR.match(text, end)
    if found is not None:
        quoted = found.group(1) is not None
        return found.end(), found.group(1) + '"' if quoted else None
    pair = (_COMMA if _opens(text, start) else _VALUE).match(text, end)
    if pair is not None:
        return pair.end(), None
    if text[end : end + 1] == ">" and text[start - 1 : start] == "<":
        return end + 1, None
    if name.startswith("--") and text[end : end + 1] == " ":
        return end + 1, None
    said = _IS.match(text, end) if "pass" in name.lower() else None
    return None if said is None else (said.end(), None)


def _opens(text: str, start: int) -> bool:
    """Whether a quoted name is the first of a pair: ``("name", ...`` or ``["name", ...``."""
    return text[max(0, start - 6) : start].rstrip("\\\"'b")[-1:] in ("(", "[")


def _extent(text: str, name: str, start: int, at: int, quoted: str | None) -> tuple[int, int, str | None] | None:
    quote = _QUOTE.match(text, at)
    if quote is not None:
        inner = quote.end()
        end = _closing(text, inner, quote.group(1), quote.group(2))
        return None if end == inner or _is_piece_of_text(text, name, start, end) else (inner, end, None)
    if text[at : at + 1] in ("{", "["):
        end = _bracketed(text, at)
        return None if _describes(text[at:end]) else (at, end, quoted or "")
    if _PLAIN.match(text, at):
        return None
    number = _NUMBER.match(text, at)
    if number is not None and name[-5:].lower() == "token":
        return None
    if quoted is not None:
        end = _end(number or _BARE.match(text, at), at)
        return None if end == at else (at, end, quoted)
    header = name.lower().endswith(_HEADERS) and text[at - 1 : at] != "="
    end = _end((_LINE if header else _BARE).match(text, at), at)
    return None if end == at else (at, end, None)


def _closing(text: str, at: int, escape: str, mark: str) -> int:
    """Where a quoted value ends: at a quote that is escaped as its opening one was, or at the end of the text.

    Within JSON within JSON a quote has 2^level - 1 backslashes, and each level doubles those of what it holds.
    """
    level = len(escape)
    first = at
    while (found := text.find(mark, at)) >= 0:
        slashes = 0
        while found - slashes > first and text[found - slashes - 1] == "\\":
            slashes += 1
        if slashes < level or slashes % (2 * level + 2) == level:
            return found - min(slashes, level)
        at = found + 1
    return len(text)


def _bracketed(text: str, at: int) -> int:
    """Where the object or list that begins at ``at`` ends; brackets within strings do not count."""
    depth, within = 0, ""
    for found in _BRACKET.finditer(text, at):
        piece = found.group()
        if within:
            within = "" if piece == within else within
        elif piece[-1] in "\"'":
            within = piece
        else:
            depth += 1 if piece in "{[" else -1
            if depth == 0:
                return found.end()
    return len(text)


def _describes(text: str) -> bool:
    """Whether an object is the schema of a parameter, or empty."""
    if len(text) <= 2:
        return True
    if len(text) > _MAX_SCHEMA:
        return False
    try:
        found = json.loads(text.replace('\\"', '"'))
    except ValueError:
        return False
    return isinstance(found, dict) and is_schema(found)


def _is_piece_of_text(text: str, name: str, start: int, end: int) -> bool:
    """Whether a "token" is one of a model's, beside its probability."""
    return name == "token" and "logprob" in text[max(0, start - 120) : end + 200]
