"""Found first on PYTHONPATH by every Python process under ``tracekit run``, and run before the application's code.

Makes LangChain's import bring tracekit with it, which starts by itself (see ``tracekit.autostart``); a process that
imports neither pays next to nothing, unless other instrumentations are asked for. It must not fail in any Python that
may inherit the variable.
"""

import importlib.machinery
import importlib.util
import os
import sys
from types import ModuleType

HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib takes long to import


def load(spec: importlib.machinery.ModuleSpec, name: str) -> ModuleType:
    module = importlib.util.module_from_spec(spec)
    if name == "sitecustomize":
        sys.modules[name] = module
    assert spec.loader is not None
    spec.loader.exec_module(module)
    return module


def bring_tracekit() -> None:
    try:
        import tracekit  # noqa: F401
    except Exception:  # noqa: BLE001, S110 - not this Python's tracekit
        pass


def watch() -> None:
    try:
        path = os.path.join(os.path.dirname(HERE), "importhook.py")  # noqa: PTH118, PTH120
        spec = importlib.util.spec_from_file_location("_tracekit_importhook", path)
        assert spec is not None
        load(spec, spec.name).when_imported("langchain_core.tracers.context", bring_tracekit)
        if os.environ.get("TRACEKIT_INSTRUMENT"):
            bring_tracekit()
    except Exception:  # noqa: BLE001, S110 - a Python that is too old
        pass


def hand_on() -> None:
    """Run the ``sitecustomize`` that this one hides, and leave no trace on ``sys.path``."""
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != HERE]  # noqa: PTH100
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        load(spec, "sitecustomize")


watch()
hand_on()
