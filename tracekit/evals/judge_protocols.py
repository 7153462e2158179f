"""The two protocols in which judges are asked: requests and answers as JSON values. Pure.

OpenAI's chat completions, which most servers speak, and Anthropic's messages. Servers differ in what they take; each
protocol starts with the strictest request, and ``relaxed`` says what to leave out after a refusal that names it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from tracekit.evals.api import JudgeAnswer

Messages = Sequence[Mapping[str, str]]
#: What a server turned out not to take.
Refused = frozenset[str]

#: The version of Anthropic's API that takes a temperature, and takes keys as every gateway does; and the one after it,
#: which does neither and is used where the first is refused.
ANTHROPIC_VERSION: Final = "2023-06-01"
ANTHROPIC_VERSION_NEXT: Final = "2026-10-21"
_TOOL: Final = "give_judgement"


class Unreadable(ValueError):
    """An answer with a good status that is not what the protocol says: a proxy's page, half a body."""


class CutOff(ValueError):
    """The model had used up its tokens before it had given an answer: models that reason count their thoughts."""

    def __init__(self) -> None:
        super().__init__("its answer was cut off before it was one: raise max_output_tokens")


class Dialect(Protocol):
    """One protocol. ``provider`` is its name in prices."""

    @property
    def provider(self) -> str: ...

    @property
    def path(self) -> str: ...

    def headers(self, key: str | None, refused: Refused) -> dict[str, str]: ...

    def request(
        self, model: str, messages: Messages, schema: Mapping[str, Any] | None, max_tokens: int, refused: Refused
    ) -> dict[str, Any]: ...

    def relaxed(self, detail: str, refused: Refused, schema: bool) -> Refused | None:
        """What more to leave out after a 400 that says ``detail``; None where nothing would help."""
        ...

    def answer(self, body: Any, model: str) -> JudgeAnswer:
        """Raises ``Unreadable`` and ``CutOff``."""
        ...


