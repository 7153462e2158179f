"""Doing something as soon as a module has been imported, for libraries that may be imported later than tracekit.

The standard library alone: ``tracekit/sitepath`` loads this file by its path, without tracekit.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def when_imported(name: str, then: Callable[[], object]) -> None:
    """Call ``then`` after the module's import; now where that has been. Faults of ``then`` are for it to handle."""
    if name in sys.modules:
        then()
    else:
        sys.meta_path.insert(0, _Finder(name, then))


class _Finder:
    """Stands first among the finders until its module is imported, and not a moment longer."""

    def __init__(self, name: str, then: Callable[[], object]) -> None:
        self._name = name
        self._then = then

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        self._leave()
        try:
            spec = importlib.util.find_spec(fullname)
        except (ImportError, ValueError):
            spec = None
        if spec is None or spec.loader is None or not hasattr(spec.loader, "exec_module"):
            self.stay()
            return spec
        spec.loader = _Loader(spec.loader, self, self._then)  # type: ignore[assignment]
        return spec

    def stay(self) -> None:
        """The module is not there after all: wait for its next import."""
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def _leave(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)


class _Loader:
    """The module's own loader, which it is again once the module is being executed."""

    def __init__(self, loader: Any, finder: _Finder, then: Callable[[], object]) -> None:
        self._loader = loader
        self._finder = finder
        self._then = then

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        try:
            self._loader.exec_module(module)
        except BaseException:
            self._finder.stay()
            raise
        self._then()
