"""What everything about one destination shares: its exporter, its clock, how it has been doing."""

from __future__ import annotations

import concurrent.futures
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

import structlog

from collector.destinations import Destination
from collector.exporters.api import Away, Exporter, Failed, Parcel, Receipt, Record, Rejected
from collector.forwarding.backoff import Backoff
from collector.forwarding.choice import Choice
from collector.forwarding.credentials import without
from collector.forwarding.load import Loader, parcel_of
from collector.forwarding.loop import Loop
from collector.queue.retry import SECOND_NS, Pause, describe
from collector.storage.api import Store
from collector.storage.forward_api import Settled, Tally

T = TypeVar("T")

log = structlog.get_logger("collector.forwarding")

#: However long an exporter's own time limits are, no call takes longer.
CALL_SECONDS: Final = 120.0
#: How long a span waits for the spans above it.
HOLD_NS: Final = 30 * SECOND_NS
#: The same error is written down again only after so long.
_NOTE_NS: Final = 10 * SECOND_NS
#: A destination that took something so recently is well: what it fails over is at fault itself.
_WELL_NS: Final = 120 * SECOND_NS
#: So many failures in a row, and it is left alone for a while.
_STREAK: Final = 5


@dataclass
class Health:
    """How the destination has been doing since this process began to send there."""

    streak: int = 0
    last_ok_ns: int = 0
    said: str = ""
    said_ns: int = 0


@dataclass
class Lane:
    """One destination's, in this process."""

    store: Store
    destination: Destination
    exporter: Exporter
    loop: Loop
    #: values that a destination may repeat in what it answers, and nobody may see
    secrets: tuple[str, ...] = ()
    hold_ns: int = HOLD_NS
    clock: Callable[[], int] = time.time_ns
    health: Health = field(default_factory=Health)

    def __post_init__(self) -> None:
        self.choice = Choice.of(self.destination)
        self.loader = Loader(self.store, self.choice, self.exporter.needs, self.hold_ns)
        self._backoff = Backoff(self.destination.id)
        self._introduced = False

    @property
    def is_well(self) -> bool:
        return self.clock() - self.health.last_ok_ns < _WELL_NS

    def introduce(self) -> None:
        """Before anything is sent: who answers there, so that nothing is sent to where it came from. Raises as
        ``send``."""
        if self._introduced or not self.exporter.needs.introduces:
            return
        peer = self.send([], (self.store.collector_id,)).peer
        self._introduced = True
        if peer is not None and peer != self.destination.peer:
            self.destination = self.choice.destination = replace(self.destination, peer=peer)
            self.store.settle(self.destination.id, [], Tally(), now_ns=self.clock(), peer=peer)
        if peer == self.store.collector_id:
            raise self.pause("leads back to this collector")

    def send(self, records: Sequence[Record], way: tuple[str, ...]) -> Receipt:
        """Raises ``Rejected``, ``Failed``, and ``Pause`` where the destination is away."""
        parcel: Parcel = parcel_of(records, way, self.store.collector_id)
        receipt = self.call(self.exporter.send(parcel))
        receipt = replace(receipt, reason=without(self.secrets, receipt.reason))
        self.health.streak, self.health.last_ok_ns = 0, self.clock()
        self._backoff.succeeded()
        return receipt

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a method of the exporter. What it raises of its own accord is the fault of what it was given."""
        try:
            return self.loop.run(work, CALL_SECONDS)
        except Away as away:
            raise self.pause(self._said(away), away.after_s) from None
        except TimeoutError:
            raise self.pause(f"no answer within {CALL_SECONDS:g} s") from None
        except concurrent.futures.CancelledError:
            raise self.pause("the collector is shutting down") from None
        except (Failed, Rejected) as error:
            raise type(error)(self._said(error)) from None
        except Exception as error:
            log.error("a destination's exporter failed", destination=self.destination.name, exc_info=True)
            raise Rejected(
                f"cannot be written for this destination: {without(self.secrets, describe(error))}"
            ) from None

    def _said(self, error: Exception) -> str:
        return without(self.secrets, str(error))

    def pause(self, reason: str, after_s: float = 0.0) -> Pause:
        """What to raise where the destination takes nothing now."""
        self.note(reason)
        return Pause(reason, self._backoff.until_ns(self.clock(), after_s))

    def failed(self, reason: str) -> None:
        """Note that the destination failed over something; raises ``Pause`` where it does so again and again."""
        self.health.streak += 1
        if self.health.streak >= _STREAK:
            raise self.pause(reason)
        self.note(reason)

    def note(self, reason: str) -> None:
        """Have the destination's page show the reason."""
        health, now = self.health, self.clock()
        if reason == health.said and now - health.said_ns < _NOTE_NS:
            return
        if reason != health.said:
            log.warning("a destination does not take spans", destination=self.destination.name, reason=reason)
        health.said, health.said_ns = reason, now
        self.store.note_error(self.destination.id, reason, now_ns=now)

    def settle(
        self, settled: Sequence[Settled], tally: Tally, *, error: str | None = None, peer: str | None = None
    ) -> int:
        known = self.destination.peer
        return self.store.settle(
            self.destination.id,
            settled,
            tally,
            now_ns=self.clock(),
            error=error,
            peer=peer if peer != known else None,
        )
