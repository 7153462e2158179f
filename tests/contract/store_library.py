"""Many different traces, the same in every run: models, users, sessions, tags, costs, errors, ties in every sort."""

from __future__ import annotations

import random
from typing import Any

from store_data import Sent, catch_up, llm, send, span_id, trace_id

from collector.annotations import Annotation, Target

TRACES = 150
PROJECTS = ["p", "shop", "Zürich"]
USERS = ["ada", "bob", None]
SESSIONS = ["s1", "s2", None]
WORDS = ["refund", "order", "Kraków", "naïve", "über", "order-7", "東京", "snake_case", "50%"]


def fill(store: Any) -> None:
    """In several batches, with late spans that repair summaries which were there already."""
    pick = random.Random(7)
    traces = [_trace(pick, number) for number in range(TRACES)]
    for first in range(0, TRACES, 30):
        send(store, *(span for trace in traces[first : first + 30] for span in trace[:-1]))
        catch_up(store)
    send(store, *(trace[-1] for trace in traces))
    catch_up(store)
    send(store, Sent(TRACES, 1, project="p"))  # stored, not yet summarised
    send(store, *(llm(number, 900, 0, at=1, tokens=(7, 7)) for number in (3, 4)))  # makes two summaries stale

    annotate(store)


def annotate(store: Any) -> None:
    """On traces, on their spans (named with and without their trace), and on what is not there."""
    pick = random.Random(11)
    said = []
    for number in range(0, TRACES + 20, 3):
        span = span_id(pick.choice([0, 1, 77]))
        target = pick.choice([Target(trace_id(number)), Target(trace_id(number), span), Target(session_id="s1")])
        score = pick.choice([None, True, 0.0, 0.5, 1])
        name, label = pick.choice(["helpful", "tone"]), pick.choice([None, "good", "bad"])
        said.append(Annotation(name, target, pick.choice(["human", "code"]), str(number), score, label))
    store.put_annotations(said).result()


def _trace(pick: random.Random, number: int) -> list[Sent]:
    project, user, session = pick.choice(PROJECTS), pick.choice(USERS), pick.choice(SESSIONS)
    at = float(pick.randrange(0, 200_000, 500))
    owner: dict[str, Any] = {"user.id": user, "session.id": session}
    if pick.random() < 0.5:
        owner["metadata"] = pick.choice(['{"tier": "gold"}', '{"tier": "free", "n": 1}', '{"tier": 3}', '{"x": [1]}'])
    if pick.random() < 0.5:
        owner["tag.tags"] = pick.choice([["tier:red"], ["tier=blue", "prod"], ["prod"]])
    root = Sent(
        number, 0, name=f"root {pick.choice(WORDS)}", at=at, lasts=pick.choice([0.5, 2, 2, 30]), project=project,
        status=pick.choice(["ok", "unset", "error"]), attributes={k: v for k, v in owner.items() if v is not None},
    )  # fmt: skip
    calls = [
        llm(
            number, 1 + part, 0, at=at + pick.choice([0, 0.25, 3000]), lasts=pick.choice([0.1, 0.2, 0.4]),
            project=project, model=pick.choice(["gpt-4o", "claude-sonnet-4-5", "mystery"]),
            tokens=pick.choice([(10, 5), (100, 50), (0, 0)]), cost=pick.choice([None, 0.0, 0.001, 0.25]),
            status=pick.choice(["ok", "error"]), text=" ".join(pick.choices(WORDS, k=2)),
        )
        for part in range(pick.choice([0, 1, 1, 2, 3]))
    ]  # fmt: skip
    return [root, *calls, Sent(number, 100, 0, name="late", at=at + 1, project=project)]
