"""The whole loop: live traffic -> a rule finds bad answers -> a dataset -> a new prompt -> an experiment -> the gate.

    tracekit serve                       # in another terminal
    python -m examples.eval_loop         # TRACEKIT_ENDPOINT says where the collector is

The application and its "model" are those of ``examples/eval_gate.py``; the judge is the stand-in of
``examples/judge_standin.py``, so that nothing needs a key. ``EVAL_JUDGE_URL`` and ``EVAL_JUDGE_MODEL`` name another
judge that speaks OpenAI's protocol (``examples/small_model.py`` is one that runs here), ``EVAL_SECONDS`` how long all
its answers may take.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import tracekit
from tracekit import trace

if __package__:
    from . import eval_gate
    from .judge_standin import JudgeStandIn
else:  # run as a script
    import eval_gate
    from judge_standin import JudgeStandIn

COLLECTOR = os.environ.get("TRACEKIT_ENDPOINT", "http://127.0.0.1:4318").rstrip("/")
PROJECT = "eval-loop"
RULE = "grounded-answers"
DATASET = "eval-loop-failures"
SECONDS = float(os.environ.get("EVAL_SECONDS", "60"))
#: Below this a judge's score is a failure.
GOOD_ENOUGH = 0.75


def questions() -> dict[str, str]:
    """Each question and what people would say is right."""
    lines = (Path(__file__).parent / "eval_questions.jsonl").read_text("utf-8").splitlines()
    return {one["input"]: one["expected"] for one in map(json.loads, lines)}


@trace
def answer(question: str) -> str:
    """The application as it is in production: with the bad prompt."""
    return eval_gate.bad(question)


def call(method: str, path: str, body: Any = None) -> Any:
    """The collector's API. Raises ``urllib.error.HTTPError``."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(f"{COLLECTOR}/api/v1/{path}", data, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as found:
        text = found.read()
    return json.loads(text) if text else None


def add_rule(judge_url: str) -> None:
    """Score the application's traces as they come."""
    try:
        call("DELETE", f"rules/{RULE}")
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
    model = os.environ.get("EVAL_JUDGE_MODEL", "gpt-4o-mini")
    judge = {"model": model, "base_url": judge_url, "timeout_s": SECONDS / 6, "max_output_tokens": 600}
    # Experiments are traced in the same project: what they run is no live traffic.
    rule = {"name": RULE, "evaluator": {"type": "faithfulness"}, "projects": [PROJECT], "filter": "name == 'answer'"}
    call("POST", "rules", rule | {"judge": judge, "budget": {"calls": 10_000}})


def wait_for_scores(traces: int) -> dict[str, int]:
    """What became of the traces, once none of them waits any more."""
    until = time.monotonic() + SECONDS
    while True:
        decisions: dict[str, int] = call("GET", f"rules/{RULE}")["decisions"]
        if not decisions.get("queued") and sum(decisions.values()) >= traces:
            return {state: count for state, count in decisions.items() if count}
        if time.monotonic() > until:
            raise TimeoutError(f"the rule has not decided about {traces} traces: {decisions}")
        time.sleep(0.2)


def make_dataset() -> tracekit.evals.datasets.Dataset:
    """The questions that were answered badly, and what people say is right."""
    failures = tracekit.dataset(DATASET).create(description="found by a rule in live traffic")
    made = call(
        "POST",
        f"datasets/{DATASET}/from-traces",
        {
            "project": PROJECT,
            "filter": f"annotations['faithfulness'].score < {GOOD_ENOUGH}",
            "expected": None,
            "metadata": {"answered": "output"},
        },
    )
    print(f"dataset {DATASET}: {made['added']} bad answers became examples")
    right = questions()
    failures.change(update=[{"id": one["id"], "expected": right[one["input"]]} for one in failures])
    return failures


def main() -> int:
    tracekit.init(endpoint=COLLECTOR, project=PROJECT)
    judge = JudgeStandIn()
    threading.Thread(target=judge.serve_forever, daemon=True).start()
    add_rule(os.environ.get("EVAL_JUDGE_URL", judge.base_url))
    asked = questions()
    for question in asked:
        answer(question)
    tracekit.flush(10)
    print(f"rule {RULE}: {wait_for_scores(len(asked))}")
    make_dataset()
    checks: list[Any] = [{"type": "exact_match"}, eval_gate.grounded]
    before = tracekit.evaluate(eval_gate.bad, DATASET, checks, name="loop-before", repetitions=2, resume=False)
    after = tracekit.evaluate(
        eval_gate.good, DATASET, checks, name="loop-after", repetitions=2, baseline=before, resume=False
    )
    decision = after.decision
    assert decision is not None
    for one in decision.metrics:
        print(f"{one.metric}: {one.verdict}")
    print(f"gate: {decision.verdict}, exit code {decision.exit_code}")
    judge.shutdown()
    return decision.exit_code


if __name__ == "__main__":
    sys.exit(main())
