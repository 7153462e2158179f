"""One HTML page that needs nothing from anywhere else: no scripts, no fonts, no images. Pure."""

from __future__ import annotations

from html import escape

from tracekit.evals.api import text_of
from tracekit.evals.reports.rows import HEADINGS, cells, changed, facts, headline, means, notes, number
from tracekit.evals.results import Experiment, Run, by_example

#: examples whose outputs are shown, and characters of each text
MAX_EXAMPLES = 500
MAX_TEXT = 2_000
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1b1b1f;background:#fff}
table{border-collapse:collapse;margin:1rem 0;width:100%}th,td{padding:.35rem .6rem;border-bottom:1px solid #ddd;
text-align:left;vertical-align:top}td.n{font-variant-numeric:tabular-nums}pre{white-space:pre-wrap;word-break:break-word;
margin:0;font:13px/1.4 ui-monospace,monospace}.better{color:#116329}.worse,.error{color:#a40e26}
.inconclusive{color:#7d4e00}summary{cursor:pointer}dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}
dd{margin:0}@media(prefers-color-scheme:dark){body{color:#e6e6ea;background:#17171a}th,td{border-color:#3a3a40}
.better{color:#5fd07f}.worse,.error{color:#ff8b97}.inconclusive{color:#e3b341}}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def render(experiment: Experiment, baseline: Experiment | None = None) -> str:
    """``baseline``: its outputs stand beside the candidate's."""
    title = escape(headline(experiment))
    parts = [f"<h1>{title}</h1>", _decision(experiment), _facts(experiment)]
    said = notes(experiment)
    if said:
        parts.append("<ul>" + "".join(f"<li>{escape(one)}</li>" for one in said) + "</ul>")
    parts += [_changed(experiment, baseline), _examples(experiment, baseline)]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n<body>\n'
        + "\n".join(part for part in parts if part)
        + "\n</body></html>\n"
    )


def _decision(experiment: Experiment) -> str:
    decision = experiment.decision
    if decision is None:
        return _table(("metric", "mean"), [(escape(name), value) for name, value in means(experiment)])
    rows = []
    for one in decision.metrics:
        *shown, verdict = cells(one)
        mark = verdict.replace(" ", "-")
        rows.append((*(escape(cell) for cell in shown), f'<strong class="{mark}">{escape(verdict)}</strong>'))
    return _table(HEADINGS, rows)


def _facts(experiment: Experiment) -> str:
    found = [*facts(experiment), *((str(name), text_of(value)) for name, value in experiment.metadata.items())]
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{_short(value)}</dd>" for name, value in found) + "</dl>"


def _changed(experiment: Experiment, baseline: Experiment | None) -> str:
    rows: list[tuple[str, ...]] = [
        (escape(one.metric), escape(one.example_id), number(one.baseline), number(one.candidate))
        for one in changed(experiment, baseline, 20)
    ]
    return (
        "<h2>Examples that changed most</h2>" + _table(("metric", "example", "baseline", "candidate"), rows)
        if rows
        else ""
    )


def _examples(experiment: Experiment, baseline: Experiment | None) -> str:
    rows: list[tuple[str, ...]] = []
    before = {example: runs[0] for example, runs in by_example(baseline)} if baseline is not None else {}
    for example, runs in by_example(experiment):
        if len(rows) == MAX_EXAMPLES:
            break
        given = experiment.examples.get(example, {})
        row = [f"<code>{escape(example)}</code>", _pre(given.get("input")), _pre(given.get("expected"))]
        if baseline is not None:
            row.append(_run(before.get(example)))
        rows.append((*row, _run(runs[0]), _scores(runs)))
    headings = ("example", "input", "expected", *(("baseline",) if baseline is not None else ()), "output", "scores")
    shown = f"{len(rows)} of {len(experiment.examples) or len(rows)} examples, the first run of each"
    return f"<details><summary>{shown}</summary>{_table(headings, rows)}</details>"


def _run(run: Run | None) -> str:
    if run is None:
        return "–"
    return _pre(run.output) if run.error is None else f'<pre class="error">{_short(run.error)}</pre>'


def _scores(runs: list[Run]) -> str:
    names = dict.fromkeys(score.name for run in runs for score in run.scores)
    found = []
    for name in names:
        known = [value for run in runs if (value := run.metric(name)) is not None]
        first = next((score for score in runs[0].scores if score.name == name), None)
        said = first.explanation or first.label or first.error or first.not_applicable if first is not None else None
        mean = number(sum(known) / len(known)) if known else "–"
        found.append(f"{escape(name)}: {mean}" + (f" <small>{_short(said)}</small>" if said else ""))
    return "<br>".join(found)


def _pre(value: object) -> str:
    return f"<pre>{_short(text_of(value))}</pre>" if value is not None else "–"


def _short(text: str) -> str:
    return escape(text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…")


def _table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{escape(one)}</th>" for one in headings)
    body = "\n".join("<tr>" + "".join(f'<td class="n">{cell}</td>' for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"
