"""All destinations of one process: a lane for each that is active, begun, changed and ended as the store says."""

from __future__ import annotations

import importlib
import os
import platform
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

import structlog

from collector.destinations import Destination
from collector.exporters.api import Exporter
from collector.filters.faults import FilterFault
from collector.forwarding.credentials import NoSecret, resolved, secret_values
from collector.forwarding.deliver import Deliver
from collector.forwarding.lane import Lane
from collector.forwarding.loop import Loop
from collector.forwarding.verify import Verify
from collector.queue.retry import SECOND_NS, RetryPolicy, describe
from collector.queue.worker import Settings, Worker
from collector.storage.api import StorageError, Store

log = structlog.get_logger("collector.forwarding")

#: Seconds from one look at the destinations to the next.
LOOK_SECONDS: Final = 1.0
#: A destination that fails over an item decides about it by itself (see ``deliver``); this only spaces the attempts.
POLICY: Final = RetryPolicy(attempts=1_000, first_ns=SECOND_NS, most_ns=60 * SECOND_NS)
#: Batches claimed together, and for files.
ITEMS: Final = 16
BUNDLE_ITEMS: Final = 512
#: A file is begun when its oldest batch is so old, or so many wait.
BUNDLE_AGE_NS: Final = 10 * SECOND_NS
BUNDLE_READY: Final = 256
#: So many spans may be sent and not yet seen at a destination that has to be looked at: what it loses when it ends is
#: sent again, and more than it stores in a few seconds would only wait there.
MOST_UNVERIFIED: Final = 2_000
VERIFY_ITEMS: Final = 256
VERIFIED_ITEMS: Final = 4

Build = Callable[[Destination, Mapping[str, str]], Exporter]


def exporter_with(destination: Destination, secrets: Mapping[str, str]) -> Exporter:
    """With these values of ``api_key`` and headers. Raises ``ValueError`` for options that there are not, and
    ``ModuleNotFoundError`` where the kind's extra is not installed."""
    build: Build = importlib.import_module(f"collector.exporters.{destination.kind}").build
    return build(destination, secrets)


@dataclass
class _Running:
    """``values``: of its secrets, as they were when it began."""

    lane: Lane
    workers: tuple[Worker, ...]
    values: Mapping[str, str]


