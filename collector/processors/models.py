"""Names of models and answers: what one gives away about another, and what an answer's JSON text says. Pure."""

from __future__ import annotations

from typing import Any, Final

from collector.processors.providers import provider_of_prefix

#: Member names as JSON writes them, and how a value must begin.
_MODEL: Final = tuple((name, "") for name in ('"model": "', '"model":"', '"model_name": "', '"model_name":"'))
#: OpenAI's Responses (whose items have ids like Anthropic's messages, so they come first), its chats, Anthropic.
_RESPONSE_ID: Final = tuple(
    (name, prefix) for prefix in ("resp_", "chatcmpl-", "msg_") for name in ('"id":"', '"id": "')
)
_REASONING: Final = '"reasoning_tokens":'
_MAX_DIGITS: Final = 20
#: A name is never longer; what is has run into something else.
_MAX_NAME: Final = 256


def without_date(model: str) -> str:
    """The alias that a dated snapshot belongs to: ``gpt-4o-2024-08-06`` is ``gpt-4o``, others are themselves."""
    head, _, tail = model.rpartition("-")
    if len(tail) == 8 and tail.isdigit() and tail.startswith("20"):
        return head or model
    if len(tail) == 2 and tail.isdigit():
        date = model[-11:]
        if len(date) == 11 and date[0] == date[5] == date[8] == "-" and (date[1:5] + date[6:8]).isdigit():
            return model[:-11] or model
    return model


def split_provider(model: str, provider: str | None) -> tuple[str, str | None]:
    """litellm's ``openai/gpt-4o`` as name and provider, unless another provider is known to serve it."""
    prefix, slash, rest = model.partition("/")
    if not slash or not rest:
        return model, provider
    named = provider_of_prefix(prefix)
    return (rest, named) if named is not None and provider in (None, named) else (model, provider)


def model_in(answer: Any) -> str | None:
    """The model that a provider's answer names, found without parsing its JSON text.

    Safe on any text the model wrote: inside a JSON string every quote is escaped, so the pattern cannot occur there.
    """
    return _member(answer, _MODEL)


def response_id_in(answer: Any) -> str | None:
    """The id that the provider gave its answer, found likewise."""
    return _member(answer, _RESPONSE_ID)


def reasoning_tokens_in(answer: Any) -> str | None:
    """The digits of the reasoning tokens in the usage of a provider's answer, found likewise."""
    if not isinstance(answer, str):
        return None
    at = answer.find(_REASONING)
    if at < 0:
        return None
    start = at + len(_REASONING)
    digits = answer[start : start + _MAX_DIGITS].lstrip()
    return digits[: len(digits) - len(digits.lstrip("0123456789"))] or None


def _member(answer: Any, patterns: tuple[tuple[str, str], ...]) -> str | None:
    if not isinstance(answer, str):
        return None
    for name, prefix in patterns:
        at = answer.find(name + prefix)
        if at >= 0:
            start = at + len(name)
            end = answer.find('"', start, start + _MAX_NAME + 1)
            if end > start and "\\" not in (value := answer[start:end]):
                return value
    return None
