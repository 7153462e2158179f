"""An application that knows nothing of tracing: a chain, a chain with a retriever, and an agent that uses a tool."""

from __future__ import annotations

from typing import Any

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_parts import Scripted, agent, asked, rag_chain


def main(**options: Any) -> str:
    """Run them all; what they said."""
    config: Any = {"metadata": {"user_id": "ada", "session_id": "s-1"}, "tags": ["beta"], **options}
    simple = ChatPromptTemplate.from_template("Say {word}.") | Scripted() | StrOutputParser()
    said = [
        simple.invoke({"word": "hello"}, {**config, "run_name": "simple"}),
        rag_chain().invoke("What holds water?", {**config, "run_name": "rag"}),
        agent().invoke(asked("Lyon"), config)["messages"][-1].content,
        agent().invoke(asked("Ghent"), {**config, "run_name": "renamed"})["messages"][-1].content,
    ]
    return "\n".join(said)


if __name__ == "__main__":
    print(main())
