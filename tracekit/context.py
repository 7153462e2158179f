"""``tracekit.context``: user, session, tags, metadata and project for every span beneath.

It lives in OpenTelemetry's context, so it goes where that goes: into asyncio tasks, generators, copied contexts and,
with ``tracekit.threads``, threads. Nested contexts merge: later ids win, tags add up, metadata merges key by key.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from contextvars import Token
from types import TracebackType
from typing import Any, Final, TypeVar, cast

from opentelemetry.context import Context, create_key, get_value, set_value

from tracekit import semconv
from tracekit.capture import Capture
from tracekit.current import attach, get_current
from tracekit.guard import swallow
from tracekit.runtime import active
from tracekit.shared import Shared
from tracekit.stepping import Opened, leave, stepped, stepped_async

F = TypeVar("F", bound=Callable[..., Any])

_KEY: Final = create_key("tracekit-context")
_NOTHING: Final[dict[str, Any]] = {}
#: baggage entry -> the attributes that it becomes
_SHARED: Final = {
    semconv.USER_ID: (semconv.USER_ID,),
    semconv.SESSION_ID: (semconv.SESSION_ID, semconv.GEN_AI_CONVERSATION_ID),
}
_MAX_ID: Final = 1_000

_shares_ids = False


def share_ids(on: bool) -> None:
    """Whether user and session ids go into W3C baggage, which instrumented clients send with every request, and are
    taken from what others send."""
    global _shares_ids
    _shares_ids = on


class Inherited:
    """What a context gives to spans. ``attributes`` is ready to be copied onto them; never changed once made."""

    __slots__ = ("attributes", "metadata", "tags")

    def __init__(self, attributes: dict[str, Any], tags: tuple[str, ...], metadata: dict[str, Any]) -> None:
        self.attributes: dict[str, Any] = Shared(attributes)
        self.tags = tags
        self.metadata = metadata


def inherited_attributes(context: Context | None = None) -> dict[str, Any]:
    """The attributes that spans started in ``context`` (default: the current one) inherit. Do not change them."""
    found = (get_current() if context is None else context).get(_KEY)
    own = found.attributes if type(found) is Inherited else _NOTHING
    return {**_from_baggage(context), **own} if _shares_ids else own


class context:
    """Context manager (``with`` and ``async with``) and decorator. All arguments are optional.

    ``user_id``, ``session_id`` and ``project`` become text; ``tags`` is a text or several; ``metadata`` a mapping.
    ``project`` is set on each span as ``tracekit.project`` and wins over the service's.
    """

    __slots__ = ("_entered", "_given")

    def __init__(
        self,
        *,
        user_id: object = None,
        session_id: object = None,
        tags: str | Iterable[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        project: object = None,
    ) -> None:
        self._given = (user_id, session_id, tags, metadata, project)
        self._entered: list[tuple[Token[Context], Context]] = []

    def __enter__(self) -> context:
        extended = self._extended()
        self._entered.append((attach(extended), extended))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._entered:
            leave(*self._entered.pop())

    async def __aenter__(self) -> context:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: F) -> F:
        """The function, run within this context each time."""
        return cast(F, _decorated(function, self._given))

    def _extended(self) -> Context:
        current = get_current()
        try:
            merged = _merged(get_value(_KEY, current), *self._given)
            extended = set_value(_KEY, merged, current)
            return _into_baggage(merged, extended) if _shares_ids else extended
        except Exception as error:  # noqa: BLE001 - whatever the given objects raise
            swallow("context", error)
            return current


def _decorated(function: Any, given: tuple[Any, ...]) -> Any:
    def fresh() -> context:
        made = context()
        made._given = given
        return made

    def open_(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Opened:
        return Opened(function(*args, **kwargs), fresh()._extended(), None)

    async def within_async(*args: Any, **kwargs: Any) -> Any:
        with fresh():
            return await function(*args, **kwargs)

    def within(*args: Any, **kwargs: Any) -> Any:
        with fresh():
            return function(*args, **kwargs)

    wrapper: Any = within
    if inspect.iscoroutinefunction(function):
        wrapper = within_async
    elif inspect.isasyncgenfunction(function):
        wrapper = stepped_async(function, open_)
    elif inspect.isgeneratorfunction(function):
        wrapper = stepped(function, open_)
    return functools.wraps(function)(wrapper)


def _merged(
    outer: object, user_id: object, session_id: object, tags: Any, metadata: Mapping[str, Any] | None, project: object
) -> Inherited:
    attributes: dict[str, Any] = {}
    merged_tags: tuple[str, ...] = ()
    merged_metadata: dict[str, Any] = {}
    capture = _capture()
    if isinstance(outer, Inherited):
        attributes, merged_tags, merged_metadata = dict(outer.attributes), outer.tags, outer.metadata
    for names, value in (
        (_SHARED[semconv.USER_ID], user_id),
        (_SHARED[semconv.SESSION_ID], session_id),
        ((semconv.TRACEKIT_PROJECT,), project),
    ):
        if value is not None:
            attributes.update(dict.fromkeys(names, capture.text(str(value))[:_MAX_ID]))
    if tags and capture.values:
        merged_tags = tuple(dict.fromkeys((*merged_tags, *(capture.text(tag) for tag in _tags(tags)))))
        attributes[semconv.TAGS] = merged_tags
    if isinstance(metadata, Mapping) and metadata and capture.values:
        merged_metadata = {**merged_metadata, **capture.plain(dict(metadata))}
        attributes[semconv.METADATA] = capture.json_of_small(merged_metadata)
    return Inherited(attributes, merged_tags, merged_metadata)


def _into_baggage(inherited: Inherited, context: Context) -> Context:
    from opentelemetry.baggage import set_baggage

    for name in _SHARED:
        if name in inherited.attributes:
            context = set_baggage(name, inherited.attributes[name], context)
    return context


def _from_baggage(context: Context | None) -> dict[str, Any]:
    from opentelemetry.baggage import get_all

    entries = get_all(context)
    return {
        attribute: str(entries[name])[:_MAX_ID]
        for name, attributes in _SHARED.items()
        if name in entries
        for attribute in attributes
    }


def _tags(tags: str | Iterable[Any]) -> list[str]:
    return [tags] if isinstance(tags, str) else [str(tag)[:1000] for tag in tags]


def _capture() -> Capture:
    runtime = active()
    return runtime.capture if runtime is not None else Capture()
