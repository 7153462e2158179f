"""What ``tracekit.instrument`` does: finds what others publish, chooses, binds it to our provider, never twice."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tracekit import runtime
from tracekit.guard import swallow
from tracekit.instrumentors import LIBRARIES, OPENINFERENCE, OWN, Library

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

AUTO: Final = "auto"
_GROUP: Final = "opentelemetry_instrumentor"
#: what OpenLLMetry and OpenTelemetry ask before they keep texts
_CONTENT: Final = {
    "TRACELOOP_TRACE_CONTENT": "false",
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "NO_CONTENT",
}

#: what OpenInference is told to hide
_HIDDEN: Final = frozenset(("hide_inputs", "hide_outputs", "hide_prompts", "hide_embeddings_text", "hide_llm_tools"))

_lock = threading.RLock()
#: what is on: a library -> the package and its instrumentor (None where it is tracekit's own)
_on: dict[str, tuple[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class Instrumented:
    """``on``: a library -> the package that traces it. ``off``: a library -> why it is not traced, and what would."""

    on: dict[str, str]
    off: dict[str, str]


def switch_on(libraries: Sequence[str], provider: Any) -> Instrumented:
    found = Instrumented({}, {})
    auto = not libraries or AUTO in libraries
    with _lock:
        for name in LIBRARIES if auto else dict.fromkeys(map(str, libraries)):
            try:
                package, why = _switch_on(name, provider)
            except Exception as error:  # noqa: BLE001
                swallow("instrument", error)
                package, why = None, f"failed ({type(error).__name__})"
            if package is not None:
                found.on[name] = package
            elif not auto or _is_installed(LIBRARIES[name].module):
                found.off[name] = why
    return found


def switch_off(libraries: Sequence[str]) -> tuple[str, ...]:
    off: list[str] = []
    with _lock:
        for name in libraries or tuple(_on):
            _, instrumentor = _on.get(name, (None, None))
            if instrumentor is None:
                continue
            try:
                instrumentor.uninstrument()
                del _on[name]
                off.append(name)
            except Exception as error:  # noqa: BLE001
                swallow("uninstrument", error)
    return tuple(off)


def _switch_on(name: str, provider: Any) -> tuple[str | None, str]:
    """The package that traces the library now, or None and why there is none."""
    if name in _on:
        return _on[name][0], ""
    library = LIBRARIES.get(name)
    if library is None:
        return None, "not known; known are " + ", ".join(LIBRARIES)
    if not _is_installed(library.module):
        return None, f"{library.module} is not installed"
    if _is_off():
        return None, "tracing is switched off"
    other = _instrumented_elsewhere(name, library)
    if other is not None:
        return None, f"already instrumented by {other}"
    faults: list[str] = []
    for package in library.packages:
        instrumentor, fault = _start(package, name, provider)
        if fault is None:
            _on[name] = package, instrumentor
            return package, ""
        if fault:
            faults.append(f"{package}: {fault}")
    return None, "; ".join(faults) or f"needs {library.packages[-1 if library.packages[0] == OWN else 0]}"


def _start(package: str, name: str, provider: Any) -> tuple[Any, str | None]:
    """The package's instrumentor, switched on; else why not, which is empty where the package is not installed."""
    if package == OWN:
        from tracekit.integrations.langchain import trace_all

        trace_all()
        return None, None
    entry = _entry(package, name)
    if entry is None:
        return None, ""
    try:
        instrumentor = entry.load()()
    except Exception as error:  # noqa: BLE001 - a package that does not fit what else is installed
        return None, f"cannot be imported ({type(error).__name__}: {error})"
    conflict = _conflict(instrumentor)
    if conflict is not None:
        return None, conflict
    given = provider if provider is not None else _provider()
    arguments = {} if given is None else {"tracer_provider": given}
    instrumentor.instrument(**arguments, **_content_arguments(package))
    if not getattr(instrumentor, "is_instrumented_by_opentelemetry", True):
        return None, "refused"
    return instrumentor, None


def _conflict(instrumentor: Any) -> str | None:
    """What the instrumentor asks of the library that is not so, asked beforehand because it would log an error."""
    check = getattr(instrumentor, "_check_dependency_conflicts", None)
    conflict = None if check is None else check()
    return None if conflict is None else " ".join(str(conflict).split())


def _content_arguments(package: str) -> dict[str, Any]:
    """What keeps texts out of spans where tracekit captures none."""
    active = runtime.active()
    if active is None or active.capture.content:
        return {}
    if not package.startswith(OPENINFERENCE):
        import os

        for name, value in _CONTENT.items():
            os.environ.setdefault(name, value)
        return {}
    from openinference.instrumentation import TraceConfig

    # Invocation parameters stay: the model's name is among them.
    hidden: dict[str, Any] = dict.fromkeys(_HIDDEN & TraceConfig.__dataclass_fields__.keys(), True)
    return {"config": TraceConfig(**hidden)}


def _entry(package: str, name: str) -> EntryPoint | None:
    """Where an installed package's instrumentor of this library is; None where it is not installed."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        entries = [entry for entry in distribution(package).entry_points if entry.group == _GROUP]
    except PackageNotFoundError:
        return None
    named = [entry for entry in entries if entry.name.replace("_", "-") == name]
    return named[0] if named else entries[0] if len(entries) == 1 else None


def _instrumented_elsewhere(name: str, library: Library) -> str | None:
    """Who has instrumented the library, apart from ``instrument``. Imports nothing."""
    for package in library.packages:
        entry = None if package == OWN else _entry(package, name)
        module = None if entry is None else sys.modules.get(entry.module)
        instance = getattr(getattr(module, entry.attr, None), "_instance", None) if entry and module else None
        if getattr(instance, "is_instrumented_by_opentelemetry", False):
            return package
    return next((f"something that wraps {path}" for path in library.wrapped if _is_wrapped(path)), None)


def _is_wrapped(path: str) -> bool:
    """Whether the function has been replaced by one of wrapt's wrappers, as nearly all instrumentations do."""
    from inspect import getattr_static

    module, _, names = path.partition(":")
    found: Any = sys.modules.get(module)
    for name in names.split("."):
        found = None if found is None else getattr_static(found, name, None)
    return any("wrapt" in kind.__module__ or kind.__name__ == "ObjectProxy" for kind in type(found).__mro__)


def _is_installed(module: str) -> bool:
    from importlib.util import find_spec

    try:
        return module in sys.modules or find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _is_off() -> bool:
    from tracekit.config import disabled_by_environment

    return disabled_by_environment()


def _provider() -> Any:
    from tracekit.provider import in_use

    return in_use()
