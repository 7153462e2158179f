"""A customer-service agent: a loop of model and tools. One of the tools fails at times, and the model tries again."""

from __future__ import annotations

import json
from typing import Any

from openai import OpenAI

import tracekit
from tracekit import trace

client = OpenAI(max_retries=0)

ORDERS = {
    "F-10423": {"item": "Kettle K2", "state": "sent on Monday", "tracking_number": "TR-5591"},
    "F-10777": {"item": "Tent N2", "state": "sent on Tuesday", "tracking_number": "TR-6020"},
    "F-10801": {"item": "Helmet K1", "state": "not packed yet"},
}
#: The carrier does not answer when it is asked for a parcel for the first time.
PARCELS = {"TR-5591": {"place": "Lyon", "expected": "Thursday"}, "TR-6020": {"place": "Ghent", "expected": "Friday"}}
RULES = [
    "You can return any product within 30 days of delivery, unused and in its packaging.",
    "The refund is paid within five working days after the return has reached the warehouse.",
    "An order that has left the warehouse cannot be cancelled any more.",
    "Delivery is free for orders above 50 euros.",
]
PRICES = {"Austria": 3.9, "Norway": 14.5, "Switzerland": 12.0}
REQUESTS = [
    ("ada", "Where is my order F-10423, and can I still return it?"),
    ("ben", "Please cancel order F-10777."),
    ("chen", "Please cancel order F-10801."),
    ("dora", "What is the price of delivery to Norway for 12.5 kg?"),
]
asked: set[str] = set()


@trace.tool
def look_up_order(order_id: str) -> dict[str, str]:
    """What was ordered, its state and its tracking number."""
    return {"order": order_id} | ORDERS[order_id]


@trace.tool
def track_parcel(tracking_number: str) -> dict[str, str]:
    """Where a parcel is now."""
    if tracking_number not in asked:
        asked.add(tracking_number)
        raise TimeoutError("the carrier timed out after 2 s")
    return {"parcel": tracking_number} | PARCELS[tracking_number]


@trace.tool
def search_rules(query: str) -> list[str]:
    """The shop's rules of return, refund and warranty."""
    wanted = {word.strip("?,.").lower() for word in query.split()}
    return sorted(RULES, key=lambda rule: -len(wanted & set(rule.lower().split())))[:2]


@trace.tool
def delivery_price(country: str, weight_kg: float) -> dict[str, Any]:
    """What it costs to deliver a parcel."""
    return {"country": country, "price_in_euros": PRICES[country] + (5 if weight_kg > 10 else 0)}


@trace.tool
def cancel_order(order_id: str) -> dict[str, str]:
    """Cancel an order that is not packed yet."""
    if ORDERS[order_id]["state"] != "not packed yet":
        raise ValueError(f"order {order_id} has left the warehouse")
    return {"order": order_id, "state": "cancelled"}


ORDER_ID = {"order_id": {"type": "string", "pattern": "^F-\\d{5}$"}}
#: tool -> its parameters as JSON schema
TOOLS = {
    look_up_order: ORDER_ID,
    track_parcel: {"tracking_number": {"type": "string", "pattern": "^TR-\\d{4}$"}},
    search_rules: {"query": {"type": "string"}},
    delivery_price: {"country": {"type": "string", "enum": list(PRICES)}, "weight_kg": {"type": "number"}},
    cancel_order: ORDER_ID,
}
SPECIFICATIONS = [
    {
        "type": "function",
        "function": {
            "name": tool.__name__,
            "description": tool.__doc__,
            "parameters": {"type": "object", "properties": parameters, "required": list(parameters)},
        },
    }
    for tool, parameters in TOOLS.items()
]


@trace.llm
def think(messages: list[dict[str, Any]], model: str, tools: list[dict[str, Any]]) -> Any:
    return client.chat.completions.create(model=model, messages=messages, tools=tools)


def use(name: str, arguments: str) -> str:
    """A tool's result as JSON, or its error: the model decides what to do about it."""
    tool = {tool.__name__: tool for tool in TOOLS}[name]
    try:
        return json.dumps(tool(**json.loads(arguments)))
    except (TimeoutError, ValueError, LookupError) as error:
        return json.dumps({"error": str(error)})


@trace.agent
def serve(request: str, max_steps: int = 6) -> str:
    task = "You serve the customers of the shop Fernhill. Use the tools, then answer in short sentences."
    messages: list[dict[str, Any]] = [{"role": "system", "content": task}, {"role": "user", "content": request}]
    for _ in range(max_steps):
        message = think(messages, model="claude-sonnet-4-5", tools=SPECIFICATIONS).choices[0].message
        if not message.tool_calls:
            return message.content
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls:
            result = use(call.function.name, call.function.arguments)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    return "I could not finish this in time."


def main() -> None:
    tracekit.init()
    with tracekit.context(project="shop-service", tags=["agent"]):
        for user, request in REQUESTS:
            with tracekit.context(user_id=user):
                print(f"{user}: {request}\n    {serve(request)}")


if __name__ == "__main__":
    main()
