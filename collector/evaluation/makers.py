"""A rule's evaluator and its judge, made of its settings."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Final

from collector.evaluation.judging import Budgets, Ledger, Metered
from collector.evaluation.rules import Rule
from tracekit.evals import registry
from tracekit.evals.api import Evaluator, Judge

#: Evaluators and judges that are kept made.
_MOST: Final = 200


def judge_from(rule: Rule) -> Judge:
    """Raises ``ValueError``."""
    from tracekit.evals.judge_http import judge_of

    return judge_of(rule.judge or {})


def allow_functions(folder: Path | None) -> None:
    """Let rules of this process load functions from the folder, and from nowhere else."""
    if folder is not None:
        from tracekit.evals.functions import VARIABLE

        os.environ[VARIABLE] = str(folder)


@dataclass
class Makers:
    """Evaluators without a judge are made once for each version of a rule; one that asks is made for each evaluation,
    over one judge for each version, so that the judge's limits hold for all of them."""

    budgets: Budgets
    clock: Callable[[], int] = time.time_ns
    judge_of: Callable[[Rule], Judge] = judge_from
    _evaluators: dict[tuple[int, int], Evaluator] = field(default_factory=dict)
    _judges: dict[tuple[int, int], Judge] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def evaluator(self, rule: Rule, ledger: Ledger) -> Evaluator:
        """Raises ``ValueError`` where the settings are wrong, or need what is not installed."""
        key = (rule.id, rule.version)
        with self._lock:
            for kept in (self._evaluators, self._judges):
                if len(kept) >= _MOST:
                    kept.clear()
            if rule.judge is None:
                if key not in self._evaluators:
                    self._evaluators[key] = registry.make(rule.evaluator)
                return self._evaluators[key]
            if key not in self._judges:
                self._judges[key] = self.judge_of(rule)
            judge = self._judges[key]
        return registry.make(rule.evaluator, Metered(judge, rule, self.budgets, ledger, self.clock))
