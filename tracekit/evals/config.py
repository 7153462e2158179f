"""An evaluation as a TOML file describes it; everything that is wrong is said at once."""

from __future__ import annotations

import importlib
import math
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tracekit.evals.examples import is_file
from tracekit.evals.gate import Rule, Settings, default_rule

MAX_FILE: Final = 1024 * 1024
#: output -> the default name is of the file's own
OUTPUTS: Final = ("markdown", "junit", "json", "html")
_TOP: Final[dict[str, Any]] = {
    "name": str,
    "task": str,
    "dataset": str,
    "repetitions": int,
    "concurrency": int,
    "timeout": (int, float),
    "baseline": str,
    "directory": str,
    "project": str,
    "metadata": dict,
    "evaluators": list,
    "judge": dict,
    "gate": dict,
    "outputs": dict,
}
_GATE: Final = {"alpha", "power", "fail_on_inconclusive", "metrics", "rules", "seed"}
_RULE: Final = {"direction", "smallest_effect", "relative", "minimum", "maximum", "most_missing", "failed_score"}


class FaultyConfig(ValueError):
    """All faults, a line each."""


@dataclass(frozen=True, slots=True)
class EvalConfig:
    """Paths are relative to the file's folder and given as they are used. ``task`` and the evaluators' functions are
    ``module:function``, found in that folder too. ``baseline`` is a name, or a file."""

    task: str
    dataset: str
    name: str | None = None
    evaluators: Sequence[Mapping[str, Any]] = ()
    judge: Mapping[str, Any] | None = None
    repetitions: int = 1
    concurrency: int = 4
    timeout: float | None = None
    baseline: str | None = None
    directory: str | None = None
    project: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    gate: Settings = field(default_factory=Settings)
    metrics: Sequence[str] | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)


def read(path: Path) -> EvalConfig:
    """Raises ``FaultyConfig``."""
    try:
        if path.stat().st_size > MAX_FILE:
            raise FaultyConfig(f"{path}: larger than {MAX_FILE >> 20} MiB")
        found = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise FaultyConfig(f"{path}: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise FaultyConfig(f"{path}: {error}") from None
    return parse(found, path.parent, str(path))


def parse(found: Mapping[str, Any], folder: Path, file: str = "config") -> EvalConfig:
    """Raises ``FaultyConfig``."""
    faults = _shape(found)
    gate, metrics = _gate(found.get("gate", {}), faults)
    outputs = found.get("outputs", {})
    if isinstance(outputs, Mapping):
        faults += [f"outputs.{name}: there are {', '.join(OUTPUTS)}" for name in outputs if name not in OUTPUTS]
        faults += [f"outputs.{name}: must be a path" for name, to in outputs.items() if not isinstance(to, str)]
    for at, one in enumerate(found.get("evaluators", []) if isinstance(found.get("evaluators", []), list) else []):
        if not isinstance(one, Mapping) or not isinstance(one.get("type", one.get("function")), str):
            faults.append(f"evaluators[{at}]: must have a type or a function")
    if faults:
        raise FaultyConfig("\n".join(f"{file}: {fault}" for fault in faults))
    plain = {name: found[name] for name in _TOP if name in found and name not in ("gate", "outputs")}
    for name in ("dataset", "baseline", "directory"):
        if name in plain and (name == "directory" or is_file(plain[name]) or plain[name].endswith(".json")):
            plain[name] = str(folder / plain[name])
    paths = {name: str(folder / to) for name, to in outputs.items()}
    return EvalConfig(**plain, gate=gate, metrics=metrics, outputs=paths)


def _shape(found: Mapping[str, Any]) -> list[str]:
    faults = [f"{name}: is not known; there are {', '.join(_TOP)}" for name in found if name not in _TOP]
    faults += [f"{name}: is missing" for name in ("task", "dataset") if name not in found]
    for name, kind in _TOP.items():
        value = found.get(name)
        if value is not None and (not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)):
            kinds = kind if isinstance(kind, tuple) else (kind,)
            faults.append(f"{name}: must be {_WORDS[kinds[-1]]}")
    if isinstance(found.get("task"), str) and ":" not in found["task"]:
        faults.append("task: must be module:function")
    return faults


_WORDS: Final = {str: "a text", int: "a whole number", float: "a number", dict: "a table", list: "a list of tables"}


def _gate(given: Any, faults: list[str]) -> tuple[Settings, list[str] | None]:
    if not isinstance(given, Mapping):
        return Settings(), None
    faults += [
        f"gate.{name}: is not known; there are {', '.join(sorted(_GATE))}" for name in given if name not in _GATE
    ]
    metrics, rules = given.get("metrics"), given.get("rules", {})
    if metrics is not None and not (isinstance(metrics, list) and all(isinstance(one, str) for one in metrics)):
        faults.append("gate.metrics: must be a list of names")
        metrics = None
    found = {}
    for name, rule in rules.items() if isinstance(rules, Mapping) else ():
        found[name] = _rule(name, rule, faults)
    numbers = {name: given[name] for name in ("alpha", "power", "seed", "fail_on_inconclusive") if name in given}
    try:
        return Settings(**numbers, rules=found), metrics
    except (TypeError, ValueError) as error:
        faults.append(f"gate: {error}")
        return Settings(), metrics


def _rule(name: str, given: Any, faults: list[str]) -> Rule:
    default = default_rule(name)
    where = f"gate.rules.{name}"
    if not isinstance(given, Mapping):
        faults.append(f"{where}: must be a table")
        return default
    faults += [
        f"{where}.{key}: is not known; there are {', '.join(sorted(_RULE))}" for key in given if key not in _RULE
    ]
    direction = given.get("direction", "higher" if default.higher_is_better else "lower")
    if direction not in ("higher", "lower"):
        faults.append(f'{where}.direction: must be "higher" or "lower"')
    values = {key: given.get(key, getattr(default, key)) for key in _RULE - {"direction"}}
    if "direction" in given and "failed_score" not in given and direction == "lower":
        values["failed_score"] = None
    for key, value in values.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if not (isinstance(value, bool) if key == "relative" else value is None or number):
            faults.append(f"{where}.{key}: must be {'true or false' if key == 'relative' else 'a number'}")
            values[key] = getattr(default, key)
    try:
        return Rule(higher_is_better=direction == "higher", **values)
    except (TypeError, ValueError) as error:
        faults.append(f"{where}: {error}")
        return default


def function_of(named: str, folder: Path) -> Callable[..., Any]:
    """Of ``module:function``, looked for in the folder first. Raises ``ValueError``; what the module raises when it is
    imported is the user's to see."""
    module_name, _, name = named.partition(":")
    if str(folder.resolve()) not in sys.path:
        sys.path.insert(0, str(folder.resolve()))
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise ValueError(f"there is no module {module_name!r}") from None
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise ValueError(f"the module {module_name!r} has no function {name!r}")
    return found  # type: ignore[no-any-return]


def evaluators_of(config: EvalConfig, folder: Path) -> list[Any]:
    """As ``tracekit.evaluate`` takes them. ``{"function": "module:name", "name"?}`` is your own. Raises
    ``ValueError``."""
    from tracekit.evals.evaluating import FunctionEvaluator

    found: list[Any] = []
    for one in config.evaluators:
        if "function" in one and "type" not in one:
            unknown = one.keys() - {"function", "name"}
            if unknown:
                raise ValueError(f"an evaluator with a function has no setting {sorted(unknown)[0]!r}")
            found.append(FunctionEvaluator(function_of(one["function"], folder), one.get("name")))
        else:
            found.append(one)
    return found
