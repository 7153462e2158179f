"""Traces to look at: a shop's assistant with its failures, an agent, and what is rare or hostile."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator

from otlp_traces import Trace, answered, asked, called, documents, embedded, kind, tokens

MS = 10**6
SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

#: Numbers of the traces that tests ask for by name.
AGENT, UNPRICED, EMBEDDINGS, GENAI, HOSTILE_TRACE, BIG, UNFINISHED, FAILED, RAG = range(1, 10)

HOSTILE = "<script>window.pwned=1</script><img src=x onerror='window.pwned=1'>{{7*7}}\" onmouseover=\"window.pwned=1"
QUESTIONS = (
    (
        "How long is the warranty on the Kettle K2?",
        "The Kettle K2 has a two-year warranty that covers faults in material and manufacture. "
        "Damage from limescale is not covered.",
    ),
    (
        "Can I return an opened coffee grinder?",
        "Yes. An opened grinder can be returned within 30 days, as long as all parts are in the box.",
    ),
    (
        "Which toaster fits four slices of sourdough?",
        "The Toaster T4 Wide has two long slots that fit four slices of sourdough.",
    ),
    (
        "Do you ship to Switzerland?",
        "We ship to Switzerland within five working days. Duties are paid at the door.",
    ),
    (
        "My order 8841 says delivered but it is not here",
        "I am sorry about that. The carrier left it with your neighbour at number 12 on Tuesday at 14:10.",
    ),
    (
        "Is the Blender B1 dishwasher safe?",
        "The jug and the lid of the Blender B1 are dishwasher safe; the motor base is not.",
    ),
    (
        "What is the difference between the K2 and the K3?",
        "The K3 heats to a chosen temperature between 60 and 100 °C and keeps it for 30 minutes. The K2 only boils.",
    ),
    (
        "Wie entkalke ich den Wasserkocher?",
        "Mit zwei Esslöffeln Zitronensäure auf einen Liter kaltes Wasser; 30 Minuten einwirken lassen, nicht kochen.",
    ),
)
USERS = ("ada", "bob", "chiara", "dmitri", "emeka", "fatima")
PASSAGES = [
    "Every Kettle K2 comes with a two-year warranty. It covers faults in material and manufacture "
    "from the day of purchase.",
    "Damage caused by limescale, by dropping the appliance or by use in a business is not covered by the warranty.",
    "Keep the receipt: the warranty begins on the day that is printed on it, not on the day of delivery.",
    "The Kettle K2 boils 1.7 litres in four minutes and switches itself off.",
]
INSTRUCTION = "You answer customers of a kitchen shop from the context only. Say so where it does not hold the answer."
TEMPLATE = "Context:\n\n{context}\n\nQuestion: {question}"
HTTPX = "opentelemetry.instrumentation.httpx"
PSYCOPG = "opentelemetry.instrumentation.psycopg"
LIMIT = ("RateLimitError", "Rate limit reached for gpt-4o-mini: 10,000 tokens per minute")


def vector(seed: int, dimensions: int = 384) -> list[float]:
    dice = random.Random(seed)
    return [round(dice.gauss(0, 0.05) + 0.03 * math.sin(i / 9), 5) for i in range(dimensions)]


def rag(number: int, start_ns: int, *, failed: bool = False, model: str = "gpt-4o-mini", pace: float = 1.0) -> Trace:
    """A question answered from retrieved documents: embed, search, answer (streamed), check."""
    question, answer = QUESTIONS[number % len(QUESTIONS)]
    trace = Trace(number, start_ns)

    def ms(milliseconds: float) -> int:
        return int(milliseconds * pace * MS)

    whole = kind(
        "CHAIN",
        input=question,
        user=USERS[number * 7 % len(USERS)],
        session=f"s-{number % 37:03x}",
        metadata={"release": "2.4.1", "channel": "web"},
        tags=["support", "web"],
    )
    if not failed:
        whole["output.value"] = answer
    root = trace.span("answer_question", b"", 0, ms(300 if failed else 1240), whole, error=LIMIT if failed else None)
    retriever = kind("RETRIEVER", input=question) | documents(PASSAGES)
    found = trace.span("retrieve", root, ms(6), ms(180), retriever)
    embedding = kind("EMBEDDING") | embedded([question], [vector(number)]) | tokens(12, 0)
    trace.span("embed_query", found, ms(9), ms(72), embedding)
    post = {"http.request.method": "POST", "url.full": "http://models.internal/v1/embeddings"}
    trace.span("POST /v1/embeddings", found, ms(11), ms(68), post, scope=HTTPX)
    statement = "SELECT id, text FROM chunks ORDER BY embedding <=> %s LIMIT 4"
    trace.span("SELECT chunks", found, ms(88), ms(90), {"db.statement": statement}, scope=PSYCOPG)
    _answer(trace, root, question, None if failed else answer, model, ms(192), ms(44 if failed else 1010), ms(310))
    if not failed:
        grounded = kind("GUARDRAIL", input=answer, output={"grounded": True, "score": 0.97})
        trace.span("check_answer", root, ms(1214), ms(20), grounded)
    return trace


def _answer(
    trace: Trace, root: bytes, question: str, answer: str | None, model: str, start: int, length: int, first: int
) -> None:
    context = "\n\n".join(PASSAGES[:2])
    call = kind("LLM", model=model, provider="anthropic" if "claude" in model else "openai")
    call |= asked(("system", INSTRUCTION), ("user", TEMPLATE.format(context=context, question=question)))
    call["llm.invocation_parameters"] = json.dumps({"model": model, "temperature": 0.2, "max_tokens": 400})
    call["llm.prompt_template.template"] = TEMPLATE
    call["llm.prompt_template.version"] = "v7"
    name = f"chat {model}"
    if answer is None:
        trace.span(name, root, start, length, call, error=LIMIT)
        return
    used = tokens(412 + trace.number % 90, 64 + trace.number % 40, prompt_details__cache_read=256)
    trace.span(name, root, start, length, call | answered(answer) | used, first_token=first)


def agent(number: int, start_ns: int) -> Trace:
    """An agent that looks things up, fails once, and answers."""
    trace = Trace(number, start_ns)
    question = "Where is my order 8841, and can you send me a replacement?"
    answer = (
        "Your order 8841 was left with a neighbour (number 12). I have ordered a replacement that leaves tomorrow; "
        "you need not send the first one back."
    )
    whole = kind("AGENT", input=question, output=answer, session="s-01f", user="dmitri")
    root = trace.span("support_agent", b"", 0, 6_420 * MS, whole)
    said = [("system", "You are a support agent with tools. Be brief."), ("user", question)]
    order = {"status": "delivered", "carrier": "DHL", "left_with": "neighbour, no. 12"}
    replace = {"order": 8841, "reason": "not received"}
    steps = (
        ("find_order", {"order": 8841, "fields": ["status", "carrier", "left_with"]}, order),
        ("create_replacement", replace, None),
        ("create_replacement", {**replace, "express": True}, {"replacement": 8877, "leaves": "2026-03-13"}),
    )
    model = kind("LLM", model="claude-sonnet-4-5", provider="anthropic")
    at = 10 * MS
    for step, (tool, arguments, result) in enumerate(steps):
        turn = trace.span(f"step {step + 1}", root, at, 1_900 * MS, kind("CHAIN"))
        call = model | asked(*said) | called(f"call_{step}", tool, arguments)
        used = tokens(820 + 140 * step, 58, completion_details__reasoning=24)
        trace.span("chat claude-sonnet-4-5", turn, at + 5 * MS, 880 * MS, call | used)
        run = kind("TOOL", input=arguments) | {"tool.name": tool, "tool.description": f"Shop API: {tool}"}
        fault = ("TimeoutError", "warehouse did not answer within 2 s") if result is None else None
        if result is not None:
            run |= {"output.value": json.dumps(result), "output.mime_type": "application/json"}
        trace.span(tool, turn, at + 900 * MS, 980 * MS, run, error=fault)
        trace.span("POST /shop", turn, at + 910 * MS, 960 * MS, {"http.request.method": "POST"}, scope=HTTPX)
        said.append(("tool", json.dumps(result or {"error": "warehouse did not answer"})))
        at += 1_910 * MS
    last = model | asked(*said) | answered(answer) | tokens(1_310, 71)
    trace.span("chat claude-sonnet-4-5", root, at, 670 * MS, last)
    return trace


def unpriced(number: int, start_ns: int) -> Trace:
    trace = Trace(number, start_ns, "lab")
    chat = asked(("user", "Translate to Basque: good morning")) | answered("egun on") | tokens(18, 4)
    trace.span("chat in-house-7b", b"", 0, 2_310 * MS, kind("LLM", model="in-house-7b", user="bob") | chat)
    return trace


def embeddings(number: int, start_ns: int) -> Trace:
    trace = Trace(number, start_ns, "lab")
    vectors = [vector(seed) for seed in range(len(PASSAGES))]
    made = kind("EMBEDDING") | embedded(PASSAGES, vectors) | tokens(96, 0)
    trace.span("embed 4 documents", b"", 0, 140 * MS, made)
    return trace


def genai(number: int, start_ns: int) -> Trace:
    """OpenTelemetry's own convention, with an image and a tool call."""
    trace = Trace(number, start_ns, "lab")
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    image = {"type": "blob", "modality": "image", "mime_type": "image/png", "content": pixel}
    question = [{"role": "user", "parts": [{"type": "text", "content": "What colour is this?"}, image]}]
    call = {"type": "tool_call", "id": "c1", "name": "pick_colour", "arguments": {"x": 0, "y": 0}}
    answer = [{"role": "assistant", "parts": [call], "finish_reason": "tool_call"}]
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.usage.input_tokens": 270,
        "gen_ai.usage.output_tokens": 19,
        "gen_ai.input.messages": json.dumps(question),
        "gen_ai.output.messages": json.dumps(answer),
        "gen_ai.response.finish_reasons": ["tool_calls"],
        "gen_ai.request.temperature": 0.0,
    }
    trace.span("chat gpt-4o", b"", 0, 1_020 * MS, attributes)
    return trace


