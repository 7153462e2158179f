"""What the model stand-in says: pure functions from a conversation to an answer, the same one every time.

It is no language model. It answers from the text it is given, by picking the sentences that share the most (and the
rarest) words with the question, calls the tools whose arguments it finds in the conversation, and counts tokens by a
rule of thumb. That is enough for examples, demonstrations and tests to behave as they would with a real model.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections import Counter
from typing import Any

Message = dict[str, Any]

UNKNOWN = "I do not know: nothing that I was given answers this."


def bag(text: str) -> frozenset[str]:
    return frozenset(text.split())


STOP = bag(
    "a about after all also an and any are as at be been before but by can do does for from had has have how i if in is"
    " it its me my no not of on or our please should so still than that the their them then there these they this to"
    " was we what when where which who why will with would you your"
)
NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
PRAISE = bag("bright easy excellent fast good great happy light love nice perfect quick quiet recommend well")
BLAME = bag("bad break broke broken disappoint dim fail faulty hard heavy late leak loud never poor slow")
#: Tools that change something are called last, and only where the user asked for it in so many words.
ACTING = bag("add book buy cancel change create delete order refund remove send set update")


def tokens(text: str) -> int:
    """How many tokens ``text`` has by a rule of thumb: one for five letters of a word, one for any other sign."""
    return sum(-(-len(part) // 5) for part in re.findall(r"\w+|[^\w\s]", text))


def words(text: str) -> list[str]:
    """The words that carry meaning, lower case, crudely stemmed."""
    found = re.findall(r"[a-z0-9]+(?:[.,][0-9]+)*", text.lower())
    return [stem(word) for word in found if word not in STOP]


def stem(word: str) -> str:
    for ending in ("ing", "ies", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def sentences(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"(?<=[.!?])\s+|\n+", text) if part.strip()]


def text_of(message: Message) -> str:
    """A message's text, whether its content is a string or a list of parts."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))


def embed(text: str, dimensions: int) -> list[float]:
    """A unit vector: every word and every run of three letters adds to the place that its hash names."""
    vector = [0.0] * dimensions
    for word in words(text):
        padded = f"^{word}$"
        for piece, weight in [(word, 1.0), *((padded[i : i + 3], 0.3) for i in range(len(padded) - 2))]:
            code = zlib.crc32(piece.encode())
            vector[code % dimensions] += weight if code & 0x10000 else -weight
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    return [value / length for value in vector]


def answer(messages: list[Message]) -> str:
    """The assistant's next message as text."""
    asked = next((text_of(m) for m in reversed(messages) if m.get("role") == "user"), "")
    task = messages[0] if messages and messages[0].get("role") in ("system", "developer") else {}
    instructions = f"{text_of(task)}\n{asked}".lower()
    if "positive" in instructions and "negative" in instructions:
        return sentiment(asked)
    question = asked.rpartition("Question:")[2].strip() or asked
    passages = re.findall(r"^\[(\d+)\] (.+)$", "\n".join(map(text_of, messages)), re.M)
    if passages and "numbers" in instructions:
        return ", ".join(rank(question, passages))
    if any(m.get("role") == "tool" for m in messages):
        return report(question, messages)
    return from_text(question, passages or [("", text) for text in evidence(messages)], messages, instructions)


def sentiment(text: str) -> str:
    found = set(words(text))
    praise, blame = len(found & {stem(w) for w in PRAISE}), len(found & {stem(w) for w in BLAME})
    if praise and blame:
        return "mixed"
    return "negative" if blame else "positive"


def evidence(messages: list[Message]) -> list[str]:
    """What may be quoted where no passages are numbered: the system's text and what came before the question."""
    last = max((i for i, m in enumerate(messages) if m.get("role") == "user"), default=0)
    texts = [text_of(m) for m in messages[:last] if m.get("role") in ("system", "developer")]
    body, found, _ = text_of(messages[last]).rpartition("Question:") if messages else ("", "", "")
    return [*texts, body] if found else texts


def weigh(question: str, candidates: list[str], topic: str = "") -> list[float]:
    """How much of the question each candidate covers, 0 to 1; rare words weigh more, those of ``topic`` a fifth."""
    asked = dict.fromkeys(words(topic), 0.2) | dict.fromkeys(words(question), 1.0)
    found = [set(words(candidate)) for candidate in candidates]
    seen = Counter(word for candidate in found for word in candidate)
    weights = {w: part * math.log(1 + (len(found) + 1) / (seen[w] + 1)) for w, part in asked.items()}
    whole = sum(weights.values()) or 1.0
    return [sum(w for word, w in weights.items() if word in candidate) / whole for candidate in found]


def rank(question: str, passages: list[tuple[str, str]]) -> list[str]:
    """The passages' numbers, best first."""
    scores = weigh(question, [text for _, text in passages])
    return [passages[i][0] for i in sorted(range(len(passages)), key=lambda i: (-scores[i], i))]


