"""The collector's datasets, from an application: made, filled and read over HTTP, with the standard library.

golden = tracekit.dataset("golden").create(description="questions that must work")
golden.add({"input": "2+2?", "expected": "4"}, {"input": "3+3?", "expected": "6", "split": "hard"})
for example in golden.examples(version="prod"): ...
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from tracekit.evals.examples import ExampleSet
from tracekit.evals.remote import Collector, Refused

_PAGE: Final = 200
#: Examples of one request.
_AT_ONCE: Final = 500


def dataset(name: str, *, endpoint: str | None = None, api_key: str | None = None) -> Dataset:
    """A dataset of the collector by its name; nothing is asked yet.

    endpoint: the collector's address; default: ``TRACEKIT_ENDPOINT``, or http://127.0.0.1:4318.
    api_key: default: ``TRACEKIT_API_KEY``.
    """
    return Dataset(name, Collector(endpoint, api_key))


class Dataset:
    """Every method raises ``tracekit.evals.remote.Refused`` (a ``ValueError`` with HTTP's ``status``) for what the
    collector will not do, ``OSError`` where it cannot be reached. Examples and answers are dicts, as in the API."""

    def __init__(self, name: str, collector: Collector) -> None:
        self.name = name
        self._collector = collector
        self._path = f"datasets/{urllib.parse.quote(name, safe='')}"

    def __repr__(self) -> str:
        return f"tracekit.dataset({self.name!r})"

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self.examples()

    def create(self, *, description: str | None = None, metadata: Mapping[str, Any] | None = None) -> Dataset:
        """Make it, empty; one that is there is left as it is."""
        body = {"name": self.name, "description": description, "metadata": dict(metadata or {})}
        try:
            self._collector.request("POST", "datasets", body)
        except Refused as fault:
            if fault.status != 409:
                raise
        return self

    def info(self) -> dict[str, Any]:
        """``name, description, metadata, version, example_count, created_at, updated_at``."""
        found: dict[str, Any] = self._collector.request("GET", self._path)
        return found

    def add(self, *examples: Mapping[str, Any], deduplicate: bool = True, note: str | None = None) -> dict[str, Any]:
        """Add examples ``{"input", "expected"?, "metadata"?, "split"?, "source"?, "id"?}``: what ``change`` says of it.
        What is there already, by input and expected output, is left out. More than 500 become several versions."""
        found: dict[str, Any] = {}
        for start in range(0, max(len(examples), 1), _AT_ONCE):
            part = [dict(one) for one in examples[start : start + _AT_ONCE]]
            body = {"add": part, "deduplicate": deduplicate, "note": note}
            answer = self._collector.request("POST", f"{self._path}/changes", body)
            counts = {name: found.get(name, 0) + answer[name] for name in ("added", "updated", "duplicates")}
            found = {**answer, **counts, "ids": found.get("ids", []) + answer["ids"]}
        return found

    def change(
        self,
        *,
        add: Iterable[Mapping[str, Any]] = (),
        update: Iterable[Mapping[str, Any]] = (),
        remove: Iterable[str] = (),
        replace: bool = False,
        base_version: int | None = None,
        note: str | None = None,
    ) -> dict[str, Any]:
        """One new version, or none where nothing changes: ``version, hash, added, updated, removed, duplicates, ids``.

        update: ``{"id": ..., fields that change}``. remove: ids. replace: hold just what ``add`` says.
        base_version: refuse (409) unless this is still the newest.
        """
        body = {
            "add": [dict(one) for one in add],
            "update": [dict(one) for one in update],
            "remove": list(remove),
            "replace": replace,
            "base_version": base_version,
            "note": note,
        }
        found: dict[str, Any] = self._collector.request("POST", f"{self._path}/changes", body)
        return found

    def examples(self, version: int | str | None = None, split: str | None = None) -> Iterator[dict[str, Any]]:
        """Of a version by its number or a tag, in order; of the newest where none is said. Pages come as they are
        needed, all of the same version."""
        path = f"{self._path}/examples"
        page = self._collector.request("GET", path, version=version, split=split, limit=_PAGE)
        while True:
            yield from page["items"]
            if page["next_cursor"] is None:
                return
            asked = {"version": page["version"], "split": split, "limit": _PAGE, "cursor": page["next_cursor"]}
            page = self._collector.request("GET", path, **asked)

    def fetched(self) -> ExampleSet:
        """All of the newest version, as ``tracekit.evaluate`` takes it. Raises ``ValueError`` where that is empty."""
        return self._collector.dataset(self.name)

    def versions(self) -> list[dict[str, Any]]:
        """Newest first: ``version, hash, example_count, added, updated, removed, note, tags, created_at``."""
        found: list[dict[str, Any]] = self._collector.request("GET", f"{self._path}/versions")["items"]
        return found

    def diff(self, before: int | str | None = None, after: int | str | None = None) -> dict[str, Any]:
        """What was added, removed and changed between two versions; of the newest, where none are said."""
        found: dict[str, Any] = self._collector.request("GET", f"{self._path}/diff", **{"from": before, "to": after})
        return found

    def tag(self, tag: str, version: int | None = None) -> None:
        """Give a version (the newest) this name; another one loses it."""
        number = self.info()["version"] if version is None else version
        self._collector.request("PUT", f"{self._path}/tags/{urllib.parse.quote(tag, safe='')}", {"version": number})
