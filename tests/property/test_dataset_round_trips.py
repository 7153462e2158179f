"""A dataset written in a format and read again is the same dataset, whatever is in it."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.datasets.formats.fields import BadFile
from collector.datasets.formats.registry import READERS, export
from collector.datasets.model import Change, Example, Known, example_hash, same_hash, version_hash
from collector.datasets.plan import plan

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3))
SPLITS = st.none() | st.sampled_from(["train", "test", "v-1.x"])
SOURCES = st.none() | st.sampled_from(["a" * 32, f"{'0' * 32}:{'f' * 16}"])


@st.composite
def examples(draw: Any) -> Example:
    # Texts alone, often: they are written otherwise.
    values = TEXTS if draw(st.booleans()) else VALUES
    return Example(
        draw(values.filter(lambda value: value is not None)),
        draw(st.none() | values),
        draw(st.dictionaries(TEXTS, VALUES, max_size=3)),
        draw(SPLITS),
        draw(SOURCES),
        draw(st.none() | st.binary(min_size=16, max_size=16)),
    )


def stored(given: list[Example]) -> dict[bytes, Example]:
    found = plan({}, Change(add=tuple(given)), lambda ids: [])
    return {one: example for one, (example, _) in found.written.items()}


@settings(max_examples=60, deadline=None)
@given(st.lists(examples(), max_size=5), st.sampled_from(sorted(READERS)))
def test_a_round_trip_changes_nothing(given: list[Example], name: str) -> None:
    before = list(stored(given).values())
    (data,) = export(name, "x", before).files.values()
    after = READERS[name](data, None)
    assert after == before
    assert [type(one.input) for one in after] == [type(one.input) for one in before]
    assert version_hash(map(example_hash, after)) == version_hash(map(example_hash, before))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(sorted(READERS)))
def test_no_file_does_anything_but_be_read_or_refused(data: bytes, name: str) -> None:
    try:
        READERS[name](data, None)
    except BadFile as fault:
        assert fault.faults and all(text for _, text in fault.faults)


@settings(max_examples=60, deadline=None)
@given(st.lists(examples(), max_size=6), st.randoms())
def test_the_hash_is_of_the_examples_in_no_order(given: list[Example], random: Any) -> None:
    before = list(stored(given).values())
    after = before[:]
    random.shuffle(after)
    known: dict[bytes, Known] = {}
    for one in after:
        known = plan(known, Change(add=(one,)), lambda ids: []).after
    assert version_hash(one.hash for one in known.values()) == version_hash(map(example_hash, before))
    assert {one.same for one in known.values()} == set(map(same_hash, before))