def from_text(question: str, passages: list[tuple[str, str]], messages: list[Message], instructions: str) -> str:
    """The best sentences of ``passages`` (number, text), in their order, with the numbers they came from."""
    candidates = [(number, s) for number, text in passages for s in sentences(text)]
    if not candidates or len(words(question)) < 2:
        return small_talk(question)
    users = [text_of(m) for m in messages if m.get("role") == "user"]
    topic = users[-2] if len(users) > 1 and len(words(question)) < 5 else ""
    scores = weigh(question, [s for _, s in candidates], topic)
    best = max(scores)
    if best < 0.3:
        return UNKNOWN
    wanted = next((NUMBERS[n] for n in re.findall(r"(\w+) sentences", instructions) if n in NUMBERS), 1)
    order = sorted(range(len(candidates)), key=lambda i: -scores[i])
    chosen = sorted(i for i in order[:wanted] if scores[i] > 0)
    return " ".join(cited(*candidates[i]) for i in chosen)


def cited(number: str, sentence: str) -> str:
    return f"{sentence} [{number}]" if number else sentence


def small_talk(text: str) -> str:
    found = text.lower()
    if re.search(r"\b(thanks|thank|bye)\b", found):
        return "You are welcome. Is there anything else that I can do for you?"
    if re.search(r"\b(hello|hi|hey|good (morning|evening|day))\b", found):
        return "Hello! What can I do for you?"
    return UNKNOWN


def calls_wanted(messages: list[Message], tools: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Which of the offered tools to call now, with which arguments; empty when it is time to answer.

    A tool is called once for the same arguments, and once more where it failed with something that passes.
    """
    asked = next((text_of(m) for m in reversed(messages) if m.get("role") == "user"), "")
    last = max((i for i, m in enumerate(messages) if m.get("role") == "user"), default=0)
    known = "\n".join(text_of(m) for m in messages[last:] if m.get("role") in ("user", "tool"))
    done = attempts(messages[last:])
    reading: list[tuple[str, dict[str, Any]]] = []
    acting: list[tuple[str, dict[str, Any]]] = []
    for tool in (t["function"] for t in tools if t.get("type") == "function"):
        arguments = fill(tool, asked, known)
        if arguments is None or settled(done.get((tool["name"], encode(arguments)), [])):
            continue
        (acting if tool["name"].split("_")[0] in ACTING else reading).append((tool["name"], arguments))
    return reading or acting


def attempts(messages: list[Message]) -> dict[tuple[str, str], list[str]]:
    """(tool, arguments) -> its results so far."""
    results = {m.get("tool_call_id"): text_of(m) for m in messages if m.get("role") == "tool"}
    found: dict[tuple[str, str], list[str]] = {}
    for call in (c for m in messages for c in m.get("tool_calls") or []):
        key = (call["function"]["name"], canonical(call["function"]["arguments"]))
        found.setdefault(key, []).append(results.get(call["id"], ""))
    return found


def settled(results: list[str]) -> bool:
    passing = results and re.search(r"error.*(timed out|timeout|temporar|unavailable)", results[-1], re.I | re.S)
    return bool(results) and not (passing and len(results) < 2)


def fill(tool: dict[str, Any], asked: str, known: str) -> dict[str, Any] | None:
    """The tool's arguments as the conversation gives them; None where it does not call for the tool."""
    schema = tool.get("parameters") or {}
    arguments: dict[str, Any] = {}
    telling = False
    for name, rule in schema.get("properties", {}).items():
        value = find(rule, asked, known)
        if value is not None:
            arguments[name] = value
            telling = telling or "pattern" in rule
        elif name in schema.get("required", []):
            return None
    verb = tool["name"].split("_")[0]
    if verb in ACTING:
        return arguments if stem(verb) in words(asked) else None
    about = set(words(f"{tool['name'].replace('_', ' ')} {tool.get('description', '')}"))
    return arguments if telling or about & set(words(asked)) else None


def find(rule: dict[str, Any], asked: str, known: str) -> Any:
    """A value for one parameter by its JSON schema, or None."""
    if pattern := rule.get("pattern"):
        found = re.search(pattern.strip("^$"), known)
        return found.group(0) if found else None
    if choices := rule.get("enum"):
        return next((c for c in choices if str(c).lower() in asked.lower()), None)
    if rule.get("type") in ("number", "integer"):
        found = re.search(r"(?<![\w-])\d+(?:\.\d+)?", asked)
        return json.loads(found.group(0)) if found else None
    return asked


def encode(arguments: dict[str, Any]) -> str:
    return json.dumps(arguments, separators=(",", ":"), ensure_ascii=False)


def canonical(arguments: str) -> str:
    """As ``encode`` writes them: frameworks send arguments back in JSON of their own."""
    try:
        return encode(json.loads(arguments))
    except (ValueError, RecursionError):
        return arguments


def report(question: str, messages: list[Message]) -> str:
    """The answer after tools have run: one sentence for each tool's last result."""
    said: dict[str, str] = {}
    for (name, _), results in attempts(messages).items():
        if line := tell(name.replace("_", " "), results[-1], question):
            said[name] = line
    return " ".join(said.values()) or UNKNOWN


def tell(name: str, result: str, question: str) -> str:
    try:
        value = json.loads(result)
    except ValueError:
        value = result
    if isinstance(value, dict) and value.get("error"):
        return f"I could not {name}: {str(value['error']).rstrip('.')}."
    if isinstance(value, dict):
        facts = [f"{key.replace('_', ' ')} {item}" for key, item in value.items()]
        return f"{facts[0][:1].upper()}{facts[0][1:]}: {', '.join(facts[1:])}." if facts else ""
    text = "\n".join(map(str, value)) if isinstance(value, list) else str(value)
    found = sentences(text)
    scores = weigh(question, found)
    return found[scores.index(max(scores))] if found else ""
