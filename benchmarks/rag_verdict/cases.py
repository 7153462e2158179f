"""The labelled cases, made of ``texts/*.toml``: the same for the same seed.

Of each fact four cases, one for each failure that can be made of it and one without; of each unanswerable question one.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tracekit.evals.api import RetrievedDocument, Subject

TEXTS = Path(__file__).with_name("texts")
Knowledge = Literal["corpus", "labels", "nothing"]

_REFUSALS = {
    "en": (
        "I'm sorry, but I could not find the answer in the documents.",
        "The provided context does not mention this.",
        "I don't know.",
    ),
    "de": ("Das geht aus den Dokumenten nicht hervor.", "Das weiß ich leider nicht."),
    "fr": ("Je ne sais pas.", "Les documents ne le disent pas."),
}


@dataclass(frozen=True, slots=True)
class Case:
    """``made``: how. ``documents``: what was retrieved, in order; ``others``: the rest of the knowledge base; each as
    (id, text). ``holding``: the id of the document that holds the answer, None where none does."""

    id: str
    domain: str
    part: str
    verdict: str
    made: str
    question: str
    answer: str
    documents: tuple[tuple[str, str], ...]
    others: tuple[tuple[str, str], ...]
    holding: str | None

    def subject(self, knowledge: Knowledge = "corpus") -> Subject:
        """``knowledge``: what the evaluator is told of the knowledge base besides what was retrieved."""
        metadata: dict[str, Any] = {}
        if knowledge == "corpus":
            metadata["corpus"] = [{"id": key, "text": text} for key, text in self.others]
        if knowledge == "labels":
            metadata["expected_documents"] = [self.holding] if self.holding else []
        documents = [RetrievedDocument(text, at, key) for at, (key, text) in enumerate(self.documents)]
        return Subject(input=self.question, output=self.answer, documents=documents, metadata=metadata)


def make_cases(seed: int = 5, folder: Path = TEXTS) -> list[Case]:
    files = [(path.stem, tomllib.loads(path.read_text("utf-8"))) for path in sorted(folder.glob("*.toml"))]
    strangers = [(one["id"], one["text"]) for _, content in files for one in content["document"]]
    found: list[Case] = []
    for domain, content in files:
        found += _Domain(domain, content, strangers, random.Random(f"{seed} {domain}")).cases()
    return found


class _Domain:
    def __init__(self, name: str, content: dict[str, Any], strangers: Sequence[tuple[str, str]], dice: random.Random):
        self.name, self.content, self.dice = name, content, dice
        self.texts = {one["id"]: one["text"] for one in content["document"]}
        self.languages = {one["id"]: one.get("language", "en") for one in content["document"]}
        self.strangers = [one for one in strangers if one[0] not in self.texts]

    def cases(self) -> Iterator[Case]:
        for at, fact in enumerate(self.content["fact"]):
            yield self._answered(at, fact)
            yield self._contradicted(at, fact)
            yield self._ignored(at, fact)
            yield self._not_retrieved(at, fact)
        for at, one in enumerate(self.content["unanswerable"]):
            documents = self._some(None, None)
            yield self._case(
                f"unanswerable-{at}", "not_answerable", "question", one["question"], one["answer"], documents, None
            )

    def _answered(self, at: int, fact: dict[str, Any]) -> Case:
        made = ("paraphrase", "quote", "several", "paraphrase with a preamble")[at % 4]
        answer = {
            "paraphrase": fact["answer"],
            "quote": fact["quote"],
            "several": f"{fact['answer']} {self._sentence_of(fact['document'])}",
            "paraphrase with a preamble": f"Sure! {fact['answer']} I hope this helps.",
        }[made]
        return self._of(at, fact, "answered", made, answer)

    def _contradicted(self, at: int, fact: dict[str, Any]) -> Case:
        made = ("flipped", "flipped after a true sentence")[at % 2]
        before = f"{self._sentence_of(fact['document'])} " if at % 2 else ""
        return self._of(at, fact, "contradicted", made, before + fact["wrong"])

    def _ignored(self, at: int, fact: dict[str, Any]) -> Case:
        made = ("from elsewhere", "declined", "from another document")[at % 3]
        if made == "from another document":
            other = self.dice.choice([one for one in self.content["fact"] if one["document"] != fact["document"]])
            return self._of(at, fact, "ignored", made, other["quote"], with_document=other["document"])
        answer = fact["elsewhere"] if made == "from elsewhere" else self._refusal(fact["document"])
        return self._of(at, fact, "ignored", made, answer)

    def _not_retrieved(self, at: int, fact: dict[str, Any]) -> Case:
        made = ("declined", "from elsewhere", "invented", "right by chance")[at % 4]
        answer = {
            "declined": self._refusal(fact["document"]),
            "from elsewhere": fact["elsewhere"],
            "invented": fact["wrong"],
            "right by chance": fact["answer"],
        }[made]
        documents = self._some(None, fact["document"])
        return self._case(
            f"fact-{at}-not_retrieved", "not_retrieved", made, fact["question"], answer, documents, fact["document"]
        )

    def _of(
        self, at: int, fact: dict[str, Any], verdict: str, made: str, answer: str, with_document: str | None = None
    ) -> Case:
        documents = self._some(fact["document"], None, with_document)
        return self._case(f"fact-{at}-{verdict}", verdict, made, fact["question"], answer, documents, fact["document"])

    def _some(self, wanted: str | None, unwanted: str | None, other: str | None = None) -> list[tuple[str, str]]:
        """Two to four distracting documents, mostly of the same domain, and the wanted ones, in any order."""
        taken = [key for key in (wanted, other) if key]
        rest = [(key, text) for key, text in self.texts.items() if key not in (*taken, unwanted)]
        chosen = self.dice.sample(rest, min(len(rest), self.dice.randint(1, 3))) + self.dice.sample(self.strangers, 1)
        chosen += [(key, self.texts[key]) for key in taken]
        self.dice.shuffle(chosen)
        return chosen

    def _case(
        self, key: str, verdict: str, made: str, question: str, answer: str, documents: list[tuple[str, str]],
        holding: str | None,
    ) -> Case:  # fmt: skip
        here = {one for one, _ in documents}
        others = tuple((one, text) for one, text in self.texts.items() if one not in here)
        part = self.content["part"]
        name = f"{self.name}-{key}"
        return Case(name, self.name, part, verdict, made, question, answer, tuple(documents), others, holding)

    def _sentence_of(self, document: str) -> str:
        """A sentence of the document as it is, for answers of several sentences."""
        from tracekit.evals.lexical import sentences

        return self.dice.choice([one.text for one in sentences(self.texts[document]) if len(one.text) > 25])

    def _refusal(self, document: str) -> str:
        return self.dice.choice(_REFUSALS[self.languages[document]])
