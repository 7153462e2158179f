"""Waiting for a module that is imported later."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracekit.importhook import when_imported


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of modules that are forgotten afterwards; the finders are as they were."""
    before, known = list(sys.meta_path), set(sys.modules)
    package = tmp_path / "late_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "inner.py").write_text("value = 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield package
    for name in set(sys.modules) - known:
        del sys.modules[name]
    sys.meta_path[:] = before


def test_it_is_called_once_after_the_import_and_leaves_nothing_behind() -> None:
    finders = list(sys.meta_path)
    seen: list[int] = []
    when_imported("late_package.inner", lambda: seen.append(sys.modules["late_package.inner"].value))
    importlib.import_module("late_package")
    assert seen == []
    module = importlib.import_module("late_package.inner")
    assert seen == [1] and sys.meta_path == finders
    assert module.__spec__ is not None and module.__spec__.loader is module.__loader__
    assert type(module.__loader__).__name__ == "SourceFileLoader"
    importlib.reload(module)
    assert seen == [1]


def test_what_is_imported_already_is_seen_at_once() -> None:
    importlib.import_module("late_package.inner")
    seen: list[str] = []
    when_imported("late_package.inner", lambda: seen.append("now"))
    assert seen == ["now"]


def test_it_waits_on_where_the_import_fails(modules: Path) -> None:
    seen: list[str] = []
    when_imported("late_package.inner", lambda: seen.append("first"))
    when_imported("late_package.inner", lambda: seen.append("second"))
    (modules / "inner.py").write_text("raise ValueError('not yet')")
    with pytest.raises(ValueError, match="not yet"):
        importlib.import_module("late_package.inner")
    (modules / "inner.py").unlink()
    importlib.invalidate_caches()
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("late_package.inner")
    assert seen == []
    (modules / "inner.py").write_text("value = 'again, and longer than before'")
    importlib.invalidate_caches()
    importlib.import_module("late_package.inner")
    assert sorted(seen) == ["first", "second"]
