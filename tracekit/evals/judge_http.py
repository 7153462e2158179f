"""A judge behind an HTTP address: OpenAI's protocol, which most servers speak, or Anthropic's. Standard library only.

    judge = judge_of({"provider": "openai", "model": "gpt-4o-mini", "api_key": "env:OPENAI_API_KEY"})

Keys are read from the environment at each call and are in no message, log, ``repr`` or setting.
"""

from __future__ import annotations

import email.utils
import json
import math
import os
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tracekit.evals.api import Judge, JudgeAnswer, Temporary
from tracekit.evals.judge_calls import OnCall, watched
from tracekit.evals.judge_limits import Clock, Limits, Turn
from tracekit.evals.judge_protocols import DIALECTS, CutOff, Refused, Unreadable, error_message
from tracekit.evals.judge_settings import JudgeSettings, settings_of
from tracekit.evals.judge_transport import NoReply, Reply, post

#: A server that asks to come again later than this is asked after this.
MAX_AFTER_S: Final = 3_600.0
_MAX_MESSAGE: Final = 300
#: That may pass: too slow, too soon, too many.
_PASSING: Final = frozenset((408, 409, 425, 429))
#: In which servers refuse a field of a request.
_FIELD_REFUSED: Final = frozenset((400, 404, 415, 422, 501))


class HttpJudge:
    """Called from several threads. Raises ``Temporary`` for timeouts, broken connections, answers that cannot be read,
    408, 409, 425, 429 and 5xx (``after_s`` as the server asked), and ``ValueError`` with the provider's message for
    what it refuses. What a server does not take (a schema, a seed, a temperature) is left out and remembered."""

    def __init__(
        self, settings: JudgeSettings, *, clock: Clock | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self._settings = settings
        self._dialect = DIALECTS[settings.provider]
        self._tls = tls
        self._limits = Limits(
            settings.max_concurrency,
            settings.requests_per_minute,
            settings.tokens_per_minute,
            settings.max_wait_s,
            clock,
        )
        self._lock = threading.Lock()
        self._refused: Refused = frozenset()

    @property
    def model(self) -> str:
        return self._settings.model

    @property
    def provider(self) -> str:
        """As prices know it."""
        return self._settings.price_provider or self._dialect.provider

    def __repr__(self) -> str:
        return f"HttpJudge({self._settings.provider!r}, {self._settings.base_url!r}, {self.model!r})"

    def complete(
        self, messages: Sequence[Mapping[str, str]], *, schema: Mapping[str, Any] | None = None
    ) -> JudgeAnswer:
        key = self._key()
        characters = sum(len(message["content"]) for message in messages)
        with self._limits.turn(characters, self._settings.max_output_tokens) as turn:
            answer = self._asked(messages, schema, key)
            _count_used(turn, answer)
            return answer

    def _asked(
        self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any] | None, key: str | None
    ) -> JudgeAnswer:
        refused = self._refused
        while True:
            reply = self._post(messages, schema, key, refused)
            if reply.status == 200:
                break
            detail = _without_key(error_message(reply.body), key)
            more = None
            if reply.status in _FIELD_REFUSED:
                more = self._dialect.relaxed(detail, refused, schema is not None)
            if more is None:
                raise self._fault(reply, detail)
            refused = more
        if refused != self._refused:
            with self._lock:  # remembered only once it has helped
                self._refused = self._refused | refused
        return self._read(reply)

    def _post(
        self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any] | None, key: str | None, refused: Refused
    ) -> Reply:
        chosen = self._settings
        body = self._dialect.request(chosen.model, messages, schema, chosen.max_output_tokens, refused)
        url = f"{chosen.base_url}{self._dialect.path}"
        try:
            return post(url, body, self._dialect.headers(key, refused), chosen.timeout_s, self._tls)
        except NoReply as fault:
            message = _without_key(f"judge {chosen.model}: {fault}", key)
            raise (ValueError(message) if fault.permanent else Temporary(message)) from None

    def _read(self, reply: Reply) -> JudgeAnswer:
        try:
            return self._dialect.answer(json.loads(reply.body), self.model)
        except CutOff as fault:
            raise ValueError(f"judge {self.model}: {fault}") from None
        except (Unreadable, ValueError, RecursionError) as fault:
            why = str(fault) if isinstance(fault, Unreadable) else "it is no JSON"
            raise Temporary(f"judge {self.model}: the server's answer cannot be read: {why}") from None

    def _fault(self, reply: Reply, detail: str) -> Exception:
        shown = detail if len(detail) <= _MAX_MESSAGE else f"{detail[:_MAX_MESSAGE]}…"
        message = f"judge {self.model}: status {reply.status}{': ' if shown else ''}{shown}"
        if reply.status in _PASSING or reply.status >= 500:
            return Temporary(message, after_s(reply.headers, time.time()))
        return ValueError(message)

    def _key(self) -> str | None:
        name = self._settings.api_key_variable
        if name is None:
            return None
        key = os.environ.get(name, "").strip()
        if not key:
            raise ValueError(f"judge {self.model}: the environment variable {name} is not set")
        if not key.isascii() or not key.isprintable():
            raise ValueError(f"judge {self.model}: the environment variable {name} holds no key")
        return key


def judge_of(
    settings: Mapping[str, Any],
    *,
    on_call: OnCall | None = None,
    remote: bool = False,
    clock: Clock | None = None,
    tls: ssl.SSLContext | None = None,
) -> Judge:
    """Of settings as ``judge_settings.settings_of`` reads them. ``on_call`` is told of each call.

    remote: the settings were said over the network: keys are then those of variables ``TRACEKIT_SECRET_...``.
    Raises ``FaultyJudge`` (a ``ValueError``) with everything that is wrong.
    """
    judge = HttpJudge(settings_of(settings, remote=remote), clock=clock, tls=tls)
    return judge if on_call is None else watched(judge, on_call)


def after_s(headers: Mapping[str, str], now: float) -> float:
    """Seconds until a server wants to be asked again, at most ``MAX_AFTER_S``; 0 where it does not say.

    ``retry-after-ms`` as OpenAI sends it, ``Retry-After`` in seconds or as a date (RFC 9110, 10.2.3).
    """
    for name, scale in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * scale
        except ValueError:
            continue
        if math.isfinite(seconds):
            return min(max(0.0, seconds), MAX_AFTER_S)
    try:
        when = email.utils.parsedate_to_datetime(headers.get("retry-after", "")).timestamp()
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return min(max(0.0, when - now), MAX_AFTER_S)


def _without_key(text: str, key: str | None) -> str:
    """Servers repeat what they were sent."""
    return text.replace(key, "[key]") if key else text


def _count_used(turn: Turn, answer: JudgeAnswer) -> None:
    if answer.input_tokens is not None and answer.output_tokens is not None:
        turn.used = answer.input_tokens + answer.output_tokens
