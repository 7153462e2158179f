"""What ``tracekit.instrument`` chooses among installed packages, and what it leaves alone.

The packages are made here, small but real: installed metadata, entry points, OpenTelemetry's own ``BaseInstrumentor``.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tracekit
from tracekit import instrumentors
from tracekit.config import resolve

_MODULE = """
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor
import wrapt

class Instrumentor(BaseInstrumentor):
    given = None
    def instrumentation_dependencies(self):
        return {requires!r}
    def _instrument(self, **given):
        if {fails}:
            raise RuntimeError("no")
        Instrumentor.given = given
    def _uninstrument(self, **given):
        Instrumentor.given = None

class Client:
    def call(self):
        return 1
"""

Install = Callable[..., Any]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a package whose instrumentor is of the library "greeter"; gives a function that imports its module."""
    monkeypatch.syspath_prepend(tmp_path)
    modules: list[str] = []

    def add(package: str, *, requires: tuple[str, ...] = (), fails: bool = False, imports: str = "") -> Any:
        module = package.replace("-", "_") + f"_{id(tmp_path)}"
        modules.append(module)
        (tmp_path / f"{module}.py").write_text(imports + _MODULE.format(requires=requires, fails=fails))
        info = tmp_path / f"{package.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[opentelemetry_instrumentor]\ngreeter = {module}:Instrumentor\n")
        return lambda: importlib.import_module(module)

    (tmp_path / "greeter.py").write_text("class Client:\n    def call(self):\n        return 1\n")
    modules.append("greeter")
    library = instrumentors.Library("greeter", ("first-choice", "second-choice"), ("greeter:Client.call",))
    monkeypatch.setitem(instrumentors.LIBRARIES, "greeter", library)
    yield add
    tracekit.uninstrument("greeter")
    for module in modules:
        sys.modules.pop(module, None)


def test_the_first_installed_package_is_switched_on_alone(install: Install) -> None:
    second, first = install("second-choice"), install("first-choice")
    found = tracekit.instrument("greeter")
    assert found.on == {"greeter": "first-choice"} and found.off == {}
    assert first().Instrumentor.given is not None and second().Instrumentor.given is None


def test_its_spans_go_to_the_provider_of_init(install: Install) -> None:
    module = install("second-choice")
    provider = tracekit.init("shop", export=False, set_global=False)
    assert tracekit.instrument("greeter").on == {"greeter": "second-choice"}
    assert module().Instrumentor.given == {"tracer_provider": provider}
    tracekit.shutdown()


def test_a_second_call_changes_nothing_and_it_can_be_switched_off(install: Install) -> None:
    module = install("first-choice")
    assert tracekit.instrument("greeter") == tracekit.instrument("greeter")
    assert tracekit.uninstrument("greeter") == ("greeter",)
    assert module().Instrumentor.given is None
    assert tracekit.uninstrument("greeter") == ()


def test_what_the_application_has_switched_on_is_left_alone(install: Install) -> None:
    install("first-choice")
    module = install("second-choice")()
    module.Instrumentor().instrument()
    found = tracekit.instrument("greeter")
    assert found.on == {} and found.off == {"greeter": "already instrumented by second-choice"}
    module.Instrumentor().uninstrument()


def test_what_nobody_here_knows_is_seen_by_its_wrapper(install: Install) -> None:
    wrapt = pytest.importorskip("wrapt")
    install("first-choice")
    importlib.import_module("greeter")
    wrapt.wrap_function_wrapper("greeter", "Client.call", lambda wrapped, _, args, kwargs: wrapped(*args, **kwargs))
    assert "something that wraps greeter:Client.call" in tracekit.instrument("greeter").off["greeter"]


def test_a_package_that_does_not_fit_makes_way_for_the_next(install: Install) -> None:
    install("first-choice", requires=("opentelemetry-api > 999",))
    install("second-choice")
    assert tracekit.instrument("greeter").on == {"greeter": "second-choice"}


def test_reasons_are_told_and_nothing_is_raised(install: Install) -> None:
    assert tracekit.instrument("greeter").off == {"greeter": "needs first-choice"}
    install("first-choice", imports="import nothing_of_that_name\n")
    install("second-choice", fails=True)
    found = tracekit.instrument("greeter", "no-such-library", "vertexai")
    assert found.off["greeter"] == "failed (RuntimeError)"
    assert found.off["no-such-library"].startswith("not known; known are openai, ")
    assert found.off["vertexai"] == "vertexai is not installed"
    assert found.on == {}


def test_nothing_is_switched_on_where_tracing_is_off(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("first-choice")
    monkeypatch.setenv("TRACEKIT_ENABLED", "false")
    assert tracekit.instrument("greeter").off == {"greeter": "tracing is switched off"}


def test_init_and_the_environment_name_libraries(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    module = install("first-choice")
    tracekit.init("shop", export=False, set_global=False, instrument=["greeter"])
    assert module().Instrumentor.given is not None
    tracekit.shutdown()
    monkeypatch.setenv("TRACEKIT_INSTRUMENT", " openai, httpx ,")
    assert resolve().instrument == ("openai", "httpx")
    assert resolve(instrument="auto").instrument == ("auto",)


def test_a_library_has_candidates_of_its_own_and_each_is_a_package_name() -> None:
    for name, library in instrumentors.LIBRARIES.items():
        assert name == name.lower() and "_" not in name
        assert len(set(library.packages)) == len(library.packages) > 0
        assert all(path.count(":") == 1 for path in library.wrapped)
