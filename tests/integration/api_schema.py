"""Holds a JSON value against a schema of the API's OpenAPI document: the part of JSON Schema that it is written in.

Stricter than JSON Schema in one thing: a field that the schema does not name is a fault, unless it allows any.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
    "integer": (int,),
    "number": (int, float),
}
KEYWORDS = {
    "$ref", "anyOf", "type", "enum", "pattern", "minimum", "maximum", "properties", "patternProperties", "required",
    "additionalProperties", "items", "format", "default", "description",
}  # fmt: skip


def faults(value: Any, schema: Schema, document: Schema, at: str = "") -> Iterator[str]:
    """What is wrong with the value, each with where."""
    assert schema.keys() <= KEYWORDS, f"the checker knows nothing of {schema.keys() - KEYWORDS}"
    if "$ref" in schema:
        yield from faults(value, resolve(schema["$ref"], document), document, at)
        return
    if "anyOf" in schema:
        tried = [list(faults(value, one, document, at)) for one in schema["anyOf"]]
        if all(tried):
            yield from min(tried, key=len)
        return
    names = schema.get("type")
    names = [names] if isinstance(names, str) else names
    if names and not any(_is(value, name) for name in names):
        yield f"{at}: {value!r} is no {names}"
    elif isinstance(value, dict):
        yield from _object(value, schema, document, at)
    elif isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            yield from faults(item, schema["items"], document, f"{at}/{number}")
    elif value is not None:
        yield from _scalar(value, schema, at)


def resolve(reference: str, document: Schema) -> Schema:
    found = document
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


def _is(value: Any, name: str) -> bool:
    return isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def _scalar(value: Any, schema: Schema, at: str) -> Iterator[str]:
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is none of {schema['enum']}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{at}: {value!r} does not match {schema['pattern']}"
    if "minimum" in schema and value < schema["minimum"]:
        yield f"{at}: {value!r} is less than {schema['minimum']}"


def _object(value: dict[str, Any], schema: Schema, document: Schema, at: str) -> Iterator[str]:
    properties = schema.get("properties", {})
    patterns = schema.get("patternProperties", {})
    yield from (f"{at}: {name} is missing" for name in schema.get("required", ()) if name not in value)
    for name, item in value.items():
        matching = [one for pattern, one in patterns.items() if re.search(pattern, name)]
        if name in properties:
            matching.append(properties[name])
        if not matching and schema and not schema.get("additionalProperties") and "type" in schema:
            yield f"{at}: nobody speaks of {name}"
        for one in matching:
            yield from faults(item, one, document, f"{at}/{name}")
