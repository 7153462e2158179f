"""Rules, and what was decided by them, as the Evaluation page shows them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from collector.evaluation.rules import Counts, Decision, Rule
from collector.model import PICO_USD
from collector.queue.api import QueueStats
from dashboards import format as fmt
from dashboards.destination_settings import Setting
from dashboards.operations import LATE_NS, Reason, State, behind, reason
from dashboards.rows import Figure

#: By the order in which they are shown: the decision's state, its column, what it means.
STATES: Final = (
    ("done", "Done", "Scored"),
    ("queued", "Queued", "Waits: for the rest of the trace, its turn, or the next attempt"),
    ("filtered", "Filtered", "The filter does not hold"),
    ("sampled_out", "Sampled out", "Not in the sample"),
    ("over_budget", "Over budget", "The judge has used up its day"),
    ("not_applicable", "Not applicable", "The evaluator has nothing to say of it"),
    ("failed", "Failed", "Given up"),
)
#: Longer filters and settings are cut.
_MAX_TEXT: Final = 2_000
_DAY_NS: Final = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class Tally:
    """Decisions in one state. ``value`` is empty where there are none."""

    state: str
    label: str
    note: str
    value: str


@dataclass(frozen=True, slots=True)
class RuleRow:
    """``path`` is below ``/evaluation/`` and below the API's ``/rules/``. ``spent`` is empty without a judge."""

    name: str
    path: str
    evaluator: str
    target: str
    filter: str
    sample: str
    judge: str
    budget: str
    spent: str
    spent_up: bool
    state: State
    version: str
    tallies: list[Tally]
    failed: str
    behind: str
    late: bool


@dataclass(frozen=True, slots=True)
class Failed:
    """One decision that was given up. ``trace_id`` is empty for a session's."""

    id: str
    what: str
    trace_id: str
    span_id: str
    session: str
    reason: Reason
    attempts: str
    version: str
    updated_ns: int


@dataclass(frozen=True, slots=True)
class VersionRow:
    version: str
    current: bool
    what: str
    tallies: list[Tally]
    changed_ns: int


def day_of(now_ns: int) -> int:
    """The day that budgets are for, counted from the epoch (UTC)."""
    return now_ns // _DAY_NS


def row(rule: Rule, counts: Counts | None, spent: tuple[int, int], lag_ns: int) -> RuleRow:
    """``spent``: (pico-USD, calls) of today. ``lag_ns``: of the queue that its targets wait in."""
    found = counts or Counts()
    waits = bool(found.by_state.get("queued"))
    failed = found.by_state.get("failed", 0)
    return RuleRow(
        name=rule.name,
        path=quote(rule.name, safe=""),
        evaluator=evaluator_of(rule),
        target=rule.target,
        filter=fmt.line(rule.filter, _MAX_TEXT) if rule.filter else "",
        sample=fmt.percent(rule.sample_rate),
        judge=judge_of(rule),
        budget=budget_of(rule) if rule.judge is not None else "",
        spent=spent_words(spent) if rule.judge is not None else "",
        spent_up=is_spent(rule, spent),
        state=State("paused", "paused") if rule.state == "paused" else State("active", "active"),
        version=str(rule.version),
        tallies=tallies(found),
        failed=fmt.count(failed) if failed else "",
        behind=behind(lag_ns if waits else 0),
        late=waits and lag_ns > LATE_NS,
    )


def tallies(counts: Counts | None) -> list[Tally]:
    by_state = (counts or Counts()).by_state
    return [
        Tally(state, label, note, fmt.count(by_state[state]) if by_state.get(state) else "")
        for state, label, note in STATES
    ]


def evaluator_of(rule: Rule) -> str:
    return fmt.line(rule.evaluator.get("type", ""), 200) or fmt.UNKNOWN


def judge_of(rule: Rule) -> str:
    """The model that is asked; empty where none is."""
    return "" if rule.judge is None else fmt.line(rule.judge.get("model"), 200) or "a judge"


def budget_of(rule: Rule) -> str:
    """``$5 and 200 calls a day``."""
    parts = []
    if rule.budget.usd is not None:
        parts.append(fmt.money(round(rule.budget.usd * PICO_USD)))
    if rule.budget.calls is not None:
        parts.append(fmt.counted(rule.budget.calls, "call"))
    return " and ".join(parts) + " a day" if parts else "no budget"


def spent_words(spent: tuple[int, int]) -> str:
    cost, calls = spent
    return f"{fmt.money(cost)}, {fmt.counted(calls, 'call')}"


