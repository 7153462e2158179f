"""``instrument``: switches on the published instrumentations that are installed, one for each library.

What it takes is imported when it is called: most applications never do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracekit.instrumenting import Instrumented


def instrument(*libraries: str, tracer_provider: Any = None) -> Instrumented:
    """Trace these libraries ("openai", "langchain", "httpx", ...), or "auto" (the default): all that are installed and
    have an instrumentation installed. Returns what is ``on`` (library to package) and ``off`` (library to reason).

    Call it after ``init``: spans go to its provider, unless ``tracer_provider`` is given. A library is left alone
    where somebody else has instrumented it already. Where texts are not to be captured, instrumentations are told so.
    Never raises; a second call changes nothing.
    """
    from tracekit.instrumenting import switch_on

    return switch_on(libraries, tracer_provider)


def uninstrument(*libraries: str) -> tuple[str, ...]:
    """Switch off what ``instrument`` has switched on (these libraries, or all); returns the names of those.

    LangChain's handler stays: LangChain takes none back.
    """
    from tracekit.instrumenting import switch_off

    return switch_off(libraries)
