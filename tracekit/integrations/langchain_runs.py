"""LangChain's runs that are under way, each with its span.

One registry for the process: a run that several handlers report (an explicit one and the automatic one, say) is one
span, and a run finds its parent whichever handler saw that.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, Final
from uuid import UUID

from opentelemetry.context import Context, create_key, set_value

from tracekit.context import context
from tracekit.current import attach
from tracekit.guard import warn_once
from tracekit.integrations.langchain_current import RunContext, current, enter, leave
from tracekit.runtime import active
from tracekit.span import Span, kind_attributes, start
from tracekit.stepping import leave as detach

#: runs that may be under way at once; beyond it the oldest are taken for abandoned, and ended
MAX_RUNS: Final = 10_000
_KEY: Final = create_key("tracekit-langchain-run")
#: LangChain gives the code inside these no config of its own
_LEAVES: Final = frozenset(("llm", "retriever"))
#: what a run says that says the same as its parent, from which it inherits that
_NOTHING_NEW: Final[dict[str, Any]] = {}


class Run:
    """A run and its span. ``scope`` is None where it was not attached."""

    __slots__ = ("about", "leaf", "parent", "scope", "span", "streamed", "unread")

    def __init__(self, span: Span, parent: Run | None, leaf: bool, about: Mapping[str, Any]) -> None:
        self.span = span
        self.about = about
        self.parent = parent
        self.leaf = leaf
        self.scope: RunContext | None = None
        self.streamed = False
        #: the input was not known when the run began: it is a stream itself
        self.unread = False

    def inside(self) -> Context | None:
        """The context in which the run's span is the current one; None after its end."""
        within = getattr(self.span, "context", None)
        return None if within is None else set_value(_KEY, self, within)

    def step_out(self) -> None:
        """The model hands out what it has, and its code goes on unseen: its span is not the current one any more."""
        if self.leaf and self.scope is not None:
            leave(self.scope)
            self.scope = None

    def end(self, error: BaseException | None = None) -> None:
        if self.scope is not None:
            leave(self.scope)
        self.span.end(error)
        self.parent = None


class Runs:
    """The runs under way, by id. Threads share it."""

    def __init__(self) -> None:
        self._runs: dict[UUID, Run] = {}

    def __len__(self) -> int:
        return len(self._runs)

    def get(self, run_id: UUID) -> Run | None:
        return self._runs.get(run_id)

    def begin(
        self,
        run_id: UUID,
        parent_id: UUID | None,
        name: str,
        kind: str,
        static: Mapping[str, Any],
        about: Mapping[str, Any],
        alone: bool,
    ) -> Run | None:
        """Start a run's span and make it the current one; None where tracing is off or the run is known already.

        ``about``: what ``tracekit.context`` takes. ``alone``: False for one of several calls that begin together, none
        of which is the parent of the next: they are not made current.
        """
        runtime = active()
        if runtime is None or run_id in self._runs:
            return None
        parent = None if parent_id is None else self._runs.get(parent_id)
        told = _NOTHING_NEW if parent is not None and _same(about, parent.about) else about
        of_kind = kind_attributes(kind)
        token = attach(_context_under(parent))
        try:
            with context(**told) if any(told.values()) else nullcontext():
                span = start(runtime, name, kind, {**of_kind, **static} if static else of_kind, runtime.capture)
        finally:
            detach(token)
        run = Run(span, parent, kind in _LEAVES, about)
        self._add(run_id, run)
        inside = run.inside() if alone else None
        if inside is not None:
            run.scope = enter(inside, confined=not run.leaf)
        return run

    def pop(self, run_id: UUID) -> Run | None:
        """The run, which is under way no more; whoever takes it ends it."""
        return self._runs.pop(run_id, None)

    def _add(self, run_id: UUID, run: Run) -> None:
        """Without a lock, which a fork could leave held in the child."""
        self._runs[run_id] = run
        if len(self._runs) <= MAX_RUNS:
            return
        try:
            oldest = self._runs.pop(next(iter(self._runs)), None)
        except (RuntimeError, StopIteration):  # another thread has just changed it, and looks itself
            return
        if oldest is not None:
            warn_once("langchain-runs", "more than %d LangChain runs are under way: ending the oldest", MAX_RUNS)
            oldest.end()


def _same(about: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    try:
        return bool(about == other)
    except Exception:  # noqa: BLE001 - whatever is in metadata
        return False


def _context_under(parent: Run | None) -> Context:
    """Where a run's span hangs: the current context where that is the parent's (spans of the application may lie
    between), else the parent's own: runs of a batch begin in their caller's context, before any of their steps."""
    here = current()
    if parent is None:
        return here
    innermost = here.get(_KEY)
    if innermost is parent:
        return here
    if isinstance(innermost, Run) and innermost.leaf and innermost.parent is parent:
        return here
    return parent.inside() or here