def is_spent(rule: Rule, spent: tuple[int, int]) -> bool:
    """Whether today's budget is used up."""
    cost, calls = spent
    usd = rule.budget.usd is not None and cost >= rule.budget.usd * PICO_USD
    return rule.judge is not None and (usd or (rule.budget.calls is not None and calls >= rule.budget.calls))


def figures(
    rules: Sequence[Rule], counts: Mapping[tuple[int, int], Counts], queues: Sequence[QueueStats]
) -> list[Figure]:
    """The head of the list."""
    now = [counts.get((rule.id, rule.version), Counts()).by_state for rule in rules]
    done, queued, failed = (sum(one.get(state, 0) for one in now) for state in ("done", "queued", "failed"))
    lag = max((one.lag_ns for one in queues), default=0)
    found = [Figure(fmt.count(len(rules)), "rule" if len(rules) == 1 else "rules")]
    found.append(Figure(fmt.count(done), "scored", "By the rules as they are now"))
    found.append(Figure(fmt.count(queued), "queued", "Wait for the rest of a trace, their turn, or the next attempt"))
    if lag > LATE_NS:
        found.append(
            Figure(fmt.duration(lag), "behind", "What has waited longest in the queues of evaluation", "amber")
        )
    if failed:
        found.append(Figure(fmt.count(failed), "failed", "Given up: each rule's page says why", "error"))
    return found


def head(row: RuleRow) -> list[Figure]:
    """The numbers of one rule's page."""
    tones = {"failed": "error", "over_budget": "amber"}
    found = [
        Figure(one.value or "0", one.label.lower(), one.note, tones.get(one.state, "") if one.value else "")
        for one in row.tallies
        if one.value or one.state in ("done", "queued")
    ]
    if row.late:
        found.append(Figure(row.behind, "behind", "", "amber"))
    return found


def settings(rule: Rule, spent: tuple[int, int]) -> list[Setting]:
    evaluator = tuple(
        f"{name} = {fmt.line(value, _MAX_TEXT)}" for name, value in rule.evaluator.items() if name != "type"
    )
    found = [
        Setting("Evaluator", (evaluator_of(rule), *evaluator), mono=True),
        Setting("Target", (rule.target,)),
        Setting(
            "Filter", (fmt.line(rule.filter, _MAX_TEXT),) if rule.filter else (), f"every {rule.target}", mono=True
        ),
        Setting("Sample", (fmt.percent(rule.sample_rate),)),
        Setting("Projects", rule.projects, "all"),
    ]
    if rule.judge is not None:
        found.append(Setting("Judge", tuple(_said(rule.judge)), mono=True))
        found.append(Setting("Budget", (budget_of(rule),)))
        found.append(Setting("Today", (spent_words(spent),)))
    return found


def _said(judge: Mapping[str, Any]) -> list[str]:
    """Of a key the place alone, if it was said as one."""
    found = []
    for name, value in judge.items():
        hidden = "key" in name.lower() and not str(value).startswith(("env:", "file:"))
        found.append(f"{name} = {'(not shown)' if hidden else fmt.line(value, _MAX_TEXT)}")
    return found


def versions(known: Sequence[Rule], current: Rule, counts: Mapping[tuple[int, int], Counts]) -> list[VersionRow]:
    """The latest first."""
    return [
        VersionRow(
            version=str(one.version),
            current=one.version == current.version,
            what=_what(one),
            tallies=tallies(counts.get((one.id or current.id, one.version))),
            changed_ns=one.changed_ns or one.created_ns,
        )
        for one in known
    ]


def _what(rule: Rule) -> str:
    parts = [evaluator_of(rule), f"each {rule.target}"]
    if rule.filter:
        parts.append(f"where {fmt.line(rule.filter, 200)}")
    if rule.judge is not None:
        parts.append(f"asks {judge_of(rule)}")
    return ", ".join(parts)


def failed(decision: Decision) -> Failed:
    subject = decision.subject
    trace_id = subject.trace_id.hex() if subject.trace_id else ""
    span_id = subject.span_id.hex() if subject.span_id else ""
    return Failed(
        id=quote(f"{decision.version}-{subject.key}", safe=""),
        what="span" if span_id else "trace" if trace_id else "session",
        trace_id=trace_id,
        span_id=span_id,
        session=subject.session_id or "",
        reason=reason(decision.reason or ""),
        attempts=fmt.count(decision.attempts),
        version=str(decision.version),
        updated_ns=decision.updated_ns,
    )
