"""Storing a dataset in Phoenix or LangSmith, through their APIs. Doing it again changes only what is otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, Final
from uuid import UUID

import orjson

from collector.datasets.formats import langsmith, phoenix
from collector.datasets.model import Dataset, Example
from collector.exporters.api import Away, Failed
from collector.exporters.http import Answer, Http, shown

_TIMEOUT_S: Final = 120.0
_JSON: Final = {"content-type": "application/json"}
#: Of one request to LangSmith: its bound is 20 MiB.
_EXAMPLES: Final = 100
_BYTES: Final = 8 * 1024 * 1024
_PAGE: Final = 100
_MAX_PAGES: Final = 2_000
_MAX_ANSWER: Final = 64 * 1024 * 1024


class UploadFailed(Exception):
    """What the other side said, or why nothing answered."""


def upload(kind: str, endpoint: str, api_key: str | None, dataset: Dataset, examples: Sequence[Example]) -> str:
    """What was done, as a sentence. Raises ``UploadFailed``, and ``ValueError`` for a kind that there is not."""
    if kind not in ("phoenix", "langsmith"):
        raise ValueError(f"cannot store a dataset in {kind!r}: give phoenix or langsmith")
    return asyncio.run(_upload(kind, endpoint.rstrip("/"), api_key, dataset, examples))


async def _upload(kind: str, endpoint: str, api_key: str | None, dataset: Dataset, examples: Sequence[Example]) -> str:
    name = "authorization" if kind == "phoenix" else "x-api-key"
    value = f"Bearer {api_key}" if kind == "phoenix" else str(api_key)
    http = Http({} if api_key is None else {name: value}, timeout_s=_TIMEOUT_S)
    try:
        work = _to_phoenix if kind == "phoenix" else _to_langsmith
        return await work(http, endpoint, dataset, examples)
    except (Away, Failed) as error:
        raise UploadFailed(f"{endpoint}: {error}") from None
    finally:
        await http.close()


async def _to_phoenix(http: Http, endpoint: str, dataset: Dataset, examples: Sequence[Example]) -> str:
    data = orjson.dumps(phoenix.body(dataset, examples))
    url = f"{endpoint}/v1/datasets/upload"
    answer = _ok(await http.request("POST", url, body=data, headers=_JSON, params={"sync": "true"}))
    found = answer.json().get("data") or {}
    return f"Phoenix has {len(examples)} examples in version {found.get('version_id')} of {dataset.name}"


async def _to_langsmith(http: Http, endpoint: str, dataset: Dataset, examples: Sequence[Example]) -> str:
    dataset_id = await _langsmith_dataset(http, endpoint, dataset)
    there = [one async for one in _langsmith_examples(http, endpoint, dataset_id)]
    found = langsmith.sync(dataset, dataset_id, examples, there)
    for method, bodies in (("POST", found.add), ("PATCH", found.change)):
        for part in _parts(bodies):
            _ok(await http.request(method, f"{endpoint}/examples/bulk", body=part, headers=_JSON))
    for one in found.remove:
        _ok(await http.request("DELETE", f"{endpoint}/examples/{one}"))
    return (
        f"LangSmith has {len(examples)} examples in {dataset.name}: "
        f"{len(found.add)} added, {len(found.change)} updated, {len(found.remove)} removed"
    )


async def _langsmith_dataset(http: Http, endpoint: str, dataset: Dataset) -> str:
    """Its id; made where there is none of this name."""
    url = f"{endpoint}/datasets"
    listed = _ok(await http.request("GET", url, params={"name": dataset.name, "limit": "1"})).json()
    found = next((one for one in listed if one.get("name") == dataset.name), None)
    if found is None:
        data = orjson.dumps(langsmith.dataset_body(dataset))
        found = _ok(await http.request("POST", url, body=data, headers=_JSON)).json()
    try:
        return str(UUID(found["id"]))
    except (TypeError, KeyError, ValueError):
        raise Failed("answered with a dataset that has no id") from None


async def _langsmith_examples(http: Http, endpoint: str, dataset_id: str) -> Any:
    for page in range(_MAX_PAGES):
        asked = {"dataset": dataset_id, "limit": str(_PAGE), "offset": str(page * _PAGE)}
        answer = _ok(await http.request("GET", f"{endpoint}/examples", params=asked, most=_MAX_ANSWER))
        items = answer.json()
        for one in items:
            yield one
        if len(items) < _PAGE:
            return


def _parts(bodies: Sequence[dict[str, Any]]) -> Iterator[bytes]:
    """Arrays that are within bounds."""
    part: list[bytes] = []
    for data in map(orjson.dumps, bodies):
        if part and (len(part) == _EXAMPLES or sum(map(len, part)) + len(data) > _BYTES):
            yield b"[" + b",".join(part) + b"]"
            part = []
        part.append(data)
    if part:
        yield b"[" + b",".join(part) + b"]"


def _ok(answer: Answer) -> Answer:
    if not answer.ok:
        raise Failed(f"answered {answer.status}: {shown(answer.body)}")
    return answer
