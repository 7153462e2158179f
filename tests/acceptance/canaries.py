"""Fifty and more secrets, and a search for their bytes that looks into compressed data too."""

from __future__ import annotations

import base64
import gzip
import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import zstandard

_ZSTD, _GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b\x08"
#: beginnings of a provider's key, by what a canary's name has in it
_KEYS = {
    "github": "ghp_Zq{0}aWsX3edC4rfV5tgB6yhN7uj{0}",
    "slack": "xoxb-1234567{0}-Zq2wSx3eDc4rFv{0}",
    "google": "AIzaSyZq{0}wsxedcrfvtgbyhnujmikolp{0}",
    "stripe": "sk_live_Zq{0}WsXeDcRfVtGbYhN{0}",
    "anthropic": "sk-ant-api03-Zq{0}WsXeDcRfVtGbYhNuJm{0}",
    "langsmith": "lsv2_pt_Zq{0}wsxedcrfvtgbyhnujmik_{0}",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJaq{0}ZaQxSw.Zq1WsXeDcRfVtGbYhNuJ{0}",
    "aws id": "AKIAZQ{}WSXEDCRFVTG",
    "aws secret": "Zq{0}wsxedcrfvtgbYHNUJMikolp1qaz2ws/+{0}",
}
_NAMES = """argument password|keyword key|nested|returned token|returned deep key|dataclass password|pydantic key|repr|\
header key|header cookie|url password|query key|message mail|message card|answer phone|tool card|tool iban key|\
streamed key|streamed mail|prompt anthropic|yielded bearer|query mail|document mail|document token|embedded mail|\
escaped|local|cause mail|error password|error github|note bearer|cookie|aws id|aws secret|attribute password|\
attribute phone|attribute slack|attribute google|event mail|event token|prompt mail|prompt cookie|env key|cut key|pem|\
status stripe|name mail|reranked card|foreign name mail|foreign header|foreign url password|foreign message jwt|\
foreign event password|foreign exception key|foreign status mail|chain answer key|chain metadata key|\
chain metadata mail|chain input mail|user mail|tag key|metadata password|metadata mail|resource token"""


def canaries() -> dict[str, str]:
    """Secrets by name, all different, each of the kind that its name says."""
    return {name: _canary(name, number) for number, name in enumerate(_NAMES.split("|"), 101)}


def _canary(name: str, number: int) -> str:
    for part, form in _KEYS.items():
        if part in name:
            return form.format(number)
    kind = name.rpartition(" ")[2]
    if kind == "mail":
        return f"canary.{number}@customer-{number}.example"
    if kind == "phone":
        return f"+49 30 901{number} 77"
    if kind == "card":
        return _card(f"411111{number}000123")
    if kind == "key":
        return f"sk-proj-Zq{number}WsXeDcRfVtGbYhNuJmIk{number}"
    if name == "pem":
        return base64.b64encode(f"private {number}, and a good deal more than {number}".encode()).decode()
    return f"hunter{number}-correct-horse"


def _card(digits: str) -> str:
    """With its check digit, in groups of four."""
    for last in "0123456789":
        number = digits + last
        doubled = [int(one) * (2 - place % 2) for place, one in enumerate(number)]
        if sum(one - 9 if one > 9 else one for one in doubled) % 10 == 0:
            return " ".join(re.findall("....", number))
    raise AssertionError


def found(secrets: dict[str, str], texts: Iterator[bytes]) -> list[str]:
    """The names of the secrets whose bytes are in any of these, as they are, within JSON, or compressed."""
    wanted = {name: _forms(secret) for name, secret in secrets.items()}
    hits: set[str] = set()
    for text in texts:
        for piece in (text, *_inflated(text)):
            hits |= {name for name, forms in wanted.items() if any(form in piece for form in forms)}
    return sorted(hits)


def _forms(secret: str) -> set[bytes]:
    halves = {secret, secret.replace(" ", ""), json.dumps(secret)[1:-1]}
    if len(secret) > 24:
        halves |= {secret[: len(secret) // 2 + 4], secret[len(secret) // 2 - 4 :]}
    return {half.encode() for half in halves}


def _inflated(data: bytes) -> Iterator[bytes]:
    """What lies compressed in the data, wherever it begins."""
    for at in (match.start() for match in re.finditer(re.escape(_ZSTD) + b"|" + re.escape(_GZIP), data)):
        try:
            if data.startswith(_ZSTD, at):
                yield zstandard.ZstdDecompressor().decompressobj().decompress(data[at:])
            else:
                yield gzip.decompress(data[at:])
        except (zstandard.ZstdError, OSError, EOFError):
            continue


def files(folder: Path) -> Iterator[bytes]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.read_bytes()


def rows(database: Path) -> Iterator[bytes]:
    """Every value of every table: what the file's pages cut in pieces."""
    connection = sqlite3.connect(database)
    try:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            try:
                for row in connection.execute(f'SELECT * FROM "{table}"'):
                    yield from (value if isinstance(value, bytes) else str(value).encode() for value in row)
            except sqlite3.OperationalError:
                continue  # the full-text index's own tables
    finally:
        connection.close()
