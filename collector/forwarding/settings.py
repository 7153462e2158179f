"""A destination as an operator writes it (TOML, JSON, flags) to a ``Destination``; what is wrong is said at once."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from collector.destinations import KINDS, REFERENCES, Destination, Masking, Source
from collector.filters.faults import FilterFault
from collector.filters.parse import parse
from collector.forwarding.forwarding import exporter_with
from tracekit.redaction import DEFAULT_KEYS, PATTERNS
from tracekit.redaction_keys import Keys

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}\Z", re.ASCII)
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}\Z", re.ASCII)
_SECRETS: Final = Keys((*DEFAULT_KEYS, "x-api-key", "key", "auth", "signature"))
#: What whoever has no shell on the collector's machine may refer to.
REMOTE_SECRETS: Final = "env:TRACEKIT_SECRET_"
FIELDS: Final = (
    "name", "kind", "endpoint", "api_key", "headers", "projects", "filter", "sample_rate", "masking", "options", "state"
)  # fmt: skip
_MAX_TEXT: Final = 2_000


class FaultySettings(ValueError):
    """``faults``: field to what is wrong with it."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {detail}" for name, detail in faults.items()))
        self.faults = dict(faults)


def destination_of(given: Mapping[str, Any], *, source: Source = "operator", remote: bool = False) -> Destination:
    """``remote``: said over the network, by somebody who may not read files or variables of the collector's machine:
    secrets are then those of variables ``TRACEKIT_SECRET_...``, and archives are in buckets. Raises
    ``FaultySettings``."""
    read = _Reader(given, remote)
    found = Destination(
        name=read.take("name", _name, ""),
        kind=read.take("kind", _kind, "otlp"),
        endpoint=read.take("endpoint", lambda value: _endpoint(value, given.get("kind"), remote), ""),
        api_key=read.take("api_key", read.reference, None),
        headers=read.take("headers", read.headers, {}),
        projects=read.take("projects", _texts, ()),
        filter=read.take("filter", _filter, None),
        sample_rate=read.take("sample_rate", _rate, 1.0),
        masking=read.take("masking", _masking, None),
        options=read.take("options", _options, {}),
        state=read.take("state", _state, "active"),
        source=source,
    )
    if not read.faults:
        try:
            exporter_with(found, dict.fromkeys((*found.headers, *(["api_key"] if found.api_key else [])), "x"))
        except ValueError as error:
            read.faults["options"] = str(error)
        except ModuleNotFoundError as error:
            read.faults["kind"] = f"needs {error.name}: install tracekit-llm[{found.kind}] where the collector runs"
    if read.faults:
        raise FaultySettings(read.faults)
    return found


def configured(given: Mapping[str, Mapping[str, Any]]) -> list[Destination]:
    """The destinations of a configuration file, by name. Raises ``FaultySettings`` with what is wrong in all of
    them."""
    found: list[Destination] = []
    faults: dict[str, str] = {}
    for name, said in given.items():
        try:
            found.append(destination_of({"name": name, **said}, source="config"))
        except FaultySettings as faulty:
            faults |= {f"{name}.{field}": detail for field, detail in faulty.faults.items()}
    if faults:
        raise FaultySettings(faults)
    return found


class _Reader:
    def __init__(self, given: Mapping[str, Any], remote: bool) -> None:
        self.faults: dict[str, str] = {
            str(name)[:100]: f"there is no such field; there are {', '.join(FIELDS)}"
            for name in given
            if name not in FIELDS
        }
        self.faults |= {name: "is missing" for name in ("name", "kind", "endpoint") if given.get(name) is None}
        self._given = given
        self._remote = remote

    def take(self, name: str, read: Callable[[Any], Any], default: Any) -> Any:
        value = self._given.get(name)
        if value is None:
            return default
        try:
            return read(value)
        except ValueError as error:
            self.faults[name] = str(error)
            return default

    def reference(self, value: Any) -> str:
        if not isinstance(value, str) or not value.startswith(REFERENCES) or len(value) > _MAX_TEXT:
            raise ValueError("must say where the secret is: env:NAME or file:/path, never the secret itself")
        if self._remote and not value.startswith(REMOTE_SECRETS):
            raise ValueError(f"over the network, secrets are those of variables like {REMOTE_SECRETS}NAME")
        return value

    def headers(self, value: Any) -> dict[str, str]:
        if not isinstance(value, Mapping):
            raise ValueError("must be a table of names and values")
        found = {}
        for name, said in value.items():
            if not isinstance(name, str) or not _HEADER.match(name):
                raise ValueError(f"{name!r} is no name of a header")
            if not isinstance(said, str) or not said or not said.isprintable() or not said.isascii():
                raise ValueError(f"{name} must be printable ASCII text")
            found[name] = self.reference(said) if _SECRETS[name] or said.startswith(REFERENCES) else said
        return found


def _name(value: Any) -> str:
    if not isinstance(value, str) or not _NAME.match(value):
        raise ValueError("must be small letters, digits, dots, dashes and underscores, 63 at most")
    return value


def _kind(value: Any) -> Any:
    if value not in KINDS:
        raise ValueError(f"must be one of {', '.join(KINDS)}")
    return value


def _endpoint(value: Any, kind: Any, remote: bool) -> str:
    if not isinstance(value, str) or not value or len(value) > _MAX_TEXT or not value.isprintable():
        raise ValueError("must be an address")
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 - raises
    except ValueError as error:
        raise ValueError(f"is no URL ({error})") from None
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must hold no user, password, query or fragment: secrets go into api_key or headers")
    if kind == "archive":
        if remote and parts.scheme != "s3":
            raise ValueError("over the network only buckets (s3://...) can be named; directories with the command")
        return value
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must begin with http:// or https:// and name a host")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value):
        raise ValueError("must be a list of texts")
    return tuple(value)


def _filter(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be an expression in a text")
    try:
        parse(value, "span")
    except FilterFault as fault:
        raise ValueError(str(fault)) from None
    return value


def _rate(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1 or math.isnan(value):
        raise ValueError("must be a number from 0 to 1")
    return float(value)


def _masking(value: Any) -> Masking:
    if not isinstance(value, Mapping) or not value.keys() <= {"patterns", "keys"}:
        raise ValueError("must be a table of patterns and keys")
    patterns, keys = _texts(value.get("patterns", PATTERNS)), _texts(value.get("keys", ()))
    unknown = [one for one in patterns if one not in PATTERNS]
    if unknown:
        raise ValueError(f"there is no pattern {unknown[0]!r}; there are {', '.join(PATTERNS)}")
    return Masking(patterns, keys)


def _options(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise ValueError("must be a table")
    return dict(value)


def _state(value: Any) -> Any:
    if value not in ("active", "paused"):
        raise ValueError("must be active or paused")
    return value
