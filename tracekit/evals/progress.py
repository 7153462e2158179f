"""A line on the terminal that says how far an experiment is; nothing where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Final, TextIO

_WIDTH: Final = 30
#: seconds between two drawings
_PAUSE: Final = 0.1


class Progress:
    """``total`` runs, of which ``done`` were there before. Called from one thread at a time."""

    def __init__(
        self,
        total: int,
        done: int = 0,
        *,
        name: str = "",
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._shown = bool(getattr(self._stream, "isatty", lambda: False)())
        self._clock, self._name, self._total = clock, name, total
        self._before, self._done, self._failed = done, done, 0
        self._began, self._drawn = clock(), float("-inf")

    def step(self, failed: bool) -> None:
        self._done += 1
        self._failed += failed
        now = self._clock()
        if self._shown and (now - self._drawn >= _PAUSE or self._done == self._total):
            self._drawn = now
            self._stream.write("\r" + self.line(now) + "\x1b[K")
            self._stream.flush()

    def line(self, now: float) -> str:
        """``name [=====>    ] 12/40, 1 failed, 8 s left``."""
        share = self._done / self._total if self._total else 1.0
        bar = "=" * int(share * _WIDTH)
        words = f"{self._name} [{bar:<{_WIDTH}}] {self._done}/{self._total}".lstrip()
        if self._failed:
            words += f", {self._failed} failed"
        new = self._done - self._before
        if new > 0 and self._done < self._total:
            words += f", {(now - self._began) / new * (self._total - self._done):.0f} s left"
        return words

    def end(self) -> None:
        if self._shown and self._done > self._before:
            self._stream.write("\n")
            self._stream.flush()
