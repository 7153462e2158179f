"""A subset of JSON Schema (draft 2020-12), checked when it is made, with bounded cost. Pure.

Understood: ``type``, ``enum``, ``const``, ``properties``, ``required``, ``additionalProperties``, ``propertyNames``,
``minProperties``, ``maxProperties``, ``items``, ``prefixItems``, ``minItems``, ``maxItems``, ``uniqueItems``,
``minLength``, ``maxLength``, ``pattern`` (as ``patterns`` searches them), ``minimum``, ``maximum``,
``exclusiveMinimum``, ``exclusiveMaximum``, ``multipleOf``, ``allOf``, ``anyOf``, ``oneOf``, ``not``, ``$ref`` to
``#/$defs/NAME`` or ``#/definitions/NAME``, and true and false. Words that only describe (``title``, ``format`` ...) are
passed over. Any other keyword is refused: what is not checked should not look as though it were.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any, Final

from tracekit.evals.patterns import Pattern, TooCostly

#: statements about one value that are looked at, and how deep schema and value may be
_MAX_STEPS: Final = 100_000
_MAX_DEPTH: Final = 60
_MAX_FAULTS: Final = 20

_DESCRIBING: Final = (
    *("title", "description", "default", "examples", "format", "$schema", "$id", "$comment", "deprecated"),
    *("readOnly", "writeOnly", "strict"),
)
_TYPES: Final[dict[str, Callable[[Any], bool]]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, (list, tuple)),
    "object": lambda value: isinstance(value, Mapping),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "integer": lambda value: (
        (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())
    ),
}
_COUNTS: Final = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_NUMBERS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_MANY: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_ONE: Final = ("not", "items", "additionalProperties", "propertyNames")
_MAPS: Final = ("properties", "$defs", "definitions")


class TooLarge(Exception):
    """The value and the schema together would take too long."""


class Schema:
    """Raises ``ValueError`` for what is no schema of the subset, with where it is at fault."""

    def __init__(self, schema: Any) -> None:
        self._root = schema
        self._patterns: dict[str, Pattern] = {}
        _Making(self._root, self._patterns).look(schema, "#", _MAX_DEPTH)

    def faults(self, value: Any) -> list[str]:
        """What is wrong with the value, each with where it is: ``$.items[2]: is missing "id"``. At most 20. Raises
        ``TooLarge``."""
        checking = _Checking(self._root, self._patterns)
        found: list[str] = []
        for fault in checking.faults(self._root, value, "$", _MAX_DEPTH):
            found.append(fault)
            if len(found) == _MAX_FAULTS:
                break
        return found


class _Making:
    """Looks through a schema for what is at fault in it."""

    def __init__(self, root: Any, patterns: dict[str, Pattern]) -> None:
        self._root = root
        self._patterns = patterns

    def look(self, schema: Any, where: str, depth: int) -> None:
        if isinstance(schema, bool):
            return
        if not isinstance(schema, Mapping):
            raise ValueError(f"{where}: a schema is an object, true or false")
        if depth == 0:
            raise ValueError(f"{where}: is too deep")
        for key, detail in schema.items():
            self._keyword(key, detail, f"{where}/{key}", depth)

    def _keyword(self, key: Any, detail: Any, where: str, depth: int) -> None:
        if key in _ONE:
            self.look(detail, where, depth - 1)
        elif key in _MANY:
            if not isinstance(detail, (list, tuple)) or not detail:
                raise ValueError(f"{where}: must be a list of schemas")
            for at, inner in enumerate(detail):
                self.look(inner, f"{where}/{at}", depth - 1)
        elif key in _MAPS:
            if not isinstance(detail, Mapping):
                raise ValueError(f"{where}: must be an object of schemas")
            for name, inner in detail.items():
                self.look(inner, f"{where}/{name}", depth - 1)
        elif key not in _DESCRIBING:
            self._plain(key, detail, where)

    def _plain(self, key: Any, detail: Any, where: str) -> None:
        names = [detail] if isinstance(detail, str) else detail
        if key == "type":
            if not isinstance(names, (list, tuple)) or not names or any(str(name) not in _TYPES for name in names):
                raise ValueError(f"{where}: must be of {', '.join(_TYPES)}")
        elif key == "required":
            if not isinstance(detail, (list, tuple)) or not all(isinstance(name, str) for name in detail):
                raise ValueError(f"{where}: must be a list of names")
        elif key == "enum":
            if not isinstance(detail, (list, tuple)):
                raise ValueError(f"{where}: must be a list")
        elif key in _COUNTS:
            if type(detail) is not int or detail < 0:
                raise ValueError(f"{where}: must be a whole number, at least 0")
        elif key in _NUMBERS:
            if not _TYPES["number"](detail) or detail != detail or (key == "multipleOf" and not detail > 0):
                raise ValueError(f"{where}: must be a number" + (" above 0" if key == "multipleOf" else ""))
        elif key == "pattern":
            try:
                self._patterns[detail] = Pattern(str(detail))
            except ValueError as error:
                raise ValueError(f"{where}: {error}") from None
        elif key == "$ref":
            if not isinstance(detail, str) or resolve(self._root, detail) is None:
                raise ValueError(f"{where}: leads nowhere; only #, #/$defs/NAME and #/definitions/NAME are followed")
        elif key not in ("const", "uniqueItems"):
            raise ValueError(f"{where}: this keyword is not understood")


def resolve(root: Any, reference: str) -> Any:
    """What a reference leads to; None for nothing."""
    if reference == "#":
        return root
    parts = reference.split("/")
    if len(parts) != 3 or parts[0] != "#" or parts[1] not in ("$defs", "definitions"):
        return None
    there = root.get(parts[1]) if isinstance(root, Mapping) else None
    return there.get(parts[2].replace("~1", "/").replace("~0", "~")) if isinstance(there, Mapping) else None


class _Checking:
    def __init__(self, root: Any, patterns: Mapping[str, Pattern]) -> None:
        self._root = root
        self._patterns = patterns
        self._left = _MAX_STEPS

    def faults(self, schema: Any, value: Any, where: str, depth: int) -> Iterator[str]:
        self._left -= 1
        if depth == 0 or self._left <= 0:
            raise TooLarge(f"{where}: is too deep or too large for this schema")
        if schema is True or schema is False:
            if not schema:
                yield f"{where}: is not allowed"
            return
        if "$ref" in schema:
            yield from self.faults(resolve(self._root, schema["$ref"]), value, where, depth - 1)
        yield from self._any(schema, value, where)
        if isinstance(value, str):
            yield from self._text(schema, value, where)
        elif _TYPES["number"](value):
            yield from _number(schema, value, where)
        elif isinstance(value, (list, tuple)):
            yield from self._array(schema, value, where, depth)
        elif isinstance(value, Mapping):
            yield from self._object(schema, value, where, depth)
        yield from self._combined(schema, value, where, depth)

    def _fits(self, schema: Any, value: Any, where: str, depth: int) -> bool:
        return next(self.faults(schema, value, where, depth - 1), None) is None

    def _any(self, schema: Mapping[str, Any], value: Any, where: str) -> Iterator[str]:
        names = schema.get("type")
        if names is not None:
            names = [names] if isinstance(names, str) else names
            if not any(_TYPES[name](value) for name in names):
                yield f"{where}: is not of type {' or '.join(names)}"
        if "enum" in schema and not any(equal(value, one) for one in schema["enum"]):
            yield f"{where}: is none of the allowed values"
        if "const" in schema and not equal(value, schema["const"]):
            yield f"{where}: is not the value that it has to be"

    def _text(self, schema: Mapping[str, Any], value: str, where: str) -> Iterator[str]:
        yield from _count(schema, "Length", len(value), "characters", where)
        if "pattern" in schema:
            try:
                found = self._patterns[schema["pattern"]].found_in(value[:50_000])
            except TooCostly as error:
                raise TooLarge(str(error)) from None
            if not found:
                yield f"{where}: does not match {schema['pattern']!r}"

    def _array(self, schema: Mapping[str, Any], value: Any, where: str, depth: int) -> Iterator[str]:
        yield from _count(schema, "Items", len(value), "items", where)
        if schema.get("uniqueItems") is True:
            self._left -= len(value)
            if len({_key(one) for one in value}) < len(value):
                yield f"{where}: has an item twice"
        before = schema.get("prefixItems", ())
        for at, item in enumerate(value):
            inner = before[at] if at < len(before) else schema.get("items", True)
            yield from self.faults(inner, item, f"{where}[{at}]", depth - 1)

    def _object(self, schema: Mapping[str, Any], value: Mapping[Any, Any], where: str, depth: int) -> Iterator[str]:
        yield from _count(schema, "Properties", len(value), "properties", where)
        for name in schema.get("required", ()):
            if name not in value:
                yield f"{where}: is missing {json.dumps(name)}"
        known = schema.get("properties", {})
        for name, inner in value.items():
            there = f"{where}.{name}"[:200]
            if "propertyNames" in schema:
                yield from self.faults(schema["propertyNames"], name, there, depth - 1)
            if name in known:
                yield from self.faults(known[name], inner, there, depth - 1)
            elif "additionalProperties" in schema:
                yield from self.faults(schema["additionalProperties"], inner, there, depth - 1)

    def _combined(self, schema: Mapping[str, Any], value: Any, where: str, depth: int) -> Iterator[str]:
        for inner in schema.get("allOf", ()):
            yield from self.faults(inner, value, where, depth - 1)
        if "anyOf" in schema and not any(self._fits(inner, value, where, depth) for inner in schema["anyOf"]):
            yield f"{where}: fits none of anyOf"
        if "oneOf" in schema:
            fitting = sum(self._fits(inner, value, where, depth) for inner in schema["oneOf"])
            if fitting != 1:
                yield f"{where}: fits {fitting} of oneOf, not one"
        if "not" in schema and self._fits(schema["not"], value, where, depth):
            yield f"{where}: fits what it must not"


def _count(schema: Mapping[str, Any], what: str, there: int, unit: str, where: str) -> Iterator[str]:
    if there < schema.get(f"min{what}", 0):
        yield f"{where}: has {there} {unit}, fewer than {schema[f'min{what}']}"
    if there > schema.get(f"max{what}", there):
        yield f"{where}: has {there} {unit}, more than {schema[f'max{what}']}"


def _number(schema: Mapping[str, Any], value: float, where: str) -> Iterator[str]:
    tests: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
        ("minimum", lambda bound: value >= bound, "at least"),
        ("maximum", lambda bound: value <= bound, "at most"),
        ("exclusiveMinimum", lambda bound: value > bound, "more than"),
        ("exclusiveMaximum", lambda bound: value < bound, "less than"),
        ("multipleOf", lambda bound: _is_multiple(value, bound), "a multiple of"),
    )
    for key, fits, word in tests:
        if key in schema and not fits(schema[key]):
            yield f"{where}: is not {word} {schema[key]}"


def _is_multiple(value: float, step: float) -> bool:
    """As they are written: 0.3 is a multiple of 0.1, though not as floats."""
    try:
        return Fraction(repr(value)) % Fraction(repr(step)) == 0
    except ValueError:
        return False


def equal(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal: 1 and 1.0 are, 1 and true are not."""
    return bool(_key(one) == _key(other))


def _key(value: Any) -> Any:
    """Equal for equal JSON values, and hashable."""
    if isinstance(value, bool):
        return ("flag", value)
    if isinstance(value, Mapping):
        return ("object", frozenset((name, _key(inner)) for name, inner in value.items()))
    if isinstance(value, (list, tuple)):
        return ("array", tuple(_key(inner) for inner in value))
    return value if value is None or isinstance(value, (str, int, float)) else ("other", repr(value))
