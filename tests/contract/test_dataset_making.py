"""Traces and spans as examples, on every engine: which, how, and what is masked on the way."""

from __future__ import annotations

from typing import Any

import pytest
from store_data import Sent, catch_up, llm, send, span_id, trace_id

from collector.api.dataset_body import FaultyBody
from collector.datasets import making
from collector.datasets.making import make, selection_of
from collector.storage.api import TooBroad

SECRET = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"


@pytest.fixture
def filled(store: Any) -> Any:
    """Four questions of two projects, one of them with a secret; a tool that failed."""
    for number, (project, text, answer) in enumerate(
        (
            ("p", "Where is my refund?", "In five days."),
            ("p", f"My key is {SECRET}, mail ada@example.com", "Thanks."),
            ("shop", "Do you ship?", "Yes."),
            ("p", "", ""),
        )
    ):
        values = {"input.value": text, "output.value": answer} if text else {"input.value": ""}
        send(store, llm(number, 0, project=project, attributes=values, user="ada", at=number))
    tool = {"openinference.span.kind": "TOOL", "input.value": '{"order": 7}', "output.value": "none"}
    send(store, Sent(0, 1, 0, name="lookup", status="error", message="no such order", attributes=tool))
    catch_up(store)
    return store


def made(store: Any, **body: Any) -> making.Made:
    return make(store, selection_of(body, 2**62))


def inputs(found: making.Made) -> list[Any]:
    return sorted(str(one.input) for one in found.examples)


def test_traces_are_chosen_by_project_filter_and_number(filled: Any) -> None:
    every = made(filled)
    assert len(every.examples) == 3 and every.skipped == 1
    assert inputs(made(filled, project="shop")) == ["Do you ship?"]
    assert inputs(made(filled, filter="status == 'error'")) == ["Where is my refund?"]
    assert len(made(filled, limit=1).examples) == 1
    assert made(filled, **{"from": "2027-01-01"}).examples == ()
    (shop,) = made(filled, project="shop", split="live", metadata={"who": "user_id", "none": "metadata.x.y"}).examples
    assert (shop.expected, shop.split, shop.source) == ("Yes.", "live", trace_id(2).hex())
    assert shop.metadata == {"who": "ada", "none": None}


def test_spans_are_chosen_by_a_filter_over_spans(filled: Any) -> None:
    body = {"target": "span", "filter": "kind == 'tool' and status == 'error'", "expected": None}
    (one,) = made(filled, **body, metadata={"why": "error"}).examples
    assert (one.input, one.expected, one.metadata) == ({"order": 7}, None, {"why": "no such order"})
    assert one.source == f"{trace_id(0).hex()}:{span_id(1).hex()}"
    assert inputs(made(filled, targets=[one.source, trace_id(2).hex(), "f" * 32])) == ["Do you ship?", "{'order': 7}"]


def test_what_is_not_to_be_kept_is_masked(filled: Any) -> None:
    body = {"targets": [trace_id(1).hex()]}
    (plain,) = made(filled, **body).examples
    assert SECRET in plain.input and "ada@example.com" in plain.input
    (masked,) = made(filled, **body, mask=True, metadata={"whole": "input"}).examples
    assert SECRET not in str(masked) and "ada@example.com" not in str(masked)
    (mails,) = made(filled, **body, mask={"patterns": ["email"]}).examples
    assert SECRET in mails.input and "[masked email]" in mails.input
    (keys,) = made(filled, **body, mask={"patterns": [], "keys": ["colour"]}, input={"colour": "output"}).examples
    assert keys.input == {"colour": "[masked]"}


def test_no_more_is_looked_at_than_there_may_be(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "MAX_LOOKED_AT", 2)
    monkeypatch.setattr(making, "_PAGE", 2)
    with pytest.raises(TooBroad, match="shorter time"):
        made(filled, target="span", filter="kind == 'agent'")
    assert len(made(filled, limit=1).examples) == 1


def test_every_fault_of_a_selection_is_told() -> None:
    body = {"filter": "x ==", "limit": "1", "input": {"a": "b"}, "metadata": [], "mask": 1, "split": "?", "to": 5}
    with pytest.raises(FaultyBody) as caught:
        selection_of(body, 0)
    assert caught.value.faults.keys() == {f"/{name}" for name in body}
