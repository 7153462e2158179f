"""Where the secrets of destinations are found: in the collector's environment, or in files. Read when they are used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from collector.destinations import REFERENCES, Destination

_MAX_BYTES: Final = 64 * 1024
#: characters that a secret has at least
_SECRET: Final = 6


class NoSecret(Exception):
    """What a destination says of a secret leads nowhere. The message names the place, never a value."""


def resolved(destination: Destination, environ: Mapping[str, str]) -> dict[str, str]:
    """``api_key`` (where there is one) and every header of the destination with its value. Raises ``NoSecret``."""
    found = {name: _value(said, environ) for name, said in destination.headers.items()}
    if destination.api_key is not None:
        found["api_key"] = _value(destination.api_key, environ)
    return found


def secret_values(destination: Destination, values: Mapping[str, str]) -> tuple[str, ...]:
    """Of what was resolved, the texts that nobody may see, whoever repeats them. Shorter ones would be found
    everywhere."""
    said = {**destination.headers, "api_key": destination.api_key or ""}
    return tuple(values[name] for name in values if said[name].startswith(REFERENCES) and len(values[name]) >= _SECRET)


def without(secrets: Iterable[str], text: str) -> str:
    for secret in secrets:
        text = text.replace(secret, "[secret]")
    return text


def _value(said: str, environ: Mapping[str, str]) -> str:
    kind, separator, place = said.partition(":")
    if not separator or kind not in ("env", "file"):
        return said
    if kind == "env":
        value = environ.get(place, "")
        if not value:
            raise NoSecret(f"the environment variable {place} is not set where the collector runs")
    else:
        value = _read(place)
    if not value.isprintable() or not value.isascii():
        raise NoSecret(f"{said} holds what no header can carry")
    return value


def _read(place: str) -> str:
    try:
        with Path(place).open("rb") as file:
            value = file.read(_MAX_BYTES).decode("utf-8", "replace").strip()
    except OSError as error:
        raise NoSecret(f"the file {place} cannot be read ({error.strerror})") from None
    if not value:
        raise NoSecret(f"the file {place} is empty")
    return value
