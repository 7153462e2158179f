"""What holds of the adapter for arize-phoenix-evals; run where that is installed, with a model's address."""

from __future__ import annotations

import sys

from phoenix.evals import LLM, create_classifier, create_evaluator
from phoenix.evals.metrics import MatchesRegex

from tracekit.evals.adapters import from_phoenix_evals
from tracekit.evals.api import RetrievedDocument, Subject
from tracekit.evals.registry import make

SUBJECT = Subject(input="spell it", output="kitten", expected="sitting", documents=[RetrievedDocument("cats")])


def main(address: str) -> None:
    (found,) = from_phoenix_evals(MatchesRegex(pattern="k.t"), name="cat")(SUBJECT)
    assert (found.name, found.score) == ("cat", 1)
    assert from_phoenix_evals(MatchesRegex(pattern="x")).annotator_kind == "code"

    @create_evaluator(name="words", kind="code", direction="minimize")
    def count(text: str) -> float:
        return float(len(text.split()))

    (counted,) = from_phoenix_evals(count, mapping={"text": "context"})(SUBJECT)
    assert (counted.name, counted.score, counted.metadata["direction"]) == ("words", 1, "minimize")

    made = make({"type": "phoenix-evals", "evaluator": "exact_match", "name": "same"})
    (same,) = made(Subject(output="a", expected="a"))
    assert (same.name, same.score, made.annotator_kind) == ("same", 1, "code")

    llm = LLM(provider="openai", model="gpt-4o", client="openai", api_key="none", base_url=address)
    template = "Is {output} about {input}? {context}"
    classifier = create_classifier(name="about", prompt_template=template, llm=llm, choices={"yes": 1.0, "no": 0.0})
    about = from_phoenix_evals(classifier)
    (said,) = about(Subject(input="Capital of France?", output="Paris", documents=SUBJECT.documents))
    assert (said.name, said.label, said.score, about.annotator_kind) == ("about", "yes", 1, "llm")
    print("all of it holds")


if __name__ == "__main__":
    main(sys.argv[1])
