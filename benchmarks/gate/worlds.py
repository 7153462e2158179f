"""Synthetic experiments: examples of different difficulty, answered by a baseline and a candidate."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from tracekit.evals.gate import FAILED, Side

#: (of a random generator, number of examples, what the candidate is better by) scores of both sides
World = Callable[[random.Random, int, float], tuple[list[float], list[float]]]


def binary(generator: random.Random, count: int, effect: float) -> tuple[list[float], list[float]]:
    """Right or wrong. An example's chance is between 0.4 and 1, the candidate's larger by ``effect`` at most to 1."""
    old, new = [], []
    for _ in range(count):
        chance = generator.uniform(0.4, 1.0)
        old.append(float(generator.random() < chance))
        new.append(float(generator.random() < min(1.0, max(0.0, chance + effect))))
    return old, new


def graded(generator: random.Random, count: int, effect: float) -> tuple[list[float], list[float]]:
    """Scores from 0 to 1 with noise of 0.15 around an example's own level."""
    old, new = [], []
    for _ in range(count):
        level = generator.betavariate(4, 2)
        old.append(min(1.0, max(0.0, generator.gauss(level, 0.15))))
        new.append(min(1.0, max(0.0, generator.gauss(level + effect, 0.15))))
    return old, new


def grades(generator: random.Random, count: int, effect: float) -> tuple[list[float], list[float]]:
    """A judge's five grades: most pairs are ties."""
    old, new = graded(generator, count, effect)
    return [round(value * 4) / 4 for value in old], [round(value * 4) / 4 for value in new]


def latency(generator: random.Random, count: int, effect: float) -> tuple[list[float], list[float]]:
    """Milliseconds, log-normal: a long tail. ``effect`` is the share that the candidate takes longer."""
    old, new = [], []
    for _ in range(count):
        level = generator.lognormvariate(6, 0.5)
        old.append(level * generator.lognormvariate(0, 0.4))
        new.append(level * generator.lognormvariate(0, 0.4) * (1 + effect))
    return old, new


WORLDS: Final[dict[str, World]] = {"binary": binary, "graded": graded, "grades": grades, "latency_ms": latency}


def sides(metrics: dict[str, tuple[list[float], list[float]]]) -> tuple[Side, Side]:
    """Baseline and candidate as the gate takes them."""
    count = len(next(iter(metrics.values()))[0])
    ids = [f"{at:05}" for at in range(count)]
    found = []
    for which in (0, 1):
        scores = {
            name: {one: [value] for one, value in zip(ids, pair[which], strict=True)} for name, pair in metrics.items()
        }
        found.append(Side({**scores, FAILED: {one: [0.0] for one in ids}}))
    return found[0], found[1]
