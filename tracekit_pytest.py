"""pytest's plugin of tracekit: the fixture ``tracekit_spans``.

A module beside the package: pytest loads it in every run, and importing ``tracekit`` would cost each of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tracekit.testing import Spans


@pytest.fixture
def tracekit_spans() -> Iterator[Spans]:
    """The spans that the test's code traces, as ``tracekit.testing.capture`` gives them."""
    from tracekit.testing import capture

    with capture() as spans:
        yield spans
