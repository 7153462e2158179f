"""Accuracy of the RAG verdict, per verdict and mode, with confusion matrices.

    python -m benchmarks.rag_verdict [--seed 5] [--write docs/rag-verdict.md]
    python -m benchmarks.rag_verdict --judge-url http://127.0.0.1:11434/v1 --judge-model NAME [--judge-key env:NAME]

Without ``--judge-url`` the judge is the rule-based stand-in of ``examples/judge_standin.py``, asked over HTTP: it shows
that the way there and back works, and says nothing about what a model would answer.
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.rag_verdict.cases import Case, make_cases
from benchmarks.rag_verdict.measure import Judging, Result, measure
from benchmarks.rag_verdict.report import section, written
from examples.judge_standin import JudgeStandIn
from tracekit.evals.api import Judge, Subject
from tracekit.evals.embedding import Embedder
from tracekit.evals.judge_http import judge_of
from tracekit.evals.verdict import RagVerdict, RagVerdictEvaluator

PARTS = ("held-out", "development")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--write", type=Path, help="a page whose figures to replace")
    parser.add_argument("--judge-url", help="of an OpenAI-compatible endpoint")
    parser.add_argument("--judge-model", default="gpt-4o-mini")
    parser.add_argument("--judge-key", help="env:NAME of the variable that holds the key")
    options = parser.parse_args()
    cases = make_cases(options.seed)
    with _judge(options.judge_url, options.judge_model, options.judge_key) as (name, judge):
        modes = {"local, words": judging()}
        if Embedder.load() is not None:
            modes["local, words and embeddings"] = judging(embeddings=True)
        modes[name] = judging(judge)
        found = {
            part: [measure(mode, part, of_part(cases, part), way) for mode, way in modes.items()] for part in PARTS
        }
    figures = section(found["held-out"], found["development"], told(of_part(cases, "held-out"), found["held-out"][0]))
    print(figures)
    if options.write:
        options.write.write_text(written(options.write.read_text("utf-8"), figures), "utf-8")


def of_part(cases: Sequence[Case], part: str) -> list[Case]:
    return [case for case in cases if case.part == part]


def judging(judge: Judge | None = None, embeddings: bool = False) -> Judging:
    evaluator = RagVerdictEvaluator(judge, embeddings)

    def way(subject: Subject) -> RagVerdict:
        return evaluator.verdict(subject)[0]

    return way


def told(cases: Sequence[Case], with_corpus: Result) -> list[Result]:
    """The local mode with more and with less knowledge of what was not retrieved."""
    labels = measure("words, labels of documents", "held-out", cases, judging(), "labels")
    nothing = measure("words, retrieved documents only", "held-out", cases, judging(), "nothing")
    with_corpus = Result(**{**vars(with_corpus), "mode": "words, corpus"})
    return [labels, with_corpus, nothing]


@contextmanager
def _judge(url: str | None, model: str, key: str | None) -> Iterator[tuple[str, Judge]]:
    if url:
        settings = {"provider": "openai", "base_url": url, "model": model, "max_output_tokens": 4096}
        yield f"judge, {model}", judge_of(settings | ({"api_key": key} if key else {}))
        return
    with JudgeStandIn() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        settings = {"provider": "openai", "base_url": server.base_url, "model": model, "max_output_tokens": 4096}
        try:
            yield "judge, rule-based stand-in", judge_of(settings)
        finally:
            server.shutdown()
            thread.join()


if __name__ == "__main__":
    main()
