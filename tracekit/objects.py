"""One level of any Python object as plain types: never raises, never consumes an iterator, never runs a query.

``expand`` opens what is known to be data (dataclasses, pydantic, attrs, msgspec, named tuples, mappings, sets, small
arrays); everything else becomes a short description. Fields that a class keeps out of its repr stay out here too.
"""

from __future__ import annotations

import array
import enum
import sys
import types
from collections import deque
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any, Final

#: a repr is masked before it is cut to what is shown
_MAX_REPR: Final = 8_000
#: arrays with at most so many elements are shown, others described
_SMALL_ARRAY: Final = 16
#: modules of the standard library whose values are their ``str``
_STR_MODULES: Final = frozenset(("datetime", "decimal", "fractions", "ipaddress", "pathlib", "uuid", "zoneinfo"))
_MISSING: Final = object()


class Description(str):
    """A text about an object, not one of the application's own."""

    __slots__ = ()


def expand(value: Any, most: int) -> Any:
    """A dict, list or tuple (its items not yet expanded; at most about ``most`` of those that must be walked to), or a
    scalar. Never raises."""
    try:
        return _expander(type(value))(value, most)  # type: ignore[arg-type]
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - a foreign object may raise anything
        return describe(value)


def describe(value: Any) -> Description:
    """A short text about any object. Never raises, except KeyboardInterrupt."""
    return Description(_described(value))


def said(value: Any) -> str:
    """``str`` of any object. Never raises, except KeyboardInterrupt."""
    try:
        return str.__str__(str(value))
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - a foreign object may raise anything
        return _type_name(type(value))


def _described(value: Any) -> str:
    kind = type(value)
    try:
        if kind is int:
            return str(value) if value.bit_length() < 10_000 else f"<int of {value.bit_length()} bits>"
        if getattr(kind, "__repr__", None) is object.__repr__ or _is_iterable(kind):
            return _type_name(kind)
        text = str.__str__(repr(value))
        return text if len(text) <= _MAX_REPR else text[:_MAX_REPR] + "…"
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - a repr may raise anything
        return _type_name(kind)


def _type_name(kind: type) -> str:
    try:
        module, name = type.__getattribute__(kind, "__module__"), type.__getattribute__(kind, "__qualname__")
        return f"<{name}>" if module == "builtins" else f"<{module}.{name}>"
    except Exception:  # noqa: BLE001 - a metaclass may raise anything
        return "<object>"


def _is_iterable(kind: type) -> bool:
    """Whether looking inside could consume something or run a query (generators, files, cursors, query sets)."""
    if issubclass(kind, (str, bytes, bytearray, range)):
        return False
    return any(hasattr(kind, name) for name in ("__iter__", "__next__", "__aiter__", "__await__"))


Expander = Callable[[Any, int], Any]


@lru_cache(maxsize=2048)
def _expander(kind: type) -> Expander:
    """How values of a type are opened; decided once for each type."""
    for base, make in _BY_BASE:
        if issubclass(kind, base):
            return make
    if kind.__module__.partition(".")[0] in _STR_MODULES:  # pathlib._local since Python 3.13
        return lambda value, most: str(value)
    if hasattr(kind, "__pydantic_fields__"):
        return _pydantic
    if hasattr(kind, "__dataclass_fields__"):
        return _dataclass
    if hasattr(kind, "__attrs_attrs__"):
        return _attrs
    if hasattr(kind, "__struct_fields__"):
        return lambda value, most: {name: getattr(value, name) for name in kind.__struct_fields__}
    if hasattr(kind, "shape") and (hasattr(kind, "dtype") or hasattr(kind, "dtypes")):
        return _array
    if issubclass(kind, Mapping):
        return lambda value, most: dict(islice(value.items(), most + 1))
    return lambda value, most: describe(value)


def _dict(value: Any, most: int) -> Any:
    return value if type(value) is dict else dict(islice(dict.items(value), most + 1))


def _tuple(value: Any, most: int) -> Any:
    fields = getattr(type(value), "_fields", None)
    if isinstance(fields, tuple) and len(fields) == tuple.__len__(value):
        return dict(zip(fields, tuple.__iter__(value), strict=True))
    return value if type(value) is tuple else list(islice(tuple.__iter__(value), most + 1))


def _list(value: Any, most: int) -> Any:
    return value if type(value) is list else list(islice(list.__iter__(value), most + 1))


def _bytes(value: Any, most: int) -> str:
    return f"<{len(value)} bytes>"


def _exception(value: BaseException, most: int) -> str:
    return Description(f"{type(value).__qualname__}: {value}"[:_MAX_REPR])


def _function(value: Any, most: int) -> str:
    return f"<function {value.__module__}.{value.__qualname__}>"


def _small_array(value: Any, most: int) -> Any:
    return list(value) if len(value) <= _SMALL_ARRAY else f"<array of {len(value)} {value.typecode!r}>"


_BY_BASE: Final[tuple[tuple[type | tuple[type, ...], Expander], ...]] = (
    (enum.Enum, lambda value, most: value.value),
    (str, lambda value, most: str.__str__(value)),
    (bool, lambda value, most: bool(value)),
    (int, lambda value, most: int.__add__(value, 0)),
    (float, lambda value, most: float.__add__(value, 0.0)),
    (dict, _dict),
    (list, _list),
    (tuple, _tuple),
    ((set, frozenset, deque), lambda value, most: list(islice(value, most + 1))),
    ((bytes, bytearray, memoryview), _bytes),
    (BaseException, _exception),
    (array.array, _small_array),
    (type, lambda value, most: _type_name(value)),
    ((types.FunctionType, types.BuiltinFunctionType, types.MethodType), _function),
)


def _fields(value: Any, names: Any) -> dict[str, Any]:
    found = {}
    for name in names:
        item = getattr(value, name, _MISSING)
        if item is not _MISSING:
            found[name] = item
    return found


def _dataclass(value: Any, most: int) -> Any:
    return _fields(value, [name for name, field in type(value).__dataclass_fields__.items() if field.repr])


def _attrs(value: Any, most: int) -> Any:
    return _fields(value, [field.name for field in type(value).__attrs_attrs__ if field.repr])


def _pydantic(value: Any, most: int) -> Any:
    """Declared and extra fields, without those that are None because nobody set them."""
    fields, given = type(value).__pydantic_fields__, value.__pydantic_fields_set__
    found = {}
    for name, item in value.__dict__.items():
        field = fields.get(name)
        if (item is not None or name in given) and (field is None or field.repr):
            found[name] = item
    if value.__pydantic_extra__:
        found.update(value.__pydantic_extra__)
    return found


def _array(value: Any, most: int) -> Any:
    """numpy, torch, pandas and their kin, by what they have in common."""
    shape = tuple(int(size) for size in value.shape)
    if "numpy" in sys.modules and type(value).__module__ == "numpy" and _size(shape) <= _SMALL_ARRAY:
        return value.tolist()
    dtype = getattr(value, "dtype", None)
    about = f"shape={shape}" + (f" dtype={dtype}" if dtype is not None else "")
    return f"{_type_name(type(value))[:-1]} {about}>"


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size
