"""Making a LangChain run's span the current one, in a way that cannot leak.

LangChain tells a handler when a run begins and ends, and nothing in between: ends come in other tasks (it shields
them from cancellation), in other threads, out of order, or never, and a streamed run begins inside its consumer's own
context. So nothing here relies on detaching. What is attached is a context that looks through to the one beneath as
soon as the run has ended, wherever that happened, and wherever the code that asks is not the run's.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from contextvars import ContextVar
from functools import cache
from typing import Any, Final

from opentelemetry.context import Context

from tracekit.current import attach, get_current

#: set wherever a run has begun and in what was copied from there; not where somebody has carried the current context
#: alone, into a thread of a run's code
_marked: Final[ContextVar[bool]] = ContextVar("tracekit_langchain_marked", default=False)


class RunContext(Context):
    """``inside`` while the run lasts, for the run's own code; ``beneath`` after it and for all others.

    Where ``confined``, LangChain runs what is inside under a config of its own (a chain, a tool, a graph and its
    nodes): as long as the config is still the one that the run was started under, it is the caller who asks, between
    two chunks of a stream or between two runs of a batch.
    """

    __slots__ = ("_config", "_confined", "_inside", "beneath")

    def __init__(self, inside: Context, beneath: Context, confined: bool) -> None:
        super().__init__()
        self._inside: Context | None = inside
        self.beneath = beneath
        self._confined = confined
        self._config = _config() if confined else None

    def over(self) -> None:
        """The run has ended, or its code has handed out a value and will not be told when it goes on."""
        self._inside = None
        self._config = None

    def seen(self) -> Context:
        """The ordinary context that this one stands for here and now."""
        found: Context = self
        while isinstance(found, RunContext):
            found = found._seen_once()
        return found

    def _seen_once(self) -> Context:
        inside = self._inside
        if inside is None or (self._confined and _marked.get() and _config() is self._config):
            return self.beneath
        return inside

    def get(self, key: str, default: Any = None) -> Any:
        return self.seen().get(key, default)

    def copy(self) -> dict[str, object]:
        return dict(self.seen())

    def keys(self) -> KeysView[str]:  # type: ignore[override]
        return self.seen().keys()

    def values(self) -> ValuesView[object]:  # type: ignore[override]
        return self.seen().values()

    def items(self) -> ItemsView[str, object]:  # type: ignore[override]
        return self.seen().items()

    def __getitem__(self, key: str) -> object:
        return self.seen()[key]

    def __contains__(self, key: object) -> bool:
        return key in self.seen()

    def __iter__(self) -> Iterator[str]:
        return iter(self.seen())

    def __len__(self) -> int:
        return len(self.seen())

    def __eq__(self, other: object) -> bool:
        return self.seen() == other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self.seen())


def current() -> Context:
    """The current context as an ordinary one: what this code sees of it, also for code that runs elsewhere."""
    found = get_current()
    return found.seen() if isinstance(found, RunContext) else found


def enter(inside: Context, confined: bool) -> RunContext:
    """Attach a run's context over what is current."""
    _marked.set(True)
    scope = RunContext(inside, _uncovered(), confined)
    attach(scope)
    return scope


def leave(scope: RunContext) -> None:
    """End a run's context everywhere, and take it out of this one where it lies on top."""
    beneath = scope.beneath
    scope.over()
    if get_current() is scope:
        attach(beneath)


def _uncovered() -> Context:
    """What is current, without the contexts of runs that are over or others': they would pile up."""
    found = get_current()
    while isinstance(found, RunContext) and found._seen_once() is found.beneath:
        found = found.beneath
    return found


def _config() -> object:
    """LangChain's config of the code that is running: each run's own code has one of its own."""
    return _variable().get()


@cache
def _variable() -> ContextVar[Any]:
    from langchain_core.runnables.config import var_child_runnable_config

    return var_child_runnable_config
