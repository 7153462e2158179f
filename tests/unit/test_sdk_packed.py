"""Long lists of small dicts are kept as JSON text: recorded as they were, bounded, and without secrets."""

from __future__ import annotations

import copy
import datetime
import gc
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sdk_support import Recorded, parsed, spans

from tracekit import packed, trace
from tracekit.capture import Capture, Limits
from tracekit.packed import has_records, is_clean, pack, unpack

__all__ = ["spans"]

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcxyz", max_size=3), inner, max_size=4),
    max_leaves=12,
)
#: a row that must be looked at more closely than orjson does, among many that need not
ODD: list[Any] = [
    {"a": object()},
    {"a": b"bytes"},
    {"a": bytearray(b"bytes")},
    {"a": {1, 2}},
    {"a": datetime.datetime(2024, 1, 1)},
    {"a": 2**64},
    {"a": "\ud800"},
    {1: "a"},
    type("Sub", (dict,), {})(a=1),
    {"a": type("Text", (str,), {})("x")},
    ("user", "x"),
    object(),
]


def _rows(count: int = 20) -> list[Any]:
    return [{"id": n, "name": f"row {n}", "score": n / 7} for n in range(count)]


@settings(deadline=None, max_examples=80)
@given(st.lists(values, max_size=20))
def test_what_is_packed_comes_back_as_it_was(value: list[Any]) -> None:
    found = pack(value, Capture())
    if found is not None:
        assert unpack(found) == value


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("place", [0, 3, 19])
def test_what_is_not_plain_is_not_packed(odd: Any, place: int) -> None:
    rows = _rows()
    rows[place] = odd
    assert pack(rows, Capture()) is None


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_and_is_recorded_all_the_same(odd: Any, spans: Recorded) -> None:
    @trace(name="call")
    def call(rows: Any) -> Any:
        return rows

    rows = _rows()
    rows[3] = odd
    call(rows)
    for name in ("input.value", "output.value"):
        text = spans.attributes("call")[name]
        assert "row 19" in text and "row 3" not in text


@pytest.mark.parametrize(
    "value",
    [
        ["x" * 60] * 5,
        ["x" * 60] * 50,
        [{"a": "x" * 30}] * 20,
        [{"text": "x" * 600}] * 20,
        list(range(1_001)),
        [{"a": 1}] * 1_001,
        [[[[[["too deep"]]]]]],
    ],
)
def test_what_is_too_large_is_not_packed(value: Any) -> None:
    assert pack(value, Capture(limits=Limits(max_chars=256, max_depth=5))) is None


@pytest.mark.parametrize(
    "value",
    [
        {"deep": [{"password": "x"}]},
        [{"access_token": "x"}, *_rows()],
        [*_rows(), {"access_token": "x"}],
        [*_rows(), {"a": {"access_token": "x"}}],
        [*_rows(), {"name": "authorization", "value": "Bearer x"}],
        {"a": ["authorization", "Bearer x"]},
        {str(n): n for n in range(1_001)},
        [[[[[["too deep"]]]]]],
        [[[[_rows()]]]],
    ],
)
def test_what_must_be_masked_or_cut_is_seen_when_it_is_read(value: Any) -> None:
    assert not is_clean(value, Capture(limits=Limits(max_depth=5)))
    assert not is_clean(value, Capture(limits=Limits(max_depth=5)))  # with its keys' names known


def test_rows_that_change_afterwards(spans: Recorded) -> None:
    rows, more = _rows(), _rows()
    before = copy.deepcopy(rows)

    @trace(name="call")
    def call(rows: Any, k: int = 5) -> Any:
        return more

    assert has_records(rows)
    call(rows)
    for row in (*rows, *more):
        row["name"] = "spoilt"
    rows.clear()
    attributes = spans.attributes("call")
    assert parsed(attributes["input.value"]) == {"rows": before, "k": 5}
    assert parsed(attributes["output.value"]) == before


def test_secrets_in_rows_are_masked(spans: Recorded) -> None:
    @trace(name="call")
    def call(rows: Any) -> Any:
        return [*_rows(), {"nested": [{"client_secret": "CANARY-3"}]}]

    call([*_rows(), {"api_key": "CANARY-1"}, {"name": "password", "value": "CANARY-2"}])
    attributes = spans.attributes("call")
    assert "CANARY" not in str(attributes)
    assert parsed(attributes["input.value"])["rows"][19]["name"] == "row 19"


@pytest.mark.parametrize("kind", ["llm", "retriever", "tool", "embedding", "reranker", "chain"])
def test_rows_are_read_as_copies_are(kind: str, spans: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    messages = [{"role": "user", "content": f"message {n}"} for n in range(20)]
    found = [{"id": str(n), "text": f"text {n}", "score": 0.5} for n in range(20)]

    @getattr(trace, kind)(name="packed")
    def one(messages: Any, documents: Any, query: str = "q") -> Any:
        return found

    one(messages, found)
    monkeypatch.setattr(packed, "_dumps", None)

    @getattr(trace, kind)(name="copied")
    def two(messages: Any, documents: Any, query: str = "q") -> Any:
        return found

    two(messages, found)
    copied = {key: "packed" if value == "copied" else value for key, value in spans.attributes("copied").items()}
    assert spans.attributes("packed") == copied


def test_gigantic_values_take_no_longer_than_small_ones() -> None:
    shared: list[Any] = [1]
    for _ in range(60):
        shared = [shared, shared]
    rows = [{"text": "x" * 10_000_000}] * 1_000
    loop: list[Any] = []
    loop.append(loop)
    for value in (shared, [shared] * 20, rows, [{"rows": rows}] * 20, loop, ["x" * 10_000_000] * 1_000):
        begin = time.thread_time()
        assert pack(value, Capture()) is None
        assert time.thread_time() - begin < 0.05


def test_what_few_records_did_not_tell_surprises_once(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    dumps = packed._dumps
    monkeypatch.setattr(packed, "_dumps", lambda *given: written.append(1) or dumps(*given))  # type: ignore[misc]
    monkeypatch.setattr(packed, "_wary", 0)
    rows = _rows()
    rows[3]["name"] = "x" * 300_000
    assert [pack(rows, Capture()) for _ in range(20)] == [None] * 20
    assert len(written) == 1
    assert pack(_rows(), Capture()) is not None


def test_numbers_that_json_has_no_word_for(spans: Recorded) -> None:
    @trace(name="call")
    def call(rows: Any) -> None: ...

    call([{"score": float("nan")}, *_rows()])
    assert json.loads(spans.attributes("call")["input.value"])["rows"][0] == {"score": None}


def test_rows_that_the_garbage_collector_has_seen_are_packed_too() -> None:
    rows = _rows()
    gc.collect()
    assert pack({"rows": rows, "k": 5}, Capture()) is not None
