"""Captured values: total, bounded, never consuming, masked where asked, off where asked."""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import itertools
import json
import math
import pathlib
import sys
import threading
import types
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sdk_support import spans

import tracekit
from tracekit import trace
from tracekit.capture import Capture, Limits
from tracekit.guard import faults
from tracekit.redaction import Redactor

__all__ = ["spans"]


def captured(value: Any, **limits: int) -> Any:
    return json.loads(Capture(limits=Limits(**limits)).json(value))


@dataclasses.dataclass
class Point:
    x: int
    label: str = "p"
    secret: str = dataclasses.field(default="s3cret", repr=False)


class Pair(NamedTuple):
    left: int
    right: Any


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Model(pydantic.BaseModel):
    name: str
    note: str | None = None
    token: str = pydantic.Field(default="hidden", repr=False)
    when: datetime.date | None = None


class Text(str):
    def __str__(self) -> str:
        raise RuntimeError("never asked")


class Slow:
    def __repr__(self) -> str:
        raise AssertionError("the repr of an iterable is never asked for: it may run a query")

    def __iter__(self) -> Iterator[int]:
        raise AssertionError("never consumed")


class Angry:
    def __repr__(self) -> str:
        raise SystemExit("no")


class Plain:
    pass


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [1, 2.5, True, None, "x"]}, {"a": [1, 2.5, True, None, "x"]}),
        (("a", ("b",)), ["a", ["b"]]),
        (Point(1), {"x": 1, "label": "p"}),
        ([Pair(1, Point(2))], [{"left": 1, "right": {"x": 2, "label": "p"}}]),
        ([Colour.RED, Level.HIGH], ["red", 3]),
        (Model(name="n"), {"name": "n"}),
        (Model(name="n", note=None, when=datetime.date(2026, 1, 2)), {"name": "n", "note": None, "when": "2026-01-02"}),
        (collections.OrderedDict(a=1), {"a": 1}),
        (collections.defaultdict(list, a=[1]), {"a": [1]}),
        (types.MappingProxyType({"a": 1}), {"a": 1}),
        (collections.deque([1, 2]), [1, 2]),
        (frozenset([1]), [1]),
        ({1: "a", None: "b", (1, 2): "c"}, {"1": "a", "None": "b", "<tuple>": "c"}),
        (b"\x00" * 10, "<10 bytes>"),
        (decimal.Decimal("1.50"), "1.50"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        (datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC), "2026-01-02 03:04:00+00:00"),
        (ValueError("bad"), "ValueError: bad"),
        (array.array("d", [1.0, 2.0]), [1.0, 2.0]),
        (2**70, str(2**70)),
        ([math.nan, math.inf, 1.0], [None, None, 1.0]),
        (Text("text"), "text"),
        ({"k": Text("text")}, {"k": "text"}),
        (Plain(), f"<{__name__}.Plain>"),
        (Point, f"<{__name__}.Point>"),
        (Slow(), f"<{__name__}.Slow>"),
        (Angry(), f"<{__name__}.Angry>"),
        (itertools.count(), "<itertools.count>"),
        ((n for n in range(3)), "<generator>"),
        (pydantic.SecretStr("s"), "SecretStr('**********')"),
        ("a\ud800b", "a?b"),
        ({"k\udfff": ["\ud800"]}, {"k?": ["?"]}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_sort_of_object(value: Any, expected: Any) -> None:
    assert captured(value) == expected


def test_iterators_are_left_untouched() -> None:
    source = (n for n in range(3))
    captured({"source": source, "opened": [iter([1])]})
    assert list(source) == [0, 1, 2]


def test_arrays_by_what_they_have_in_common() -> None:
    class Array:
        shape = (1000, 1536)
        dtype = "float32"

        def __repr__(self) -> str:
            raise AssertionError("may be slow")

    assert captured(Array()) == f"<{__name__}.test_arrays_by_what_they_have_in_common.<locals>.Array " + (
        "shape=(1000, 1536) dtype=float32>"
    )


def test_numpy() -> None:
    numpy = pytest.importorskip("numpy")
    assert captured(numpy.array([1.0, 2.0])) == [1.0, 2.0]
    assert captured(numpy.zeros((100, 3))) == "<numpy.ndarray shape=(100, 3) dtype=float64>"
    assert captured([numpy.float32(0.5), numpy.int64(3)]) == [0.5, 3]


def test_cycles() -> None:
    cycle: list[Any] = [1]
    cycle.append({"self": cycle})
    assert captured(cycle) == [1, {"self": "[cycle]"}]


def test_the_same_object_twice_is_no_cycle() -> None:
    shared = {"a": 1}
    assert captured([shared, shared]) == [{"a": 1}, {"a": 1}]


def test_bounds() -> None:
    assert captured("x" * 100, max_chars=10) == "xxxxxxxxxx… [90 more characters]"
    assert captured(list(range(50)), max_items=3) == [0, 1, 2, "[47 more]"]
    assert captured({str(n): n for n in range(5)}, max_items=2) == {"0": 0, "1": 1, "…": "[3 more]"}
    deep: Any = "end"
    for _ in range(50):
        deep = [deep]
    assert "end" not in Capture(limits=Limits(max_depth=5)).json(deep)


def test_a_value_that_changes_meanwhile() -> None:
    shared = {f"k{n}": n for n in range(1000)}
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            for n in range(1000):
                shared.pop(f"k{n}", None)
                shared[f"n{n}"] = n
            shared.clear()

    thread = threading.Thread(target=change)
    thread.start()
    before = faults()
    try:
        for _ in range(50):
            assert "uncapturable" not in Capture(limits=Limits(max_items=10)).json({"shared": shared})
    finally:
        stop.set()
        thread.join()
    assert faults() == before


class Nasty:
    """Raises something from whatever is asked of it, chosen by Hypothesis."""

    def __init__(self, raises: type[BaseException], returns: Any) -> None:
        object.__setattr__(self, "told", (raises, returns))

    def __getattribute__(self, name: str) -> Any:
        raises, _ = object.__getattribute__(self, "told")
        raise raises(name)

    def __repr__(self) -> str:
        raises, returns = object.__getattribute__(self, "told")
        if returns is None:
            raise raises("repr")
        return returns  # type: ignore[no-any-return]


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(alphabet=st.characters())
    | st.binary(max_size=50)
    | st.decimals()
    | st.uuids()
    | st.datetimes()
    | st.complex_numbers()
    | st.sampled_from([object(), Plain(), Colour.RED, int, len, sys, print, ..., NotImplemented])
    | st.builds(Slow)
    | st.builds(Nasty, st.sampled_from([ValueError, RecursionError, SystemExit, MemoryError]), st.none() | st.text())
    | st.builds(Point, st.integers(), st.text())
    | st.builds(lambda n: (x for x in range(n)), st.integers(0, 3))
)
hashable = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.tuples(st.integers(), st.text())
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=8)
        | st.dictionaries(hashable, inner, max_size=8)
        | st.tuples(inner, inner)
        | st.builds(Pair, st.integers(), inner)
        | st.sets(hashable, max_size=4)
        | st.builds(types.SimpleNamespace, x=inner)
        | st.builds(lambda value: Model.model_construct(name=value), inner)
    ),
    max_leaves=40,
)


