"""A dataset stored in LangSmith's API, read back by the real client, and stored again after it changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import langsmith
import pytest
from langsmith_datasets import KEY, Datasets, serving

from collector.datasets.model import Change, Dataset, Example
from collector.datasets.plan import plan
from collector.datasets.upload import UploadFailed, upload

ODD = "é \u2028 🎉 ' \" \\ <b>"
QA = Dataset(b"q" * 16, "qa", "golden", {"team": "search"})
GIVEN = (
    Example("What is 2+2?", "4", {"lang": ODD}, "test", f"{'a' * 32}:{'b' * 16}"),
    Example({"q": ODD, "n": [1, 2.5, None]}, {"a": [True]}),
    Example("no answer", None),
    *(Example(f"question {number}", number) for number in range(250)),
)


@pytest.fixture
def there() -> Iterator[Datasets]:
    with serving(Datasets()) as datasets:
        yield datasets


def stored(examples: tuple[Example, ...]) -> list[Example]:
    return [example for example, _ in plan({}, Change(add=examples), lambda ids: []).written.values()]


def read_back(there: Datasets) -> dict[bytes, tuple[Any, ...]]:
    client = langsmith.Client(api_url=there.url, api_key=KEY, auto_batch_tracing=False)
    dataset = client.read_dataset(dataset_name="qa")
    assert (dataset.description, dataset.data_type) == ("golden", "kv")
    found = {}
    for one in client.list_examples(dataset_id=dataset.id):
        assert one.metadata is not None
        metadata = dict(one.metadata)
        ours = metadata.pop("tracekit")
        split = metadata.pop("dataset_split")
        found[bytes.fromhex(ours["id"])] = (one.inputs, one.outputs, metadata, split, ours["source"])
    return found


def expected(examples: list[Example]) -> dict[bytes, tuple[Any, ...]]:
    def wrapped(name: str, value: Any) -> Any:
        return value if isinstance(value, dict) else {name: value}

    return {
        one.id or b"": (
            wrapped("input", one.input),
            None if one.expected is None else wrapped("expected", one.expected),
            dict(one.metadata),
            [one.split or "base"],
            one.source,
        )
        for one in examples
    }


def test_the_real_client_reads_what_was_stored(there: Datasets) -> None:
    examples = stored(GIVEN)
    said = upload("langsmith", f"{there.url}/", KEY, QA, examples)
    assert said == "LangSmith has 253 examples in qa: 253 added, 0 updated, 0 removed"
    assert read_back(there) == expected(examples)
    assert max(count for _, _, count in there.seen) <= 100


def test_storing_it_again_changes_only_what_is_otherwise(there: Datasets) -> None:
    examples = stored(GIVEN)
    upload("langsmith", there.url, KEY, QA, examples)
    assert "0 added, 0 updated, 0 removed" in upload("langsmith", there.url, KEY, QA, examples)
    (dataset_id,) = there.datasets
    theirs = {"id": str(UUID(int=1)), "dataset_id": dataset_id, "inputs": {}, "metadata": {"dataset_split": ["base"]}}
    there.examples[theirs["id"]] = theirs
    changed = [replace(examples[0], expected="four", split="train"), *examples[2:], *stored((Example("new"),))]
    said = upload("langsmith", there.url, KEY, QA, changed)
    assert said == "LangSmith has 253 examples in qa: 1 added, 1 updated, 1 removed"
    assert there.examples.pop(theirs["id"]) == theirs
    assert read_back(there) == expected(changed)


def test_what_langsmith_refuses_is_said_without_the_key(there: Datasets) -> None:
    for endpoint, key, says in (
        (there.url, "wrong-key-of-ours", "401"),
        ("http://127.0.0.1:9", KEY, "cannot be reached"),
    ):
        with pytest.raises(UploadFailed, match=says) as caught:
            upload("langsmith", endpoint, key, QA, stored(GIVEN))
        assert key not in str(caught.value)
    with pytest.raises(ValueError, match="phoenix or langsmith"):
        upload("elsewhere", there.url, None, QA, [])
