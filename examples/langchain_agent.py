"""A customer-service agent with LangGraph, traced by the handler. A tool fails at times, and the model tries again.

python -m examples.langchain_agent
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from langchain.agents import create_agent
from langchain_core.tools import ToolException, tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import Field

import tracekit
from tracekit import trace
from tracekit.integrations.langchain import TracekitCallbackHandler

ORDERS = {
    "F-10423": {"item": "Kettle K2", "state": "sent on Monday", "tracking_number": "TR-5591"},
    "F-10777": {"item": "Tent N2", "state": "sent on Tuesday", "tracking_number": "TR-6020"},
}
#: The carrier does not answer when it is asked for a parcel for the first time.
PARCELS = {"TR-5591": {"place": "Lyon", "expected": "Thursday"}, "TR-6020": {"place": "Ghent", "expected": "Friday"}}
REQUESTS = [("ada", "Where is my order F-10423?"), ("ben", "When does order F-10777 come?")]
asked: set[str] = set()


@tool
def look_up_order(order_id: Annotated[str, Field(pattern=r"^F-\d{5}$")]) -> str:
    """What was ordered, its state and its tracking number."""
    return json.dumps({"order": order_id} | ORDERS[order_id])


@tool
def track_parcel(tracking_number: Annotated[str, Field(pattern=r"^TR-\d{4}$")]) -> str:
    """Where a parcel is now."""
    return json.dumps({"parcel": tracking_number} | ask_carrier(tracking_number))


@trace
def ask_carrier(tracking_number: str) -> dict[str, str]:
    """A span of the application's own: it hangs under the tool's."""
    if tracking_number not in asked:
        asked.add(tracking_number)
        raise ToolException('{"error": "the carrier timed out after 2 s"}')
    return PARCELS[tracking_number]


track_parcel.handle_tool_error = True


def build() -> Any:
    return create_agent(
        ChatOpenAI(model="gpt-4o-mini", stream_usage=True),
        [look_up_order, track_parcel],
        name="service-agent",
        system_prompt="You serve the customers of the shop Fernhill. Use the tools, then answer in short sentences.",
        checkpointer=InMemorySaver(),
    )


def main() -> None:
    tracekit.init(project="shop-langgraph")
    agent, handler = build(), TracekitCallbackHandler()
    for user, request in REQUESTS:
        config = {
            "callbacks": [handler],
            "configurable": {"thread_id": f"chat-{user}"},
            "metadata": {"user_id": user},
        }
        said = ""
        for message, _ in agent.stream({"messages": [("user", request)]}, config, stream_mode="messages"):
            said += message.text if message.type == "AIMessageChunk" else ""
        print(f"{user}: {request}\n    {said}")


if __name__ == "__main__":
    main()