class OpenAI:
    """``refused`` may hold json_schema, json_object, temperature, seed, max_tokens (then max_completion_tokens is
    sent)."""

    provider: Final = "openai"
    path: Final = "/chat/completions"
    _SEED: Final = 7
    #: what a refusal's message names -> what to leave out
    _NAMED: Final = (
        ("seed", r"\bseed\b"),
        ("temperature", r"\btemperature\b"),
        ("max_tokens", r"\bmax_(completion_)?tokens\b"),
    )
    _FORMAT: Final = re.compile(r"response_format|json_schema|json_object|structured output|\bschema\b", re.I)

    def headers(self, key: str | None, refused: Refused) -> dict[str, str]:
        return {} if key is None else {"Authorization": f"Bearer {key}"}

    def request(
        self, model: str, messages: Messages, schema: Mapping[str, Any] | None, max_tokens: int, refused: Refused
    ) -> dict[str, Any]:
        body: dict[str, Any] = {"model": model, "messages": [dict(message) for message in messages]}
        if "temperature" not in refused:
            body["temperature"] = 0
        if "seed" not in refused:
            body["seed"] = self._SEED
        body["max_completion_tokens" if "max_tokens" in refused else "max_tokens"] = max_tokens
        if schema is not None and "json_schema" not in refused:
            named = {"name": _format_name(schema), "strict": True, "schema": dict(schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        elif schema is not None and "json_object" not in refused:
            body["response_format"] = {"type": "json_object"}
        return body

    def relaxed(self, detail: str, refused: Refused, schema: bool) -> Refused | None:
        for name, pattern in self._NAMED:
            if name not in refused and re.search(pattern, detail, re.I):
                return refused | {name}
        if schema and self._FORMAT.search(detail):
            return next((refused | {one} for one in ("json_schema", "json_object") if one not in refused), None)
        return None

    def answer(self, body: Any, model: str) -> JudgeAnswer:
        try:
            choice = body["choices"][0]
            message, reason = choice["message"], choice.get("finish_reason")
            content, refusal = message.get("content"), message.get("refusal")
        except (TypeError, LookupError, AttributeError):
            raise Unreadable("there is no choices[0].message in it") from None
        if isinstance(content, list):  # some servers answer in parts
            content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
        text = content if isinstance(content, str) else refusal if isinstance(refusal, str) else ""
        if reason == "length" and "}" not in text:
            raise CutOff
        usage = body.get("usage")
        counts = usage if isinstance(usage, dict) else {}
        return JudgeAnswer(
            text, _model(body, model), _count(counts.get("prompt_tokens")), _count(counts.get("completion_tokens"))
        )


class Anthropic:
    """A tool whose input is the answer is forced. ``refused`` may hold version, temperature and tool_choice."""

    provider: Final = "anthropic"
    path: Final = "/messages"

    def headers(self, key: str | None, refused: Refused) -> dict[str, str]:
        if "version" in refused:
            bearer = {} if key is None else {"Authorization": f"Bearer {key}"}
            return {"anthropic-version": ANTHROPIC_VERSION_NEXT} | bearer
        return {"anthropic-version": ANTHROPIC_VERSION} | ({} if key is None else {"x-api-key": key})

    def request(
        self, model: str, messages: Messages, schema: Mapping[str, Any] | None, max_tokens: int, refused: Refused
    ) -> dict[str, Any]:
        system = "\n\n".join(one["content"] for one in messages if one["role"] == "system")
        turns = [dict(message) for message in messages if message["role"] != "system"]
        body: dict[str, Any] = {"model": model, "max_tokens": max_tokens, "messages": turns}
        if system:
            body["system"] = system
        if "temperature" not in refused:
            body["temperature"] = 0
        if schema is not None and "tool_choice" not in refused:
            about = "Give the judgement: first the explanation, then the label."
            body["tools"] = [{"name": _TOOL, "description": about, "input_schema": dict(schema)}]
            body["tool_choice"] = {"type": "tool", "name": _TOOL, "disable_parallel_tool_use": True}
        return body

    def relaxed(self, detail: str, refused: Refused, schema: bool) -> Refused | None:
        if "version" not in refused and "anthropic-version" in detail:
            return refused | {"version", "temperature"}
        if "temperature" not in refused and re.search(r"\btemperature\b", detail, re.I):
            return refused | {"temperature"}
        if schema and "tool_choice" not in refused and re.search(r"\btool(s|_choice)?\b|input_schema", detail, re.I):
            return refused | {"tool_choice"}
        return None

    def answer(self, body: Any, model: str) -> JudgeAnswer:
        blocks = body.get("content") if isinstance(body, dict) else None
        if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
            raise Unreadable("there is no list of content blocks in it")
        inputs = [block.get("input") for block in blocks if block.get("type") == "tool_use"]
        texts = [str(block.get("text", "")) for block in blocks if block.get("type") == "text"]
        text = json.dumps(inputs[0], ensure_ascii=False) if len(inputs) == 1 else "".join(texts)
        if body.get("stop_reason") == "max_tokens" and (inputs or "}" not in text):
            raise CutOff
        usage = body.get("usage")
        counts = usage if isinstance(usage, dict) else {}
        cached = [_count(counts.get(f"cache_{what}_input_tokens")) or 0 for what in ("creation", "read")]
        given = _count(counts.get("input_tokens"))
        given = None if given is None else given + sum(cached)
        return JudgeAnswer(text, _model(body, model), given, _count(counts.get("output_tokens")))


DIALECTS: Final[Mapping[str, Dialect]] = {"openai": OpenAI(), "anthropic": Anthropic()}


def error_message(body: bytes) -> str:
    """What a provider says of a refusal: ``error.message``, wherever servers put it, else the start of the text."""
    text = body[:20_000].decode("utf-8", "replace")
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return " ".join(text.split())
    for name in ("error", "message", "detail"):
        if isinstance(value, dict) and name in value:
            value = value[name]
    if isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False)
    return " ".join(str(value).split())


def _format_name(schema: Mapping[str, Any]) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", str(schema.get("title") or "judgement"))[:64]


def _model(body: Any, asked: str) -> str:
    found = body.get("model")
    return found[:200] if isinstance(found, str) and found else asked


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
