"""``tracekit eval run`` and ``tracekit eval compare``: experiments from the command line, with the SDK alone.

Exit codes: 0 the gate passes, 1 worse (or beyond a bound), 2 the configuration or the command line is wrong, 3
inconclusive where that is to fail, 130 interrupted (the same command goes on where it stopped).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from tracekit.evals import config as configs
from tracekit.evals import store
from tracekit.evals.config import EvalConfig, FaultyConfig
from tracekit.evals.gate import PASS, USAGE, Settings
from tracekit.evals.results import Experiment

VERBS: Final = ("run", "compare")
_INTERRUPTED: Final = 130
_EPILOG: Final = """\
exit codes: 0 the gate passes; 1 worse, or beyond a bound; 2 a wrong configuration or command line;
3 inconclusive, with --fail-on-inconclusive; 130 interrupted: the same command goes on where it stopped.
"""


def main(arguments: Sequence[str]) -> int:
    """The exit code of ``run ...`` or ``compare ...``."""
    try:
        given = parser().parse_args(arguments)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else USAGE
    try:
        found, baseline = (_run if given.verb == "run" else _compare)(given)
        code = found.decision.exit_code if found.decision is not None else PASS
        _write(found, baseline, _outputs(given))
    except KeyboardInterrupt:
        print("tracekit eval: interrupted; the same command goes on where it stopped", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:  # whoever read the table has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, OSError) as error:
        print(f"tracekit eval: {error}", file=sys.stderr)
        return USAGE
    return code


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(prog="tracekit eval", epilog=_EPILOG, formatter_class=_Formatter)
    verbs = whole.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run", help="run an evaluation", epilog=_EPILOG, formatter_class=_Formatter)
    run.add_argument("config", type=Path, metavar="CONFIG.toml")
    run.add_argument("--name", help="of the experiment; default: the file's, or made of what is run")
    run.add_argument("--baseline", help="an experiment's file or name; default: the file's; \"\": none")
    run.add_argument("--restart", action="store_true", help="run again what an interrupted run has done")
    run.add_argument("--no-progress", action="store_true", help="no bar, even on a terminal")
    compare = verbs.add_parser("compare", help="compare experiments", epilog=_EPILOG, formatter_class=_Formatter)
    compare.add_argument("baseline", metavar="BASELINE", help="an experiment's file or name")
    compare.add_argument("candidate", metavar="CANDIDATE", help="an experiment's file or name")
    compare.add_argument("--config", type=Path, metavar="CONFIG.toml", help="whose gate is used")
    compare.add_argument("--directory", type=Path, help=f"where experiments with these names are [{store.DIRECTORY}]")
    for one in (run, compare):
        one.add_argument("--fail-on-inconclusive", action="store_true", help="exit with 3 where it is inconclusive")
        for output in configs.OUTPUTS:
            one.add_argument(f"--{output}", type=Path, metavar="FILE", help=f"write the report as {output}")
    return whole


class _Formatter(argparse.RawDescriptionHelpFormatter):
    pass


def _run(given: argparse.Namespace) -> tuple[Experiment, Experiment | None]:
    from tracekit.evals.experiment import evaluate

    config = configs.read(given.config)
    given.configured = config.outputs
    arguments = of_config(config, given.config.parent)
    directory = arguments["directory"] or store.DIRECTORY
    named = config.baseline if given.baseline is None else given.baseline
    baseline = store.load(named, directory) if named else None
    more = {"baseline": baseline, "gate": _strict(config.gate, given), "name": given.name or config.name}
    found = evaluate(**{**arguments, **more}, resume=not given.restart, progress=not given.no_progress)
    return found, baseline


def of_config(config: EvalConfig, folder: Path) -> dict[str, Any]:
    """The arguments of ``evaluate`` that a file in this folder says. Raises ``ValueError``."""
    if config.project is not None:
        os.environ.setdefault("TRACEKIT_PROJECT", config.project)
    same = ("dataset", "name", "repetitions", "concurrency", "timeout", "baseline", "gate", "metrics", "metadata")
    return {
        **{name: getattr(config, name) for name in same},
        "task": configs.function_of(config.task, folder),
        "evaluators": configs.evaluators_of(config, folder),
        "directory": Path(config.directory) if config.directory is not None else None,
        "judge": _judge(config),
    }


def _judge(config: EvalConfig) -> Any:
    if config.judge is None:
        return None
    from tracekit.evals.judge_http import judge_of

    return judge_of(config.judge)


def _compare(given: argparse.Namespace) -> tuple[Experiment, Experiment | None]:
    config = configs.read(given.config) if given.config is not None else None
    given.configured = {}
    directory = given.directory or (Path(config.directory) if config and config.directory else store.DIRECTORY)
    baseline, candidate = (store.load(one, directory) for one in (given.baseline, given.candidate))
    settings = _strict(config.gate if config is not None else Settings(), given)
    decision = candidate.compare(baseline, settings, config.metrics if config is not None else None)
    return replace(candidate, decision=decision, baseline=baseline.name), baseline


def _strict(settings: Settings, given: argparse.Namespace) -> Settings:
    return replace(settings, fail_on_inconclusive=True) if given.fail_on_inconclusive else settings


def _outputs(given: argparse.Namespace) -> dict[str, Path]:
    """Those of the command line over those of the file."""
    found = {name: Path(to) for name, to in given.configured.items()}
    return found | {name: getattr(given, name) for name in configs.OUTPUTS if getattr(given, name) is not None}


def _write(found: Experiment, baseline: Experiment | None, outputs: Mapping[str, Path]) -> None:
    """The table on standard output, the others into their files."""
    from tracekit.evals.reports import terminal

    for name, path in outputs.items():
        store.write_whole(path, renderer(name)(found, baseline))
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print(terminal.render(found, colour), end="")
    if found.path is not None:
        print(f"\nresults      {found.path}")


def renderer(name: str) -> Callable[[Experiment, Experiment | None], str]:
    """Of one of ``config.OUTPUTS``."""
    from tracekit.evals.reports import html, json, junit, markdown

    renderers: dict[str, Callable[[Experiment, Experiment | None], str]] = {
        "markdown": markdown.render,
        "html": html.render,
        "junit": lambda found, _: junit.render(found),
        "json": lambda found, _: json.render(found),
    }
    return renderers[name]


def options() -> set[str]:
    """Every option of every verb."""
    actions = parser()._subparsers._group_actions  # type: ignore[union-attr]
    below = [one for action in actions for one in action.choices.values()]  # type: ignore[union-attr]
    return {text for one in below for text in one._option_string_actions if text.startswith("--")}


__all__ = ["VERBS", "FaultyConfig", "main", "options", "parser", "renderer"]
