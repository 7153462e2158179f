"""What a span was told of its call and has not been worked into attributes yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tracekit.capture import Capture
    from tracekit.runtime import Runtime

#: what a span takes beside its texts
SPAN_BYTES: Final = 1_024
#: works out attributes, as ``tracekit.record.worked_out`` does
WorkOut = Callable[..., dict[str, Any]]


class Deferred:
    """Kept one by one: a tuple or a closure would be one more thing to the garbage collector, for every span.

    ``kept_arguments`` and ``kept_output`` are what nobody else can change, ``size`` about how many bytes the span takes
    with them and ``later``. Whoever makes one sets these three.
    """

    kept_arguments: Any
    kept_output: Any
    size: int
    #: work out attributes too, from what they were given
    later: tuple[Callable[[], dict[str, Any]], ...] = ()
    _work: WorkOut | None = None
    _read_as = ""
    _capture: Capture | None = None
    _runtime: Runtime | None = None
    _provider: str | None = None

    def defer(self, work: WorkOut, kind: str, capture: Capture, runtime: Runtime, provider: str | None) -> None:
        """Have attributes worked out from what is kept when they are first read. ``work`` may be called twice, by two
        threads, and gives the same each time."""
        self._read_as = kind
        self._capture = capture
        self._runtime = runtime
        if provider is not None:
            self._provider = provider
        self._work = work

    def work_out(self) -> dict[str, Any] | None:
        """The attributes; None where nothing is left to be worked out."""
        kept = self.later, self.kept_arguments, self.kept_output  # before `_work`, which is forgotten first
        work = self._work
        return None if work is None else work(self._read_as, self._capture, self._runtime, self._provider, *kept)

    def worked_out(self) -> None:
        """Forget what the attributes were worked out from."""
        self._work = None
        self.later = ()
        self.kept_arguments = self.kept_output = None
