"""JUnit XML, as CI systems show it: a test case per metric (failed where it is worse), and one per example that failed.

Schema: the common subset of Ant's and Jenkins' (testsuites, testsuite, testcase, failure, error, skipped). Pure.
"""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

from tracekit.evals.gate import INCONCLUSIVE
from tracekit.evals.reports.rows import HEADINGS, cells, headline
from tracekit.evals.results import Experiment

#: characters that XML 1.0 cannot hold at all
_IMPOSSIBLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MAX_ERRORS = 100


def render(experiment: Experiment) -> str:
    """Metrics that are inconclusive are skipped, with the reason; failed where the gate fails on it."""
    cases, failures, skipped = [], 0, 0
    decision = experiment.decision
    strict = decision is not None and decision.exit_code == INCONCLUSIVE
    for one in decision.metrics if decision is not None else ():
        told = "; ".join(f"{name} {cell}" for name, cell in zip(HEADINGS, cells(one), strict=True))
        inner = ""
        if one.verdict == "worse" or (strict and one.verdict == "inconclusive"):
            failures += 1
            inner = f"<failure message={_attribute(f'{one.verdict}: {one.reason}')}>{_text(told)}</failure>"
        elif one.verdict == "inconclusive":
            skipped += 1
            inner = f"<skipped message={_attribute(one.reason)}/>"
        cases.append(_case(experiment, f"metric {one.metric}", 0.0, f"{inner}<system-out>{_text(told)}</system-out>"))
    errors = [run for run in experiment.runs if run.error is not None]
    for run in errors[:_MAX_ERRORS]:
        # The gate decides about failed runs: a case of its own may fail nothing that it lets pass.
        skipped += 1
        name = f"example {run.example_id}, repetition {run.repetition}"
        inner = f"<skipped message={_attribute(f'the run failed: {run.error}')}/>"
        cases.append(_case(experiment, name, (run.latency_ms or 0.0) / 1000, inner))
    counts = f'tests="{len(cases)}" failures="{failures}" errors="0" skipped="{skipped}"'
    suite = (
        f"<testsuite name={_attribute(experiment.name)} {counts} timestamp={_attribute(experiment.started_at)}>"
        f"<system-out>{_text(headline(experiment))}</system-out>"
    )
    body = "\n".join(cases)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites {counts}>\n{suite}\n{body}\n</testsuite>\n</testsuites>\n'
    )


def _case(experiment: Experiment, name: str, seconds: float, inner: str) -> str:
    names = f"name={_attribute(name)} classname={_attribute(f'tracekit.{experiment.name}')}"
    return f'<testcase {names} time="{seconds:.3f}">{inner}</testcase>'


def _text(text: str) -> str:
    return escape(_IMPOSSIBLE.sub("�", text))


def _attribute(text: str) -> str:
    return quoteattr(_IMPOSSIBLE.sub("�", text))
