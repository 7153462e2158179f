"""pytest's plugin of tracekit: the fixture ``tracekit_spans``, and the marker ``tracekit_eval`` with the fixture
``tracekit_experiment``.

A module beside the package: pytest loads it in every run, and importing ``tracekit`` would cost each of them.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tracekit.evals.results import Experiment
    from tracekit.testing import Spans

_MARKER = (
    "tracekit_eval(config, **settings): run an evaluation before the test, and fail where its gate does; of a TOML"
    " file, or of the arguments of tracekit.evaluate"
)
_EXPERIMENT = pytest.StashKey[Any]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """The evaluation of a marked test, unless a fixture has run it; the test's body comes after."""
    if pyfuncitem.get_closest_marker("tracekit_eval") is not None:
        _passed(_evaluated(pyfuncitem))
    return (yield)


@pytest.fixture
def tracekit_experiment(request: pytest.FixtureRequest) -> Experiment:
    """What the evaluation of the marker ``tracekit_eval`` found."""
    return _evaluated(request.node)


def _evaluated(item: pytest.Function) -> Experiment:
    found: Experiment | None = item.stash.get(_EXPERIMENT, None)
    if found is not None:
        return found
    from tracekit.evals.testing import evaluated

    marker = item.get_closest_marker("tracekit_eval")
    if marker is None:
        pytest.fail("the test has no marker tracekit_eval", pytrace=False)
    try:
        found = evaluated(item.path.parent, item.config.rootpath, item.name, *marker.args, **marker.kwargs)
    except (TypeError, ValueError, OSError) as error:
        pytest.fail(f"the evaluation cannot be run: {error}", pytrace=False)
    item.stash[_EXPERIMENT] = found
    return found


def _passed(found: Experiment) -> None:
    """Fail with the gate's words; show them where pytest shows output."""
    from tracekit.evals.reports import terminal

    words = terminal.render(found)
    if found.decision is not None and not found.decision.passed:
        pytest.fail(words, pytrace=False)
    print(words)


@pytest.fixture
def tracekit_spans() -> Iterator[Spans]:
    """The spans that the test's code traces, as ``tracekit.testing.capture`` gives them."""
    from tracekit.testing import capture

    with capture() as spans:
        yield spans
