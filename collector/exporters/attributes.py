"""Attribute values that any OTLP receiver can keep, on the wire. Pure and total: nothing is left out, but what a
receiver is known to stumble over is written another way.

Bytes become base64 text, NaN and infinities text, objects and lists of anything but scalars JSON text; NUL and lone
surrogates in text become U+FFFD; an empty key becomes ``EMPTY_KEY``.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any, Final

import orjson
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue

from collector.model import Attributes, Value
from collector.processors.values import INT64_MAX

EMPTY_KEY: Final = "(empty)"
_REPLACEMENT: Final = "\ufffd"


def plain(attributes: Mapping[Any, Value]) -> Attributes:
    """The attributes with keys and values mended; of two keys that become one the later counts."""
    return {clean(str(key)) or EMPTY_KEY: plain_value(value) for key, value in attributes.items()}


def plain_value(value: Value) -> Value:
    """A scalar, or a list of scalars."""
    if value.__class__ is str:
        return clean(value)
    if isinstance(value, list | tuple):
        if any(isinstance(item, list | tuple | dict) for item in value):
            return json_text(value)
        return [_scalar(item) for item in value]
    if isinstance(value, Mapping):
        return json_text(value)
    return _scalar(value)


def clean(text: str) -> str:
    """Without NUL, which PostgreSQL refuses, and lone surrogates, which UTF-8 has not."""
    if text.isascii():
        return text.replace("\0", _REPLACEMENT) if "\0" in text else text
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\0", _REPLACEMENT)


def json_text(value: Any) -> str:
    """Any value as JSON text; what JSON has not is mended as in attributes."""
    try:
        return orjson.dumps(_jsonable(value)).decode()
    except (TypeError, ValueError, RecursionError):
        return clean(str(value))


def encoded(attributes: Mapping[str, Value]) -> Iterator[KeyValue]:
    """Mended attributes (``plain``) on the wire."""
    for key, value in attributes.items():
        yield KeyValue(key=key, value=_any_value(value))


def _scalar(value: Value) -> Value:
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, int):
        return value if -INT64_MAX - 1 <= value <= INT64_MAX else str(value)
    if isinstance(value, float):
        return value if isfinite(value) else _unreal(value)
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    return clean(str(value))


def _unreal(value: float) -> str:
    """As JSON's JavaScript ancestors write it."""
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {clean(str(key)): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    return _scalar(value)


def _any_value(value: Value) -> AnyValue:
    if isinstance(value, str):
        return AnyValue(string_value=value)
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[_any_value(item) for item in value]))
    return AnyValue()
