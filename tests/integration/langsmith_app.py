"""An application that knows LangSmith alone: ``python langsmith_app.py MODEL_URL SCENE...``."""

from __future__ import annotations

import sys
from typing import Any

import langsmith
from langsmith import traceable
from langsmith.schemas import Attachment

QUESTION = "How long do refunds take?"


def main(url: str, *scenes: str) -> None:
    for scene in scenes:
        SCENES[scene](url)
    langsmith.Client().flush()


@traceable(run_type="retriever")
def search(query: str) -> list[dict[str, Any]]:
    return [{"page_content": "Refunds take five days.", "type": "Document", "metadata": {"source": "refunds.md"}}]


@traceable(run_type="tool")
def lookup(order: str) -> dict[str, str]:
    raise KeyError(order)


@traceable(run_type="llm", metadata={"ls_provider": "openai", "ls_model_name": "gpt-4o-mini"})
def model(messages: list[dict[str, str]]) -> dict[str, Any]:
    usage = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15, "input_token_details": {"cache_read": 3}}
    return {"role": "assistant", "content": "Five days.", "usage_metadata": usage}


@traceable(name="ask", tags=["gold"], metadata={"user_id": "ada", "session_id": "s1", "plan": "pro"})
def ask(question: str, note: Attachment) -> str:
    search(question)
    try:
        lookup("K-7")
    except KeyError:
        pass
    return str(model([{"role": "user", "content": question}])["content"])


def tree(_: str) -> None:
    ask(QUESTION, Attachment("text/plain", b"a note"))


def wrapped(url: str) -> None:
    import openai
    from langsmith.wrappers import wrap_openai

    client = wrap_openai(openai.OpenAI(base_url=url, api_key="k"))
    messages: Any = [{"role": "system", "content": "Be short."}, {"role": "user", "content": QUESTION}]

    @traceable(name="wrapped")
    def wrapped_calls() -> None:
        client.chat.completions.create(model="gpt-4o-mini", messages=messages, temperature=0.2)
        options: Any = {"stream": True, "stream_options": {"include_usage": True}}
        list(client.chat.completions.create(model="gpt-4o-mini", messages=messages, **options))

    wrapped_calls()


def chain(url: str) -> None:
    from langchain_core.documents import Document
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_core.retrievers import BaseRetriever
    from langchain_core.runnables import RunnablePassthrough

    class Shelf(BaseRetriever):
        def _get_relevant_documents(self, query: str, **_: Any) -> list[Document]:
            return [Document("Refunds take five days.", id="refunds", metadata={"score": 0.9})]

    prompt = ChatPromptTemplate([("system", "Answer from: {context}"), ("human", "{question}")])
    steps: Any = {"context": Shelf(), "question": RunnablePassthrough()}
    sequence = (steps | prompt | _chat(url) | StrOutputParser()).with_config(run_name="rag")
    sequence.invoke(QUESTION, config={"metadata": {"thread_id": "t1"}})


def order_status(order: str) -> str:
    """The status of an order."""
    return f"{order} was sent on Monday"


def agent(_: str) -> None:
    from langchain.agents import create_agent
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage

    class Scripted(GenericFakeChatModel):
        def bind_tools(self, tools: Any, **_: Any) -> Any:
            return self

    def said(text: str, tokens: int, *calls: Any) -> AIMessage:
        usage: Any = {"input_tokens": tokens, "output_tokens": 5, "total_tokens": tokens + 5}
        return AIMessage(text, tool_calls=list(calls), usage_metadata=usage)

    call = {"name": "order_status", "args": {"order": "K-1001"}, "id": "call_1"}
    model = Scripted(messages=iter([said("", 10, call), said("It was sent on Monday.", 30)]))
    graph = create_agent(model, [order_status], system_prompt="Be brief.", name="desk")
    graph.invoke({"messages": [{"role": "user", "content": "What is the status of order K-1001?"}]})


def _chat(url: str) -> Any:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model="gpt-4o-mini", base_url=url, api_key="k")  # type: ignore[arg-type]


SCENES = {"tree": tree, "wrapped": wrapped, "chain": chain, "agent": agent}

if __name__ == "__main__":
    main(*sys.argv[1:])
