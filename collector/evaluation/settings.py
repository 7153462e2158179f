"""A rule as an operator writes it (TOML, JSON, flags) to a ``Rule``; what is wrong is said at once."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, get_args

import orjson

from collector.evaluation.rules import TARGETS, Budget, Rule, RuleState, Source, Target
from collector.filters.faults import FilterFault
from collector.filters.parse import parse
from tracekit.evals import registry
from tracekit.evals.api import JudgeAnswer

T = TypeVar("T")

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}\Z", re.ASCII)
FIELDS: Final = ("name", "evaluator", "target", "filter", "sample_rate", "judge", "budget", "projects", "state")
_MAX_TEXT: Final = 2_000
_MAX_SETTINGS: Final = 64 * 1024
_MAX_BUDGET: Final = 1e6


class FaultyRule(ValueError):
    """``faults``: field to what is wrong with it."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {detail}" for name, detail in faults.items()))
        self.faults = dict(faults)


def rule_of(given: Mapping[str, Any], *, source: Source = "operator", remote: bool = False) -> Rule:
    """``remote``: said over the network: a judge's key is then in a variable ``TRACEKIT_SECRET_...``. Raises
    ``FaultyRule``."""
    faults: dict[str, str] = {}

    def take(name: str, read: Callable[[Any], T], otherwise: T) -> T:
        value = given.get(name)
        if value is None:
            if name in ("name", "evaluator"):
                faults[name] = "is needed"
            return otherwise
        try:
            return read(value)
        except ValueError as fault:
            faults[name] = str(fault)
            return otherwise

    for name in given.keys() - set(FIELDS):
        faults[str(name)[:100]] = f"there is no such field; there are {', '.join(FIELDS)}"
    target: Target = take("target", _target, "trace")
    judge = take("judge", lambda value: _judge(value, remote), None)
    rule = Rule(
        name=take("name", _name, ""),
        evaluator=take("evaluator", _settings, {}),
        target=target,
        filter=take("filter", lambda value: _filter(value, target), None),
        sample_rate=take("sample_rate", _rate, 1.0),
        judge=judge,
        budget=take("budget", _budget, Budget()),
        projects=take("projects", _texts, ()),
        state=take("state", _state, "active"),
        source=source,
    )
    if "evaluator" not in faults and "judge" not in faults:
        fault = _fault_of_evaluator(rule)
        if fault is not None:
            faults["evaluator"] = fault
    if faults:
        raise FaultyRule(faults)
    return rule


def configured(given: Mapping[str, Mapping[str, Any]]) -> list[Rule]:
    """The rules of a configuration file, by name. Raises ``FaultyRule`` with what is wrong in all of them."""
    found: list[Rule] = []
    faults: dict[str, str] = {}
    for name, said in given.items():
        try:
            found.append(rule_of({"name": name, **said}, source="config"))
        except FaultyRule as faulty:
            faults |= {f"{name}.{field}": detail for field, detail in faulty.faults.items()}
    if faults:
        raise FaultyRule(faults)
    return found


class _NoJudge:
    """Stands where a judge will, while the settings are looked at."""

    model = "unknown"

    def complete(self, messages: Any, *, schema: Any = None) -> JudgeAnswer:
        raise ValueError("no judge is asked here")


def _fault_of_evaluator(rule: Rule) -> str | None:
    try:
        asks = registry.needs_judge(str(rule.evaluator.get("type")))
        if asks and rule.judge is None:
            return f"{rule.evaluator['type']} asks a judge: say which, in judge"
        registry.make(rule.evaluator, None if rule.judge is None else _NoJudge())
    except ValueError as fault:
        return str(fault)
    except ImportError as fault:
        return f"needs {fault.name}, which is not installed where the collector runs"
    return None


def _judge(value: Any, remote: bool) -> Mapping[str, Any]:
    from tracekit.evals.judge_settings import settings_of

    found = _object(value)
    settings_of(found, remote=remote)
    return found


def _settings(value: Any) -> Mapping[str, Any]:
    found = _object(value)
    if not isinstance(found.get("type"), str):
        raise ValueError(f"must have a type, one of {', '.join(registry.types())}")
    return found


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise ValueError("must be an object")
    try:
        encoded = orjson.dumps(dict(value))
    except (TypeError, ValueError, RecursionError):
        raise ValueError("must be JSON") from None
    if len(encoded) > _MAX_SETTINGS or b"\\u0000" in encoded:
        raise ValueError(f"must be at most {_MAX_SETTINGS} bytes of JSON without NUL characters")
    found: dict[str, Any] = orjson.loads(encoded)
    return found


def _name(value: Any) -> str:
    if not isinstance(value, str) or not _NAME.match(value):
        raise ValueError("must be lower-case letters, digits, dots, hyphens and underscores, 63 at most")
    return value


def _target(value: Any) -> Any:
    if value not in TARGETS:
        raise ValueError(f"must be one of {', '.join(TARGETS)}")
    return value


def _filter(value: Any, target: str) -> str:
    if not isinstance(value, str):
        raise ValueError("must be an expression")
    try:
        parse(value, "span" if target == "span" else "trace")
    except FilterFault as fault:
        raise ValueError(str(fault)) from None
    return value


def _rate(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError("must be a number from 0 to 1")
    return float(value)


def _budget(value: Any) -> Budget:
    if not isinstance(value, Mapping) or value.keys() - {"usd", "calls"}:
        raise ValueError("must be an object of usd and calls, of one day")
    usd, calls = value.get("usd"), value.get("calls")
    if usd is not None and not (_is_number(usd) and 0 <= usd <= _MAX_BUDGET):
        raise ValueError(f"usd: must be a number from 0 to {_MAX_BUDGET:g}")
    if calls is not None and not (type(calls) is int and 0 <= calls <= 10**9):
        raise ValueError("calls: must be a whole number")
    return Budget(None if usd is None else float(usd), calls)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(
        isinstance(one, str) and 0 < len(one) <= _MAX_TEXT and "\0" not in one for one in value
    ):
        raise ValueError("must be a list of texts")
    return tuple(value)


def _state(value: Any) -> Any:
    if value not in get_args(RuleState):
        raise ValueError(f"must be one of {', '.join(get_args(RuleState))}")
    return value
