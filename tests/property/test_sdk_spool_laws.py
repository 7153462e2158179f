"""Whatever is written, delivered early or in turn, and whoever dies: each batch is delivered once, none is lost, and
the counts say so."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tracekit.batch import Batch
from tracekit.counts import Ledger
from tracekit.spool import Kept, Spool


class Spooling(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.left: dict[bytes, int] = {}
        self.own: set[bytes] = set()
        self.held: list[Kept] = []
        self.number = 0

    @initialize()
    def start(self) -> None:
        self.ledger = Ledger()
        self.spool = Spool([Path(self.folder.name)], "there", 5_000, self.ledger)
        self.spool.adopt()

    @rule(spans=st.integers(1, 9), size=st.integers(4, 400))
    def write(self, spans: int, size: int) -> None:
        self.number += 1
        body = self.number.to_bytes(4, "big").ljust(size, b".")
        if sum(map(len, self.left)) > 3_000:
            return  # what is full is for other tests
        kept = self.spool.write(Batch(body, spans))
        assert kept is not None
        self.held.append(kept)
        self.left[body] = spans
        self.own.add(body)

    @rule()
    def deliver_the_oldest(self) -> None:
        kept = self.spool.oldest()
        if kept is None:
            assert not self.left
            return
        assert kept.batch.body == min(self.left) and kept.batch.own == (kept.batch.body in self.own)
        self.deliver(kept)

    @rule(data=st.data())
    def deliver_one_that_was_on_its_way(self, data: st.DataObject) -> None:
        if self.held:
            kept = data.draw(st.sampled_from(self.held))
            if kept.batch.body in self.left:
                self.deliver(kept)
            assert not self.spool.done(kept)

    def deliver(self, kept: Kept) -> None:
        assert self.spool.done(kept) and not self.spool.done(kept)
        del self.left[kept.batch.body]
        self.own.discard(kept.batch.body)

    @rule()
    def be_killed(self) -> None:
        """What was delivered ahead of its turn may come again; a collector keeps one."""
        self.spool.after_fork()
        again = Spool([Path(self.folder.name)], "there", 5_000, Ledger())
        again.adopt()
        while (kept := again.oldest()) is not None:
            self.left.pop(kept.batch.body, None)
            again.done(kept)
        assert not self.left, "nothing that was written is lost"
        again.after_fork()
        self.own, self.held = set(), []
        self.start()

    @rule()
    def be_followed(self) -> None:
        """The heir has it all, in order."""
        if any(found.ahead for found in self.spool._segments):
            return
        self.spool.after_fork()
        self.own, self.held = set(), []
        self.start()

    @invariant()
    def counted(self) -> None:
        assert self.ledger.spooled == sum(self.left[body] for body in self.own)
        assert self.ledger.dropped == self.ledger.discarded == 0

    def teardown(self) -> None:
        self.spool.after_fork()
        self.folder.cleanup()


TestSpooling = Spooling.TestCase
TestSpooling.settings = settings(max_examples=20, stateful_step_count=30, deadline=None)
