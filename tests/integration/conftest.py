"""Collectors in processes of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from collector_process import CollectorProcess, Start, collectors


@pytest.fixture
def start_collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts collectors of this test's own."""
    with collectors(tmp_path_factory.mktemp("collector")) as start:
        yield start


@pytest.fixture(scope="module")
def collector_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """One collector with default settings for a whole file of tests."""
    with collectors(tmp_path_factory.mktemp("collector")) as start:
        yield start()