class Forwarding:
    """``busy``: whether ingest needs the machine just now. ``name`` tells this process from others on the queue;
    ``names``: only these destinations."""

    def __init__(
        self,
        store: Store,
        busy: Callable[[], bool] = lambda: False,
        *,
        environ: Mapping[str, str] = os.environ,
        name: str | None = None,
        clock: Callable[[], int] = time.time_ns,
        exporter_of: Build = exporter_with,
        names: Collection[str] | None = None,
    ) -> None:
        self._store = store
        self._busy = busy
        self._environ = environ
        self._name = name or f"{platform.node()}:{os.getpid()}"
        self._clock = clock
        self._exporter_of = exporter_of
        self._names = names
        self._loop: Loop | None = None
        self._running: dict[int, _Running] = {}
        self._faults: dict[int, str] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="forwarding", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._store.subscribe(self.notify)

    def notify(self) -> None:
        """There may be work. From any thread."""
        for running in tuple(self._running.values()):
            for worker in running.workers:
                worker.notify()

    def stop(self, timeout_s: float = 10.0) -> None:
        """What cannot be finished in time is given back. Idempotent."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        until = time.monotonic() + timeout_s
        for running in self._running.values():
            for worker in running.workers:
                worker.ask_to_stop()
        for number in list(self._running):
            self._end(number, max(0.0, until - time.monotonic()))
        if self._loop is not None:
            self._loop.stop()

    def refresh(self) -> None:
        """Bring the lanes to what the store says of the destinations."""
        wanted = {
            one.id: one
            for one in self._store.destinations()
            if one.state == "active" and (self._names is None or one.name in self._names)
        }
        for number, running in list(self._running.items()):
            if self._is_as_wanted(running, wanted.get(number)):
                running.lane.destination = running.lane.choice.destination = wanted[number]
            else:
                self._end(number, 5.0)
        for number, destination in wanted.items():
            if destination.peer == self._store.collector_id:
                self._cannot(destination, "leads back to this collector")
            elif number not in self._running:
                self._begin(destination)

    def _watch(self) -> None:
        while not self._stopping.is_set():
            try:
                self.refresh()
            except StorageError as error:
                log.warning("the destinations cannot be read", reason=str(error))
            except Exception:
                log.exception("a destination could not be begun")
            self._stopping.wait(LOOK_SECONDS)

    def _begin(self, destination: Destination) -> None:
        if self._loop is None:
            self._loop = Loop()
        try:
            values = resolved(destination, self._environ)
            exporter = self._exporter_of(destination, values)
            secrets = secret_values(destination, values)
            lane = Lane(self._store, destination, exporter, self._loop, secrets, clock=self._clock)
        except (NoSecret, FilterFault, ValueError) as error:
            self._cannot(destination, str(error))
            return
        except ModuleNotFoundError as error:
            self._cannot(destination, f"needs {error.name}: install tracekit-llm[{destination.kind}]")
            return
        except Exception as error:  # noqa: BLE001 - one destination must not keep the others from being begun
            self._cannot(destination, describe(error))
            return
        self._faults.pop(destination.id, None)
        workers = self._workers(lane)
        self._running[destination.id] = _Running(lane, workers, values)
        for worker in workers:
            worker.start()

    def _is_as_wanted(self, running: _Running, wanted: Destination | None) -> bool:
        """Whether nothing has changed but what the store notes by itself; a secret in its file may have, too."""
        if wanted is None or replace(wanted, peer=None) != replace(running.lane.destination, peer=None):
            return False
        try:
            return resolved(wanted, self._environ) == running.values
        except NoSecret:
            return True  # what is being written anew is there again in a moment

    def _cannot(self, destination: Destination, reason: str) -> None:
        """It is tried again with every look; said once."""
        if self._faults.get(destination.id) != reason:
            self._faults[destination.id] = reason
            log.error("a destination cannot be used", destination=destination.name, reason=reason)
            self._store.note_error(destination.id, reason, now_ns=self._clock())

    def _workers(self, lane: Lane) -> tuple[Worker, ...]:
        needs, destination = lane.exporter.needs, lane.destination
        limit = BUNDLE_ITEMS if needs.bundles else VERIFIED_ITEMS if needs.verifies else ITEMS
        ready = lambda: True  # noqa: E731
        if needs.bundles:
            ready = lambda: self._is_bundle(destination.consumer)  # noqa: E731
        elif needs.verifies:
            ready = lambda: self._store.queued(destination.verifier) < MOST_UNVERIFIED  # noqa: E731
        workers = [self._worker(destination.consumer, Deliver(lane), limit, ready)]
        if needs.verifies:
            workers.append(self._worker(destination.verifier, Verify(lane), VERIFY_ITEMS))
        return tuple(workers)

    def _worker(
        self,
        consumer: str,
        handler: Deliver | Verify,
        limit: int,
        ready: Callable[[], bool] = lambda: True,
    ) -> Worker:
        return Worker(
            self._store.queue,
            consumer,
            handler,
            name=f"{self._name}/{consumer}",
            settings=Settings(limit=limit, retry=POLICY),
            busy=self._busy,
            clock=self._clock,
            ready=ready,
        )

    def _is_bundle(self, consumer: str) -> bool:
        stats = self._store.queue.stats(consumer, now_ns=self._clock())
        return stats.lag_ns >= BUNDLE_AGE_NS or stats.ready >= BUNDLE_READY

    def _end(self, number: int, timeout_s: float) -> None:
        running = self._running.pop(number)
        for worker in running.workers:
            worker.ask_to_stop()
        until = time.monotonic() + timeout_s
        for worker in running.workers:
            worker.stop(max(0.0, until - time.monotonic()))
        try:
            assert self._loop is not None
            self._loop.run(running.lane.exporter.close(), 5.0)
        except Exception as error:  # noqa: BLE001 - it is gone either way
            log.warning("a destination was not closed", destination=running.lane.destination.name, reason=str(error))
