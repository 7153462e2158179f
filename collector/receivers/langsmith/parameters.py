"""Query parameters and JSON bodies of LangSmith's protocol. What is wrong is a ``Fault``; nothing is ignored."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import orjson

from collector.codec.runs import uuid_bytes
from collector.receivers.langsmith.faults import Fault

MAX_TEXT: Final = 1_000
MAX_VALUES: Final = 5_000


class Given:
    """The parameters of one request, each of them once or several times. Raises the 422 ``Fault``."""

    def __init__(self, pairs: Iterable[tuple[str, str]], known: tuple[str, ...]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            name = name.removesuffix("[]")
            if name not in known:
                raise Fault(422, f"{name[:100]}: there is no such parameter; there are {', '.join(known)}")
            values = self._values.setdefault(name, [])
            values.append(value)
            if len(values) > MAX_VALUES:
                raise Fault(422, f"{name}: more than {MAX_VALUES} values")

    def texts(self, name: str) -> list[str]:
        values = self._values.get(name, [])
        if any(len(value) > MAX_TEXT for value in values):
            raise Fault(422, f"{name}: longer than {MAX_TEXT} characters")
        return values

    def text(self, name: str) -> str | None:
        values = self.texts(name)
        if len(values) > 1:
            raise Fault(422, f"{name}: given more than once")
        return values[0] if values else None

    def uuids(self, name: str) -> list[bytes]:
        return [uuid(value, name) for value in self.texts(name)]

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        value = self.text(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdecimal() and len(value) < 12 and least <= int(value) <= most):
            raise Fault(422, f"{name}: must be a whole number from {least} to {most}")
        return int(value)

    def flag(self, name: str) -> bool | None:
        value = self.text(name)
        if value is None:
            return None
        if value.lower() not in ("true", "false", "1", "0"):
            raise Fault(422, f"{name}: must be true or false")
        return value.lower() in ("true", "1")


def uuid(value: Any, name: str) -> bytes:
    found = uuid_bytes(value)
    if found is None:
        raise Fault(422, f"{name}: must be a UUID")
    return found


def json_object(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Fault(422, f"the body is not valid JSON: {error}") from None
    if not isinstance(document, dict):
        raise Fault(422, "the body must be a JSON object")
    return document
