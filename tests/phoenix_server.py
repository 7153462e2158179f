"""A real Phoenix, from the environment that ``make test`` makes for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from beside import missing

from collector.local_phoenix import LocalPhoenix, Settings, version_of

PYTHON = Path(sys.prefix) / "phoenix" / "bin" / "python"


def phoenix_installed() -> None:
    """See ``beside.missing``."""
    if version_of(PYTHON) is None:
        missing(f"no Phoenix in {PYTHON.parent.parent}: 'make test' installs it")


@pytest.fixture(scope="session")
def phoenix_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalPhoenix]:
    """One for all tests of a process of the run; nothing is in it but what they send. It takes some ten seconds and
    half a gigabyte, so tests that need it belong into few files (``--dist loadfile``)."""
    phoenix_installed()
    phoenix = LocalPhoenix(Settings(tmp_path_factory.mktemp("phoenix"), PYTHON, port=0))
    try:
        phoenix.wait_ready()
        yield phoenix
    finally:
        phoenix.stop()