def hostile(number: int, start_ns: int) -> Trace:
    """Markup in every field that a sender can fill."""
    bad = HOSTILE
    trace = Trace(number, start_ns, "hostile " + bad)
    whole = kind("CHAIN", input=bad, output=bad, user=bad, session=bad, tags=[bad], metadata={bad: bad}) | {bad: bad}
    root = trace.span(bad, b"", 0, 900 * MS, whole, error=(bad, bad))
    chat = kind("LLM", model=bad, provider=bad) | asked(("system", bad), ("user", bad)) | answered(bad)
    prompt = {"llm.prompt_template.template": bad, "llm.invocation_parameters": json.dumps({bad: bad})}
    trace.span(bad, root, 5 * MS, 300 * MS, chat | called(bad, bad, {bad: bad}) | prompt)
    found = documents([bad]) | {"retrieval.documents.0.document.id": bad}
    found["retrieval.documents.0.document.metadata"] = json.dumps({bad: bad})
    trace.span(bad, root, 310 * MS, 100 * MS, kind("RETRIEVER") | found)
    tool = {"tool.name": bad, "tool.description": bad}
    trace.span(bad, root, 420 * MS, 100 * MS, kind("TOOL", input=bad, output=bad) | tool)
    trace.span(bad, root, 530 * MS, 50 * MS, kind("EMBEDDING") | embedded([bad], [], bad))
    return trace


