"""Ids for spans and traces."""

from __future__ import annotations

import os
import random
import weakref

from opentelemetry.sdk.trace.id_generator import IdGenerator


class Ids(IdGenerator):
    """Random ids from a generator of their own: an application that calls ``random.seed`` must not repeat ids, for
    the same ids are the same spans to a collector."""

    def __init__(self) -> None:
        self._random = random.Random(os.urandom(32))
        #: a number of so many random bits
        self.bits = self._random.getrandbits
        if hasattr(os, "register_at_fork"):
            renew = weakref.WeakMethod(self._renew)
            os.register_at_fork(after_in_child=lambda: (found := renew()) and found())

    def _renew(self) -> None:
        self._random.seed(os.urandom(32))

    def generate_span_id(self) -> int:
        return self.bits(64) or 1

    def generate_trace_id(self) -> int:
        return self.bits(128) or 1

    def is_trace_id_random(self) -> bool:
        return True
