"""Datasets of the collector, and experiments that are put there: over its JSON API, with the standard library.

The address and the key are those that spans are sent with: ``TRACEKIT_ENDPOINT``, ``TRACEKIT_API_KEY``.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tracekit.config import TRACES_PATH, resolve
from tracekit.evals.examples import MAX_EXAMPLES, Example, ExampleSet
from tracekit.evals.results import Experiment, Run, run_to_json

#: bytes of an answer, and of the runs that are sent in one request
MAX_ANSWER: Final = 256 * 1024 * 1024
_MAX_REQUEST: Final = 2 * 1024 * 1024
_MAX_RUNS: Final = 500
_PAGE: Final = 200
_TIMEOUT_S: Final = 30.0


class Refused(ValueError):
    """The collector said no; ``status`` is HTTP's."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A key is not carried to another address."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class Collector:
    """``Refused`` for what it will not do, ``OSError`` where it cannot be reached."""

    def __init__(self, endpoint: str | None = None, api_key: str | None = None) -> None:
        config = resolve(endpoint=endpoint, api_key=api_key)
        self.address = config.traces_url.removesuffix(TRACES_PATH)
        self._headers = {name: value for name, value in config.headers.items() if name == "authorization"}
        self._opener = urllib.request.build_opener(_NoRedirect)

    def request(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """The answer's JSON; None where it has no body."""
        asked = urllib.parse.urlencode({name: value for name, value in query.items() if value is not None})
        url = f"{self.address}/api/v1/{path}" + (f"?{asked}" if asked else "")
        data = None if body is None else json.dumps(body, allow_nan=False).encode()
        headers = {**self._headers, "accept": "application/json", "content-type": "application/json"}
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with self._opener.open(request, timeout=_TIMEOUT_S) as answer:
                found = answer.read(MAX_ANSWER + 1)
        except urllib.error.HTTPError as error:
            raise Refused(error.code, f"{method} {self.address}/api/v1/{path}: {_detail(error)}") from None
        except urllib.error.URLError as error:
            raise OSError(f"the collector at {self.address} cannot be reached: {error.reason}") from None
        if len(found) > MAX_ANSWER:
            raise ValueError(f"the collector's answer is larger than {MAX_ANSWER >> 20} MiB")
        try:
            return json.loads(found) if found else None
        except (ValueError, RecursionError):
            raise ValueError(f"{self.address} answers with what is no JSON; is it a collector?") from None

    def dataset(self, reference: str) -> ExampleSet:
        """Of ``NAME`` (its newest version), ``NAME@VERSION`` or ``NAME@TAG``."""
        name, _, version = reference.partition("@")
        path = f"datasets/{urllib.parse.quote(name, safe='')}/examples"
        page = self.request("GET", path, version=version or None, limit=_PAGE)
        number, items = str(page["version"]), list(page["items"])
        while page.get("next_cursor") is not None and len(items) < MAX_EXAMPLES:
            page = self.request("GET", path, version=number, limit=_PAGE, cursor=page["next_cursor"])
            items += page["items"]
        if not items:
            raise ValueError(f"version {number} of the dataset {name!r} has no examples")
        return ExampleSet(name, [_example(item) for item in items], number)

    def put(self, experiment: Experiment) -> str:
        """Store an experiment with its runs; its id. One of the same name with this dataset gets these runs."""
        dataset = experiment.dataset
        said = {"name": experiment.name, "dataset": dataset["name"], "version": int(dataset["version"])}
        about = {**experiment.metadata, "task": experiment.task, "evaluators": list(experiment.evaluators)}
        try:
            found = self.request("POST", "experiments", {**said, "metadata": about})
        except Refused as fault:
            found = self._same(said) if fault.status == 409 else None
            if found is None:
                raise
        path = f"experiments/{found['id']}"
        for runs in _batches(experiment.runs):
            self.request("POST", f"{path}/runs", {"runs": runs})
        self.request("PATCH", path, {"state": "done", "metadata": about})
        return str(found["id"])

    def _same(self, said: Mapping[str, Any]) -> Any:
        """The one that has this name, where it is of the same version."""
        page = self.request("GET", "experiments", dataset=said["dataset"], name=said["name"])
        items = [one for one in page["items"] if one["name"] == said["name"] and one["version"] == said["version"]]
        return items[0] if items else None


def _batches(runs: Sequence[Run]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    size = 0
    for run in runs:
        one = _run(run)
        length = len(json.dumps(one))
        if batch and (len(batch) == _MAX_RUNS or size + length > _MAX_REQUEST):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += length
    if batch:
        yield batch


def _run(run: Run) -> dict[str, Any]:
    found = run_to_json(run)
    cost = found.pop("cost_usd", None)
    return found if cost is None else {**found, "cost": f"{cost:.12f}"}


def _example(item: Mapping[str, Any]) -> Example:
    metadata = dict(item.get("metadata") or {})
    if item.get("split") is not None:
        metadata["split"] = item["split"]
    documents = metadata.get("documents")
    return Example(
        str(item["id"]),
        item.get("input"),
        item.get("expected"),
        metadata,
        documents if isinstance(documents, list) else (),
    )


def _detail(error: urllib.error.HTTPError) -> str:
    """What the problem document says."""
    try:
        found = json.loads(error.read(64 * 1024))
        faults = "; ".join(f"{one.get('pointer', '')}: {one.get('detail', '')}" for one in found.get("errors", ()))
        return " ".join(part for part in (str(found.get("detail") or found["title"]), faults) if part)
    except (ValueError, KeyError, TypeError, AttributeError, OSError):
        return f"HTTP {error.code} {error.reason}"