def big(number: int, start_ns: int, spans: int = 5_000) -> Trace:
    """A long agent run: steps of model calls and tools, some of them failing, up to four levels deep."""
    trace = Trace(number, start_ns, "batch")
    dice = random.Random(number)
    question = "Reconcile every order of February with the warehouse"
    answer = "4,912 of 4,988 orders agree; 76 need a person."
    whole = kind("AGENT", input=question, output=answer, user="night-job")
    root = trace.span("reconcile_orders", b"", 0, 600 * SECOND, whole)
    model = kind("LLM", model="gpt-4o-mini", provider="openai")
    work = (("chat gpt-4o-mini", "LLM"), ("find_order", "TOOL"), ("search_notes", "RETRIEVER"))
    at = 0
    while trace.count < spans:
        length = dice.randint(400, 1_500) * MS
        step = trace.span(f"order {8_000 + trace.count}", root, at, length, kind("CHAIN"))
        for place in range(dice.randint(2, 9)):
            if trace.count == spans:
                break
            begin, share = at + place * length // 10, length // 10
            name, what = dice.choice(work)
            fault = ("TimeoutError", "no answer") if dice.random() < 0.01 else None
            called_model = model | tokens(dice.randint(200, 900), dice.randint(10, 90))
            made = trace.span(name, step, begin, share, called_model if what == "LLM" else kind(what), error=fault)
            if what == "TOOL" and trace.count < spans:
                trace.span("GET /warehouse", made, begin, share, {"http.request.method": "GET"}, scope=HTTPX)
        at = min(at + length * 6 // 10, 598 * SECOND)
    return trace


def unfinished(number: int, start_ns: int) -> Trace:
    """Its root is still running: two children have arrived."""
    trace = Trace(number, start_ns)
    missing = bytes(7) + b"\x01"
    retriever = kind("RETRIEVER", input="Is it still under way?") | documents(PASSAGES[:1])
    trace.span("retrieve", missing, 0, 180 * MS, retriever)
    chat = asked(("user", "Is it still under way?")) | answered("Yes.") | tokens(40, 3)
    model = kind("LLM", model="gpt-4o-mini", provider="openai")
    trace.span("chat gpt-4o-mini", missing, 200 * MS, 700 * MS, model | chat)
    return trace


def named(now_ns: int) -> list[Trace]:
    """The traces with a number of their own, hostile and unfinished ones apart."""
    return [
        rag(RAG, now_ns - 2 * MINUTE),
        rag(FAILED, now_ns - 3 * MINUTE, failed=True),
        agent(AGENT, now_ns - 4 * MINUTE),
        unpriced(UNPRICED, now_ns - 6 * MINUTE),
        embeddings(EMBEDDINGS, now_ns - 8 * MINUTE),
        genai(GENAI, now_ns - 9 * MINUTE),
        big(BIG, now_ns - 20 * MINUTE),
    ]


def crowd(now_ns: int, count: int = 160) -> Iterator[Trace]:
    """Ordinary traffic over the last day, more of it of late, one in fourteen failing."""
    dice = random.Random(4)
    models = ("gpt-4o-mini", "gpt-4o-mini", "gpt-4o", "claude-haiku-4-5")
    for number in range(count):
        after = int((1 - number / count) ** 1.6 * 23.5 * HOUR) + 12 * MINUTE + dice.randint(0, 25 * MINUTE)
        pace = dice.uniform(0.6, 2.2) ** 1.5
        failed = number % 14 == 9
        yield rag(1_000 + number, now_ns - after, failed=failed, model=models[number % 4], pace=pace)
