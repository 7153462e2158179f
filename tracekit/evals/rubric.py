"""What a judge may answer: choices with scores, the JSON Schema that forces one of them, and the strict reading of
what came back. Pure.

An answer that fits nothing raises ``Unfit``; there is no default choice and no default score.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

#: Characters of an answer that are looked at, and of an explanation that are kept.
MAX_ANSWER: Final = 65_536
MAX_EXPLANATION: Final = 4_000
_MAX_CHOICES: Final = 50
_MAX_STARTS: Final = 200
_THOUGHT: Final = re.compile(r"\s*<(think|thinking|reasoning)>.*?</\1>", re.S)


class Unfit(ValueError):
    """An answer that is none of the choices. The message says why, to people; ``told`` says so to the judge, without
    quoting its answer, into which a hostile text may have talked an instruction."""

    def __init__(self, message: str, told: str | None = None) -> None:
        super().__init__(message)
        self.told = told or message


@dataclass(frozen=True, slots=True)
class Choice:
    """``score`` None: the label alone is the statement (a category)."""

    label: str
    score: float | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Rubric:
    """The choices, the best one first by convention. Raises ``ValueError`` where they cannot be told apart."""

    choices: tuple[Choice, ...]

    def __post_init__(self) -> None:
        if not 2 <= len(self.choices) <= _MAX_CHOICES:
            raise ValueError(f"a rubric has 2 to {_MAX_CHOICES} choices, not {len(self.choices)}")
        if len({folded(choice.label) for choice in self.choices}) < len(self.choices):
            raise ValueError("two choices of a rubric have the same label")
        if not all(choice.label.strip() for choice in self.choices):
            raise ValueError("a choice of a rubric has no label")

    @property
    def labels(self) -> list[str]:
        return [choice.label for choice in self.choices]

    def schema(self, title: str) -> dict[str, Any]:
        """JSON Schema in the subset that providers can force. The explanation comes before the label, so that a model
        that writes from left to right has reasoned before it decides."""
        return {
            "title": title,
            "type": "object",
            "properties": {
                "explanation": {"type": "string", "description": "Why, in one to three sentences."},
                "label": {"type": "string", "enum": self.labels},
            },
            "required": ["explanation", "label"],
            "additionalProperties": False,
        }

    def instructions(self) -> str:
        """The choices and the form of the answer in words, for models that cannot be forced."""
        lines = [
            f"- {json.dumps(choice.label, ensure_ascii=False)}"
            + (f": {choice.description}" if choice.description else "")
            for choice in self.choices
        ]
        return "\n".join(
            (
                "Choose exactly one of these labels:",
                *lines,
                "",
                'Answer with one JSON object and nothing else: {"explanation": "...", "label": "..."}. First explain '
                "in one to three sentences, then give the label exactly as it is written above.",
            )
        )

    def read(self, text: str) -> Verdict:
        """Raises ``Unfit``."""
        found = answer_object(text)
        label, explanation = found.get("label"), found.get("explanation")
        if not isinstance(label, str):
            raise Unfit('there is no "label"' if label is None else '"label" is no text')
        choice = next((one for one in self.choices if folded(one.label) == folded(label)), None)
        if choice is None:
            among = f"is none of the labels {', '.join(map(json.dumps, self.labels))}"
            raise Unfit(f"{_short(label)} {among}", f'the "label" {among}')
        if not isinstance(explanation, str) or not explanation.strip():
            raise Unfit('there is no "explanation"')
        return Verdict(choice, explanation.strip()[:MAX_EXPLANATION])


@dataclass(frozen=True, slots=True)
class Verdict:
    """``choice`` is one of the rubric's own."""

    choice: Choice
    explanation: str


def folded(label: str) -> str:
    """Labels are the same whatever their case and the space around them."""
    return label.strip().casefold()


def rubric_of(given: Any) -> Rubric:
    """Of settings: ``[{"label": "good", "score": 1, "description": "..."}, ...]`` or ``{"good": 1, "bad": 0}``.
    Raises ``ValueError``."""
    if isinstance(given, Mapping):
        given = [{"label": label, "score": score} for label, score in given.items()]
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        raise ValueError("must be a list of choices, or a table of labels with their scores")
    return Rubric(tuple(map(_choice, given)))


def _choice(given: Any) -> Choice:
    if not isinstance(given, Mapping) or not isinstance(given.get("label"), str):
        raise ValueError(f"a choice has a label: {_short(given)}")
    label, score, description = given["label"], given.get("score"), given.get("description", "")
    if unknown := sorted(map(str, set(given) - {"label", "score", "description"})):
        raise ValueError(f"choice {label!r}: there is no {', '.join(unknown)}")
    if isinstance(score, bool) or not (score is None or (isinstance(score, int | float) and abs(score) < 1e9)):
        raise ValueError(f"choice {label!r}: its score must be a number")
    if not isinstance(description, str):
        raise ValueError(f"choice {label!r}: its description must be a text")
    return Choice(label, None if score is None else float(score), description)


def answer_object(text: str) -> dict[str, Any]:
    """The one JSON object with a label in an answer, which may be wrapped in prose or in a code fence. Raises
    ``Unfit`` where there is none, or where several disagree: nobody guesses which of them was meant."""
    if len(text) > MAX_ANSWER:
        raise Unfit(f"it is longer than {MAX_ANSWER} characters")
    if not text.strip():
        raise Unfit("it is empty")
    text = _THOUGHT.sub("", text, count=1)
    objects = list(_objects(text))
    with_label: list[dict[str, Any]] = []
    for one in objects:
        if "label" in one and one not in with_label:
            with_label.append(one)
    if len(with_label) > 1:
        raise Unfit("it holds several JSON objects that disagree")
    if not with_label:
        raise Unfit('its JSON object has no "label"' if objects else "it holds no JSON object")
    return with_label[0]


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """The outermost JSON objects of a text, in order; what is no JSON is stepped over."""
    decoder = json.JSONDecoder(object_pairs_hook=_without_doubles)
    at = text.find("{")
    for _ in range(_MAX_STARTS):
        if at < 0:
            return
        try:
            found, end = decoder.raw_decode(text, at)
            yield found
        except Unfit:
            raise
        except (ValueError, RecursionError):
            end = at + 1
        at = text.find("{", end)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs) and "label" in found:
        raise Unfit("its JSON object says the same field twice")
    return found


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:79]}…"
