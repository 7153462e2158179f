"""A dataset stored in a real Phoenix, read back by its own client, and stored again after it changed.

The test is collected by ``test_phoenix.py``, so that both files share one Phoenix.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from typing import Any

from phoenix_server import PYTHON

from collector.datasets.model import Change, Dataset, Example
from collector.datasets.plan import plan
from collector.datasets.upload import upload
from collector.local_phoenix import LocalPhoenix

ODD = "é \u2028 🎉 ' \" \\ <b>"
QA = Dataset(b"q" * 16, "tracekit-qa", "golden", {"team": "search"})
GIVEN = (
    Example("What is 2+2?", "4", {"lang": ODD}, "test", "a" * 32),
    Example({"q": ODD, "n": [1, 2.5, None]}, {"a": [True]}, split="train"),
    Example("no answer", None),
    *(Example(f"question {number}", number) for number in range(50)),
)

READ = """
import json, sys
from phoenix.client import Client
found = Client(base_url=sys.argv[1]).datasets.get_dataset(dataset="tracekit-qa")
print(json.dumps({"description": found.description, "examples": [dict(one) for one in found]}, default=str))
"""


def stored(examples: tuple[Example, ...]) -> list[Example]:
    return [example for example, _ in plan({}, Change(add=examples), lambda ids: []).written.values()]


def read_back(phoenix: LocalPhoenix) -> Any:
    command = [str(PYTHON), "-c", READ, phoenix.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def expected(examples: list[Example]) -> list[tuple[Any, ...]]:
    def wrapped(name: str, value: Any) -> Any:
        return value if isinstance(value, dict) else {name: value}

    return sorted(
        (
            (one.id or b"").hex(),
            json.dumps(wrapped("input", one.input)),
            json.dumps({} if one.expected is None else wrapped("expected", one.expected)),
            json.dumps({**one.metadata, **({"tracekit_source": one.source} if one.source else {})}),
        )
        for one in examples
    )


def said(found: Any) -> list[tuple[Any, ...]]:
    return sorted(
        (one["id"], json.dumps(one["input"]), json.dumps(one["output"]), json.dumps(one["metadata"]))
        for one in found["examples"]
    )


def test_phoenix_has_the_dataset_and_follows_its_changes(phoenix_server: LocalPhoenix) -> None:
    examples = stored(GIVEN)
    assert "Phoenix has 53 examples" in upload("phoenix", phoenix_server.url, None, QA, examples)
    found = read_back(phoenix_server)
    assert found["description"] == "golden"
    assert said(found) == expected(examples)
    changed = [replace(examples[0], expected="four"), *examples[2:], *stored((Example("new"),))]
    upload("phoenix", phoenix_server.url, None, QA, changed)
    assert said(read_back(phoenix_server)) == expected(changed)
