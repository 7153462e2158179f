"""Answers questions from the manuals with LangChain. There is no line of tracing in it:

tracekit run --project shop-langchain -m examples.langchain_rag
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnablePassthrough
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

CORPUS = Path(__file__).parent / "corpus"
QUESTIONS = [
    ("ada", "How often should I descale the kettle where the water is hard?"),
    ("ben", "What does error E03 on the electric bike mean?"),
]


class Manuals(BaseRetriever):
    """The nearest texts by cosine."""

    embeddings: OpenAIEmbeddings
    texts: list[Document]
    vectors: list[list[float]]

    def _get_relevant_documents(self, query: str, **_: Any) -> list[Document]:
        asked = self.embeddings.embed_query(query)
        scores = [sum(a * b for a, b in zip(asked, vector, strict=True)) for vector in self.vectors]
        best = sorted(range(len(scores)), key=lambda number: -scores[number])[:4]
        return [
            self.texts[number].model_copy(
                update={"metadata": self.texts[number].metadata | {"score": round(scores[number], 4)}}
            )
            for number in best
        ]


def manuals() -> list[Document]:
    texts = []
    for path in sorted(CORPUS.glob("*.txt")):
        head, _, body = path.read_text("utf-8").partition("\n\n")
        meta = dict(line.split(": ", 1) for line in head.splitlines())
        texts.append(Document(id=path.stem, page_content=f"{meta['title']}. {' '.join(body.split())}", metadata=meta))
    return texts


def numbered(documents: list[Document]) -> str:
    return "\n".join(f"[{number}] {document.page_content}" for number, document in enumerate(documents, 1))


def build() -> Runnable[str, str]:
    # The stand-in takes text and not OpenAI's token numbers.
    embeddings = OpenAIEmbeddings(model="text-embedding-3-small", dimensions=256, check_embedding_ctx_length=False)
    texts = manuals()
    vectors = embeddings.embed_documents([text.page_content for text in texts])
    retriever = Manuals(embeddings=embeddings, texts=texts, vectors=vectors)
    prompt = ChatPromptTemplate.from_messages(
        [
            ("system", "Answer from the passages, name the passage in brackets, and say so where they do not tell."),
            ("user", "Passages:\n{passages}\n\nQuestion: {question}"),
        ]
    )
    inputs: Any = {"passages": retriever | numbered, "question": RunnablePassthrough()}
    return inputs | prompt | ChatOpenAI(model="gpt-4o", temperature=0) | StrOutputParser()


def main() -> None:
    chain = build()
    for user, question in QUESTIONS:
        config: Any = {"run_name": "answer", "metadata": {"user_id": user}, "tags": ["manuals"]}
        print(f"{user}: {question}\n    {chain.invoke(question, config)}")


if __name__ == "__main__":
    main()
