"""Results as Markdown. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.rag_verdict.measure import Result
from tracekit.evals.verdict import LABELS

BEGIN = "<!-- figures: written by python -m benchmarks.rag_verdict -->"
END = "<!-- end of figures -->"


def accuracies(results: Sequence[Result]) -> str:
    head = ["mode", "cases", "accuracy", "balanced", *(f"`{label}`" for label in LABELS), "right document", "ms each"]
    rows = [
        [
            result.mode,
            str(result.cases),
            _percent(result.accuracy()),
            _percent(result.balanced()),
            *(_share(result, label) for label in LABELS),
            f"{result.named}/{result.nameable}",
            f"{1e3 * result.seconds / max(result.cases, 1):.0f}",
        ]
        for result in results
    ]
    return _table(head, rows)


def confusion(result: Result) -> str:
    head = ["made to be", *(f"`{label}`" for label in LABELS)]
    return _table(head, [[f"`{made}`", *(str(result.confusion[made, said]) for said in LABELS)] for made in LABELS])


def ways(result: Result) -> str:
    """How often each way of making a failure was found out."""
    made = sorted({(label, way) for label, way, _ in result.by_made}, key=lambda one: (LABELS.index(one[0]), one[1]))  # type: ignore[arg-type]
    rows = []
    for label, way in made:
        right, wrong = result.by_made[label, way, True], result.by_made[label, way, False]
        rows.append([f"`{label}`", way, f"{right}/{right + wrong}"])
    return _table(["verdict", "made by", "right"], rows)


def languages(results: Sequence[Result]) -> str:
    names = sorted({name for result in results for name, _ in result.by_language}, reverse=True)
    rows = []
    for result in results:
        counts = [(result.by_language[name, True], result.by_language[name, False]) for name in names]
        rows.append([result.mode, *(f"{right}/{right + wrong}" for right, wrong in counts)])
    return _table(["mode", *names], rows)


def section(held_out: Sequence[Result], development: Sequence[Result], told: Sequence[Result]) -> str:
    parts = ["### Held-out part", accuracies(held_out)]
    for result in held_out:
        parts += [f"Confusion matrix, {result.mode} (rows: made to be; columns: said):", confusion(result)]
    parts += [f"By the way each case was made, {held_out[0].mode}:", ways(held_out[0])]
    parts += ["By language:", languages(held_out)]
    parts += ["### What the evaluator is told of the knowledge base", accuracies(told)]
    parts += ["### Development part", "On which thresholds and word lists were tuned: not a fair figure.",
              accuracies(development)]  # fmt: skip
    return "\n\n".join(parts)


def written(page: str, figures: str) -> str:
    """The page with its figures replaced. Raises ``ValueError`` where it has no place for them."""
    start, end = page.index(BEGIN) + len(BEGIN), page.index(END)
    return f"{page[:start]}\n\n{figures}\n\n{page[end:]}"


def _share(result: Result, label: str) -> str:
    right = result.confusion[label, label]
    return f"{right}/{sum(result.confusion[label, said] for said in LABELS)}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
