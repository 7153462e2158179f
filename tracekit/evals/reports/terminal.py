"""For a terminal: aligned columns, colours where they are asked for. Control characters are left out. Pure."""

from __future__ import annotations

from tracekit.evals.reports.rows import HEADINGS, cells, facts, headline, means, notes
from tracekit.evals.results import Experiment

_COLOURS = {"better": "32", "worse": "31", "inconclusive": "33"}


def render(experiment: Experiment, colour: bool = False) -> str:
    """Ends with a line break."""
    decision = experiment.decision
    lines = [_bold(_clean(headline(experiment)), colour), ""]
    if decision is not None:
        lines += _table([HEADINGS, *(cells(one) for one in decision.metrics)], colour)
    else:
        lines += _table([("metric", "mean"), *means(experiment)], colour)
    lines += ["", *(f"{name:<13}{_clean(value)}" for name, value in facts(experiment))]
    said = notes(experiment)
    if said:
        lines += ["", *(f"- {_clean(one)}" for one in said)]
    return "\n".join(lines) + "\n"


def _table(rows: list[tuple[str, ...]], colour: bool) -> list[str]:
    rows = [tuple(_clean(cell) for cell in row) for row in rows]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    found = []
    for number, row in enumerate(rows):
        first, *others = (
            cell.ljust(width) if at == 0 or at == len(row) - 1 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        line = "  ".join((first, *others)).rstrip()
        verdict = _COLOURS.get(row[-1])
        if colour and verdict and number:
            line = line[: len(line) - len(row[-1])] + f"\x1b[{verdict}m{row[-1]}\x1b[0m"
        found.append(line)
        if number == 0:
            found.append("  ".join("-" * width for width in widths))
    return found


def _bold(text: str, colour: bool) -> str:
    return f"\x1b[1m{text}\x1b[0m" if colour else text


def _clean(text: str) -> str:
    """One line, and nothing that moves the cursor."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