@settings(max_examples=400, deadline=None)
@given(value=anything, chars=st.integers(20, 2000), depth=st.integers(1, 6), items=st.integers(1, 5))
def test_capture_is_total_and_bounded(value: Any, chars: int, depth: int, items: int) -> None:
    for mask in (None, Redactor(function=lambda text: text.upper()), Redactor(function=lambda text: 1 / 0)):
        text = Capture("full", Limits(chars, depth, items), mask).json(value)
        text.encode()
        json.loads(text)
        # JSON's own signs, escapes, and the marks of what was left out come on top of the characters.
        assert len(text) <= 20 * chars + 400


@settings(max_examples=100, deadline=None)
@given(value=anything)
def test_tracing_never_changes_what_a_function_does(value: Any) -> None:
    @trace(kind="tool")
    def same(given: Any) -> Any:
        return given

    tracekit.init(export=False, set_global=False)
    try:
        found = same(value)
        if not hasattr(type(value), "__next__"):
            assert found is value
    finally:
        tracekit.shutdown(0)


def test_without_orjson_the_same_comes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    import tracekit.capture as module

    values = [{"a": ["é", 1.5, None]}, [math.nan], {"k": "\ud800"}, Point(1), {1: 2}]
    expected = [json.loads(Capture().json(value)) for value in values]
    monkeypatch.setitem(sys.modules, "orjson", None)
    monkeypatch.setattr(module, "_encode", module._encoder())
    assert [json.loads(Capture().json(value)) for value in values] == expected
