"""An evaluation as a test runs it: see ``tracekit_pytest``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tracekit.evals import store
from tracekit.evals.cli import of_config
from tracekit.evals.config import read
from tracekit.evals.experiment import evaluate
from tracekit.evals.gate import Settings
from tracekit.evals.results import Experiment


def evaluated(folder: Path, root: Path, test: str, config: str | None = None, /, **settings: Any) -> Experiment:
    """Of a TOML file beside the test, whose settings may be replaced, or of ``evaluate``'s arguments (``task`` and
    ``dataset`` among them). Results are in ``.tracekit/experiments`` of the tests' root unless something else is said;
    a gate there is in any case. Raises what ``evaluate`` raises."""
    given: dict[str, Any] = {"progress": False, "directory": root / store.DIRECTORY, "gate": Settings()}
    if config is None:
        return evaluate(**{**given, "name": test, **settings})
    file = folder / config
    found = of_config(read(file), file.parent)
    kept = {key: value for key, value in found.items() if value is not None}
    return evaluate(**{**given, **kept, **settings})
