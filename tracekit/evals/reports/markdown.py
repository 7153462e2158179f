"""For a comment on a pull request. What comes from outside cannot become markup. Pure."""

from __future__ import annotations

import re

from tracekit.evals.reports.rows import HEADINGS, cells, changed, facts, headline, means, notes, number
from tracekit.evals.results import Experiment

_MARKS = {"better": "🟢", "worse": "🔴", "inconclusive": "🟡", "no difference": "⚪", "not compared": "⚪"}
#: what GitHub and CommonMark read as markup, links, mentions and references
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~&@:])")
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "@": "&#64;"}
_MAX_CELL = 300


def render(experiment: Experiment, baseline: Experiment | None = None) -> str:
    """Ends with a line break."""
    decision = experiment.decision
    mark = f"{_MARKS[decision.verdict]} " if decision is not None else ""
    lines = [f"### {mark}{escaped(headline(experiment))}", ""]
    if decision is not None:
        lines += _table([HEADINGS, *(cells(one) for one in decision.metrics)])
    else:
        lines += _table([("metric", "mean"), *means(experiment)])
    lines += ["", " · ".join(f"{name}: {escaped(value)}" for name, value in facts(experiment))]
    said = notes(experiment)
    if said:
        lines += ["", "<details><summary>Why</summary>", "", *(f"- {escaped(one)}" for one in said), "", "</details>"]
    examples = changed(experiment, baseline)
    if examples:
        rows = [(one.metric, one.example_id, number(one.baseline), number(one.candidate)) for one in examples]
        lines += ["", "<details><summary>Examples that changed most</summary>", ""]
        lines += [*_table([("metric", "example", "baseline", "candidate"), *rows]), "", "</details>"]
    return "\n".join(lines) + "\n"


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    found = ["| " + " | ".join(escaped(cell) for cell in row) + " |" for row in rows]
    return [found[0], "|" + "---|" * len(rows[0]), *found[1:]]


def escaped(text: str) -> str:
    """One line of plain text."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    short = line if len(line) <= _MAX_CELL else line[:_MAX_CELL] + "…"
    return _SPECIAL.sub(_escape, short)


def _escape(found: re.Match[str]) -> str:
    """Punctuation within numbers and words stays readable where it means nothing. Whom GitHub mentions and what it
    makes a link, a backslash does not keep from it: an entity does."""
    mark, text, at = found[1], found.string, found.start()
    if mark in _ENTITIES:
        return _ENTITIES[mark]
    if mark == ":":
        return "&#58;" if text[at : at + 3] == "://" else mark
    if mark == "." and text[max(0, at - 3) : at].lower() == "www":
        return "&#46;"
    return mark if mark in ".-+" and at > 0 else f"\\{mark}"
