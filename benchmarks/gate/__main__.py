"""``python -m benchmarks.gate``: false alarms over A/A experiments, power over A/B experiments, as Markdown tables.

An experiment is decided by ``tracekit.evals.gate.decide`` itself, with its default settings.
"""

from __future__ import annotations

import argparse
import math
import random
from collections import Counter
from collections.abc import Sequence
from multiprocessing import Pool
from typing import Any, Final

from benchmarks.gate.worlds import WORLDS, sides
from tracekit.evals.gate import Settings, decide

SIZES: Final = (20, 50, 100, 200, 500)
#: what the candidate is worse by
EFFECTS: Final = (0.02, 0.05, 0.1, 0.15, 0.2)
ALPHA: Final = 0.05
_FAMILY: Final = "all four at once"
Task = tuple[str, int, float, int, int]


def one(world: str, count: int, effect: float, seed: int) -> str:
    """The gate's verdict of one synthetic experiment whose candidate is worse by ``effect``."""
    generator = random.Random(f"{world} {count} {effect} {seed}")
    names = list(WORLDS) if world == _FAMILY else [world]
    metrics = {name: WORLDS[name](generator, count, effect if name == "latency_ms" else -effect) for name in names}
    baseline, candidate = sides(metrics)
    found = decide(candidate, baseline, names, Settings(alpha=ALPHA))
    verdicts = [metric.verdict for metric in found.metrics]
    for verdict in ("worse", "better"):  # any metric that is called so is an alarm
        if verdict in verdicts:
            return verdict
    return found.verdict


def many(task: Task) -> tuple[Task, Counter[str]]:
    world, count, effect, begin, end = task
    return task, Counter(one(world, count, effect, seed) for seed in range(begin, end))


def counted(
    pool: Pool, worlds: Sequence[str], effects: Sequence[float], runs: int
) -> dict[tuple[str, int, float], Counter[str]]:
    step = 100
    tasks = [
        (world, count, effect, begin, min(begin + step, runs))
        for world in worlds
        for count in SIZES
        for effect in effects
        for begin in range(0, runs, step)
    ]
    found: dict[tuple[str, int, float], Counter[str]] = {}
    for task, counts in pool.imap_unordered(many, tasks):
        found.setdefault(task[:3], Counter()).update(counts)
    return found


def upper(alarms: int, runs: int) -> float:
    """The rate that is exceeded by chance in one of 20 such counts at most: one-sided Wilson bound, at 95 %."""
    z, share = 1.6449, alarms / runs
    middle = share + z * z / (2 * runs)
    reach = z * math.sqrt(share * (1 - share) / runs + z * z / (4 * runs * runs))
    return (middle + reach) / (1 + z * z / runs)


def false_alarms(found: dict[tuple[str, int, float], Counter[str]], worlds: Sequence[str], runs: int) -> str:
    rows = ["| A/A, of " + str(runs) + " | " + " | ".join(f"n = {count}" for count in SIZES) + " |"]
    rows.append("|---" * (len(SIZES) + 1) + "|")
    for world in worlds:
        cells = []
        for count in SIZES:
            counts = found[world, count, 0.0]
            alarms = counts["worse"] + counts["better"]
            cells.append(f"{alarms / runs:.1%} (≤ {upper(alarms, runs):.1%})")
        rows.append(f"| {world} | " + " | ".join(cells) + " |")
    alarms = sum(counts["worse"] + counts["better"] for counts in found.values())
    total = runs * len(found)
    rows.append(f"\nAltogether {alarms} of {total}: {alarms / total:.2%} (≤ {upper(alarms, total):.2%}).")
    return "\n".join(rows)


def power(found: dict[tuple[str, int, float], Counter[str]], worlds: Sequence[str], runs: int) -> str:
    rows = ["| worse by | | " + " | ".join(f"n = {count}" for count in SIZES) + " |", "|---" * (len(SIZES) + 2) + "|"]
    for world in worlds:
        for effect in EFFECTS:
            cells = (_shares(found[world, count, effect], runs) for count in SIZES)
            rows.append(f"| {world} | {effect:g} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _shares(counts: Counter[str], runs: int) -> str:
    wrong = f", better {counts['better'] / runs:.1%}" if counts["better"] else ""
    same = f", none {counts['no difference'] / runs:.0%}" if counts["no difference"] else ""
    return f"{counts['worse'] / runs:.0%}{same}{wrong}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate", description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000, help="A/A experiments of each kind and size [1000]")
    parser.add_argument(
        "--power-runs", type=int, default=100, help="A/B experiments of each kind, size and effect [100]"
    )
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    kinds = [*WORLDS, _FAMILY]
    with Pool(given.processes) as pool:
        print(false_alarms(counted(pool, kinds, (0.0,), given.runs), kinds, given.runs), flush=True)
        print()
        print(power(counted(pool, list(WORLDS), EFFECTS, given.power_runs), list(WORLDS), given.power_runs))


if __name__ == "__main__":
    main()
