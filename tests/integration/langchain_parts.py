"""LangChain applications without a network or tracing: a scripted chat model, a retriever, what is made of them."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from langchain.agents import create_agent
from langchain_core.callbacks import CallbackManagerForLLMRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnablePassthrough
from langchain_core.tools import tool

#: usage of one call: 4 of 20 tokens came from a cache, 2 of 7 are reasoning
USAGE: Any = {
    "input_tokens": 20,
    "output_tokens": 7,
    "total_tokens": 27,
    "input_token_details": {"cache_read": 4},
    "output_token_details": {"reasoning": 2},
}


class Scripted(BaseChatModel):
    """Asks for the weather of the city that the user names last, with a tool call, once it has tools; else, and with
    the tool's result, it answers. ``fails``: the calls (from 1) that raise. ``hook`` runs inside each call."""

    tools: tuple[Any, ...] = ()
    fails: tuple[int, ...] = ()
    hook: Callable[[], None] | None = None
    calls: list[int] = []  # noqa: RUF012 - pydantic copies it

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        return {"ls_provider": "openai", "ls_model_name": "gpt-4o-mini", "ls_model_type": "chat"}

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": "gpt-4o-mini", "temperature": 0.2}

    def bind_tools(self, tools: Any, **kwargs: Any) -> Runnable[Any, Any]:
        offered = [{"type": "function", "function": {"name": one.name, "parameters": one.args}} for one in tools]
        return self.model_copy(update={"tools": tuple(tools)}).bind(tools=offered)

    def _answer(self, messages: list[BaseMessage]) -> dict[str, Any]:
        self.calls.append(1)
        if self.hook is not None:
            self.hook()
        if len(self.calls) in self.fails:
            raise ConnectionError("the model is away")
        last = messages[-1]
        about = {
            "model_name": "gpt-4o-mini-2024-07-18",
            "id": f"chatcmpl-{len(self.calls)}-{zlib.crc32(last.text.encode())}",
        }
        if self.tools and not isinstance(last, ToolMessage):
            call = {"name": "weather", "args": {"city": last.text.split()[-1].strip("?")}, "id": "call_1"}
            return {"tool_calls": [call], "response_metadata": about | {"finish_reason": "tool_calls"}}
        return {"content": f"It is fine. ({last.text})", "response_metadata": about | {"finish_reason": "stop"}}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        message = AIMessage(**{"content": "", "usage_metadata": USAGE} | self._answer(messages))
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        answer = {"content": ""} | self._answer(messages)
        for word in answer["content"].split(" "):
            yield ChatGenerationChunk(message=AIMessageChunk(content=word + " ")) if word else _chunk(content="")
        for call in answer.get("tool_calls", ()):
            yield _chunk(content="", tool_call_chunks=[call | {"args": json.dumps(call["args"]), "index": 0}])
        yield _chunk(content="", response_metadata=answer["response_metadata"])
        yield _chunk(content="", usage_metadata=USAGE)


def _chunk(**fields: Any) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(**fields))


class Shelf(BaseRetriever):
    """Two documents for any question. ``hook`` runs inside."""

    hook: Callable[[], None] | None = None

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        if self.hook is not None:
            self.hook()
        return [
            Document(id="kettle", page_content="The Kettle K2 holds 1.7 litres.", metadata={"score": 0.9}),
            Document(id="tent", page_content="The tent is dry.", metadata={"score": 0.4, "shelf": "outdoor"}),
        ]


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    if city == "Atlantis":
        raise LookupError("no such city")
    return f"fine in {city}"


def rag_chain(model: Scripted | None = None, shelf: Shelf | None = None) -> Runnable[Any, Any]:
    prompt = ChatPromptTemplate.from_messages([("system", "Answer from: {context}"), ("user", "{question}")])
    inputs = {"context": (shelf or Shelf()) | _joined, "question": RunnablePassthrough()}
    return inputs | prompt | (model or Scripted()) | StrOutputParser()


def _joined(documents: list[Document]) -> str:
    return "\n".join(document.page_content for document in documents)


def agent(model: Scripted | None = None, **options: Any) -> Any:
    tools = options.pop("tools", [weather])
    return create_agent(model or Scripted(), tools, name="weather-agent", system_prompt="Be brief.", **options)


def asked(city: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": f"How is the weather in {city}?"}]}
