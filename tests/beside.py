"""What tests need that lies beside the project's own environment: a browser, npm, Phoenix, other clients and tools."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import NoReturn

import pytest


def missing(reason: str) -> NoReturn:
    """Skip the test, and say so: a developer's machine need not have everything. In CI, where it must, fail it."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    warnings.warn(reason, stacklevel=2)
    pytest.skip(reason)


def needed(path: Path) -> str:
    """A program that ``make test`` installs."""
    if not path.exists():
        missing(f"no {path}: 'make test' installs it")
    return str(path)
