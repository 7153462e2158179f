"""The phrases with which models refuse, in several languages. Pure."""

from __future__ import annotations

import re
from typing import Final

_MODEL: Final = r"(?:(?:large )?language model|ai(?: language model| assistant| model)?|virtual assistant|assistant)"
_DO: Final = (
    r"(?:help|assist|provide|answer|do|comply|fulfill?|create|generate|write|share|offer|support|discuss|engage|"
    r"complete|process|give|tell|produce|participate|continue|respond|advise)"
)
_UNABLE: Final = r"(?:can't|cannot|can not|unable|not able|won't|not allowed)"
#: every repeat is bounded, so that no text takes long
_PHRASES: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\bi(?: am|'m)? (?:really |very |truly |so )?(?:sorry|afraid)\b.{{0,60}}\b{_UNABLE}\b",
        rf"\b(?:sorry|apologies)\b.{{0,20}}\bi {_UNABLE}\b",
        rf"\bi (?:can't|cannot|can not|won't|will not|must not|mustn't|may not) {_DO}\b",
        rf"\bi(?: am|'m) (?:not able|unable|not allowed|not permitted|not in a position) to {_DO}\b",
        r"\bi (?:must|have to|need to|will have to) (?:decline|refuse)\b|\bi(?: respectfully)? (?:decline|refuse) to\b",
        rf"\bas an? {_MODEL},? i (?:can't|cannot|can not|am not|don't|do not|am unable)\b",
        r"\b(?:against|violates?) (?:my|our|the) (?:guidelines|polic(?:y|ies)|programming|(?:usage|content) polic)",
        r"\bich (?:kann|darf) .{0,40}\b(?:nicht|keine?n?)\b.{0,40}\b(?:helfen|beantworten|weiterhelfen|geben)\b",
        r"\bje ne (?:peux|puis) pas\b.{0,40}\b(?:aider|répondre|fournir|donner)\b",
        r"\bno puedo\b.{0,30}\b(?:ayudar|responder|proporcionar|ofrecer)",
        r"\bnon posso\b.{0,30}\b(?:aiutar|rispondere|fornire)",
        r"\bnão posso\b.{0,30}\b(?:ajudar|responder|fornecer)",
        r"\bik kan .{0,40}\bniet\b.{0,20}\bhelpen\b",
        r"(?:抱歉|对不起|很遗憾).{0,20}(?:无法|不能)|申し訳.{0,40}(?:できません|お答え)",
        r"(?:извините|к сожалению).{0,60}\bне могу\b|\bя не могу (?:помочь|ответить|предоставить)",
    )
)


def refusal_in(text: str) -> str | None:
    """The phrase with which the text refuses; None where it has none that is known."""
    plain = " ".join(text.casefold().replace("’", "'").split())
    return next((match.group() for match in (phrase.search(plain) for phrase in _PHRASES) if match), None)
