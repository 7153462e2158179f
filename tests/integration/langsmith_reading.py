"""What the tests of LangSmith's reading half share: a collector, the unmodified client, and runs to read."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from collector_process import CollectorProcess, until
from langsmith import Client
from langsmith.uuid import uuid7

T0 = datetime(2026, 11, 22, 10, tzinfo=UTC)


@contextmanager
def client_of(collector: CollectorProcess, base: str = "/langsmith", key: str = "any") -> Iterator[Client]:
    client = Client(api_url=collector.http + base, api_key=key, auto_batch_tracing=True)
    try:
        yield client
    finally:
        client.flush()
        client.cleanup()


class Sender:
    """Sends runs as the client's callbacks do, a second apart."""

    def __init__(self, client: Client, project: str) -> None:
        self.client = client
        self.project = project
        self._sent = 0

    def run(self, parent: Run | None = None, **fields: Any) -> Run:
        start = fields.pop("start", None) or T0 + timedelta(seconds=self._sent)
        self._sent += 1
        run = Run(parent, start)
        known = {"name": f"run {self._sent}", "run_type": "chain", "inputs": {"n": self._sent}}
        given = known | {"end_time": start + timedelta(milliseconds=500), "outputs": {"ok": True}} | fields
        self.client.create_run(
            id=run.id, trace_id=run.trace_id, dotted_order=run.dotted_order, start_time=start,
            parent_run_id=parent.id if parent else None, project_name=self.project, **given,
        )  # fmt: skip
        return run

    def flush(self) -> None:
        self.client.flush()


class Run:
    def __init__(self, parent: Run | None, start: datetime) -> None:
        self.id: uuid.UUID = uuid7()
        self.trace_id: uuid.UUID = parent.trace_id if parent else self.id
        own = f"{start:%Y%m%dT%H%M%S%f}Z{self.id}"
        self.dotted_order = f"{parent.dotted_order}.{own}" if parent else own


def settled(collector: CollectorProcess, *traces: Run) -> None:
    """Wait until the traces are there and summarised."""
    for trace in traces:
        path = f"/api/v1/traces/{trace.trace_id.hex}?payload=false"
        until(lambda path=path: _settled(lambda: collector.get(path)))  # type: ignore[misc]


def _settled(get: Callable[[], Any]) -> bool:
    answer = get()
    return answer.status == 200 and not answer.json()["stale"]
