"""Two answers compared by a judge, in both orders: a judge that prefers whatever stands first decides nothing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from tracekit.evals.api import Judge, NotApplicable, Subject
from tracekit.evals.judge_prompt import DEFAULT_MAX_CHARS, check_template, prompt, texts_for, variables_of
from tracekit.evals.judge_templates import PAIRWISE, PAIRWISE_CRITERION, PAIRWISE_RUBRIC
from tracekit.evals.judges import Decision, decide

Winner = Literal["a", "b", "tie"]
_EXTRA: Final = ("first", "second")
_WINNERS: Final[dict[str, tuple[Winner, Winner]]] = {"first": ("a", "b"), "second": ("b", "a"), "tie": ("tie", "tie")}


@dataclass(frozen=True, slots=True)
class Preference:
    """``winner`` is "tie" where both orders said so, or where they disagreed: then ``agreed`` is False.

    ``explanations`` and ``decisions``: with a first, then with b first.
    """

    winner: Winner
    agreed: bool
    explanations: tuple[str, str]
    decisions: tuple[Decision, Decision]


@dataclass(frozen=True)
class Pairwise:
    """Calls the judge twice (more where its answers do not fit). ``criterion``: what better means, in a sentence or
    two. ``template`` may name {first} and {second} beside the variables of other templates."""

    judge: Judge
    criterion: str = PAIRWISE_CRITERION
    template: str = PAIRWISE
    max_chars: int = DEFAULT_MAX_CHARS
    name: str = "pairwise"
    version: str = field(default="", init=False)

    def __post_init__(self) -> None:
        if variables_of(self.criterion):
            raise ValueError("criterion: variables can only stand in a template")
        template = self.template.replace("{criterion}", self.criterion)
        check_template(template, _EXTRA)
        if not set(_EXTRA) <= set(variables_of(template)):
            raise ValueError("template: must name {first} and {second}")
        object.__setattr__(self, "template", template)
        said = ["pairwise", 1, template, self.max_chars, self.judge.model]
        object.__setattr__(self, "version", hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16])

    def __call__(self, a: Subject, b: Subject) -> Preference:
        """``a`` and ``b`` have the same input; what else the template names is taken from ``a``. Raises
        ``NotApplicable``, and what ``decide`` raises."""
        forwards, backwards = self._ask(a, a, b), self._ask(a, b, a)
        said = _WINNERS[forwards.verdict.choice.label][0], _WINNERS[backwards.verdict.choice.label][1]
        agreed = said[0] == said[1]
        explanations = forwards.verdict.explanation, backwards.verdict.explanation
        return Preference(said[0] if agreed else "tie", agreed, explanations, (forwards, backwards))

    def _ask(self, about: Subject, first: Subject, second: Subject) -> Decision:
        if first.output is None or second.output is None:
            raise NotApplicable("there are not two outputs to compare")
        named = {"first": first.output_text, "second": second.output_text}
        others = self.template.replace("{first}", "").replace("{second}", "")
        subject = replace(about, output=None)
        texts = texts_for(others, subject, ("expected", "input", "documents", "messages", "tools"))
        texts |= {name: [(f"{name.upper()} ANSWER", text)] for name, text in named.items()}
        messages = prompt(self.template, texts, PAIRWISE_RUBRIC, self.max_chars)
        return decide(self.judge, messages, PAIRWISE_RUBRIC, self.name)


def pairwise(judge: Judge, a: Subject, b: Subject, criterion: str = PAIRWISE_CRITERION) -> Preference:
    """Which of two answers is better: each order is asked once, and where the two disagree it is a tie."""
    return Pairwise(judge, criterion)(a, b)
