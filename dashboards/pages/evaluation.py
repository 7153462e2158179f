"""What is evaluated, and how it goes: ``/evaluation``, and ``/evaluation/NAME`` for one rule.

Both are refreshed by asking for their live part; what is done from them goes to the JSON API (static/js/evaluation.js).
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.evaluation.rules import Rule
from collector.evaluation.score_series import steps_of
from collector.queue.api import Queue, QueueStats
from collector.storage.api import BadCursor
from collector.storage.datasets_api import DatasetStore, ExperimentQuery
from collector.storage.evaluation_api import BACKFILL, DECIDE, JUDGE, SCORE, RuleStore, scorer_of
from dashboards import evaluation as view
from dashboards import experiments
from dashboards import scores as drawn
from dashboards.site import Site
from dashboards.timeseries import HEIGHT

#: Failed decisions that a rule's page lists: the latest.
MAX_FAILED: Final = 50
#: Experiments on one page.
MAX_EXPERIMENTS: Final = 50
_QUEUES: Final = (DECIDE, SCORE, JUDGE, BACKFILL)
#: Parts of a rule's page, which have addresses of their own: their template; whether its facts and its scores are read.
_PARTS: Final = {"live": ("_rule.html", (True, False)), "scores": ("_scores.html", (False, True))}


class EvaluationPageStore(RuleStore, Protocol):
    """What this page reads besides what every page does."""

    @property
    def queue(self) -> Queue: ...


class Evaluation:
    """``datasets``: whose experiments are listed below the rules."""

    def __init__(self, site: Site, store: EvaluationPageStore, datasets: DatasetStore | None = None) -> None:
        self._site = site
        self._store = store
        self._datasets = datasets

    def routes(self) -> list[Route]:
        return [Route("/evaluation", self.all), Route("/evaluation/{name}", self.one)]

    async def all(self, request: Request) -> Response:
        cursor = request.query_params.get("cursor") or None
        try:
            shown = await self._site.read(self._all, cursor)
        except BadCursor:
            raise HTTPException(404) from None
        template = "_rules.html" if _is_live(request) else "evaluation.html"
        return self._site.html(request, template, active="evaluation", **shown)

    async def one(self, request: Request) -> Response:
        part, asked = request.query_params.get("part"), request.query_params.get("range", "")
        template, read = _PARTS.get(part or "", ("rule.html", (True, True)))
        span = asked if asked in drawn.RANGES else drawn.DEFAULT_RANGE
        shown = await self._site.read(self._one, request.path_params["name"], span, *read)
        if shown is None:
            raise HTTPException(404)
        return self._site.html(request, template, active="evaluation", **shown)

    def _stats(self) -> dict[str, QueueStats]:
        now = self._site.clock()
        return {name: self._store.queue.stats(name, now_ns=now) for name in _QUEUES}

    def _spent(self, rule: Rule) -> tuple[int, int]:
        return (0, 0) if rule.judge is None else self._store.spent(rule.id, view.day_of(self._site.clock()))

    def _all(self, cursor: str | None) -> dict[str, Any]:
        rules, counts, stats = self._store.rules(), self._store.rule_counts(), self._stats()
        rows = [
            view.row(rule, counts.get((rule.id, rule.version)), self._spent(rule), _lag(rule, stats)) for rule in rules
        ]
        shown = {"rows": rows, "figures": view.figures(rules, counts, list(stats.values())), "states": view.STATES}
        return {**shown, **self._experiments(cursor)}

    def _experiments(self, cursor: str | None) -> dict[str, Any]:
        if self._datasets is None:
            return {"experiments": None, "next_cursor": None, "cursor": None}
        page = self._datasets.list_experiments(ExperimentQuery(limit=MAX_EXPERIMENTS, cursor=cursor))
        rows = [experiments.row(one) for one in page.items]
        return {"experiments": rows, "next_cursor": page.next_cursor, "cursor": cursor}

    def _one(self, name: str, span: str, facts: bool, scores: bool) -> dict[str, Any] | None:
        rule = next((one for one in self._store.rules() if one.name == name), None)
        if rule is None:
            return None
        return (self._facts(rule) if facts else {"row": view.row(rule, None, (0, 0), 0)}) | (
            self._scores(rule, span) if scores else {}
        )

    def _scores(self, rule: Rule, span: str) -> dict[str, Any]:
        from_ns, to_ns, step = drawn.window(span, self._site.clock())
        cells = self._store.score_cells(rule.identifier, from_ns=from_ns, to_ns=to_ns, step_ns=step)
        return {
            "scores": drawn.figures(steps_of(cells), from_ns, to_ns, step),
            "bars": (to_ns - from_ns) // step,
            "height": HEIGHT,
            "edges": (from_ns, to_ns),
            "range": span,
            "score_ranges": drawn.RANGES,
        }

    def _facts(self, rule: Rule) -> dict[str, Any]:
        counts, spent = self._store.rule_counts(), self._spent(rule)
        found = self._store.decisions_of(rule.id, state="failed", limit=MAX_FAILED)
        row = view.row(rule, counts.get((rule.id, rule.version)), spent, _lag(rule, self._stats()))
        return {
            "row": row,
            "figures": view.head(row),
            "settings": view.settings(rule, spent),
            "configured": rule.source == "config",
            "created_ns": rule.created_ns,
            "versions": view.versions(self._store.rule_versions(rule.name), rule, counts),
            "failed": [view.failed(one) for one in found],
            "cut": len(found) >= MAX_FAILED,
        }


def _lag(rule: Rule, stats: dict[str, QueueStats]) -> int:
    return max(stats[DECIDE].lag_ns, stats[scorer_of(rule)].lag_ns)


def _is_live(request: Request) -> bool:
    # an address of its own: a browser that goes back must not take the part for the page
    return request.query_params.get("part") == "live"
