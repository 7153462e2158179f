"""The console script ``tracekit``: says what to install where only the SDK is, instead of a traceback."""

from __future__ import annotations

import sys

_OWN = ("collector", "tracekit", "dashboards")


def main() -> None:
    if sys.argv[1:2] == ["run"]:  # needs the SDK alone
        from tracekit.run import main as run_program

        sys.exit(run_program(sys.argv[2:]))
    if sys.argv[1:2] == ["eval"] and sys.argv[2:3] in (["run"], ["compare"]):  # so do these
        from tracekit.evals.cli import main as experiments

        sys.exit(experiments(sys.argv[2:]))
    try:
        from collector.cli import main as run
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in _OWN:
            raise
        print(
            f"tracekit: this command needs the collector, and {error.name!r} is not installed; "
            "install tracekit-llm with its extra: pip install 'tracekit-llm[collector]'",
            file=sys.stderr,
        )
        sys.exit(2)
    run()
