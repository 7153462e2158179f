"""What a span was told of its call and has not been worked into attributes yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracekit.span import Span

#: works out attributes, as ``tracekit.record.worked_out`` does
WorkOut = Callable[..., dict[str, Any]]


class Deferred:
    """Kept one by one: a tuple or a closure would be one more thing to the garbage collector, for every span."""

    _work: WorkOut | None = None
    _weight = 0
    _read_as = ""
    _capture: Any = None
    _runtime: Any = None
    _provider: str | None = None
    _later: Any = ()
    _arguments: Any = None
    _result: Any = None

    def defer(self, work: WorkOut, told: Span) -> None:
        """Have attributes worked out when they are first read, from what ``told`` kept. ``work`` may be called twice,
        by two threads, and gives the same each time."""
        self._weight = told.kept_size
        self._read_as = told.kind
        self._capture = told.capture
        self._runtime = told._runtime
        if told.provider is not None:
            self._provider = told.provider
        if told._later:
            self._later = told._later
        self._arguments = told.kept_arguments
        self._result = told.kept_output
        self._work = work

    def work_out(self) -> dict[str, Any] | None:
        """The attributes; None where nothing is left to be worked out."""
        kept = self._later, self._arguments, self._result  # before `_work`, which is forgotten first
        work = self._work
        return None if work is None else work(self._read_as, self._capture, self._runtime, self._provider, *kept)

    def worked_out(self) -> None:
        """Forget what the attributes were worked out from."""
        self._work = None
        self._later = ()
        self._arguments = self._result = None
